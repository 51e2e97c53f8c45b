#include "bus/lists.h"

#include "base/container.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/list.h"
#include "bus/transport.h"
#include "wire/bus_list.h"

#include <assert.h>

/* One side's key: of a sender a pair and a series, of a receiver a process and a number. */
typedef struct {
  uint64_t of, at;
} key;

typedef struct {
  UT_hash_handle hh;        /* by key, unless it is an old one */
  UT_hash_handle by_number; /* of a sender */
  pml_list used;            /* the one used last is the last */
  key key;
  uint64_t number;
  pml_buf *list; /* counted */
  int old;       /* another one has followed it */
} entry;

#define WEIGHT(list) ((list)->len + sizeof(entry) + sizeof(pml_buf))

/* Entries by key, with a bound. */
typedef struct {
  entry *by_key;
  pml_list used;
  size_t max;
  pml_lists_counts counts;
} table;

struct pml_lists_out {
  table t;
  entry *by_number;
  uint64_t last; /* number given out */
  pml_list old;
  size_t old_bytes;
  pml_writer changes; /* room that is kept */
};

struct pml_lists_in {
  table t;
};

static entry *find(const table *t, key k) {
  entry *e;
  HASH_FIND_BYHASHVALUE(hh, t->by_key, &k, sizeof k, pml_hash_ours(&k, sizeof k), e);
  return e;
}

static void touch(table *t, entry *e) {
  pml_list_remove(&e->used);
  pml_list_append(&t->used, &e->used);
}

/* Shares list. */
static entry *add(table *t, key k, uint64_t number, pml_buf *list) {
  entry *e = pml_alloc0(sizeof *e);
  e->key = k;
  e->number = number;
  e->list = pml_buf_ref(list);
  HASH_ADD_BYHASHVALUE(hh, t->by_key, key, sizeof e->key, pml_hash_ours(&k, sizeof k), e);
  pml_list_init(&e->used);
  touch(t, e);
  t->counts.lists++;
  t->counts.bytes += WEIGHT(list);
  return e;
}

/* Out of the table; the caller has e. */
static void leave(table *t, entry *e) {
  HASH_DELETE(hh, t->by_key, e);
  pml_list_remove(&e->used);
  t->counts.lists--;
  t->counts.bytes -= WEIGHT(e->list);
}

static void entry_free(entry *e) {
  pml_list_remove(&e->used);
  pml_buf_unref(e->list);
  pml_free(e);
}

static entry *oldest(const pml_list *used) {
  return pml_list_empty(used) ? NULL : PML_CONTAINER(used->next, entry, used);
}

/* The sender. */

pml_lists_out *pml_lists_out_new(size_t max) {
  pml_lists_out *o = pml_alloc0(sizeof *o);
  o->t.max = max ? max : PML_LISTS_BYTES;
  pml_list_init(&o->t.used);
  pml_list_init(&o->old);
  return o;
}

static void out_drop(pml_lists_out *o, entry *e) {
  HASH_DELETE(by_number, o->by_number, e);
  if (e->old) o->old_bytes -= WEIGHT(e->list);
  else leave(&o->t, e);
  entry_free(e);
}

void pml_lists_out_free(pml_lists_out *o) {
  if (!o) return;
  for (entry *e; (e = oldest(&o->t.used)) || (e = oldest(&o->old));) out_drop(o, e);
  pml_writer_drop(&o->changes);
  pml_free(o);
}

/* A receiver that lacks it, because a message was lost, may ask while others follow. */
static void retire(pml_lists_out *o, entry *e) {
  leave(&o->t, e);
  e->old = 1;
  pml_list_append(&o->old, &e->used);
  o->old_bytes += WEIGHT(e->list);
  while (o->old_bytes > o->t.max / 8) out_drop(o, oldest(&o->old));
}

static void out_add(pml_lists_out *o, key k, pml_buf *list) {
  entry *e = add(&o->t, k, ++o->last, list);
  HASH_ADD_BYHASHVALUE(by_number, o->by_number, number, sizeof e->number,
                       pml_hash_ours(&e->number, sizeof e->number), e);
  while (o->t.counts.bytes > o->t.max) {
    o->t.counts.forgotten++;
    out_drop(o, oldest(&o->t.used));
  }
}

/* e is NULL or the list before. */
static void put_new(pml_lists_out *o, key k, entry *e, pml_buf *list, pml_writer *w) {
  pml_slice bytes = pml_buf_slice(list);
  pml_bus_list l = {PML_BUS_LIST_WHOLE, o->last + 1, e ? e->number : 0, bytes};
  pml_writer_cut(&o->changes, 0);
  if (e && pml_bus_list_compare(pml_buf_slice(e->list), bytes, &o->changes)) {
    l.kind = PML_BUS_LIST_CHANGED;
    l.bytes = pml_slice_of(pml_writer_at(&o->changes, 0), o->changes.len);
    o->t.counts.changed++;
  } else {
    o->t.counts.whole++;
  }
  pml_bus_list_put(w, &l);
  if (e) retire(o, e);
  out_add(o, k, list);
}

