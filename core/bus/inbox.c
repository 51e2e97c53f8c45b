#include "bus/inbox.h"

#include "base/container.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/mem.h"
#include "bus/held.h"
#include "wire/bus_list.h"
#include "wire/bus_record.h"

#include <stdio.h>

#define WHO (2 * PML_SERVER_ID_MAX + 8)

/* The key of a pair: compared as bytes, so all of it is set. */
typedef struct {
  uint64_t from_incarnation, to_incarnation;
  char from[PML_SERVER_ID_MAX + 1], to[PML_SERVER_ID_MAX + 1];
} key;

typedef struct {
  UT_hash_handle hh;
  key key;
  uint64_t last;  /* number of the newest record that has come, or begun to come */
  int joining;    /* that one is incomplete */
  size_t have;    /* bytes of it */
  pml_writer all; /* they: they grow with what comes */
  pml__held_pair held;
  pml__inbox *in;
} pair;

struct pml__inbox {
  pml__inbox_hooks hooks;
  pair *pairs;
  size_t held, most; /* bytes of incomplete records; how many there may be */
  pml__held *lists;
  uint64_t now;
  uint64_t missing; /* that are not told of yet, the last of pair `who` */
  char who[WHO];
  pml__inbox_counts counts;
};

static void joined_drop(pml__inbox *in, pair *p) {
  in->held -= p->have;
  p->have = 0;
  p->joining = 0;
  pml_writer_drop(&p->all);
}

static void pair_free(pml__inbox *in, pair *p) {
  joined_drop(in, p);
  pml__held_leave(in->lists, &p->held);
  HASH_DELETE(hh, in->pairs, p);
  pml_free(p);
}

void pml__inbox_free(pml__inbox *in) {
  pair *p, *next;
  if (!in) return;
  HASH_ITER (hh, in->pairs, p, next) pair_free(in, p);
  pml__held_free(in->lists);
  pml_free(in);
}

static pair *pair_of(pml__inbox *in, const pml_batch_pair *names) {
  key k;
  pair *p;
  memset(&k, 0, sizeof k);
  k.from_incarnation = names->from_incarnation;
  k.to_incarnation = names->to_incarnation;
  memcpy(k.from, names->from, strlen(names->from)); /* the reader has checked its length */
  memcpy(k.to, names->to, strlen(names->to));
  uint32_t hash = pml_hash_ours(&k, sizeof k);
  HASH_FIND_BYHASHVALUE(hh, in->pairs, &k, sizeof k, hash, p);
  if (p || !in->hooks.knows(names, in->hooks.ud)) return p;
  p = pml_alloc0(sizeof *p);
  p->key = k;
  p->in = in;
  pml__held_enter(in->lists, &p->held, p);
  HASH_ADD_KEYPTR_BYHASHVALUE(hh, in->pairs, &p->key, sizeof k, hash, p);
  return p;
}

static pml_batch_pair names_of(const pair *p) {
  return (pml_batch_pair){p->key.from, p->key.to, p->key.from_incarnation, p->key.to_incarnation};
}

static void missing_add(pml__inbox *in, const pair *p, uint64_t n) {
  if (!n) return;
  pml_batch_pair names = names_of(p);
  in->hooks.gap(&names, in->hooks.ud);
  in->counts.gaps += n;
  in->missing += n;
  snprintf(in->who, sizeof in->who, "%s to %s", p->key.from, p->key.to);
}

/* What is missing since it was last asked. */
static uint64_t missing_take(pml__inbox *in, char who[WHO]) {
  uint64_t n = in->missing;
  if (n && who) memcpy(who, in->who, WHO);
  in->missing = 0;
  return n;
}

static void on_deliver(void *of, const pml__arrival *a, pml_buf *list, void *ud) {
  pml__inbox *in = ud;
  pml_batch_pair names = names_of(of);
  int rc = in->hooks.deliver(&names, a->flags, a->head, a->body, list, in->hooks.ud);
  if (rc == 0) in->counts.received++;
  else if (rc == PML_EFULL) in->counts.full++;
  else in->counts.strangers++;
}

static void send_back(pml__inbox *in, const pair *p, pml_bus_list_kind kind, uint64_t number) {
  pml_writer w = {0};
  pml_batch_pair names = names_of(p);
  pml_bus_list_put(&w, &(pml_bus_list){.kind = kind, .number = number});
  in->hooks.back(&names, pml_slice_of(pml_writer_at(&w, 0), w.len), in->hooks.ud);
  pml_writer_drop(&w);
}

static void on_ask(void *of, uint64_t number, void *ud) {
  send_back(ud, of, PML_BUS_LIST_ASK, number);
}

static void on_lost(void *of, void *ud) { missing_add(ud, of, 1); }

pml__inbox *pml__inbox_new(const pml__inbox_hooks *hooks, size_t incomplete) {
  pml__inbox *in = pml_alloc0(sizeof *in);
  in->hooks = *hooks;
  in->most = incomplete;
  in->lists = pml__held_new(hooks->list_bytes, &(pml__held_hooks){on_deliver, on_ask, on_lost, in});
  return in;
}

