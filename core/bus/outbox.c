#include "bus/outbox.h"

#include "base/container.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/mem.h"
#include "wire/bus_list.h"
#include "wire/bus_record.h"

#define MESSAGE_MAX (256u << 10) /* bytes of a message, also where the broker takes more */
#define SHARE (32u << 10)        /* bytes of whole records that a pair has of one round */
#define TURN (1u << 20)          /* bytes of a turn: then new records are looked at */
#define ITEM 32                  /* bytes of a record or part beside its own */
#define PART_LEAST 1024          /* a part is not begun in less room than this */
#define BEGUN 2                  /* bytes of a batch that holds nothing */

/* What one server of this process sends to one of another. */
typedef struct {
  UT_hash_handle hh; /* in its target, by `from` */
  pml_list ready;    /* in its route, while it has records */
  pml__target *target;
  pml_hub_record *first, *last;
  uint64_t seq;         /* of first */
  size_t at;            /* bytes of first that have gone */
  uint64_t number;      /* for bus/lists */
  int ended;            /* its sender has: freed when it is empty */
  pml_hub_member *from; /* the key; held by the records, and only compared when there are none */
  char id[PML_SERVER_ID_MAX + 1];
  uint64_t incarnation;
} pair;

struct pml__target {
  pml_list node; /* in its route */
  pml__route *route;
  pml_hub_member *m; /* borrowed */
  pair *pairs;
};

struct pml__route {
  pml__outbox *o;
  void *ud;
  pml_list node;           /* in the outbox */
  pml_list ready;          /* in the outbox's ready, while it has pairs that are ready */
  pml_list targets, pairs; /* all of it; those that are ready */
};

struct pml__outbox {
  pml__outbox_publish_fn publish;
  void *ud;
  pml_list routes, ready;
  pml_lists_out *lists;
  uint64_t numbers; /* given to pairs */
  pml_writer w;
  pml__outbox_counts counts;
};

/* A message while it is made. */
typedef struct {
  pml_writer *w;
  size_t max;
  const pair *open; /* whose records it ends with */
  uint64_t records; /* that are complete with it */
  int asks;
} message;

_Static_assert(PML_RECORD_MAX == PML_BATCH_RECORD_MAX, "a record fits into batches");

static size_t size_of(const pml_hub_record *r) {
  return r->nhead + pml_buf_slice(r->body).n + pml_buf_slice(r->extra).n;
}

static pml_hub_record *next_of(pml_hub_record *r) {
  return r->mail.next ? PML_CONTAINER(r->mail.next, pml_hub_record, mail) : NULL;
}

pml__outbox *pml__outbox_new(pml__outbox_publish_fn publish, void *ud, size_t list_bytes) {
  pml__outbox *o = pml_alloc0(sizeof *o);
  o->lists = pml_lists_out_new(list_bytes);
  o->publish = publish;
  o->ud = ud;
  pml_list_init(&o->routes);
  pml_list_init(&o->ready);
  return o;
}

void pml__outbox_free(pml__outbox *o) {
  if (!o) return;
  pml_lists_out_free(o->lists);
  pml_writer_drop(&o->w);
  pml_free(o);
}

static void pair_pop(pair *p) {
  pml_hub_record *r = p->first;
  p->first = next_of(r);
  if (!p->first) p->last = NULL;
  p->seq++;
  p->at = 0;
  pml_hub_record_free(r);
}

static void pair_free(pair *p) {
  HASH_DELETE(hh, p->target->pairs, p);
  pml_lists_out_end(p->target->route->o->lists, p->number);
  pml_list_remove(&p->ready);
  pml_free(p);
}

static void pair_drop(pair *p) {
  for (; p->first; pair_pop(p)) p->target->route->o->counts.unsent++;
  pml_list_remove(&p->ready);
}

pml__route *pml__route_new(pml__outbox *o, void *route_ud) {
  pml__route *r = pml_alloc0(sizeof *r);
  r->o = o;
  r->ud = route_ud;
  pml_list_init(&r->ready);
  pml_list_init(&r->targets);
  pml_list_init(&r->pairs);
  pml_list_append(&o->routes, &r->node);
  return r;
}

void pml__route_free(pml__route *r) {
  while (!pml_list_empty(&r->targets))
    pml__target_free(PML_CONTAINER(r->targets.next, pml__target, node));
  pml_list_remove(&r->node);
  pml_list_remove(&r->ready);
  pml_free(r);
}

