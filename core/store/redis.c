#include "store/redis.h"

#include "base/container.h"
#include "base/err.h"
#include "base/mem.h"
#include "store/redis_link.h"
#include "store/redis_unit.h"

#include <assert.h>
#include <stdio.h>

#define LINKS_MAX 64
#define CROWD 32              /* replies that each connection owes, at which one more is opened */
#define OWED_MAX 1024         /* that one may owe */
#define UNSENT_MAX (1u << 20) /* bytes that wait for the socket of one */
#define CHECK_MS 10000        /* how often a connection is looked at for silence */
#define KEEP_UNITS 1024

typedef struct redis redis;

/* A place for a connection. */
typedef struct {
  redis *self;
  pml__redis_link *link; /* owned by itself; NULL: none */
  pml_list owed;         /* units, in the order in which they were sent */
  uint32_t nowed;        /* replies to them */
  int answered;          /* it has given a reply: the server is well */
  uint64_t since;        /* when the last reply came, or the first unit was sent after none */
  pml_timer timer;       /* looks for silence, and for idleness */
} slot;

struct redis {
  pml_loop *loop;
  pml_redis_options o; /* without the place and the password, which `where` has */
  pml__redis_library library;
  pml__redis_where where;
  pml__redis_link_options link;
  pml_names *names;
  slot slots[LINKS_MAX];
  pml_list line; /* units that no connection has taken yet */
  size_t queued; /* their bytes */
  pml_pool units;
  pml_timer pause; /* runs: no attempt to connect before it fires */
  uint32_t failed; /* attempts, one after the other */
  uint32_t links;  /* that are on the loop, closed ones too */
  char why[512];   /* the last attempt failed */
  void (*closed)(void *ud);
  void *closed_ud;
  int closing;
};

static const pml__redis_link_events events;

/* ---- sending ---- */

static int has_room(const slot *s) {
  return s->link && s->link->is_up && s->nowed < OWED_MAX && s->link->unsent < UNSENT_MAX;
}

/* The connection that owes least of those that take more, NULL: none does. */
static slot *free_slot(redis *r) {
  slot *best = NULL;
  for (uint32_t i = 0; i < r->o.connections; i++) {
    slot *s = &r->slots[i];
    if (has_room(s) && (!best || s->nowed < best->nowed)) best = s;
  }
  return best;
}

static void send_unit(redis *r, slot *s, pml__redis_unit *u) {
  pml_list_remove(&u->node);
  if (!s->nowed) s->since = pml_loop_now(r->loop);
  pml_list_append(&s->owed, &u->node);
  s->nowed += u->replies;
  pml__redis_link_send(s->link, pml_buf_slice(u->bytes));
  r->queued -= u->bytes->len;
  pml_buf_unref(u->bytes);
  u->bytes = NULL;
}

/* One more connection, when there may be one: one attempt at a time, and none in a pause. */
static void open_link(redis *r) {
  slot *empty = NULL;
  if (pml_timer_running(&r->pause)) return;
  for (uint32_t i = 0; i < r->o.connections; i++) {
    slot *s = &r->slots[i];
    if (s->link && !s->link->is_up) return;
    if (!s->link && !empty) empty = s;
  }
  if (!empty) return;
  empty->answered = 0;
  empty->link = pml__redis_link_open(&r->link, &events, empty);
  r->links++;
}

static void pump(redis *r) {
  slot *s = NULL;
  while (!pml_list_empty(&r->line) && (s = free_slot(r)))
    send_unit(r, s, PML_CONTAINER(r->line.next, pml__redis_unit, node));
  if (!pml_list_empty(&r->line) || (s && s->nowed >= CROWD)) open_link(r);
}

/* ---- connections ---- */

static uint64_t check_ms(const redis *r) {
  uint64_t ms = CHECK_MS;
  if (r->o.idle_ms < ms) ms = r->o.idle_ms;
  if (r->o.silent_ms < ms) ms = r->o.silent_ms;
  return ms;
}

static void on_up(pml__redis_link *l) {
  slot *s = l->ud;
  s->since = pml_loop_now(s->self->loop);
  pml_timer_start(s->self->loop, &s->timer, check_ms(s->self));
  pump(s->self);
}

static void on_sent(pml__redis_link *l) { pump(((slot *)l->ud)->self); }

