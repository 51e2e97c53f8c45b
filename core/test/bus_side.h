/* bus_side: processes of a cluster for C tests: a hub with one server and a bus, all on one loop,
 * which stops after each event. */
#ifndef PML_TEST_BUS_SIDE_H
#define PML_TEST_BUS_SIDE_H

#include "base/clock.h"
#include "base/container.h"
#include "base/err.h"
#include "bus/bus.h"
#include "test/broker.h"

typedef struct {
  pml_loop *l;
  pml_hub *hub;
  pml_bus *bus;
  pml_transport *t;
  const char *id;
  int up, links;            /* the link */
  int peers, away, records; /* of the server: others that are there; on_away; records */
  int came;                 /* how often another one came to be there */
  int answers, ended;
  size_t late;
  int claimed, superseded;
  uint64_t bad; /* records out of order */
  uint64_t next;
  char text[512];
} side;

static pml_log quiet;

static inline void on_link(int up, const char *text, void *ud) {
  side *s = ud;
  s->up = up;
  s->links++;
  snprintf(s->text, sizeof s->text, "%s", text);
  pml_loop_stop(s->l);
}

static inline void on_claimed(const char *id, const pml_bus_server *holder, uint64_t above,
                              void *ud) {
  (void)id;
  (void)above;
  side *s = ud;
  s->claimed = holder ? 2 : 1;
  pml_loop_stop(s->l);
}

static inline void on_superseded(const char *id, const pml_bus_server *by, void *ud) {
  (void)id;
  (void)by;
  side *s = ud;
  s->superseded = 1;
  pml_loop_stop(s->l);
}

static inline void on_question(pml_id question, const char *process, pml_slice text, void *ud) {
  side *s = ud;
  CHECK_EQ(strlen(process), 32);
  pml_bus_answer(s->bus, question, text, 0);
  pml_bus_answer(s->bus, question, pml_slice_str(s->id), 1);
}

static inline void on_answer(const char *process, const char *text, size_t late, void *ud) {
  side *s = ud;
  if (process) {
    s->answers++;
    snprintf(s->text + strlen(s->text), sizeof s->text - strlen(s->text), "%.100s ", text);
  } else {
    s->ended = 1;
    s->late = late;
  }
  pml_loop_stop(s->l);
}

static inline void on_record(const char *from, pml_slice head, pml_buf *body, pml_buf *extra,
                             void *ud) {
  side *s = ud;
  (void)from;
  (void)body;
  (void)extra;
  uint64_t n;
  CHECK(head.n >= sizeof n);
  memcpy(&n, head.p, sizeof n);
  if (n != s->next) s->bad++;
  s->next = n + 1;
  s->records++;
  pml_loop_stop(s->l);
}

static inline void on_peer(const char *id, uint64_t incarnation, int up, void *ud) {
  side *s = ud;
  (void)id;
  CHECK(incarnation > 0);
  s->peers += up ? 1 : -1;
  s->came += up != 0;
  pml_loop_stop(s->l);
}

static inline void on_away(const char *id, uint64_t incarnation, void *ud) {
  side *s = ud;
  (void)id;
  CHECK(incarnation > 0);
  s->away++;
  pml_loop_stop(s->l);
}

static inline void side_open_as(side *s, pml_loop *l, const char *url, const char *id,
                                const pml_bus_options *more) {
  char err[512] = "";
  *s = (side){.l = l, .hub = pml_hub_new(), .id = id};
  if (!quiet.on_line) pml_log_init(&quiet, "", PML_SILENT, 0);
  pml_bus_options o = {.urls = &url,
                       .nurls = 1,
                       .cluster = "test",
                       .host = "here",
                       .heartbeat_ms = 100,
                       .timeout_ms = 1000,
                       .user = more->user,
                       .password = more->password,
                       .log = &quiet};
  pml_bus_events ev = {.on_link = on_link,
                       .on_claimed = on_claimed,
                       .on_superseded = on_superseded,
                       .on_question = on_question,
                       .ud = s};
  int rc = pml_bus_open(l, s->hub, &o, &ev, &s->bus, err, sizeof err);
  if (rc) fprintf(stderr, "%s\n", err);
  CHECK_EQ(rc, 0);
  pml_transport_events tev = {on_record, on_peer, s, on_away, NULL};
  CHECK_EQ(pml_transport_local_join(s->hub, l, id, &tev, &s->t), 0);
  pml_bus_serve(s->bus, id, s->t->incarnation, "{\"serverType\":\"test\"}");
}

static inline void side_open(side *s, pml_loop *l, const char *url, const char *id) {
  static const pml_bus_options none;
  side_open_as(s, l, url, id, &none);
}

static inline void side_close(side *s) {
  pml_bus_close(s->bus, 200);
  pml_transport_close(s->t);
  pml_hub_unref(s->hub);
}

typedef struct {
  pml_timer t;
  pml_loop *l;
  int over;
} deadline;

static inline void on_deadline(pml_timer *t) {
  deadline *d = PML_CONTAINER(t, deadline, t);
  d->over = 1;
  pml_loop_stop(d->l);
}

static inline void run_for(pml_loop *l, uint64_t ms) {
  deadline d = {.l = l};
  pml_timer_init(&d.t, on_deadline);
  pml_timer_start(l, &d.t, ms);
  pml_loop_run(l); /* until then, or an event */
  pml_timer_stop(l, &d.t);
}

/* Runs the loop until cond; every event stops it. */
#define UNTIL(loop, cond) \
  do { \
    deadline d_ = {.l = (loop)}; \
    pml_timer_init(&d_.t, on_deadline); \
    pml_timer_start(d_.l, &d_.t, 4000); \
    while (!(cond) && !d_.over) pml_loop_run(d_.l); \
    pml_timer_stop(d_.l, &d_.t); \
    CHECK(cond); \
  } while (0)

typedef struct {
  broker broker;
  pml_loop *l;
  side a, b;
} world;

static inline void world_open(world *w) {
  broker_need();
  broker_start(&w->broker);
  w->l = pml_loop_new();
  side_open(&w->a, w->l, w->broker.url, "a-1");
  side_open(&w->b, w->l, w->broker.url, "b-1");
  UNTIL(w->l, w->a.peers == 1 && w->b.peers == 1);
}

static inline void world_close(world *w) {
  side_close(&w->a);
  side_close(&w->b);
  pml_loop_free(w->l);
  broker_kill(&w->broker);
}

static inline int send_number(side *s, const char *to, uint64_t n, pml_buf *body, pml_buf *extra) {
  return pml_transport_send(s->t, to, pml_slice_of(&n, sizeof n), body, extra);
}

#endif
