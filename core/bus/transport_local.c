#include "bus/transport_local.h"

#include "base/limits.h"
#include "base/clock.h"
#include "base/container.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/mem.h"
#include "loop/mailbox.h"

#include <pthread.h>
#include <stdlib.h>

#define BUDGET 256            /* records a server takes in per turn */
#define QUEUE_MAX (64u << 20) /* bytes waiting for a server: two records of the largest size */

/* A server that has joined, or one of another process. Held by the hub, by its own transport or by
 * the bus, and by each peer that knows of it. */
typedef struct pml_hub_member {
  atomic_uint refs;
  atomic_int away;      /* of another process: it cannot be reached just now; of this one: it is
                           nobody for those of others */
  atomic_size_t queued; /* of another process: bytes of records that wait for it */
  int remote;           /* it is one of another process */
  int announced;        /* under the hub's lock, of this process: others know of it */
  pml_mailbox *box;     /* its own, or the bus's */
  void *ud;             /* the bus's */
  UT_hash_handle hh;    /* in the hub, under its lock */
  uint64_t incarnation;
  size_t n; /* length of id */
  char id[PML_SERVER_ID_MAX + 1];
} member;

struct pml_hub {
  atomic_uint refs;
  pthread_mutex_t lock; /* guards members, and the order of the news about them */
  member *members;
  uint64_t last; /* incarnation given out */
};

typedef enum { RECORD, PARCEL, UP, DOWN, AWAY, GAP } kind;

/* RECORD: `from` is not counted: the receiver holds it from the UP that came before its first
 * record to the DOWN after its last; `to` is NULL. PARCEL: for a server of another process; both
 * are counted. The others are news of `from`, which is counted. */
typedef pml_hub_record record;

typedef struct {
  UT_hash_handle hh;
  member *who;            /* counted; the key is its id */
  pml_list dirty;         /* in the transport's list while there is a chain */
  pml_mail *first, *last; /* records of this turn, room for them reserved */
} peer;

typedef struct {
  pml_transport base;
  pml_transport_events ev;
  pml_loop *l;
  pml_hub *hub; /* counted */
  member *self; /* counted */
  peer *peers;  /* includes oneself */
  pml_list dirty;
  pml_task flush;
  uint64_t sent;
  int delivering, closed; /* closed while delivering: freed when the event returns */
} local;

static local *of(pml_transport *t) { return PML_CONTAINER(t, local, base); }

static member *member_ref(member *m) {
  atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
  return m;
}

static void member_unref(member *m) {
  if (atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) != 1) return;
  pml_mailbox_unref(m->box);
  pml_free(m);
}

pml_hub *pml_hub_new(void) {
  pml_hub *h = pml_alloc0(sizeof *h);
  atomic_init(&h->refs, 1);
  if (pthread_mutex_init(&h->lock, NULL)) abort();
  return h;
}

pml_hub *pml_hub_ref(pml_hub *h) {
  atomic_fetch_add_explicit(&h->refs, 1, memory_order_relaxed);
  return h;
}

void pml_hub_unref(pml_hub *h) {
  if (!h || atomic_fetch_sub_explicit(&h->refs, 1, memory_order_acq_rel) != 1) return;
  member *m, *next;
  HASH_ITER (hh, h->members, m, next) { /* of other processes, whose bus did not end them */
    HASH_DELETE(hh, h->members, m);
    member_unref(m);
  }
  pthread_mutex_destroy(&h->lock);
  pml_free(h);
}

static void record_free(record *r) {
  if (r->kind != RECORD) member_unref(r->from);
  if (r->to) {
    atomic_fetch_sub_explicit(&r->to->queued, r->weight, memory_order_relaxed);
    member_unref(r->to);
  }
  pml_buf_unref(r->body);
  pml_buf_unref(r->extra);
  pml_free(r);
}

static void on_drop(pml_mail *mail, void *ud) {
  (void)ud;
  record_free(PML_CONTAINER(mail, record, mail));
}

