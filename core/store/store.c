#include "store/store.h"

#include "base/clock.h"
#include "base/container.h"
#include "base/err.h"
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const uint32_t pml_store_bounds[PML_STORE_CLASSES - 1] = {
  100, 250, 500, 1000, 2500, 5000, 10000, 50000, 250000, 1000000, 5000000,
};

struct pml_store {
  pml_loop *loop;
  const pml_store_driver *driver;
  void *self;
  pml_store_limits limits;
  pml_list calls; /* under way */
  pml_store_stats stats;
  int submitting; /* inside of the driver's submit: answers wait for the end of the turn */
  int closing;    /* the driver is gone: it is freed with its last call */
};

pml_store *pml_store_new(pml_loop *l, const pml_store_driver *d, void *self,
                         const pml_store_limits *limits) {
  pml_store *s = pml_alloc0(sizeof *s);
  s->loop = l;
  s->driver = d;
  s->self = self;
  s->limits = limits ? *limits : PML_STORE_LIMITS;
  pml_list_init(&s->calls);
  return s;
}

pml_loop *pml_store_loop(const pml_store *s) { return s->loop; }

static void count(pml_store *s, const pml_store_call *c) {
  uint64_t us = pml_clock_us() - c->begun;
  int class = 0;
  while (class < PML_STORE_CLASSES - 1 && us > pml_store_bounds[class]) class ++;
  s->stats.took[class]++;
  s->stats.us += us;
  s->stats.calls++;
  s->stats.errors += c->rc != 0;
  s->stats.timeouts += c->rc == PML_ETIMEOUT;
  s->stats.refused += c->rc == PML_EFULL;
}

/* The call is nobody's from here on. */
static void leave(pml_store_call *c) {
  pml_timer_stop(c->store->loop, &c->timer);
  pml_task_cancel(&c->task);
  pml_list_remove(&c->node);
  c->store->stats.waiting--;
  c->store = NULL;
}

static void free_closed(pml_store *s) {
  if (s->closing && pml_list_empty(&s->calls)) pml_free(s);
}

static void finish(pml_store_call *c) {
  pml_store *s = c->store;
  count(s, c);
  leave(c);
  free_closed(s);
  c->done(c, c->ud);
}

static void on_task(pml_task *t) { finish(PML_CONTAINER(t, pml_store_call, task)); }

static void say(pml_store_call *c, int rc, const char *fmt, va_list args) {
  char text[512];
  vsnprintf(text, sizeof text, fmt, args);
  pml_buf_unref(c->message);
  pml_data_drop(&c->values);
  c->message = pml_buf_from(text, strlen(text));
  c->rc = rc;
  c->columns = 0;
  c->rows = 0;
}

void pml_store_error(pml_store_call *c, int rc, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  say(c, rc, fmt, args);
  va_end(args);
}

void pml_store_answer(pml_store_call *c) {
  pml_store *s = c->store;
  if (c->rc == 0 && c->op == PML_STORE_QUERY && c->rows > pml_store_max_rows(c))
    pml_store_error(c, PML_ETOOBIG, "more than %u rows", pml_store_max_rows(c));
  else if (c->rc == 0 && pml_data_size(&c->values) > s->limits.max_bytes)
    pml_store_error(c, PML_ETOOBIG, "the answer is larger than %zu bytes", s->limits.max_bytes);
  c->driver = NULL;
  c->answered = 1;
  pml_timer_stop(s->loop, &c->timer);
  if (s->submitting) pml_loop_defer(s->loop, &c->task);
  else finish(c);
}

void pml_store_fail(pml_store_call *c, int rc, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  say(c, rc, fmt, args);
  va_end(args);
  pml_store_answer(c);
}

/* The driver's hands leave the call; an answer that waits for the end of the turn has left them. */
static void forget(pml_store_call *c) {
  if (!c->answered && c->store->driver) c->store->driver->cancel(c->store->self, c);
  c->driver = NULL;
}

static void on_deadline(pml_timer *t) {
  pml_store_call *c = PML_CONTAINER(t, pml_store_call, timer);
  c->rc = 0;
  forget(c);
  if (c->rc == PML_EFULL) pml_store_error(c, PML_EFULL, "it waited for others, %u ms", c->ms);
  else pml_store_error(c, PML_ETIMEOUT, "no answer in %u ms", c->ms);
  finish(c);
}

int pml_store_check(pml_store *s, pml_store_call *c, char *err, size_t nerr) {
  return s->driver->check ? s->driver->check(s->self, c, err, nerr) : 0;
}

void pml_store_submit(pml_store *s, pml_store_call *c) {
  c->store = s;
  c->begun = pml_clock_us();
  c->answered = 0;
  if (!c->ms) c->ms = s->limits.ms;
  if (!c->max_rows) c->max_rows = s->limits.max_rows;
  pml_timer_init(&c->timer, on_deadline);
  pml_task_init(&c->task, on_task);
  pml_list_append(&s->calls, &c->node);
  s->submitting++;
  if (s->stats.waiting++ >= s->limits.max_waiting) {
    pml_store_fail(c, PML_EFULL, "%u calls wait already", s->limits.max_waiting);
  } else {
    pml_timer_start(s->loop, &c->timer, c->ms);
    s->driver->submit(s->self, c);
  }
  s->submitting--;
}

int pml_store_now(pml_store *s, pml_slice text, pml_store_call *c) {
  if (!s->driver->now) return 0;
  c->store = s;
  c->begun = pml_clock_us();
  if (!c->max_rows) c->max_rows = s->limits.max_rows;
  int is = s->driver->now(s->self, text, c);
  c->store = NULL;
  if (is) count(s, c);
  return is;
}

void pml_store_cancel(pml_store_call *c) {
  pml_store *s = c->store;
  if (!s) return;
  forget(c);
  /* It has begun already, and nobody will hear of it. */
  if (c->answered && c->op == PML_STORE_BEGIN && c->rc == 0 && s->driver)
    s->driver->release(s->self, c->tx);
  leave(c);
  free_closed(s);
}

void pml_store_release(pml_store *s, uint64_t tx) { s->driver->release(s->self, tx); }

void pml_store_stats_get(pml_store *s, pml_store_stats *out) {
  *out = s->stats;
  s->driver->connections(s->self, &out->open, &out->busy);
}

void pml_store_close(pml_store *s, void (*closed)(void *ud), void *ud) {
  pml_list *n;
  for (n = s->calls.next; n != &s->calls; n = n->next) {
    pml_store_call *c = PML_CONTAINER(n, pml_store_call, node);
    forget(c);
    pml_store_error(c, PML_ECLOSED, "the connections were closed");
    pml_timer_stop(s->loop, &c->timer);
    pml_loop_defer(s->loop, &c->task);
  }
  s->driver->close(s->self, closed, ud);
  s->driver = NULL;
  s->closing = 1;
  free_closed(s);
}

void pml_store_call_drop(pml_store_call *c) {
  pml_buf_unref(c->text);
  pml_buf_unref(c->message);
  pml_data_drop(&c->params);
  pml_data_drop(&c->values);
  *c = (pml_store_call){0};
}

uint32_t pml_store_left(const pml_store_call *c) {
  uint64_t gone = (pml_clock_us() - c->begun) / 1000;
  return gone >= c->ms ? 1 : c->ms - (uint32_t)gone;
}

uint32_t pml_store_max_rows(const pml_store_call *c) { return c->max_rows; }
size_t pml_store_max_bytes(const pml_store_call *c) { return c->store->limits.max_bytes; }
