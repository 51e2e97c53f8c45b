/* Any bytes are read or refused; what is read is written as the same bytes. Any changes are applied
 * or refused, within the bound. And what the second half of the input has become of the first, as
 * two lists of uids, comes back as it was. */
#include "base/err.h"
#include "base/uid.h"
#include "fuzz/chunks.h"
#include "wire/bus_list.h"

static void read_any(pml_slice in) {
  pml_bus_list l;
  int rc = pml_bus_list_read(in, &l);
  MUST(rc == 0 || rc == PML_EPROTO);
  if (rc) return;
  pml_writer w = {0};
  pml_bus_list_put(&w, &l);
  pml_buf *b = pml_writer_finish(&w);
  MUST(pml_slice_eq(pml_buf_slice(b), in));
  pml_buf_unref(b);
}

static void apply_any(pml_slice base, pml_slice in) {
  pml_buf *b;
  size_t max = base.n + in.n / 2;
  int rc = pml_bus_list_apply(base, in, max, &b);
  MUST(rc == 0 || rc == PML_EPROTO);
  if (rc) return;
  MUST(b->len <= max);
  pml_buf_unref(b);
}

static void there_and_back(pml_slice base, pml_slice now) {
  pml_writer w = {0};
  if (pml_bus_list_compare(base, now, &w)) {
    MUST(w.len < now.n);
    pml_buf *b;
    pml_slice changes = pml_slice_of(pml_writer_at(&w, 0), w.len);
    MUST(pml_bus_list_apply(base, changes, now.n, &b) == 0);
    MUST(pml_slice_eq(pml_buf_slice(b), now));
    pml_buf_unref(b);
  } else {
    MUST(w.len == 0);
  }
  pml_writer_drop(&w);
}

/* A list with a uid for each byte, of a length of its own. */
static pml_buf *list_of(const uint8_t *d, size_t n) {
  static const char text[] = "abcdefgh";
  pml_writer w = {0};
  for (size_t i = 0; i < n; i++)
    pml_uids_put(&w, (pml_uid){text + d[i] % 4, d[i] / 4u % 5, d[i] >> 7});
  return pml_writer_finish(&w);
}

int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n) {
  size_t half = n / 2;
  uint8_t *copy = malloc(n ? n : 1); /* so that a byte too far is seen */
  memcpy(copy, d, n);
  read_any(pml_slice_of(copy, n));
  apply_any(pml_slice_of(d, half), pml_slice_of(copy + half, n - half));
  there_and_back(pml_slice_of(d, half), pml_slice_of(copy + half, n - half));
  free(copy);
  pml_buf *a = list_of(d, half), *b = list_of(d + half, n - half);
  there_and_back(pml_buf_slice(a), pml_buf_slice(b));
  pml_buf_unref(a);
  pml_buf_unref(b);
  return 0;
}