static void chain_free(pml_mail *first) {
  for (pml_mail *next; first; first = next) {
    next = first->next;
    record_free(PML_CONTAINER(first, record, mail));
  }
}

/* News is not weighed: it may not be lost for want of room. */
static void news_post(member *to, kind k, member *who) {
  record *r = pml_alloc0(sizeof *r);
  r->kind = (uint8_t)k;
  r->from = member_ref(who);
  if (pml_mailbox_post_reserved(to->box, &r->mail)) record_free(r);
}

/* Under the hub's lock: to every server of this process but `who` itself; of one of another process
 * to those that others know of. */
static void news_post_all(pml_hub *h, kind k, member *who) {
  member *m, *next;
  HASH_ITER (hh, h->members, m, next)
    if (!m->remote && m != who && (m->announced || !who->remote)) news_post(m, k, who);
}

static member *hub_find(const pml_hub *h, const char *id) {
  member *m;
  size_t n = strlen(id);
  HASH_FIND_BYHASHVALUE(hh, h->members, id, n, pml_hash_ours(id, n), m);
  return m;
}

/* Under the hub's lock, which has a reference from here on. */
static void hub_put(pml_hub *h, member *m) {
  member_ref(m);
  HASH_ADD_KEYPTR_BYHASHVALUE(hh, h->members, m->id, m->n, pml_hash_ours(m->id, m->n), m);
}

/* Under the hub's lock. A server of another process is gone. */
static void hub_drop(pml_hub *h, member *m) {
  HASH_DELETE(hh, h->members, m);
  news_post_all(h, DOWN, m);
  member_unref(m);
}

static peer *peer_find(const local *t, const char *id) {
  peer *p;
  size_t n = strlen(id);
  HASH_FIND_BYHASHVALUE(hh, t->peers, id, n, pml_hash_ours(id, n), p);
  return p;
}

static void peer_add(local *t, member *who) {
  peer *p = pml_alloc0(sizeof *p);
  p->who = member_ref(who);
  pml_list_init(&p->dirty);
  HASH_ADD_KEYPTR_BYHASHVALUE(hh, t->peers, who->id, who->n, pml_hash_ours(who->id, who->n), p);
}

static void peer_remove(local *t, peer *p) {
  HASH_DELETE(hh, t->peers, p);
  pml_list_remove(&p->dirty);
  chain_free(p->first);
  member_unref(p->who);
  pml_free(p);
}

static void local_free(local *t) {
  peer *p, *next;
  HASH_ITER (hh, t->peers, p, next) peer_remove(t, p);
  member_unref(t->self);
  pml_hub_unref(t->hub);
  pml_free(t);
}

static void on_mail(pml_mail *mail, void *ud) {
  local *t = ud;
  record *r = PML_CONTAINER(mail, record, mail);
  peer *p;
  t->delivering = 1;
  switch ((kind)r->kind) {
  case RECORD:
    t->ev.on_record(r->from->id, pml_slice_of(r->head, r->nhead), r->body, r->extra, t->ev.ud);
    break;
  case PARCEL: break; /* goes to the bus alone */
  case UP:
    peer_add(t, r->from);
    if (t->ev.on_peer) t->ev.on_peer(r->from->id, r->from->incarnation, 1, t->ev.ud);
    break;
  case DOWN:
    p = peer_find(t, r->from->id);
    if (p) peer_remove(t, p);
    if (t->ev.on_peer) t->ev.on_peer(r->from->id, r->from->incarnation, 0, t->ev.ud);
    break;
  case AWAY:
    if (t->ev.on_away) t->ev.on_away(r->from->id, r->from->incarnation, t->ev.ud);
    break;
  case GAP:
    if (t->ev.on_gap) t->ev.on_gap(r->from->id, r->from->incarnation, t->ev.ud);
    break;
  }
  t->delivering = 0;
  record_free(r);
  if (t->closed) local_free(t);
}

