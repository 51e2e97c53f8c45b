/* uid: a user id as scripts gave it. 7 and "7" are the same user: ids are
 * compared by their text; is_number only remembers how to hand it back. */
#ifndef PML_BASE_UID_H
#define PML_BASE_UID_H

#include "base/buf.h"

#define PML_UID_MAX 4096 /* bytes of text */

typedef struct {
  const char *s; /* borrowed; not terminated; NULL: no uid */
  uint32_t n;
  uint32_t is_number;
} pml_uid;

static inline int pml_uid_eq(pml_uid a, pml_uid b) {
  return a.n == b.n && (a.s == b.s || (a.s && b.s && memcmp(a.s, b.s, a.n) == 0));
}

/* A list of uids in one block, the form in which they travel between servers:
 * [is_number u8][length u16 big-endian][bytes], repeated. */
void pml_uids_put(pml_writer *w, pml_uid uid);
/* Takes the first uid off *in: 1, 0 at the end, PML_EPROTO when cut. The view
 * borrows what *in borrows. */
int pml_uids_next(pml_slice *in, pml_uid *out);

#endif
