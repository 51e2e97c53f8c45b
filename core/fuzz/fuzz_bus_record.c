/* Any bytes are read as a batch or refused; what is read is written as a batch that reads the same.
 * And a record made of the input comes back as it went, in parts of any size. */
#include "base/err.h"
#include "fuzz/chunks.h"
#include "wire/bus_record.h"

static void again(const pml_batch_item *i) {
  pml_writer w = {0};
  pml_batch_reader r;
  pml_batch_item back;
  if (i->flags & PML_BATCH_PART) return; /* it lacks the rest of its record */
  pml_buf *body = pml_buf_from(i->bytes.p + i->nhead, i->nbody);
  pml_buf *extra = pml_buf_from(i->bytes.p + i->nhead + i->nbody, i->nextra);
  pml_batch_begin(&w);
  pml_batch_pair_put(&w, &i->pair, i->seq);
  pml_batch_record_put(&w, i->flags, pml_slice_of(i->bytes.p, i->nhead),
                       i->flags & PML_BATCH_BODY ? body : NULL,
                       i->flags & PML_BATCH_EXTRA ? extra : NULL);
  MUST(pml_batch_read(&r, pml_slice_of(pml_writer_at(&w, 0), w.len)) == 0);
  MUST(pml_batch_next(&r, &back) == 1);
  MUST(back.seq == i->seq && back.flags == i->flags && pml_slice_eq(back.bytes, i->bytes));
  MUST(strcmp(back.pair.from, i->pair.from) == 0 && strcmp(back.pair.to, i->pair.to) == 0);
  MUST(pml_batch_next(&r, &back) == 0);
  pml_buf_unref(body);
  pml_buf_unref(extra);
  pml_writer_drop(&w);
}

static void read_any(const uint8_t *d, size_t n) {
  uint8_t *copy = malloc(n ? n : 1);
  pml_batch_reader r;
  pml_batch_item i;
  memcpy(copy, d, n);
  int rc = pml_batch_read(&r, pml_slice_of(copy, n));
  while (!rc && (rc = pml_batch_next(&r, &i)) == 1) {
    MUST(i.bytes.p >= copy && i.bytes.p + i.bytes.n <= copy + n);
    MUST((uint64_t)i.nhead + i.nbody + i.nextra <= PML_BATCH_RECORD_MAX);
    MUST((uint64_t)i.at + i.bytes.n <= (uint64_t)i.nhead + i.nbody + i.nextra);
    again(&i);
    rc = 0;
  }
  MUST(rc == 0 || rc == PML_EPROTO);
  free(copy);
}

static void cut(const uint8_t *d, size_t n) {
  static const pml_batch_pair pair = {"a", "b", 1, 2};
  if (n < 3) return;
  chunks c = chunks_of(d[0]);
  size_t third = (n - 1) / 3, at = 0, size = n - 1;
  pml_buf *body = pml_buf_from(d + 1 + third, third);
  pml_buf *extra = pml_buf_from(d + 1 + 2 * third, size - 2 * third);
  while (at < size) {
    pml_writer w = {0};
    pml_batch_reader r;
    pml_batch_item i;
    size_t k = chunks_next(&c, size - at);
    pml_batch_begin(&w);
    pml_batch_pair_put(&w, &pair, 1);
    pml_batch_part_put(&w, 0, pml_slice_of(d + 1, third), body, extra, at, k);
    MUST(pml_batch_read(&r, pml_slice_of(pml_writer_at(&w, 0), w.len)) == 0);
    MUST(pml_batch_next(&r, &i) == 1);
    MUST(i.at == at && pml_slice_eq(i.bytes, pml_slice_of(d + 1 + at, k)));
    pml_writer_drop(&w);
    at += k;
  }
  pml_buf_unref(body);
  pml_buf_unref(extra);
}

int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n) {
  read_any(d, n);
  cut(d, n);
  return 0;
}