void pml_lists_out_put(pml_lists_out *o, uint64_t pair, uint64_t series, pml_buf *list,
                       pml_writer *w) {
  key k = {pair, series};
  pml_slice bytes = pml_buf_slice(list);
  if (!series || WEIGHT(list) > o->t.max) {
    pml_bus_list_put(w, &(pml_bus_list){.kind = PML_BUS_LIST_PLAIN, .bytes = bytes});
    return;
  }
  entry *e = find(&o->t, k);
  if (!e || (e->list != list && !pml_slice_eq(pml_buf_slice(e->list), bytes))) {
    put_new(o, k, e, list, w);
    return;
  }
  if (e->list != list) { /* the next look is at the block alone */
    pml_buf_unref(e->list);
    e->list = pml_buf_ref(list);
  }
  touch(&o->t, e);
  o->t.counts.same++;
  pml_bus_list_put(w, &(pml_bus_list){.kind = PML_BUS_LIST_SAME, .number = e->number});
}

pml_buf *pml_lists_out_get(pml_lists_out *o, uint64_t number) {
  entry *e;
  HASH_FIND_BYHASHVALUE(by_number, o->by_number, &number, sizeof number,
                        pml_hash_ours(&number, sizeof number), e);
  if (e) return e->list;
  o->t.counts.missed++;
  return NULL;
}

void pml_lists_out_end(pml_lists_out *o, uint64_t pair) {
  entry *e, *next;
  HASH_ITER (by_number, o->by_number, e, next) {
    if (e->key.of == pair) out_drop(o, e);
  }
}

const pml_lists_counts *pml_lists_out_counters(const pml_lists_out *o) { return &o->t.counts; }

/* The receiver. */

pml_lists_in *pml_lists_in_new(size_t max) {
  pml_lists_in *in = pml_alloc0(sizeof *in);
  in->t.max = max ? max : PML_LISTS_BYTES;
  pml_list_init(&in->t.used);
  return in;
}

static void in_drop(pml_lists_in *in, entry *e) {
  leave(&in->t, e);
  entry_free(e);
}

void pml_lists_in_free(pml_lists_in *in) {
  if (!in) return;
  for (entry *e; (e = oldest(&in->t.used));) in_drop(in, e);
  pml_free(in);
}

void pml_lists_in_put(pml_lists_in *in, uint64_t source, uint64_t number, pml_buf *list) {
  key k = {source, number};
  if (find(&in->t, k)) return;
  add(&in->t, k, number, list);
  while (in->t.counts.bytes > in->t.max && in->t.counts.lists > 1) {
    in->t.counts.forgotten++;
    in_drop(in, oldest(&in->t.used));
  }
}

static void forget(pml_lists_in *in, uint64_t source, uint64_t number) {
  entry *e = number ? find(&in->t, (key){source, number}) : NULL;
  if (e) in_drop(in, e);
}

/* 0, PML_EAGAIN or PML_EPROTO; the list is owned. */
static int make(pml_lists_in *in, uint64_t source, const pml_bus_list *l, pml_buf **list) {
  entry *base;
  switch (l->kind) {
  case PML_BUS_LIST_WHOLE:
    in->t.counts.whole++;
    *list = pml_buf_from(l->bytes.p, l->bytes.n);
    return 0;
  case PML_BUS_LIST_CHANGED:
    if (!(base = find(&in->t, (key){source, l->base}))) return PML_EAGAIN;
    in->t.counts.changed++;
    return pml_bus_list_apply(pml_buf_slice(base->list), l->bytes, PML_RECORD_MAX, list);
  case PML_BUS_LIST_SAME: return PML_EAGAIN;
  default: return PML_EPROTO;
  }
}

int pml_lists_in_take(pml_lists_in *in, uint64_t source, pml_slice bytes, pml_buf **list,
                      uint64_t *lacks) {
  pml_bus_list l;
  if (pml_bus_list_read(bytes, &l) || l.kind > PML_BUS_LIST_CHANGED) return PML_EPROTO;
  if (l.kind == PML_BUS_LIST_PLAIN) {
    *list = pml_buf_from(l.bytes.p, l.bytes.n);
    return 0;
  }
  entry *e = find(&in->t, (key){source, l.number});
  if (e) {
    if (l.kind == PML_BUS_LIST_SAME) in->t.counts.same++;
    touch(&in->t, e);
    *list = pml_buf_ref(e->list);
  } else {
    int rc = make(in, source, &l, list);
    if (rc == PML_EAGAIN) {
      in->t.counts.missed++;
      *lacks = l.number;
    }
    if (rc) return rc;
    pml_lists_in_put(in, source, l.number, *list);
  }
  forget(in, source, l.base); /* base is 0 in SAME */
  return 0;
}

void pml_lists_in_end(pml_lists_in *in, uint64_t source) {
  entry *e, *next;
  HASH_ITER (hh, in->t.by_key, e, next) {
    if (e->key.of == source) in_drop(in, e);
  }
}

const pml_lists_counts *pml_lists_in_counters(const pml_lists_in *in) { return &in->t.counts; }
