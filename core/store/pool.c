#include "store/pool.h"

#include "base/container.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/mem.h"

#include <stdio.h>

#define WAIT_FIRST_MS 100
#define WAIT_LAST_MS 5000

enum { CONNECTING, IDLE, RUNNING, HELD, CLEANING };

struct pml_store_pool {
  pml_store_driver store; /* of which the store holds the address */
  const pml_store_pool_driver *driver;
  void *ud;
  pml_loop *loop;
  pml_store_pool_options o;
  pml_list conns;  /* all but those that are closing */
  pml_list idle;   /* the one that was lent last is last */
  pml_list held;   /* by a transaction that has calls in line, and runs none */
  pml_list line;   /* calls without a connection, `waiting` of them */
  pml_list doomed; /* calls of transactions that have ended */
  uint32_t n, connecting, waiting;
  uint32_t closing; /* connections that are not gone yet */
  uint32_t failures;
  uint64_t last_tx;
  pml_timer retry;
  uint64_t retry_at;
  int retrying;     /* until retry_at no connection is opened */
  pml_task task;    /* work, later */
  char reason[256]; /* of the last failure */
  /* What can be done is done in one place, work(): so drivers may report from inside, and whoever
   * is answered may submit calls, and close the store. */
  int working, depth;
  int closed;
  void (*on_closed)(void *ud);
  void *closed_ud;
};

static void work(pml_store_pool *p);

pml_loop *pml_store_pool_loop(const pml_store_pool *p) { return p->loop; }

/* Between enter and leave the pool stays. */
static void enter(pml_store_pool *p) { p->depth++; }

static void leave(pml_store_pool *p) {
  if (--p->depth || !p->closed || p->n || p->closing) return;
  void (*on_closed)(void *ud) = p->on_closed;
  void *ud = p->closed_ud;
  p->driver->free(p->ud);
  pml_free(p);
  if (on_closed) on_closed(ud);
}

static pml_store_call *pop(pml_list *line) {
  pml_list *n = pml_list_pop(line);
  return n ? PML_CONTAINER(n, pml_store_call, line) : NULL;
}

static void fail_closed(pml_store_call *c, const char *reason) {
  pml_store_fail(c, PML_ECLOSED, "%s", reason);
}

/* The connection's transaction has ended; what waits for it is answered by work(). */
static void end_tx(pml_store_conn *c) {
  pml_store_call *call;
  c->tx = 0;
  while ((call = pop(&c->line))) pml_list_append(&c->pool->doomed, &call->line);
}

/* Takes the connection out and has it closed. */
static void discard(pml_store_conn *c) {
  pml_store_pool *p = c->pool;
  pml_timer_stop(p->loop, &c->timer);
  pml_list_remove(&c->node);
  pml_list_remove(&c->ready);
  p->n--;
  p->closing++;
  p->connecting -= c->state == CONNECTING;
  p->driver->close(c);
}

static uint32_t jitter(uint32_t ms) {
  uint8_t r[2] = {0, 0};
  pml_random(r, sizeof r);
  return ms - (uint32_t)((uint64_t)(ms / 2) * (uint32_t)(r[0] << 8 | r[1]) / 0xffff);
}

/* The next attempt to connect waits. */
static void back_off(pml_store_pool *p) {
  uint32_t ms = p->failures < 6 ? WAIT_FIRST_MS << p->failures : WAIT_LAST_MS;
  if (ms > WAIT_LAST_MS) ms = WAIT_LAST_MS;
  ms = jitter(ms);
  if (ms < WAIT_FIRST_MS) ms = WAIT_FIRST_MS;
  if (p->failures < 6) p->failures++;
  p->retrying = 1;
  p->retry_at = pml_loop_now(p->loop) + ms;
  pml_timer_start(p->loop, &p->retry, ms);
}

static void on_retry(pml_timer *t) {
  pml_store_pool *p = PML_CONTAINER(t, pml_store_pool, retry);
  p->retrying = 0;
  work(p);
}

/* Those that wait now; who is answered may submit again. */
static void fail_waiting(pml_store_pool *p) {
  for (uint32_t n = p->waiting; n && p->waiting; n--) {
    p->waiting--;
    fail_closed(pop(&p->line), p->reason);
  }
}

void pml_store_conn_lost(pml_store_conn *c, const char *reason) {
  pml_store_pool *p = c->pool;
  pml_store_call *call = c->call;
  int connecting = c->state == CONNECTING;
  enter(p);
  snprintf(p->reason, sizeof p->reason, "%s: %s",
           connecting ? "the database cannot be reached" : "the connection to the database broke",
           reason);
  c->call = NULL;
  end_tx(c);
  if (!p->retrying) back_off(p);
  discard(c);
  if (call) {
    call->driver = NULL;
    fail_closed(call, p->reason);
  }
  if (connecting && p->n == p->connecting) fail_waiting(p);
  work(p);
  leave(p);
}