static void on_reply(pml__redis_link *l, pml__redis_reply *reply) {
  slot *s = l->ud;
  redis *r = s->self;
  if (pml_list_empty(&s->owed)) {
    /* Nobody has asked: what comes next would be taken for the answer of another call. */
    pml_data_drop(&reply->values);
    pml__redis_link_close(l);
    events.down(l, "the server sent a reply to no command");
    return;
  }
  pml__redis_unit *u = PML_CONTAINER(s->owed.next, pml__redis_unit, node);
  s->nowed--;
  s->answered = 1;
  s->since = pml_loop_now(r->loop);
  r->failed = 0;
  if (!pml__redis_unit_reply(u, reply, &r->link.limits)) return;
  pml__redis_unit_finish(&r->units, u);
  if (!r->closing && !pml_list_empty(&r->line)) pump(r);
}

/* Answers all calls of a list of units, which is emptied. Any of them may close the store. */
static void fail_all(redis *r, pml_list *units, const char *fmt, const char *why) {
  pml_list list;
  pml_list_move(&list, units);
  pml_list_init(units);
  for (pml_list *n; (n = list.next) != &list;) {
    pml__redis_unit *u = PML_CONTAINER(n, pml__redis_unit, node);
    pml_store_call *c = u->call;
    if (u->bytes) r->queued -= u->bytes->len;
    pml__redis_unit_free(&r->units, u);
    if (c) pml_store_fail(c, PML_ECLOSED, fmt, why);
  }
}

/* The connection is closed, and its place is free. */
static void empty_slot(slot *s) {
  s->link = NULL;
  s->nowed = 0;
  pml_timer_stop(s->self->loop, &s->timer);
}

static int is_up(const redis *r) {
  for (uint32_t i = 0; i < r->o.connections; i++)
    if (r->slots[i].link && r->slots[i].link->is_up) return 1;
  return 0;
}

static void on_down(pml__redis_link *l, const char *why) {
  slot *s = l->ud;
  redis *r = s->self;
  snprintf(r->why, sizeof r->why, "%s", why);
  empty_slot(s);
  /* One that never gave an answer is no better than one that did not come up. */
  if (!s->answered) pml_timer_start(r->loop, &r->pause, pml__redis_link_pause(r->failed++));
  int hopeless = !s->answered && !is_up(r);
  fail_all(r, &s->owed, "%s; whether the command was done is not known", r->why);
  if (!r->closing && hopeless) fail_all(r, &r->line, "%s", r->why);
  if (!r->closing) pump(r);
}

static void on_check(pml_timer *t) {
  slot *s = PML_CONTAINER(t, slot, timer);
  redis *r = s->self;
  uint64_t now = pml_loop_now(r->loop), since = s->since;
  if (!s->nowed && now - since >= r->o.idle_ms) {
    pml__redis_link_close(s->link);
    empty_slot(s);
    return;
  }
  if (s->link->heard > since) since = s->link->heard;
  if (s->nowed && now - since >= r->o.silent_ms) {
    char why[400];
    snprintf(why, sizeof why, "redis at %s has not answered for %u ms", r->where.name,
             r->o.silent_ms);
    pml__redis_link_close(s->link);
    s->answered = 0;
    on_down(s->link, why);
    return;
  }
  pml_timer_start(r->loop, &s->timer, check_ms(r));
}

static void on_pause_over(pml_timer *t) { pump(PML_CONTAINER(t, redis, pause)); }

static void redis_free(redis *r) {
  void (*closed)(void *ud) = r->closed;
  void *ud = r->closed_ud;
  pml_pool_clear(&r->units);
  pml__redis_where_drop(&r->where);
  pml_free(r);
  if (closed) closed(ud);
}

static void on_gone(pml__redis_link *l) {
  redis *r = ((slot *)l->ud)->self;
  r->links--;
  if (r->closing && !r->links) redis_free(r);
}

static const pml__redis_link_events events = {on_up, on_reply, on_sent, on_down, on_gone};

/* ---- the port ---- */

/* Whether a connection is there or about to be. */
static int may_come(redis *r) {
  for (uint32_t i = 0; i < r->o.connections; i++)
    if (r->slots[i].link) return 1;
  return !pml_timer_running(&r->pause) ||
         r->pause.due <= pml_loop_now(r->loop) + PML_REDIS_PATIENCE_MS;
}

