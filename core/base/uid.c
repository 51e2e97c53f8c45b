#include "base/uid.h"

#include "base/err.h"

#include <assert.h>

void pml_uids_put(pml_writer *w, pml_uid uid) {
  assert(uid.n <= PML_UID_MAX); /* ours: the binding refuses longer ones */
  uint8_t *p = pml_writer_more(w, 3u + uid.n);
  p[0] = uid.is_number != 0;
  p[1] = (uint8_t)(uid.n >> 8);
  p[2] = (uint8_t)uid.n;
  if (uid.n) memcpy(p + 3, uid.s, uid.n);
}

int pml_uids_next(pml_slice *in, pml_uid *out) {
  if (in->n == 0) return 0;
  if (in->n < 3) return PML_EPROTO;
  size_t n = (size_t)in->p[1] << 8 | in->p[2];
  if (in->n - 3 < n || n > PML_UID_MAX) return PML_EPROTO;
  out->is_number = in->p[0] != 0;
  out->s = (const char *)in->p + 3;
  out->n = (uint32_t)n;
  in->p += 3 + n;
  in->n -= 3 + n;
  return 1;
}