/* One lock and one wake-up for all that this turn sent to one server. */
static void flush_run(pml_task *task) {
  local *t = PML_CONTAINER(task, local, flush);
  for (pml_list *n; (n = pml_list_pop(&t->dirty));) {
    peer *p = PML_CONTAINER(n, peer, dirty);
    /* Closed since: what was not delivered is lost, and its DOWN is on the way. */
    if (pml_mailbox_post_reserved(p->who->box, p->first)) chain_free(p->first);
    p->first = p->last = NULL;
  }
}

static int is_away(const member *m) { return atomic_load_explicit(&m->away, memory_order_relaxed); }

/* Room in the queue of m, which takes any one record when it is empty. */
static int member_reserve(member *m, size_t weight) {
  if (!m->remote) return pml_mailbox_reserve(m->box, weight);
  if (is_away(m)) return PML_ECLOSED;
  size_t before = atomic_fetch_add_explicit(&m->queued, weight, memory_order_relaxed);
  if (before == 0 || before + weight <= QUEUE_MAX || weight == 0) return 0;
  atomic_fetch_sub_explicit(&m->queued, weight, memory_order_relaxed);
  return PML_EFULL;
}

static record *record_new(int flags, pml_slice head, pml_buf *body, pml_buf *extra) {
  record *r = pml_alloc(sizeof *r + head.n);
  *r = (record){.kind = RECORD, .flags = (uint8_t)flags, .nhead = head.n};
  pml_slice_copy(r->head, head);
  r->body = pml_buf_ref(body);
  r->extra = pml_buf_ref(extra);
  return r;
}

static size_t weight_of(int flags, size_t bytes) {
  return flags & PML_SEND_OWED ? 0 : bytes + sizeof(record);
}

static int local_send(pml_transport *base, const char *to, pml_slice head, pml_buf *body,
                      pml_buf *extra, uint64_t series, int flags) {
  local *t = of(base);
  if (t->closed) return PML_ECLOSED;
  size_t n = head.n + pml_buf_slice(body).n + pml_buf_slice(extra).n;
  if (n > PML_RECORD_MAX) return PML_ETOOBIG;
  peer *p = peer_find(t, to);
  if (!p || (p->who->remote && is_away(t->self))) return PML_ENOENT;
  size_t weight = weight_of(flags, n);
  int rc = member_reserve(p->who, weight);
  if (rc) return rc == PML_ECLOSED ? PML_ENOENT : rc;
  record *r = record_new(flags, head, body, extra);
  r->from = t->self;
  if (p->who->remote) {
    r->kind = PARCEL;
    member_ref(r->from);
    r->to = member_ref(p->who);
    r->weight = weight;
    r->series = series;
  } else {
    r->mail.bytes = weight;
  }
  if (p->last) {
    p->last->next = &r->mail;
  } else {
    p->first = &r->mail;
    pml_list_append(&t->dirty, &p->dirty);
    pml_loop_defer(t->l, &t->flush);
  }
  p->last = &r->mail;
  t->sent++;
  return 0;
}

static void local_close(pml_transport *base) {
  local *t = of(base);
  if (t->closed) return;
  t->closed = 1;
  pml_task_cancel(&t->flush);
  flush_run(&t->flush);
  pthread_mutex_lock(&t->hub->lock);
  HASH_DELETE(hh, t->hub->members, t->self);
  news_post_all(t->hub, DOWN, t->self);
  pthread_mutex_unlock(&t->hub->lock);
  member_unref(t->self); /* the hub's */
  pml_mailbox_close(t->self->box, on_drop, NULL);
  if (!t->delivering) local_free(t); /* else an id it lent out is still in use */
}

