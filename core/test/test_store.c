#include "store/store.h"

#include "base/err.h"
#include "test/test.h"

/* A driver that answers when a test says so. */
typedef struct {
  pml_store_call *held[8];
  int n, cancelled, closed, at_once;
  uint64_t released;
} fake;

static void fake_submit(void *self, pml_store_call *c) {
  fake *f = self;
  if (f->at_once) {
    c->rows = 1;
    pml_store_answer(c);
  } else {
    f->held[f->n++] = c;
  }
}
static void fake_cancel(void *self, pml_store_call *c) {
  fake *f = self;
  for (int i = 0; i < f->n; i++)
    if (f->held[i] == c) f->held[i] = NULL;
  f->cancelled++;
}
static void fake_release(void *self, uint64_t tx) { ((fake *)self)->released = tx; }
static void fake_connections(void *self, uint32_t *open, uint32_t *busy) {
  fake *f = self;
  *open = 4;
  *busy = (uint32_t)f->n;
}
static void fake_close(void *self, void (*closed)(void *ud), void *ud) {
  ((fake *)self)->closed++;
  if (closed) closed(ud);
}
static const pml_store_driver driver = {"fake",           fake_submit, fake_cancel, fake_release,
                                        fake_connections, fake_close,  NULL,        NULL};

typedef struct {
  int times, rc;
  char message[256];
} told;

static void on_done(pml_store_call *c, void *ud) {
  told *t = ud;
  pml_slice m = pml_buf_slice(c->message);
  t->times++;
  t->rc = c->rc;
  snprintf(t->message, sizeof t->message, "%.*s", (int)m.n, m.n ? (const char *)m.p : "");
}

typedef struct {
  pml_loop *loop;
  fake f;
  pml_store *s;
  pml_store_call c[4];
  told t[4];
} world;

static void open_world(world *w, const pml_store_limits *limits) {
  *w = (world){.loop = pml_loop_new_virtual()};
  w->s = pml_store_new(w->loop, &driver, &w->f, limits);
  for (int i = 0; i < 4; i++) {
    w->c[i].op = PML_STORE_QUERY;
    w->c[i].done = on_done;
    w->c[i].ud = &w->t[i];
  }
}

static void end_world(world *w) {
  if (w->s) pml_store_close(w->s, NULL, NULL);
  pml_loop_settle(w->loop);
  for (int i = 0; i < 4; i++) pml_store_call_drop(&w->c[i]);
  pml_loop_free(w->loop);
}

TEST(store_answers_once_and_counts) {
  world w;
  pml_store_stats st;
  open_world(&w, NULL);
  pml_store_submit(w.s, &w.c[0]);
  pml_store_stats_get(w.s, &st);
  CHECK_EQ(st.waiting, 1);
  CHECK_EQ(st.open, 4);
  CHECK_EQ(st.busy, 1);
  pml_data_int(&w.c[0].values, 1);
  pml_store_answer(w.f.held[0]);
  CHECK_EQ(w.t[0].times, 1);
  CHECK_EQ(w.t[0].rc, 0);
  pml_loop_advance(w.loop, 60000);
  CHECK_EQ(w.t[0].times, 1);
  pml_store_stats_get(w.s, &st);
  CHECK_EQ(st.waiting, 0);
  CHECK_EQ(st.calls, 1);
  CHECK_EQ(st.errors, 0);
  end_world(&w);
  CHECK_EQ(w.f.closed, 1);
}

TEST(store_never_answers_inside_of_submit) {
  world w;
  open_world(&w, NULL);
  w.f.at_once = 1;
  pml_store_submit(w.s, &w.c[0]);
  CHECK_EQ(w.t[0].times, 0);
  pml_loop_settle(w.loop);
  CHECK_EQ(w.t[0].times, 1);
  end_world(&w);
}

