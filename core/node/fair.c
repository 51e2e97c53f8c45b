#include "node/fair.h"

#include "base/container.h"
#include "base/hash.h"
#include "base/mem.h"
#include "node/state.h"

#define SHARES 1024u /* a power of two */

const pml_counter pml__fair_counters[] = {
  PML_NODE_COUNTER("forwardsWaiting", fair.waiting),
  PML_NODE_COUNTER("forwardsQueued", fair.queued),
  PML_NODE_COUNTER("overShare", fair.over),
  {NULL, 0},
};

/* How many messages were handled as they came in a turn, of the sessions whose hash falls here. Two
 * that share one have less each, and nothing else of each other. */
typedef struct pml_fair_share {
  uint32_t turn, used;
} share;

/* Without the id, frontends of two processes might have the same incarnation. */
typedef struct {
  uint64_t incarnation, frontend; /* of the frontend; the hash of its id */
  uint64_t session;
} key;

typedef struct item {
  struct item *next;
  pml_buf *message; /* an envelope, owned */
} item;

typedef struct pml_fair_queue {
  UT_hash_handle hh;
  key of;
  pml_list node; /* in round */
  item *first, **end;
  size_t bytes;
} queue;

/* Ids of sessions and incarnations are the program's own: nobody chooses where they fall. */
static uint32_t hash_of(const key *k) { return pml_hash_ours(k, sizeof *k); }

static queue *find(const pml_fair *f, const key *k, uint32_t hash) {
  queue *q;
  HASH_FIND_BYHASHVALUE(hh, f->queues, k, sizeof *k, hash, q);
  return q;
}

static queue *queue_new(pml_fair *f, const key *k, uint32_t hash) {
  queue *q = pml_alloc0(sizeof *q);
  q->of = *k;
  q->end = &q->first;
  pml_list_append(&f->round, &q->node);
  HASH_ADD_KEYPTR_BYHASHVALUE(hh, f->queues, &q->of, sizeof q->of, hash, q);
  return q;
}

/* Takes the first message out; the queue is freed with its last one. */
static pml_buf *pop(pml_fair *f, queue *q) {
  item *i = q->first;
  pml_buf *message = i->message;
  q->first = i->next;
  q->bytes -= message->len;
  f->bytes -= message->len;
  f->waiting--;
  pml_free(i);
  pml_list_remove(&q->node);
  if (q->first) {
    pml_list_append(&f->round, &q->node);
    return message;
  }
  HASH_DELETE(hh, f->queues, q);
  pml_free(q);
  return message;
}

static void put(pml_node *n, queue *q, const pml_envelope *env) {
  pml_fair *f = &n->fair;
  item *i = pml_alloc(sizeof *i);
  *i = (item){NULL, pml_envelope_write(env)};
  *q->end = i;
  q->end = &i->next;
  q->bytes += i->message->len;
  f->bytes += i->message->len;
  f->waiting++;
  f->queued++;
  pml_loop_defer(n->loop, &f->task);
}

/* Whether the session may have one more message handled as it comes. */
static int within_share(pml_node *n, uint32_t hash) {
  pml_fair *f = &n->fair;
  uint32_t turn = (uint32_t)pml_loop_turn(n->loop);
  if (!f->shares) f->shares = pml_alloc0(SHARES * sizeof *f->shares);
  share *s = &f->shares[hash & (SHARES - 1)];
  if (s->turn != turn) *s = (share){turn, 0};
  return s->used++ < PML_FAIR_SHARE;
}

void pml__fair_take(pml_node *n, const pml_envelope *env) {
  pml_fair *f = &n->fair;
  key k = {env->from_incarnation, pml_hash_ours(env->from.p, env->from.n), env->session};
  uint32_t hash = hash_of(&k);
  queue *q = f->queues ? find(f, &k, hash) : NULL;
  if (!q && within_share(n, hash)) {
    f->handle(n, env);
    return;
  }
  size_t size = env->param.n + env->settings.n + env->route.n;
  if (f->bytes + size > PML_FAIR_MAX || (q && q->bytes + size > PML_FAIR_SESSION_MAX)) {
    f->over++;
    f->refuse(n, env);
    return;
  }
  put(n, q ? q : queue_new(f, &k, hash), env);
}

/* The queue whose turn it is: its first message is handled. */
static void take_turn(pml_node *n) {
  pml_fair *f = &n->fair;
  pml_buf *message = pop(f, PML_CONTAINER(f->round.next, queue, node));
  pml_envelope env;
  if (pml_envelope_read(pml_buf_slice(message), &env) == 0) f->handle(n, &env);
  pml_buf_unref(message);
}

static void on_turn(pml_task *t) {
  pml_node *n = PML_CONTAINER(t, pml_node, fair.task);
  uint64_t began = uv_hrtime();
  while (n->fair.waiting && uv_hrtime() - began < PML_FAIR_NS) take_turn(n);
  if (n->fair.waiting) pml_loop_defer(n->loop, &n->fair.task);
}

void pml__fair_finish(pml_node *n) {
  while (n->fair.waiting) take_turn(n);
}

void pml__fair_gone(pml_node *n, const char *id, uint64_t incarnation) {
  pml_fair *f = &n->fair;
  uint64_t frontend = pml_hash_ours(id, strlen(id));
  queue *q, *next;
  HASH_ITER (hh, f->queues, q, next) {
    if (q->of.incarnation != incarnation || q->of.frontend != frontend) continue;
    int last;
    do {
      last = q->first->next == NULL;
      pml_buf_unref(pop(f, q));
    } while (!last);
  }
}

uint64_t pml__fair_count(const pml_node *n) { return n->fair.waiting; }

void pml__fair_init(pml_node *n, pml_fair_run_fn handle, pml_fair_run_fn refuse) {
  pml_list_init(&n->fair.round);
  n->fair.handle = handle;
  n->fair.refuse = refuse;
  pml_task_init(&n->fair.task, on_turn);
}

void pml__fair_clear(pml_node *n) {
  pml_fair *f = &n->fair;
  pml_task_cancel(&f->task);
  while (f->waiting) pml_buf_unref(pop(f, PML_CONTAINER(f->round.next, queue, node)));
  pml_free(f->shares);
  f->shares = NULL;
}
