#include "net/tls_queue.h"

#include "base/container.h"

enum { OUTSIDE, WAITS, STARTED };

#define ONE 1000u         /* the credit of one handshake */
#define BURSTS_PER_S 100u /* at least so many: a turn begins no more than its part of a second */

static pml__tls_place *first_of(pml_list *l) {
  return PML_CONTAINER(l->next, pml__tls_place, node);
}

static uint64_t most_credit(const pml__tls_queue *q) {
  uint64_t burst = q->per_s / BURSTS_PER_S;
  return ONE * (burst ? burst : 1);
}

static void refill(pml__tls_queue *q) {
  uint64_t now = pml_loop_now(q->loop), most = most_credit(q);
  q->credit += (now - q->at) * q->per_s;
  if (q->credit > most) q->credit = most;
  q->at = now;
}

/* Takes the credit of one handshake, when there is a free place and credit. */
static int take(pml__tls_queue *q) {
  if (q->under_way >= q->max) return 0;
  if (!q->per_s) return 1;
  refill(q);
  if (q->credit < ONE) return 0;
  q->credit -= ONE;
  return 1;
}

/* In how many milliseconds the next one may begin. */
static uint64_t delay(pml__tls_queue *q) {
  if (q->under_way >= q->max) {
    uint64_t now = pml_loop_now(q->loop), due = first_of(&q->started)->since + PML__TLS_PATIENCE_MS;
    return due > now ? due - now : 1;
  }
  if (!q->per_s || q->credit >= ONE) return 1;
  return (ONE - q->credit + q->per_s - 1) / q->per_s;
}

static void schedule(pml__tls_queue *q) {
  if (q->waiting) pml_timer_start(q->loop, &q->timer, delay(q));
  else pml_timer_stop(q->loop, &q->timer);
}

static void start(pml__tls_queue *q, pml__tls_place *p) {
  p->state = STARTED;
  p->since = pml_loop_now(q->loop);
  pml_list_append(&q->started, &p->node);
  q->under_way++;
}

static void on_timer(pml_timer *t) {
  pml__tls_queue *q = PML_CONTAINER(t, pml__tls_queue, timer);
  while (q->waiting) {
    if (q->under_way >= q->max) {
      pml__tls_place *oldest = first_of(&q->started);
      if (pml_loop_now(q->loop) - oldest->since < PML__TLS_PATIENCE_MS) break;
      q->cut(oldest);
      if (oldest->state != OUTSIDE) break; /* ours: it leaves */
    }
    if (!take(q)) break;
    pml__tls_place *p = first_of(&q->waits);
    pml_list_remove(&p->node);
    q->waiting--;
    start(q, p);
    q->begin(p);
  }
  schedule(q);
}

void pml__tls_queue_init(pml__tls_queue *q, pml_loop *l, uint32_t max, uint32_t per_s,
                         void (*begin)(pml__tls_place *p), void (*cut)(pml__tls_place *p)) {
  *q = (pml__tls_queue){.max = max, .per_s = per_s, .begin = begin, .cut = cut, .loop = l};
  pml_timer_init(&q->timer, on_timer);
  pml_list_init(&q->waits);
  pml_list_init(&q->started);
  q->credit = most_credit(q);
  q->at = pml_loop_now(l);
}

void pml__tls_queue_fini(pml__tls_queue *q) { pml_timer_stop(q->loop, &q->timer); }

void pml__tls_place_init(pml__tls_place *p) {
  pml_list_init(&p->node);
  p->state = OUTSIDE;
}

int pml__tls_queue_ask(pml__tls_queue *q, pml__tls_place *p) {
  if (!q->waiting && take(q)) {
    start(q, p);
    return 1;
  }
  p->state = WAITS;
  pml_list_append(&q->waits, &p->node);
  q->waiting++;
  schedule(q);
  return 0;
}

int pml__tls_queue_leave(pml__tls_queue *q, pml__tls_place *p) {
  if (p->state == OUTSIDE) return 0;
  if (p->state == WAITS) q->waiting--;
  else q->under_way--;
  p->state = OUTSIDE;
  pml_list_remove(&p->node);
  schedule(q);
  return 1;
}
