#include "bus/held.h"

#include "base/container.h"
#include "base/err.h"
#include "base/mem.h"

#define WAIT_MS 1000
#define BYTES_MAX ((size_t)64 << 20) /* of all records that wait */

typedef struct {
  pml_list node;
  pml__arrival a; /* its texts are in bytes, its body is counted */
  size_t weight;
  uint8_t bytes[];
} record;

struct pml__held {
  pml_lists_in *lists;
  pml__held_hooks hooks;
  pml_list waiting; /* pairs, in the order in which their time is over */
  size_t bytes;
  uint64_t sources;
};

pml__held *pml__held_new(size_t max, const pml__held_hooks *hooks) {
  pml__held *h = pml_alloc0(sizeof *h);
  h->lists = pml_lists_in_new(max);
  h->hooks = *hooks;
  pml_list_init(&h->waiting);
  return h;
}

void pml__held_free(pml__held *h) {
  if (!h) return;
  pml_lists_in_free(h->lists);
  pml_free(h);
}

void pml__held_enter(pml__held *h, pml__held_pair *p, void *ud) {
  *p = (pml__held_pair){.source = ++h->sources, .ud = ud};
  pml_list_init(&p->node);
  pml_list_init(&p->records);
}

static void first_free(pml__held *h, pml__held_pair *p) {
  record *r = PML_CONTAINER(pml_list_pop(&p->records), record, node);
  h->bytes -= r->weight;
  pml_buf_unref(r->a.body);
  pml_free(r);
}

void pml__held_leave(pml__held *h, pml__held_pair *p) {
  while (!pml_list_empty(&p->records)) first_free(h, p);
  pml_list_remove(&p->node);
  pml_lists_in_end(h->lists, p->source);
}

/* 0, PML_EAGAIN or PML_EPROTO. */
static int deliver(pml__held *h, pml__held_pair *p, const pml__arrival *a) {
  pml_buf *list = NULL;
  if (a->is_form) {
    int rc = pml_lists_in_take(h->lists, p->source, a->extra, &list, &p->lacks);
    if (rc) return rc;
  } else if (a->extra.n) {
    list = pml_buf_from(a->extra.p, a->extra.n);
  }
  h->hooks.deliver(p->ud, a, list, h->hooks.ud);
  pml_buf_unref(list);
  return 0;
}

static void ask(pml__held *h, pml__held_pair *p, uint64_t now) {
  pml_list_remove(&p->node);
  pml_list_append(&h->waiting, &p->node);
  p->until = now + WAIT_MS;
  h->hooks.ask(p->ud, p->lacks, h->hooks.ud);
}

/* Delivers what can be delivered. */
static void go_on(pml__held *h, pml__held_pair *p, uint64_t now) {
  pml_list_remove(&p->node);
  while (!pml_list_empty(&p->records)) {
    record *r = PML_CONTAINER(p->records.next, record, node);
    int rc = deliver(h, p, &r->a);
    if (rc == PML_EAGAIN) {
      ask(h, p, now);
      return;
    }
    first_free(h, p);
    if (rc) h->hooks.lost(p->ud, h->hooks.ud);
  }
}

static void give_up(pml__held *h, pml__held_pair *p, uint64_t now) {
  first_free(h, p);
  h->hooks.lost(p->ud, h->hooks.ud);
  go_on(h, p, now);
}

static void hold(pml__held *h, pml__held_pair *p, const pml__arrival *a) {
  record *r = pml_alloc(sizeof *r + a->head.n + a->extra.n);
  r->a = *a;
  r->a.head.p = r->bytes;
  r->a.extra.p = r->bytes + a->head.n;
  if (a->head.n) memcpy(r->bytes, a->head.p, a->head.n);
  if (a->extra.n) memcpy(r->bytes + a->head.n, a->extra.p, a->extra.n);
  r->a.body = pml_buf_ref(a->body);
  r->weight = sizeof *r + a->head.n + a->extra.n + pml_buf_slice(a->body).n;
  h->bytes += r->weight;
  pml_list_append(&p->records, &r->node);
}

int pml__held_take(pml__held *h, pml__held_pair *p, const pml__arrival *a, uint64_t now) {
  if (pml_list_empty(&p->records)) {
    int rc = deliver(h, p, a);
    if (rc != PML_EAGAIN) return rc;
    hold(h, p, a);
    ask(h, p, now);
  } else {
    hold(h, p, a);
  }
  while (h->bytes > BYTES_MAX && !pml_list_empty(&p->records)) give_up(h, p, now);
  return 0;
}

void pml__held_given(pml__held *h, pml__held_pair *p, uint64_t number, pml_buf *list,
                     uint64_t now) {
  if (pml_list_empty(&p->records) || p->lacks != number) return;
  if (!list) {
    give_up(h, p, now);
    return;
  }
  pml_lists_in_put(h->lists, p->source, number, list);
  go_on(h, p, now);
}

void pml__held_tick(pml__held *h, uint64_t now) {
  while (!pml_list_empty(&h->waiting)) {
    pml__held_pair *p = PML_CONTAINER(h->waiting.next, pml__held_pair, node);
    if (p->until > now) return;
    give_up(h, p, now);
  }
}

const pml_lists_counts *pml__held_counters(const pml__held *h) {
  return pml_lists_in_counters(h->lists);
}
