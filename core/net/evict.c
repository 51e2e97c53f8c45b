/* evict: one bound for what all clients hold, and who goes when it is passed: the largest first.
 *
 * Each connection is charged with its queue and its cut package (pml__conn_charge), whether blocks
 * in the queue are shared or not; the sum costs an addition per message. Only when the sum is near
 * the bound are the connections walked: then a block counts for each of its holders with its part
 * of it, so that a push to everybody counts once. The walk reads some blocks of each queue and
 * takes the others to be like them, and sorts the connections into classes, each twice as large as
 * the one before: whole classes go, from the largest on.
 *
 * Sets of one process share a count. Each set adds its own part to it and, when all are too much
 * together, closes as many clients as its part is of the whole; a set that nothing happens in looks
 * a few times a second. */
#include "net/conn_private.h"

#include "base/container.h"

#define EVERY_MS 250u /* between two looks of a set that holds something */
#define SAMPLES 16u   /* blocks of a queue that are read */
#define CLASSES 65u
#define LEAST_STEP 65536u
#define MOST_STEP (1u << 20)

/* Looked for from 7/8 of the bound on, so that what comes between two walks, and what a closed
 * connection keeps until its socket is, find room. */
static uint64_t high(const pml_conns *s) { return s->o.limits.memory - s->o.limits.memory / 8; }
/* Clients go until so much is left, so that they do not go one by one. */
static uint64_t low(const pml_conns *s) { return s->o.limits.memory - s->o.limits.memory / 4; }

/* The bytes of a queue, a shared block by its part. */
static uint64_t size_of_queue(pml__outq *q) {
  uint64_t whole = 0, own = 0;
  uint32_t step = q->count / SAMPLES + 1;
  for (uint32_t i = 0; i < q->count; i += step) {
    const pml__out *o = pml__outq_at(q, i);
    if (!o->b) continue;
    whole += o->len + 1u;
    own += (o->len + 1u) / pml_buf_refs(o->b);
  }
  uint64_t length = pml__outq_length(q), written = q->cut ? pml__outq_at(q, 0)->off : 0;
  return (whole ? length * own / whole : length) + written + q->count * sizeof(pml__out);
}

static uint64_t size_of(pml_conn *c) {
  if (c->life == PML__UV_CLOSING || !c->charged) return 0;
  return (c->q ? size_of_queue(c->q) : 0) + pml__conn_apart(c);
}

static unsigned class_of(uint64_t size) { return size ? 64u - (unsigned)__builtin_clzll(size) : 0; }

/* The bytes of all connections, and of those of each class. */
static uint64_t walk(pml_conns *s, uint64_t in_class[CLASSES]) {
  uint64_t all = 0;
  memset(in_class, 0, CLASSES * sizeof *in_class);
  pml_refs_settle(&s->refs);
  for (pml_list *n = s->all.next; n != &s->all; n = n->next) {
    uint64_t size = size_of(PML_CONTAINER(n, pml_conn, node));
    in_class[class_of(size)] += size;
    all += size;
  }
  return all;
}

/* Closes c at once; one that is closing already keeps its reason. */
static void give_up(pml_conn *c) {
  if (c->life == PML__OPEN) {
    pml_conn_close(c, PML_END_MEMORY, 0);
    return;
  }
  pml__conn_die(c, PML_END_MEMORY);
  if (c->q) pml__outq_cut(c->q, c->q->held);
  pml__conn_charge(c);
}

/* Closes connections of the largest classes until `much` is freed. Returns how much was. */
static uint64_t close_largest(pml_conns *s, const uint64_t in_class[CLASSES], uint64_t much) {
  unsigned from = CLASSES - 1;
  for (uint64_t above = in_class[from]; from > 1 && above < much;) above += in_class[--from];
  uint64_t freed = 0, left = much;
  unsigned closed = 0;
  for (unsigned k = CLASSES - 1; k > from; k--) left -= in_class[k] < left ? in_class[k] : left;
  for (pml_list *n = s->all.next; n != &s->all; n = n->next) {
    pml_conn *c = PML_CONTAINER(n, pml_conn, node);
    uint64_t size = size_of(c);
    unsigned k = class_of(size);
    if (k < from || (k == from && !left)) continue;
    if (k == from) left -= size < left ? size : left;
    freed += size;
    closed++;
    give_up(c);
  }
  if (s->o.log && closed)
    pml_log_some(s->o.log, PML_WARN, "clients closed over clientMemory",
                 "clients hold more than clientMemory allows, %llu MiB: closed %u of them, the "
                 "largest first",
                 (unsigned long long)(s->o.limits.memory >> 20), closed);
  return freed;
}

static void publish(pml_conns *s, uint64_t bytes) {
  atomic_fetch_add(&s->evict.all->bytes, bytes - s->evict.published);
  s->evict.published = bytes;
}

void pml__evict_look(pml_conns *s) {
  pml__evict *e = &s->evict;
  uint64_t in_class[CLASSES], most = s->o.limits.memory, own = e->held, step = most / 256;
  uint64_t others = atomic_load(&e->all->bytes) - e->published;
  if (step < LEAST_STEP) step = LEAST_STEP;
  if (step > MOST_STEP) step = MOST_STEP;
  if (own && others + own > high(s)) {
    own = walk(s, in_class);
    uint64_t all = others + own;
    step = most / 16;
    if (all > high(s)) {
      uint64_t much = (uint64_t)((double)(all - low(s)) * (double)own / (double)all) + 1;
      own -= close_largest(s, in_class, much < own ? much : own);
    }
  }
  publish(s, own);
  pml__trim_note(s);
  e->from = e->held > step ? e->held - step : 0;
  e->span = e->held - e->from + step;
  if (e->held && !pml_timer_running(&e->timer)) pml_timer_start(s->loop, &e->timer, EVERY_MS);
}

static void on_timer(pml_timer *t) { pml__evict_look(PML_CONTAINER(t, pml_conns, evict.timer)); }

void pml__evict_init(pml_conns *s) {
  pml_timer_init(&s->evict.timer, on_timer);
  if (s->o.limits.memory) s->evict.span = 0;
}
