#include "net/outq.h"

#include "base/mem.h"

#define COPY_BELOW 1024u /* larger blocks go by reference */

pml__outq *pml__outq_new(pml__outqs *spare, uint32_t cap) {
  pml__outq *q = cap == PML__OUTQ_FIRST ? spare->first : NULL;
  if (q) {
    spare->first = q->spare;
    spare->n--;
  } else {
    q = pml_alloc(sizeof *q + cap * sizeof *q->item);
    q->cap = cap;
  }
  q->head = q->count = q->held = 0;
  q->cut = 0;
  q->bytes = 0;
  q->req = NULL;
  q->spare = NULL;
  return q;
}

void pml__outq_free(pml__outqs *spare, pml__outq *q) {
  if (q->cap == PML__OUTQ_FIRST && spare->n < PML__OUTQ_SPARE) {
    q->spare = spare->first;
    spare->first = q;
    spare->n++;
  } else {
    pml_free(q);
  }
}

void pml__outqs_free(pml__outqs *spare) {
  while (spare->first) {
    pml__outq *q = spare->first;
    spare->first = q->spare;
    pml_free(q);
  }
  spare->n = 0;
}

pml__outq *pml__outq_grow(pml__outqs *spare, pml__outq *q) {
  pml__outq *big = pml__outq_new(spare, q->cap * 2);
  for (uint32_t i = 0; i < q->count; i++) big->item[i] = *pml__outq_at(q, i);
  big->count = q->count;
  big->bytes = q->bytes;
  big->req = q->req;
  big->held = q->held;
  big->cut = q->cut;
  pml__outq_free(spare, q);
  return big;
}

void pml__outq_cut(pml__outq *q, uint32_t keep) {
  while (q->count > keep) {
    pml__out *o = pml__outq_at(q, --q->count);
    q->bytes -= o->len + sizeof *o;
    pml_buf_unref(o->b);
  }
}

void pml__outq_copy(pml__outq *q, uint8_t *to) {
  for (uint32_t i = 0; i < q->count; i++) {
    const pml__out *o = pml__outq_at(q, i);
    memcpy(to, o->b->data + o->off, o->len);
    to += o->len;
  }
}

unsigned pml__outq_gather(pml__outq *q, uv_buf_t *iov, uint8_t *scratch, uint32_t *blocks,
                          size_t *total) {
  unsigned n = 0;
  size_t used = 0, sum = 0;
  int run = 0;
  uint32_t i = 0;
  for (; i < q->count && n < PML__OUTQ_IOV && sum < PML__OUTQ_BYTES; i++) {
    pml__out *o = pml__outq_at(q, i);
    uint8_t *p = o->b->data + o->off;
    sum += o->len;
    if (scratch && o->len < COPY_BELOW && used + o->len <= PML__OUTQ_TOGETHER) {
      memcpy(scratch + used, p, o->len);
      if (run) iov[n - 1].len += o->len;
      else iov[n++] = uv_buf_init((char *)scratch + used, o->len);
      used += o->len;
      run = 1;
    } else {
      iov[n++] = uv_buf_init((char *)p, o->len);
      run = 0;
    }
  }
  *blocks = i;
  *total = sum;
  return n;
}
