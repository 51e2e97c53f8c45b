#include "wire/utf8.h"

#include "base/err.h"

#define HIGH_BITS 0x8080808080808080u

/* A cut character: how many bytes it misses, and between which bounds the
 * next one must lie. Only the second byte of a character has narrow bounds:
 * they keep out overlong forms, surrogates and what is above U+10FFFF. */
#define STATE(miss, lo, hi) ((uint32_t)(miss) | (uint32_t)(lo) << 8 | (uint32_t)(hi) << 16)

/* The state after a first byte: 0 for ASCII, NOTHING (no byte can follow) when no
 * character begins so. */
#define NOTHING STATE(1, 0xff, 0)

static uint32_t begin(uint8_t c) {
  if (c < 0x80) return 0;
  if (c < 0xc2) return NOTHING;
  if (c < 0xe0) return STATE(1, 0x80, 0xbf);
  if (c == 0xe0) return STATE(2, 0xa0, 0xbf);
  if (c == 0xed) return STATE(2, 0x80, 0x9f);
  if (c < 0xf0) return STATE(2, 0x80, 0xbf);
  if (c == 0xf0) return STATE(3, 0x90, 0xbf);
  if (c < 0xf4) return STATE(3, 0x80, 0xbf);
  if (c == 0xf4) return STATE(3, 0x80, 0x8f);
  return NOTHING;
}

static int tail(uint8_t c) { return (c & 0xc0) == 0x80; }

/* The length of the whole valid character at p, which is not ASCII; 0 when
 * there is none. */
static size_t character(const uint8_t *p, size_t n) {
  uint8_t c = p[0];
  if (c < 0xc2 || n < 2) return 0;
  if (c < 0xe0) return tail(p[1]) ? 2 : 0;
  if (n < 3) return 0;
  if (c < 0xf0) {
    if (!tail(p[1]) || !tail(p[2])) return 0;
    return (c == 0xe0 && p[1] < 0xa0) || (c == 0xed && p[1] > 0x9f) ? 0 : 3;
  }
  if (n < 4 || c > 0xf4 || !tail(p[1]) || !tail(p[2]) || !tail(p[3])) return 0;
  return (c == 0xf0 && p[1] < 0x90) || (c == 0xf4 && p[1] > 0x8f) ? 0 : 4;
}

static uint64_t load(const uint8_t *p) {
  uint64_t v;
  memcpy(&v, p, sizeof v);
  return v;
}

/* How many bytes from p on are ASCII. */
static size_t ascii(const uint8_t *p, size_t n) {
  size_t i = 0;
  for (; n - i >= 32; i += 32) {
    if ((load(p + i) | load(p + i + 8) | load(p + i + 16) | load(p + i + 24)) & HIGH_BITS) break;
  }
  for (; n - i >= 8; i += 8) {
    if (load(p + i) & HIGH_BITS) break;
  }
  while (i < n && p[i] < 0x80) i++;
  return i;
}

/* How many bytes from p on are whole valid characters. */
static size_t whole(const uint8_t *p, size_t n) {
  size_t i = 0;
  while (i < n) {
    size_t k = p[i] < 0x80 ? ascii(p + i, n - i) : character(p + i, n - i);
    if (k == 0) break;
    i += k;
  }
  return i;
}

int pml_utf8_feed(pml_utf8 *u, const uint8_t *p, size_t n) {
  uint32_t s = u->state;
  size_t i = 0;
  while (i < n) {
    if (s == 0) {
      i += whole(p + i, n - i);
      if (i == n) break;
      s = begin(p[i++]);
      if (s == NOTHING) return PML_EPROTO;
    } else {
      uint8_t c = p[i++];
      if (c < (s >> 8 & 0xff) || c > (s >> 16 & 0xff)) return PML_EPROTO;
      uint32_t miss = (s & 0xff) - 1;
      s = miss ? STATE(miss, 0x80, 0xbf) : 0;
    }
  }
  u->state = s;
  return 0;
}

int pml_utf8_partial(const pml_utf8 *u) { return u->state != 0; }

int pml_utf8_valid(const uint8_t *p, size_t n) { return whole(p, n) == n; }

/* Whether a pair of surrogates, each as a 3-byte sequence, stands at p. */
static int pair(const uint8_t *p, size_t n) {
  return n >= 6 && p[0] == 0xed && p[1] >= 0xa0 && p[1] <= 0xaf && tail(p[2]) && p[3] == 0xed &&
         p[4] >= 0xb0 && p[4] <= 0xbf && tail(p[5]);
}

int pml_cesu8_check(const uint8_t *p, size_t n) {
  int pairs = 0;
  size_t i = 0;
  while (i < n) {
    i += whole(p + i, n - i);
    if (i == n) break;
    if (!pair(p + i, n - i)) return PML_EPROTO;
    pairs = 1;
    i += 6;
  }
  return pairs;
}

/* The length of the ill-formed part at p, which is no whole character and no pair. */
static size_t ill_formed(const uint8_t *p, size_t n) {
  if (n >= 3 && p[0] == 0xed && p[1] >= 0xa0 && tail(p[1]) && tail(p[2])) return 3;
  uint32_t s = begin(p[0]);
  size_t i = 1;
  if (s == NOTHING) return i;
  while (i < n && p[i] >= (s >> 8 & 0xff) && p[i] <= (s >> 16 & 0xff)) {
    s = STATE((s & 0xff) - 1, 0x80, 0xbf);
    i++;
  }
  return i;
}

static void write_pair(pml_writer *w, const uint8_t *p) {
  uint32_t high = (uint32_t)(p[1] & 0x0f) << 6 | (p[2] & 0x3fu);
  uint32_t low = (uint32_t)(p[4] & 0x0f) << 6 | (p[5] & 0x3fu);
  uint32_t c = 0x10000 + (high << 10 | low);
  uint8_t *out = pml_writer_more(w, 4);
  out[0] = (uint8_t)(0xf0 | c >> 18);
  out[1] = (uint8_t)(0x80 | (c >> 12 & 0x3f));
  out[2] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
  out[3] = (uint8_t)(0x80 | (c & 0x3f));
}

void pml_utf8_mend(pml_writer *w, const uint8_t *p, size_t n) {
  while (n) {
    size_t k = whole(p, n);
    if (k) {
      pml_writer_put(w, p, k);
    } else if (pair(p, n)) {
      write_pair(w, p);
      k = 6;
    } else {
      pml_writer_put(w, "\xef\xbf\xbd", 3);
      k = ill_formed(p, n);
    }
    p += k;
    n -= k;
  }
}