/* A question or an answer about a list. */
static void about_lists(pml__inbox *in, pair *p, pml_slice head, pml_buf *body) {
  pml_bus_list l;
  if (pml_bus_list_read(head, &l)) l.kind = PML_BUS_LIST_PLAIN;
  switch (l.kind) {
  case PML_BUS_LIST_ASK: send_back(in, p, PML_BUS_LIST_GIVE, l.number); break;
  case PML_BUS_LIST_GIVE: pml__held_given(in->lists, &p->held, l.number, body, in->now); break;
  case PML_BUS_LIST_GONE: pml__held_given(in->lists, &p->held, l.number, NULL, in->now); break;
  default: in->counts.strangers++;
  }
}

/* Takes head, body and extra, which lie one after the other, apart. */
static void hand_on(pml__inbox *in, pair *p, const pml_batch_item *item, const uint8_t *bytes) {
  const uint8_t *body = bytes + item->nhead, *extra = body + item->nbody;
  pml_buf *b = item->flags & PML_BATCH_BODY ? pml_buf_from(body, item->nbody) : NULL;
  pml__arrival a = {
    .flags = item->flags & PML_BATCH_OWED ? PML_SEND_OWED : 0,
    .head = pml_slice_of(bytes, item->nhead),
    .body = b,
    .extra = pml_slice_of(extra, item->nextra),
    .is_form = (item->flags & PML_BATCH_LIST) != 0,
  };
  if (item->flags & PML_BATCH_ABOUT) about_lists(in, p, a.head, b);
  else if (pml__held_take(in->lists, &p->held, &a, in->now)) in->counts.strangers++;
  pml_buf_unref(b);
}

/* The part that goes on where the last one ended, or a first one. */
static void part_take(pml__inbox *in, pair *p, const pml_batch_item *item) {
  if (in->held + item->bytes.n > in->most) {
    joined_drop(in, p);
    in->counts.full++;
    return;
  }
  pml_writer_put(&p->all, item->bytes.p, item->bytes.n);
  p->have += item->bytes.n;
  in->held += item->bytes.n;
  p->joining = 1;
  if (p->have < (size_t)item->nhead + item->nbody + item->nextra) return;
  hand_on(in, p, item, pml_writer_at(&p->all, 0));
  joined_drop(in, p);
}

/* 1 when item is to be taken; *missing rises by the records before it that never came. */
static int in_order(pml__inbox *in, pair *p, const pml_batch_item *item, uint64_t *missing) {
  int part = (item->flags & PML_BATCH_PART) != 0;
  if (part && item->at > 0) {
    if (p->joining && item->seq == p->last && item->at == p->have) return 1;
    if (item->seq > p->last) { /* its first part never came, nor what is before */
      *missing += item->seq - p->last + (uint64_t)p->joining;
      p->last = item->seq;
      joined_drop(in, p);
    } else if (item->seq == p->last && p->joining) { /* a part of it is missing */
      ++*missing;
      joined_drop(in, p);
    }
    return 0;
  }
  if (item->seq <= p->last) {
    in->counts.seen++;
    return 0;
  }
  *missing += item->seq - p->last - 1 + (uint64_t)p->joining;
  p->last = item->seq;
  joined_drop(in, p);
  return 1;
}

static void item_take(pml__inbox *in, const pml_batch_item *item) {
  uint64_t missing = 0;
  pair *p = pair_of(in, &item->pair);
  if (!p) {
    in->counts.strangers++;
    return;
  }
  int take = in_order(in, p, item, &missing);
  missing_add(in, p, missing);
  if (!take) return;
  if (item->flags & PML_BATCH_PART) part_take(in, p, item);
  else hand_on(in, p, item, item->bytes.p);
}

uint64_t pml__inbox_take(pml__inbox *in, pml_slice message, char who[WHO]) {
  pml_batch_reader r;
  pml_batch_item item;
  int rc = pml_batch_read(&r, message);
  if (!rc) {
    while ((rc = pml_batch_next(&r, &item)) == 1) item_take(in, &item);
  }
  if (rc) in->counts.strangers++;
  return missing_take(in, who);
}

uint64_t pml__inbox_tick(pml__inbox *in, uint64_t now, char who[WHO]) {
  in->now = now;
  pml__held_tick(in->lists, now);
  return missing_take(in, who);
}

void pml__inbox_forget(pml__inbox *in, const char *id, uint64_t incarnation) {
  pair *p, *next;
  HASH_ITER (hh, in->pairs, p, next)
    if ((p->key.from_incarnation == incarnation && strcmp(p->key.from, id) == 0) ||
        (p->key.to_incarnation == incarnation && strcmp(p->key.to, id) == 0))
      pair_free(in, p);
}

const pml__inbox_counts *pml__inbox_counters(const pml__inbox *in) { return &in->counts; }
const pml_lists_counts *pml__inbox_lists(const pml__inbox *in) {
  return pml__held_counters(in->lists);
}