static void on_timer(pml_timer *t) {
  pml_store_conn *c = PML_CONTAINER(t, pml_store_conn, timer);
  pml_store_pool *p = c->pool;
  char reason[64];
  switch (c->state) {
  case CONNECTING:
    snprintf(reason, sizeof reason, "no connection in %u ms", p->o.connect_ms);
    pml_store_conn_lost(c, reason);
    break;
  case CLEANING: pml_store_conn_lost(c, "it did not end a statement in time"); break;
  default:
    enter(p);
    discard(c);
    leave(p);
  }
}

static void clean(pml_store_conn *c) {
  pml_store_pool *p = c->pool;
  c->call = NULL;
  c->state = CLEANING;
  pml_list_remove(&c->ready);
  pml_timer_start(p->loop, &c->timer, PML_STORE_CLEAN_MS);
  end_tx(c);
  pml_loop_defer(p->loop, &p->task);
  p->driver->clean(c);
}

static void put_idle(pml_store_conn *c) {
  pml_store_pool *p = c->pool;
  c->state = IDLE;
  pml_list_append(&p->idle, &c->ready);
  pml_timer_start(p->loop, &c->timer, p->o.idle_ms);
}

/* It is held by a transaction; what waits in its line is run by work(). */
static void put_held(pml_store_conn *c) {
  c->state = HELD;
  if (!pml_list_empty(&c->line)) pml_list_append(&c->pool->held, &c->ready);
}

static void run(pml_store_conn *c, pml_store_call *call) {
  pml_timer_stop(c->pool->loop, &c->timer);
  pml_list_remove(&c->ready);
  c->state = RUNNING;
  c->call = call;
  call->driver = c;
  c->pool->driver->run(c);
}

static void connect_one(pml_store_pool *p) {
  pml_store_conn *c = p->driver->make(p->ud);
  c->pool = p;
  c->call = NULL;
  c->tx = 0;
  c->state = CONNECTING;
  pml_list_init(&c->ready);
  pml_list_init(&c->line);
  pml_timer_init(&c->timer, on_timer);
  pml_list_append(&p->conns, &c->node);
  p->n++;
  p->connecting++;
  pml_timer_start(p->loop, &c->timer, p->o.connect_ms);
  p->driver->connect(c);
}

/* Whether to open one more connection. After a failure one attempt shows whether the database is
 * back. */
static int wants_more(const pml_store_pool *p) {
  if (p->retrying || p->n + p->closing >= p->o.connections) return 0;
  return p->connecting < (p->failures ? 1 : p->waiting);
}

/* One thing that can be done now; 0: there is none. */
static int step(pml_store_pool *p) {
  pml_store_call *call = pop(&p->doomed);
  pml_store_conn *c;
  if (call) {
    call->driver = NULL;
    fail_closed(call, "the transaction has ended: a call of it failed, or its connection broke");
  } else if (!pml_list_empty(&p->held)) {
    c = PML_CONTAINER(p->held.next, pml_store_conn, ready);
    run(c, pop(&c->line));
  } else if (!p->waiting) {
    return 0;
  } else if (!pml_list_empty(&p->idle)) {
    c = PML_CONTAINER(p->idle.prev, pml_store_conn, ready);
    p->waiting--;
    run(c, pop(&p->line));
  } else if (wants_more(p)) {
    connect_one(p);
  } else {
    return 0;
  }
  return 1;
}

static void work(pml_store_pool *p) {
  if (p->working) return;
  p->working = 1;
  enter(p);
  while (!p->closed && step(p)) {}
  p->working = 0;
  leave(p);
}

static void on_task(pml_task *t) { work(PML_CONTAINER(t, pml_store_pool, task)); }

void pml_store_conn_ready(pml_store_conn *c) {
  pml_store_pool *p = c->pool;
  if (c->state == CONNECTING) {
    p->connecting--;
    p->failures = 0;
  }
  put_idle(c);
  work(p);
}

void pml_store_conn_answered(pml_store_conn *c, int dirty) {
  pml_store_pool *p = c->pool;
  pml_store_call *call = c->call;
  int ends = call->op == PML_STORE_COMMIT || call->op == PML_STORE_ROLLBACK;
  enter(p);
  c->call = NULL;
  if (call->op == PML_STORE_BEGIN && call->rc == 0) call->tx = c->tx = ++p->last_tx;
  if (dirty || (call->rc && (ends || call->op == PML_STORE_BEGIN))) {
    clean(c);
  } else if (c->tx && !ends) {
    put_held(c);
  } else {
    end_tx(c);
    put_idle(c);
  }
  pml_store_answer(call);
  work(p);
  leave(p);
}