void pml__route_drop(pml__route *r) {
  while (!pml_list_empty(&r->pairs)) pair_drop(PML_CONTAINER(r->pairs.next, pair, ready));
  pml_list_remove(&r->ready);
}

pml__target *pml__target_new(pml__route *r, pml_hub_member *m) {
  pml__target *t = pml_alloc0(sizeof *t);
  t->route = r;
  t->m = m;
  *pml_hub_member_ud(m) = t;
  pml_list_append(&r->targets, &t->node);
  return t;
}

void pml__target_free(pml__target *t) {
  pair *p, *next;
  HASH_ITER (hh, t->pairs, p, next) {
    pair_drop(p);
    pair_free(p);
  }
  *pml_hub_member_ud(t->m) = NULL;
  pml_list_remove(&t->node);
  pml_free(t);
}

static pair *pair_of(pml__target *t, pml_hub_member *from) {
  pair *p;
  uint32_t hash = pml_hash_ours(&from, sizeof from);
  HASH_FIND_BYHASHVALUE(hh, t->pairs, &from, sizeof from, hash, p);
  uint64_t incarnation = pml_hub_member_incarnation(from);
  if (p && p->incarnation == incarnation && strcmp(p->id, pml_hub_member_id(from)) == 0) return p;
  if (p) pair_free(p); /* of a server that ended, whose memory another one has now */
  p = pml_alloc0(sizeof *p);
  p->target = t;
  p->from = from;
  p->seq = 1;
  p->number = ++t->route->o->numbers;
  p->incarnation = incarnation;
  memcpy(p->id, pml_hub_member_id(from), strlen(pml_hub_member_id(from)) + 1);
  pml_list_init(&p->ready);
  HASH_ADD_KEYPTR_BYHASHVALUE(hh, t->pairs, &p->from, sizeof p->from, hash, p);
  return p;
}

void pml__outbox_put(pml__outbox *o, pml_hub_record *r) {
  pml__target *t = *pml_hub_member_ud(r->to);
  if (!t) {
    o->counts.unsent++;
    pml_hub_record_free(r);
    return;
  }
  pair *p = pair_of(t, r->from);
  r->mail.next = NULL;
  if (p->last) {
    p->last->mail.next = &r->mail;
  } else {
    p->first = r;
    pml_list_append(&t->route->pairs, &p->ready);
    if (pml_list_empty(&t->route->ready)) pml_list_append(&o->ready, &t->route->ready);
  }
  p->last = r;
}

/* --- messages --------------------------------------------------------------------------------- */

static size_t room_of(const message *m, const pair *p) {
  size_t used = m->w->len + ITEM + (m->open == p ? 0 : PML_BATCH_OVERHEAD);
  return used < m->max ? m->max - used : 0;
}

static void pair_open(message *m, const pair *p) {
  if (m->open == p) return;
  m->open = p;
  pml_batch_pair_put(m->w,
                     &(pml_batch_pair){p->id, pml_hub_member_id(p->target->m), p->incarnation,
                                       pml_hub_member_incarnation(p->target->m)},
                     p->seq);
}

/* The number of a list, or what has changed of it, in place of the list. Of the first record of a
 * pair only: the receiver reads them in their order. */
static void list_form(pml__outbox *o, const pair *p, pml_hub_record *r) {
  pml_writer w = {0};
  if (!r->series || !r->extra || r->flags & PML_SEND_LIST) return;
  pml_lists_out_put(o->lists, p->number, r->series, r->extra, &w);
  pml_buf_unref(r->extra);
  r->extra = pml_writer_finish(&w);
  r->flags |= PML_SEND_LIST;
}

/* The list that a receiver has asked for. */
static void list_give(pml__outbox *o, pml_hub_record *r) {
  pml_bus_list l;
  if (!(r->flags & PML_SEND_ABOUT) || r->body) return;
  if (pml_bus_list_read(pml_slice_of(r->head, r->nhead), &l) || l.kind != PML_BUS_LIST_GIVE) return;
  r->body = pml_buf_ref(pml_lists_out_get(o->lists, l.number));
  if (!r->body) r->head[0] = PML_BUS_LIST_GONE;
}