static void driver_submit(void *self, pml_store_call *c) {
  redis *r = self;
  char err[320];
  if (!may_come(r)) {
    pml_store_fail(c, PML_ECLOSED, "%s", r->why);
    return;
  }
  pml__redis_unit *u = pml__redis_unit_new(&r->units, &r->library, c, err, sizeof err);
  if (!u) {
    pml_store_fail(c, PML_EINVAL, "%s", err);
    return;
  }
  if (r->queued + u->bytes->len > r->o.max_queued) {
    pml__redis_unit_free(&r->units, u);
    pml_store_fail(c, PML_EFULL, "commands of %zu bytes wait already", r->queued);
    return;
  }
  r->queued += u->bytes->len;
  pml_list_append(&r->line, &u->node);
  pump(r);
}

static void driver_cancel(void *self, pml_store_call *c) {
  redis *r = self;
  pml__redis_unit *u = c->driver;
  if (u->bytes) {
    if (is_up(r)) c->rc = PML_EFULL; /* the connections owe too much to others */
    r->queued -= u->bytes->len;
    pml__redis_unit_free(&r->units, u);
  } else {
    u->call = NULL; /* its replies still have to be taken */
    pml_data_drop(&u->values);
  }
}

/* A list of commands is sent as a whole: there is nothing that stays open. */
static void driver_release(void *self, uint64_t tx) {
  (void)self;
  (void)tx;
}

static void driver_connections(void *self, uint32_t *open, uint32_t *busy) {
  const redis *r = self;
  *open = *busy = 0;
  for (uint32_t i = 0; i < r->o.connections; i++) {
    const slot *s = &r->slots[i];
    *open += s->link && s->link->is_up;
    *busy += s->nowed > 0;
  }
}

static void driver_close(void *self, void (*closed)(void *ud), void *ud) {
  redis *r = self;
  assert(pml_list_empty(&r->line)); /* ours: no call is under way */
  r->closing = 1;
  r->closed = closed;
  r->closed_ud = ud;
  pml_timer_stop(r->loop, &r->pause);
  for (uint32_t i = 0; i < r->o.connections; i++) {
    slot *s = &r->slots[i];
    while (!pml_list_empty(&s->owed))
      pml__redis_unit_free(&r->units, PML_CONTAINER(s->owed.next, pml__redis_unit, node));
    if (s->link) pml__redis_link_close(s->link);
    empty_slot(s);
  }
  pml_names_close(r->names);
  if (!r->links) redis_free(r);
}

static int driver_check(void *self, pml_store_call *c, char *err, size_t nerr) {
  (void)self;
  return pml__redis_unit_check(c, err, nerr);
}

static const pml_store_driver driver = {
  .kind = "redis",
  .submit = driver_submit,
  .cancel = driver_cancel,
  .release = driver_release,
  .connections = driver_connections,
  .close = driver_close,
  .check = driver_check,
};

static redis *redis_new(pml_loop *l, const pml_redis_options *o, const pml_store_limits *limits) {
  redis *r = pml_alloc0(sizeof *r);
  r->loop = l;
  r->o = *o;
  r->o.host = r->o.user = r->o.password = NULL;
  if (r->o.connections < 1) r->o.connections = 1;
  if (r->o.connections > LINKS_MAX) r->o.connections = LINKS_MAX;
  r->link = (pml__redis_link_options){.loop = l,
                                      .library = &r->library,
                                      .where = &r->where,
                                      .limits = {limits->max_bytes, limits->max_rows},
                                      .connect_ms = o->connect_ms};
  r->link.names = r->names = pml_names_new(l, NULL);
  pml_pool_init(&r->units, sizeof(pml__redis_unit), KEEP_UNITS);
  pml_list_init(&r->line);
  pml_timer_init(&r->pause, on_pause_over);
  for (uint32_t i = 0; i < LINKS_MAX; i++) {
    r->slots[i].self = r;
    pml_list_init(&r->slots[i].owed);
    pml_timer_init(&r->slots[i].timer, on_check);
  }
  return r;
}

pml_store *pml_redis_open(pml_loop *l, const pml_redis_options *o, const pml_store_limits *limits,
                          char *err, size_t nerr) {
  pml__redis_library library;
  pml__redis_where where;
  pml_store_limits standard = PML_STORE_LIMITS;
  if (!limits) limits = &standard;
  if (pml_loop_is_virtual(l)) {
    snprintf(err, nerr, "a server in virtual time has no sockets, and so no redis");
    return NULL;
  }
  if (pml__redis_load(&library, err, nerr)) return NULL;
  if (pml__redis_where_set(&where, o, err, nerr)) return NULL;
  redis *r = redis_new(l, o, limits);
  r->library = library;
  r->where = where;
  return pml_store_new(l, &driver, r, limits);
}
