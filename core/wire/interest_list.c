#include "wire/interest_list.h"

#include "base/bigendian.h"
#include "base/err.h"

#define HEAD 14
#define CHANNEL 3 /* what stands before a name */

void pml_interest_list_begin(pml_writer *w, const pml_interest_list *l) {
  uint8_t *p = pml_writer_more(w, HEAD);
  p[0] = l->op;
  p[1] = l->last;
  pml_put32(p + 2, l->part);
  pml_put64(p + 6, l->seq);
}

void pml_interest_list_put(pml_writer *w, pml_slice name, int there) {
  uint8_t *p = pml_writer_more(w, CHANNEL + name.n);
  p[0] = there != 0;
  pml_put16(p + 1, (uint16_t)name.n);
  pml_slice_copy(p + CHANNEL, name);
}

int pml_interest_list_next(pml_slice *channels, pml_slice *name, int *there) {
  const uint8_t *p = channels->p;
  if (channels->n < CHANNEL) return 0;
  size_t n = pml_get16(p + 1);
  if (n > channels->n - CHANNEL) return 0;
  *there = p[0];
  *name = pml_slice_of(p + CHANNEL, n);
  *channels = pml_slice_of(p + CHANNEL + n, channels->n - CHANNEL - n);
  return 1;
}

int pml_interest_list_read(pml_slice in, pml_interest_list *out) {
  if (in.n < HEAD) return PML_EPROTO;
  const uint8_t *p = in.p;
  *out = (pml_interest_list){
    .op = p[0],
    .last = p[1],
    .part = pml_get32(p + 2),
    .seq = pml_get64(p + 6),
    .channels = pml_slice_of(p + HEAD, in.n - HEAD),
  };
  if (out->op < PML_INTEREST_ASK || out->op > PML_INTEREST_CHANGES || out->last > 1)
    return PML_EPROTO;
  pml_slice rest = out->channels, name;
  int there;
  while (pml_interest_list_next(&rest, &name, &there))
    if (there > 1) return PML_EPROTO;
  if (rest.n || (out->op == PML_INTEREST_ASK && out->channels.n)) return PML_EPROTO;
  return 0;
}