static uint8_t batch_flags(const pml_hub_record *r) {
  return (uint8_t)((r->flags & PML_SEND_OWED ? PML_BATCH_OWED : 0) |
                   (r->flags & PML_SEND_LIST ? PML_BATCH_LIST : 0) |
                   (r->flags & PML_SEND_ABOUT ? PML_BATCH_ABOUT : 0));
}

/* A whole record, or what there is room for of one that no message has room for. 0: no room. */
static size_t record_write(message *m, pair *p) {
  pml_hub_record *r = p->first;
  list_form(p->target->route->o, p, r);
  list_give(p->target->route->o, r);
  size_t size = size_of(r), room = room_of(m, p);
  uint8_t flags = batch_flags(r);
  pml_slice head = pml_slice_of(r->head, r->nhead);
  int cut = p->at > 0 || size + ITEM + PML_BATCH_OVERHEAD + BEGUN > m->max;
  if (room < (cut ? (m->w->len > BEGUN ? PART_LEAST : 1) : size)) return 0;
  pair_open(m, p);
  if (r->flags & PML_SEND_ASKS) m->asks = 1;
  size_t n = size;
  if (!cut) {
    pml_batch_record_put(m->w, flags, head, r->body, r->extra);
  } else {
    n = size - p->at < room ? size - p->at : room;
    pml_batch_part_put(m->w, flags, head, r->body, r->extra, p->at, n);
    p->at += n;
    if (p->at < size) {
      m->open = NULL; /* the next one of this pair begins with its number */
      return n;
    }
  }
  pair_pop(p);
  m->records++;
  return n + ITEM;
}

/* What p may have of this round. 0: the message has no room for it. */
static size_t pair_write(message *m, pair *p) {
  size_t sum = 0, n;
  while (p->first && sum < SHARE && (n = record_write(m, p)) > 0) {
    sum += n;
    if (p->at) break; /* a part: others have their turn */
  }
  return sum;
}

/* One message of what waits for a process: pairs in turn, until it is full or nothing waits. */
static size_t route_write(pml__route *route, size_t max) {
  pml__outbox *o = route->o;
  message m = {.w = &o->w, .max = max};
  pml_batch_begin(&o->w);
  for (int full = 0; !full && !pml_list_empty(&route->pairs);) {
    pair *p = PML_CONTAINER(route->pairs.next, pair, ready);
    full = pair_write(&m, p) == 0;
    if (full && o->w.len <= BEGUN) { /* the broker takes no message that holds anything */
      pair_drop(p);
      full = 0;
    } else if (!full || !p->first) {
      pml_list_remove(&p->ready);
      if (p->first) pml_list_append(&route->pairs, &p->ready);
      else if (p->ended) pair_free(p);
    }
    if (!full && m.w->len > max - max / 4) full = 1;
  }
  size_t n = o->w.len;
  int rc =
    n <= BEGUN ? 0 : o->publish(route->ud, pml_slice_of(pml_writer_at(&o->w, 0), n), m.asks, o->ud);
  *(rc ? &o->counts.unsent : &o->counts.sent) += m.records;
  pml_writer_cut(&o->w, 0);
  return n;
}

int pml__outbox_turn(pml__outbox *o, size_t max_payload) {
  size_t max = max_payload < MESSAGE_MAX ? max_payload : MESSAGE_MAX;
  for (size_t sum = 0; sum < TURN;) {
    pml_list *node = pml_list_pop(&o->ready);
    if (!node) return 0;
    pml__route *r = PML_CONTAINER(node, pml__route, ready);
    sum += route_write(r, max);
    if (!pml_list_empty(&r->pairs)) pml_list_append(&o->ready, &r->ready);
  }
  return !pml_list_empty(&o->ready);
}

void pml__outbox_forget(pml__outbox *o, const char *id) {
  for (pml_list *n = o->routes.next; n != &o->routes; n = n->next) {
    pml__route *r = PML_CONTAINER(n, pml__route, node);
    for (pml_list *k = r->targets.next; k != &r->targets; k = k->next) {
      pair *p, *next;
      HASH_ITER (hh, PML_CONTAINER(k, pml__target, node)->pairs, p, next) {
        if (strcmp(p->id, id) != 0) continue;
        if (p->first) p->ended = 1;
        else pair_free(p);
      }
    }
  }
}

const pml__outbox_counts *pml__outbox_counters(const pml__outbox *o) { return &o->counts; }
const pml_lists_counts *pml__outbox_lists(const pml__outbox *o) {
  return pml_lists_out_counters(o->lists);
}