void pml_store_pool_gone(pml_store_pool *p) {
  enter(p);
  p->closing--;
  work(p);
  leave(p);
}

static pml_store_conn *holder(pml_store_pool *p, uint64_t tx) {
  for (pml_list *n = p->conns.next; tx && n != &p->conns; n = n->next) {
    pml_store_conn *c = PML_CONTAINER(n, pml_store_conn, node);
    if (c->tx == tx) return c;
  }
  return NULL;
}

static void submit_tx(pml_store_pool *p, pml_store_call *call) {
  pml_store_conn *c = holder(p, call->tx);
  if (call->op == PML_STORE_BEGIN) {
    pml_store_fail(call, PML_EINVAL, "a transaction has begun already");
  } else if (c) {
    pml_list_append(&c->line, &call->line);
    if (c->state == HELD && pml_list_empty(&c->ready)) put_held(c);
  } else if (call->op == PML_STORE_ROLLBACK) {
    pml_store_answer(call);
  } else {
    fail_closed(call, "the transaction has ended");
  }
}

static void pool_submit(void *self, pml_store_call *call) {
  pml_store_pool *p = self;
  enter(p);
  call->driver = NULL;
  pml_list_init(&call->line);
  if (call->tx) {
    submit_tx(p, call);
  } else if (call->op == PML_STORE_COMMIT || call->op == PML_STORE_ROLLBACK) {
    pml_store_fail(call, PML_EINVAL, "no transaction has begun");
  } else if (p->n == p->connecting && p->retrying &&
             p->retry_at > pml_loop_now(p->loop) + PML_STORE_PATIENCE_MS) {
    fail_closed(call, p->reason);
  } else {
    pml_list_append(&p->line, &call->line);
    p->waiting++;
  }
  work(p);
  leave(p);
}

static void pool_release(void *self, uint64_t tx) {
  pml_store_pool *p = self;
  pml_store_conn *c = holder(p, tx);
  if (!c) return;
  /* Whose call still runs has gone too. */
  if (c->call) pml_list_append(&p->doomed, &c->call->line);
  if (c->call) c->call->driver = NULL;
  clean(c);
}

/* Without one of its statements a transaction is not what its owner means. */
static void pool_cancel(void *self, pml_store_call *call) {
  pml_store_pool *p = self;
  if (call->driver) {
    clean(call->driver);
    return;
  }
  /* In the line of a transaction, of those that have ended, or of the pool. */
  pml_list_remove(&call->line);
  if (call->tx || p->n > p->connecting) call->rc = PML_EFULL;
  if (call->tx) pool_release(p, call->tx);
  else p->waiting--;
}

static void pool_connections(void *self, uint32_t *open, uint32_t *busy) {
  pml_store_pool *p = self;
  *open = p->n - p->connecting;
  *busy = *open;
  for (pml_list *n = p->idle.next; n != &p->idle; n = n->next) --*busy;
}

static void pool_close(void *self, void (*closed)(void *ud), void *ud) {
  pml_store_pool *p = self;
  enter(p);
  p->closed = 1;
  p->on_closed = closed;
  p->closed_ud = ud;
  pml_timer_stop(p->loop, &p->retry);
  pml_task_cancel(&p->task);
  while (!pml_list_empty(&p->conns)) discard(PML_CONTAINER(p->conns.next, pml_store_conn, node));
  leave(p);
}

pml_store *pml_store_pool_open(pml_loop *l, const pml_store_pool_driver *d, void *ud,
                               const pml_store_pool_options *options,
                               const pml_store_limits *limits) {
  pml_store_pool *p = pml_alloc0(sizeof *p);
  p->store = (pml_store_driver){d->kind,          pool_submit, pool_cancel, pool_release,
                                pool_connections, pool_close,  NULL,        NULL};
  p->driver = d;
  p->ud = ud;
  p->loop = l;
  p->o = options ? *options : PML_STORE_POOL_OPTIONS;
  pml_list_init(&p->conns);
  pml_list_init(&p->idle);
  pml_list_init(&p->held);
  pml_list_init(&p->line);
  pml_list_init(&p->doomed);
  pml_timer_init(&p->retry, on_retry);
  pml_task_init(&p->task, on_task);
  return pml_store_new(l, &p->store, p, limits);
}