TEST(store_ends_a_call_at_its_deadline_and_tells_the_driver) {
  world w;
  open_world(&w, NULL);
  w.c[0].ms = 50;
  pml_store_submit(w.s, &w.c[0]);
  pml_store_submit(w.s, &w.c[1]);
  pml_loop_advance(w.loop, 49);
  CHECK_EQ(w.t[0].times, 0);
  pml_loop_advance(w.loop, 1);
  CHECK_EQ(w.t[0].rc, PML_ETIMEOUT);
  CHECK_STR(w.t[0].message, "no answer in 50 ms");
  CHECK_EQ(w.f.cancelled, 1);
  CHECK(w.f.held[0] == NULL);
  pml_loop_advance(w.loop, 3950);
  CHECK_EQ(w.t[1].rc, PML_ETIMEOUT);
  end_world(&w);
}

TEST(store_refuses_calls_above_its_limit) {
  world w;
  pml_store_limits limits = PML_STORE_LIMITS;
  pml_store_stats st;
  limits.max_waiting = 2;
  open_world(&w, &limits);
  for (int i = 0; i < 3; i++) pml_store_submit(w.s, &w.c[i]);
  CHECK_EQ(w.f.n, 2);
  pml_loop_settle(w.loop);
  CHECK_EQ(w.t[2].rc, PML_EFULL);
  CHECK_STR(w.t[2].message, "2 calls wait already");
  pml_store_stats_get(w.s, &st);
  CHECK_EQ(st.refused, 1);
  CHECK_EQ(st.waiting, 2);
  end_world(&w);
}

TEST(store_refuses_an_answer_above_its_limits) {
  world w;
  pml_store_limits limits = PML_STORE_LIMITS;
  limits.max_rows = 1;
  limits.max_bytes = 100;
  open_world(&w, &limits);
  for (int i = 0; i < 2; i++) pml_store_submit(w.s, &w.c[i]);
  w.c[0].rows = 2;
  pml_store_answer(&w.c[0]);
  CHECK_EQ(w.t[0].rc, PML_ETOOBIG);
  CHECK_STR(w.t[0].message, "more than 1 rows");
  for (int i = 0; i < 10; i++) pml_data_int(&w.c[1].values, i);
  pml_store_answer(&w.c[1]);
  CHECK_STR(w.t[1].message, "the answer is larger than 100 bytes");
  end_world(&w);
}

TEST(store_forgets_what_is_cancelled) {
  world w;
  open_world(&w, NULL);
  pml_store_submit(w.s, &w.c[0]);
  pml_store_cancel(&w.c[0]);
  CHECK_EQ(w.f.cancelled, 1);
  w.f.at_once = 1;
  pml_store_submit(w.s, &w.c[1]);
  pml_store_cancel(&w.c[1]); /* answered, and the answer waits for the end of the turn */
  CHECK_EQ(w.f.cancelled, 1);
  pml_store_cancel(&w.c[1]);
  pml_loop_advance(w.loop, 10000);
  CHECK_EQ(w.t[0].times + w.t[1].times, 0);
  end_world(&w);
}

TEST(store_answers_what_waits_when_it_closes) {
  world w;
  open_world(&w, NULL);
  for (int i = 0; i < 3; i++) pml_store_submit(w.s, &w.c[i]);
  pml_store_close(w.s, NULL, NULL);
  w.s = NULL;
  CHECK_EQ(w.t[0].times, 0);
  pml_store_cancel(&w.c[1]);
  pml_loop_settle(w.loop);
  CHECK_EQ(w.t[0].rc, PML_ECLOSED);
  CHECK_EQ(w.t[1].times, 0);
  CHECK_EQ(w.t[2].rc, PML_ECLOSED);
  CHECK_EQ(w.f.closed, 1);
  end_world(&w);
}

TEST(store_passes_the_end_of_a_transaction_on) {
  world w;
  open_world(&w, NULL);
  pml_store_release(w.s, 12);
  CHECK_EQ(w.f.released, 12);
  end_world(&w);
}
