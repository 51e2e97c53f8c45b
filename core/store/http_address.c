#include "store/http_address.h"

typedef struct {
  uint8_t at[4];
  uint8_t bits;
} net4;

static const net4 special[] = {
  {{0, 0, 0, 0}, 8},      /* this network; 0.0.0.0 is this machine on Linux */
  {{10, 0, 0, 0}, 8},     /* private */
  {{100, 64, 0, 0}, 10},  /* shared by a provider's customers; some clouds' metadata */
  {{127, 0, 0, 0}, 8},    /* loopback */
  {{169, 254, 0, 0}, 16}, /* link-local; most clouds' metadata */
  {{172, 16, 0, 0}, 12},  /* private */
  {{192, 0, 0, 0}, 24},   /* protocols of IETF; one cloud's metadata */
  {{192, 0, 2, 0}, 24},   /* examples */
  {{192, 168, 0, 0}, 16}, /* private */
  {{198, 18, 0, 0}, 15},  /* benchmarks */
  {{198, 51, 100, 0}, 24}, {{203, 0, 113, 0}, 24}, /* examples */
  {{224, 0, 0, 0}, 3},                             /* multicast, reserved, broadcast */
};

static int is_private4(const uint8_t *b) {
  uint32_t a = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
  for (size_t i = 0; i < sizeof special / sizeof *special; i++) {
    const uint8_t *n = special[i].at;
    uint32_t net = (uint32_t)n[0] << 24 | (uint32_t)n[1] << 16 | (uint32_t)n[2] << 8 | n[3];
    if ((a ^ net) >> (32 - special[i].bits) == 0) return 1;
  }
  return 0;
}

static int begins(const pml_address *a, const void *with, size_t n) {
  return memcmp(a->b, with, n) == 0;
}

int pml_http_is_private(const pml_address *a) {
  static const uint8_t nat64[12] = {0, 0x64, 0xff, 0x9b};
  if (pml_address_is_four(a)) return is_private4(a->b + 12);
  if (begins(a, nat64, sizeof nat64)) return is_private4(a->b + 12);
  if (a->b[0] >> 5 != 1) return 1;                /* outside of 2000::/3 */
  if (begins(a, "\x20\x02", 2)) return 1;         /* 6to4 */
  if (begins(a, "\x20\x01\x0d\xb8", 4)) return 1; /* examples */
  if (begins(a, "\x20\x01", 2) && (a->b[2] & 0xfe) == 0)
    return 1; /* 2001::/23: Teredo, ORCHID, … */
  return 0;
}
