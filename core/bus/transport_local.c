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

/* A server that has joined. Held by the hub, by its own transport, and by each
 * peer that knows of it. */
typedef struct {
  atomic_uint refs;
  pml_mailbox *box;
  UT_hash_handle hh; /* in the hub, under its lock */
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

typedef enum { RECORD, UP, DOWN } kind;

/* RECORD: `who` is the sender and is not counted: the receiver holds it from the
 * UP that came before the sender's first record to the DOWN after its last.
 * UP and DOWN hold a reference. */
typedef struct {
  pml_mail mail;
  kind kind;
  member *who;
  pml_buf *body, *extra;
  size_t nhead;
  uint8_t head[];
} record;

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

void pml_hub_unref(pml_hub *h) {
  if (!h || atomic_fetch_sub_explicit(&h->refs, 1, memory_order_acq_rel) != 1) return;
  pthread_mutex_destroy(&h->lock);
  pml_free(h);
}

static void record_free(record *r) {
  if (r->kind != RECORD) member_unref(r->who);
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
  r->kind = k;
  r->who = member_ref(who);
  if (pml_mailbox_post_reserved(to->box, &r->mail)) record_free(r);
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
  switch (r->kind) {
  case RECORD:
    t->ev.on_record(r->who->id, pml_slice_of(r->head, r->nhead), r->body, r->extra, t->ev.ud);
    break;
  case UP:
    peer_add(t, r->who);
    if (t->ev.on_peer) t->ev.on_peer(r->who->id, r->who->incarnation, 1, t->ev.ud);
    break;
  case DOWN:
    p = peer_find(t, r->who->id);
    if (p) peer_remove(t, p);
    if (t->ev.on_peer) t->ev.on_peer(r->who->id, r->who->incarnation, 0, t->ev.ud);
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

static int local_send(pml_transport *base, const char *to, pml_slice head, pml_buf *body,
                      pml_buf *extra, int owed) {
  local *t = of(base);
  if (t->closed) return PML_ECLOSED;
  size_t n = head.n + pml_buf_slice(body).n + pml_buf_slice(extra).n;
  if (n > PML_RECORD_MAX) return PML_ETOOBIG;
  peer *p = peer_find(t, to);
  if (!p) return PML_ENOENT;
  size_t weight = owed ? 0 : n + sizeof(record);
  int rc = pml_mailbox_reserve(p->who->box, weight);
  if (rc) return rc == PML_ECLOSED ? PML_ENOENT : rc;
  record *r = pml_alloc(sizeof *r + head.n);
  r->mail.next = NULL;
  r->mail.bytes = weight;
  r->kind = RECORD;
  r->who = t->self;
  r->nhead = head.n;
  memcpy(r->head, head.p, head.n);
  r->body = pml_buf_ref(body);
  r->extra = pml_buf_ref(extra);
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
  member *m, *next;
  if (t->closed) return;
  t->closed = 1;
  pml_task_cancel(&t->flush);
  flush_run(&t->flush);
  pthread_mutex_lock(&t->hub->lock);
  HASH_DELETE(hh, t->hub->members, t->self);
  HASH_ITER (hh, t->hub->members, m, next) news_post(m, DOWN, t->self);
  pthread_mutex_unlock(&t->hub->lock);
  member_unref(t->self); /* the hub's */
  pml_mailbox_close(t->self->box, on_drop, NULL);
  if (!t->delivering) local_free(t); /* else an id it lent out is still in use */
}

/* Each side's UP is in its mailbox before the other can know whom to send to. */
static int hub_add(pml_hub *h, member *self) {
  member *m, *next;
  uint32_t hash = pml_hash_ours(self->id, self->n);
  pthread_mutex_lock(&h->lock);
  HASH_FIND_BYHASHVALUE(hh, h->members, self->id, self->n, hash, m);
  if (m) {
    pthread_mutex_unlock(&h->lock);
    return PML_EEXIST;
  }
  /* Above the incarnations of this program, and of a program before it with the same ids. */
  uint64_t now = pml_clock_wall_ms();
  h->last = self->incarnation = now > h->last ? now : h->last + 1;
  HASH_ITER (hh, h->members, m, next) {
    news_post(self, UP, m);
    news_post(m, UP, self);
  }
  member_ref(self);
  HASH_ADD_KEYPTR_BYHASHVALUE(hh, h->members, self->id, self->n, hash, self);
  pthread_mutex_unlock(&h->lock);
  return 0;
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
  member *self = pml_alloc0(sizeof *self);
  atomic_init(&self->refs, 1);
  self->box = box;
  self->n = n;
  memcpy(self->id, id, n + 1);
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
  atomic_fetch_add_explicit(&h->refs, 1, memory_order_relaxed);
  t->hub = h;
  t->base.incarnation = self->incarnation;
  peer_add(t, self);
  *out = &t->base;
  return 0;
}

uint64_t pml_transport_local_sent(const pml_transport *t) {
  return ((const local *)(const void *)t)->sent;
}