/* Each side's UP is in its mailbox before the other can know whom to send to. */
static int hub_add(pml_hub *h, member *self) {
  member *m, *next;
  pthread_mutex_lock(&h->lock);
  m = hub_find(h, self->id);
  if (m && !m->remote) {
    pthread_mutex_unlock(&h->lock);
    return PML_EEXIST;
  }
  if (m) hub_drop(h, m); /* this one takes the id over */
  /* Above the incarnations of this program, and of a program before it with the same ids. */
  uint64_t now = pml_clock_wall_ms();
  h->last = self->incarnation = now > h->last ? now : h->last + 1;
  HASH_ITER (hh, h->members, m, next)
    if (!m->remote) news_post(self, UP, m);
  news_post_all(h, UP, self);
  hub_put(h, self);
  pthread_mutex_unlock(&h->lock);
  return 0;
}

static member *member_new(const char *id, size_t n, pml_mailbox *box) {
  member *m = pml_alloc0(sizeof *m);
  atomic_init(&m->refs, 1);
  m->box = box;
  m->n = n;
  memcpy(m->id, id, n + 1);
  return m;
}

int pml_transport_local_join(pml_hub *h, pml_loop *l, const char *id,
                             const pml_transport_events *ev, pml_transport **out) {
  size_t n = strlen(id);
  if (n == 0 || n > PML_SERVER_ID_MAX || pml_loop_is_virtual(l)) return PML_EINVAL;
  local *t = pml_alloc0(sizeof *t);
  pml_mailbox *box = pml_mailbox_new(l, BUDGET, QUEUE_MAX, on_mail, t);
  if (!box) {
    pml_free(t);
    return PML_EIO;
  }
  member *self = member_new(id, n, box);
  t->base.send = local_send;
  t->base.close = local_close;
  t->ev = *ev;
  t->l = l;
  t->self = self;
  pml_list_init(&t->dirty);
  pml_task_init(&t->flush, flush_run);
  int rc = hub_add(h, self);
  if (rc) {
    pml_mailbox_close(box, on_drop, NULL);
    member_unref(self);
    pml_free(t);
    return rc;
  }
  t->hub = pml_hub_ref(h);
  t->base.incarnation = self->incarnation;
  peer_add(t, self);
  *out = &t->base;
  return 0;
}

uint64_t pml_transport_local_sent(const pml_transport *t) {
  return ((const local *)(const void *)t)->sent;
}

/* --- servers of other processes ------------------------------------------------------------ */

void pml_hub_record_free(pml_hub_record *r) { record_free(r); }
void pml_hub_member_unref(pml_hub_member *m) {
  if (m) member_unref(m);
}
const char *pml_hub_member_id(const pml_hub_member *m) { return m->id; }
uint64_t pml_hub_member_incarnation(const pml_hub_member *m) { return m->incarnation; }
void **pml_hub_member_ud(pml_hub_member *m) { return &m->ud; }

void pml_hub_announce(pml_hub *h, const char *id, uint64_t incarnation) {
  member *m, *next;
  pthread_mutex_lock(&h->lock);
  member *self = hub_find(h, id);
  if (self && !self->remote && self->incarnation == incarnation && !self->announced) {
    self->announced = 1;
    HASH_ITER (hh, h->members, m, next)
      if (m->remote) news_post(self, UP, m);
  }
  pthread_mutex_unlock(&h->lock);
}

pml_hub_member *pml_hub_remote_up(pml_hub *h, const char *id, uint64_t incarnation,
                                  pml_mailbox *box) {
  size_t n = strlen(id);
  if (n == 0 || n > PML_SERVER_ID_MAX) return NULL;
  pthread_mutex_lock(&h->lock);
  member *m = hub_find(h, id), *self = NULL;
  if (!m || m->remote) {
    if (m) hub_drop(h, m);
    self = member_new(id, n, pml_mailbox_ref(box));
    self->remote = 1;
    self->incarnation = incarnation;
    news_post_all(h, UP, self);
    hub_put(h, self);
  }
  pthread_mutex_unlock(&h->lock);
  return self;
}

