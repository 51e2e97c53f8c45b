#include "wire/tls_hello.h"

#include "base/err.h"

#define MESSAGE_HEAD 4u /* of a handshake message: type and length */
#define LOOKED_AT (PML_TLS_RECORD_HEAD + MESSAGE_HEAD)
#define CLIENT_HELLO 1

static uint32_t content_of(const uint8_t *p) { return (uint32_t)(p[3] << 8 | p[4]); }

/* Whether n bytes may be the beginning of a ClientHello's record. */
static int plausible(const uint8_t *p, size_t n) {
  if (p[0] != PML_TLS_FIRST) return 0;
  if (n > 1 && p[1] != 3) return 0;
  if (n >= PML_TLS_RECORD_HEAD) {
    uint32_t content = content_of(p);
    if (content < MESSAGE_HEAD || content > PML_TLS_HELLO_CONTENT) return 0;
  }
  if (n > PML_TLS_RECORD_HEAD && p[PML_TLS_RECORD_HEAD] != CLIENT_HELLO) return 0;
  if (n < LOOKED_AT) return 1;
  const uint8_t *m = p + PML_TLS_RECORD_HEAD + 1;
  uint32_t message = (uint32_t)m[0] << 16 | (uint32_t)m[1] << 8 | m[2];
  return message + MESSAGE_HEAD <= PML_TLS_HELLO_CONTENT;
}

/* The bytes of the record that begins with the n bytes at p, or of its head, while that is cut. */
static size_t wanted(const uint8_t *p, size_t n) {
  return n < PML_TLS_RECORD_HEAD ? PML_TLS_RECORD_HEAD : PML_TLS_RECORD_HEAD + content_of(p);
}

int pml_tls_hello_feed(pml_tls_hello *h, const uint8_t *bytes, size_t n, pml_slice *record,
                       size_t *used) {
  const uint8_t *p = bytes;
  size_t have = 0, taken = 0;
  if (h->part.len) {
    p = pml_writer_at(&h->part, 0);
    have = h->part.len;
  } else if (plausible(bytes, n) && wanted(bytes, n) <= n) {
    *used = wanted(bytes, n);
    *record = pml_slice_of(bytes, *used);
    return 0;
  }
  while (taken < n) {
    size_t missing = wanted(p, have) - have, k = missing < n - taken ? missing : n - taken;
    pml_writer_put(&h->part, bytes + taken, k);
    p = pml_writer_at(&h->part, 0);
    taken += k;
    have += k;
    if (!plausible(p, have)) return PML_EPROTO;
    if (wanted(p, have) > have) continue;
    *used = taken;
    *record = pml_slice_of(p, have);
    return 0;
  }
  return PML_EAGAIN;
}

void pml_tls_hello_fini(pml_tls_hello *h) { pml_writer_drop(&h->part); }
