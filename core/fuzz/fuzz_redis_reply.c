/* Any bytes, in any pieces: the same replies come as when they are fed at once, none is above the
 * limits, each is one whole tree of values. */
#include "base/err.h"
#include "fuzz/chunks.h"
#include "store/redis_reply.h"

#define MAX_BYTES 2000
#define MAX_ELEMENTS 20

/* Where the tree that begins at value `at` ends. */
static size_t tree_end(const pml_data *d, size_t at) {
  size_t left = 1; /* values that must still come */
  for (; left; left--, at++) {
    MUST(at < d->n);
    if (d->v[at].kind == PML_DATUM_ARRAY) left += d->v[at].n;
  }
  return at;
}

static void check(pml__redis_reply *r, tape *heard) {
  tape_put(heard, &r->rc, sizeof r->rc);
  if (r->rc == PML_ETOOBIG) {
    MUST(r->values.n == 0);
    return;
  }
  MUST(r->rc == 0 || r->rc == PML_EIO);
  MUST(pml_data_size(&r->values) <= MAX_BYTES);
  MUST(tree_end(&r->values, 0) == r->values.n);
  MUST(r->values.n <= MAX_ELEMENTS + 1);
  if (r->rc) MUST(r->values.n == 1 && r->values.v[0].kind == PML_DATUM_ERROR);
  for (size_t i = 0; i < r->values.n; i++) {
    const pml_datum *v = &r->values.v[i];
    tape_put(heard, &v->kind, sizeof v->kind);
    if (v->kind == PML_DATUM_INT) tape_put(heard, &v->i, sizeof v->i);
    if (v->kind != PML_DATUM_TEXT && v->kind != PML_DATUM_ERROR) continue;
    pml_slice s = pml_data_slice(&r->values, v);
    tape_put(heard, s.p, s.n);
  }
}

/* Returns how it ended: 0, or the reader's code. */
static int feed(const pml__redis_library *lib, const uint8_t *d, size_t n, int in_pieces,
                uint8_t seed, tape *heard) {
  pml__redis_reply_limits limits = {MAX_BYTES, MAX_ELEMENTS};
  pml__redis_reader *r = pml__redis_reader_new(lib, &limits);
  pml__redis_reply reply;
  chunks c = chunks_of(seed);
  int rc = 0;
  for (size_t at = 0; at < n && !rc;) {
    size_t size = in_pieces ? chunks_next(&c, n - at) : n - at;
    MUST(pml__redis_reader_feed(r, d + at, size) == 0);
    at += size;
    while ((rc = pml__redis_reader_next(r, &reply)) == 1) {
      check(&reply, heard);
      pml_data_drop(&reply.values);
    }
  }
  MUST(rc == 0 || rc == PML_EPROTO || rc == PML_ETOOBIG);
  for (const char *w = pml__redis_reader_why(r); *w; w++) MUST(*w >= ' ' && *w <= '~');
  if (rc) MUST(*pml__redis_reader_why(r));
  pml__redis_reader_free(r);
  return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n) {
  pml__redis_library lib;
  char err[256];
  tape whole = {0}, pieces = {0};
  if (n < 1 || n > 16384) return 0;
  MUST(pml__redis_load(&lib, err, sizeof err) == 0);
  int a = feed(&lib, d + 1, n - 1, 0, d[0], &whole);
  int b = feed(&lib, d + 1, n - 1, 1, d[0], &pieces);
  /* Bytes behind an error are not looked at; before it, all replies were the same. */
  MUST((a == PML_EPROTO) == (b == PML_EPROTO));
  MUST(tape_eq(&whole, &pieces));
  free(whole.p);
  free(pieces.p);
  return 0;
}