void pml_hub_remote_down(pml_hub *h, pml_hub_member *m) {
  pthread_mutex_lock(&h->lock);
  if (hub_find(h, m->id) == m) hub_drop(h, m);
  pthread_mutex_unlock(&h->lock);
}

void pml_hub_remote_away(pml_hub *h, pml_hub_member *m, int away) {
  pthread_mutex_lock(&h->lock);
  int was = atomic_exchange_explicit(&m->away, away, memory_order_relaxed);
  if (away && !was && hub_find(h, m->id) == m) news_post_all(h, AWAY, m);
  pthread_mutex_unlock(&h->lock);
}

/* Under the hub's lock: both servers of a record, or 0. One that is not announced holds no server
 * of another process, and nobody there can know of it. */
static int pair_find(const pml_hub *h, const pml_batch_pair *p, member **from, member **to) {
  *from = hub_find(h, p->from);
  *to = hub_find(h, p->to);
  return *from && (*from)->remote && (*from)->incarnation == p->from_incarnation && *to &&
         !(*to)->remote && (*to)->announced && (*to)->incarnation == p->to_incarnation;
}

int pml_hub_knows(pml_hub *h, const pml_batch_pair *p) {
  member *from, *to;
  pthread_mutex_lock(&h->lock);
  int knows = pair_find(h, p, &from, &to);
  pthread_mutex_unlock(&h->lock);
  return knows;
}

/* Posted under the lock, so that the sender's DOWN cannot come before. */
int pml_hub_deliver(pml_hub *h, const pml_batch_pair *p, int flags, pml_slice head, pml_buf *body,
                    pml_buf *extra) {
  member *from, *to;
  size_t weight = weight_of(flags, head.n + pml_buf_slice(body).n + pml_buf_slice(extra).n);
  pthread_mutex_lock(&h->lock);
  int rc = pair_find(h, p, &from, &to) ? pml_mailbox_reserve(to->box, weight) : PML_ENOENT;
  if (!rc) {
    record *r = record_new(flags, head, body, extra);
    r->from = from;
    r->mail.bytes = weight;
    rc = pml_mailbox_post_reserved(to->box, &r->mail);
    if (rc) record_free(r);
  }
  pthread_mutex_unlock(&h->lock);
  return rc == PML_ECLOSED ? PML_ENOENT : rc;
}

void pml_hub_gap(pml_hub *h, const pml_batch_pair *p) {
  member *from, *to;
  pthread_mutex_lock(&h->lock);
  if (pair_find(h, p, &from, &to)) news_post(to, GAP, from);
  pthread_mutex_unlock(&h->lock);
}

void pml_hub_back(pml_hub *h, const pml_batch_pair *p, pml_slice head) {
  member *from, *to;
  pthread_mutex_lock(&h->lock);
  if (pair_find(h, p, &from, &to)) {
    record *r = record_new(PML_SEND_OWED | PML_SEND_ABOUT, head, NULL, NULL);
    r->kind = PARCEL;
    r->from = member_ref(to);
    r->to = member_ref(from);
    if (pml_mailbox_post_reserved(from->box, &r->mail)) record_free(r);
  }
  pthread_mutex_unlock(&h->lock);
}

void pml_hub_exile(pml_hub *h, const char *id) {
  member *next;
  pthread_mutex_lock(&h->lock);
  member *self = hub_find(h, id);
  if (self && !self->remote && !atomic_exchange_explicit(&self->away, 1, memory_order_relaxed))
    for (member *m = h->members; m; m = next) {
      next = m->hh.next;
      if (m->remote) news_post(self, AWAY, m);
    }
  pthread_mutex_unlock(&h->lock);
}

void pml_hub_raise(pml_hub *h, uint64_t incarnation) {
  pthread_mutex_lock(&h->lock);
  if (incarnation > h->last) h->last = incarnation;
  pthread_mutex_unlock(&h->lock);
}
