#include "base/delivery.h"

#include "base/digest.h"

#include <assert.h>

static void put_part(pml_writer *w, pml_slice part) {
  uint32_t n = (uint32_t)part.n;
  pml_writer_put(w, &n, sizeof n);
  pml_writer_put(w, part.p, part.n);
}

/* Of a digest, because clients may choose keys: nobody can find one that has the identity of
 * another, and so replace what was sent for another. */
pml_delivery pml_delivery_latest(pml_slice route, const pml_slice *key) {
  pml_writer w = {0};
  uint8_t sum[PML_DIGEST_MAX];
  size_t n;
  pml_delivery how = {.policy = PML_LATEST};
  put_part(&w, route);
  if (key) put_part(&w, *key);
  pml_buf *text = pml_writer_finish(&w);
  int rc = pml_digest("sha256", pml_buf_slice(text), sum, &n);
  assert(rc == 0 && n >= 8); /* ours: every OpenSSL has it */
  (void)rc;
  pml_buf_unref(text);
  for (int i = 0; i < 8; i++) how.identity = how.identity << 8 | sum[i];
  if (!how.identity) how.identity = 1;
  return how;
}
