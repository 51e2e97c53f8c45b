#include "base/container.h"
#include "base/err.h"
#include "base/mem.h"
#include "store/pool.h"
#include "test/test.h"

/* Connections that do what a test says. */
typedef struct fake fake;
typedef struct {
  pml_store_conn base;
  fake *f;
  int cleaning, ran;
} cable;

struct fake {
  cable *links[16];
  int made, closed, freed, refuse, at_once, hold_gone;
};

static fake *fake_of(pml_store_conn *c) { return PML_CONTAINER(c, cable, base)->f; }

static pml_store_conn *fake_make(void *ud) {
  fake *f = ud;
  cable *c = f->links[f->made++] = pml_alloc0(sizeof *c);
  c->f = f;
  return &c->base;
}
static void fake_connect(pml_store_conn *c) {
  if (fake_of(c)->refuse) pml_store_conn_lost(c, "refused");
  else if (fake_of(c)->at_once) pml_store_conn_ready(c);
}
static void fake_run(pml_store_conn *c) {
  PML_CONTAINER(c, cable, base)->ran++;
  if (fake_of(c)->at_once > 1) pml_store_conn_answered(c, 0);
}
static void fake_clean(pml_store_conn *c) { PML_CONTAINER(c, cable, base)->cleaning = 1; }
static void fake_close(pml_store_conn *c) {
  fake *f = fake_of(c);
  pml_store_pool *p = c->pool;
  for (int i = 0; i < f->made; i++)
    if (f->links[i] == PML_CONTAINER(c, cable, base)) f->links[i] = NULL;
  f->closed++;
  pml_free(c);
  if (!f->hold_gone) pml_store_pool_gone(p);
}
static void fake_free(void *ud) { ((fake *)ud)->freed++; }

static const pml_store_pool_driver driver = {"fake",     fake_make,  fake_connect, fake_run,
                                             fake_clean, fake_close, fake_free};

#define CALLS 8
typedef struct world world;
typedef struct {
  pml_store_call call;
  int times, rc;
  char message[200];
  world *w;
  void (*then)(world *w);
} asked;

struct world {
  pml_loop *loop;
  fake f;
  pml_store *s;
  asked c[CALLS];
  int n, ended;
};

static void on_done(pml_store_call *c, void *ud) {
  asked *a = ud;
  pml_slice m = pml_buf_slice(c->message);
  a->times++;
  a->rc = c->rc;
  snprintf(a->message, sizeof a->message, "%.*s", (int)m.n, m.n ? (const char *)m.p : "");
  if (a->then) a->then(a->w);
}

static void on_closed(void *ud) { ((world *)ud)->ended++; }

static void begin(world *w, uint32_t connections) {
  pml_store_pool_options o = PML_STORE_POOL_OPTIONS;
  o.connections = connections;
  *w = (world){.loop = pml_loop_new_virtual()};
  w->s = pml_store_pool_open(w->loop, &driver, &w->f, &o, NULL);
}

static asked *ask(world *w, pml_store_op op, uint64_t tx) {
  asked *a = &w->c[w->n++];
  a->w = w;
  a->call = (pml_store_call){.op = op, .tx = tx, .done = on_done, .ud = a};
  pml_store_submit(w->s, &a->call);
  pml_loop_settle(w->loop);
  return a;
}

static void answer(world *w, int i, int rc) {
  pml_store_call *c = w->f.links[i]->base.call;
  CHECK(c != NULL);
  c->rc = rc;
  pml_store_conn_answered(&w->f.links[i]->base, 0);
  pml_loop_settle(w->loop);
}

static void end(world *w) {
  if (w->s) pml_store_close(w->s, on_closed, w);
  pml_loop_settle(w->loop);
  CHECK_EQ(w->ended, 1);
  CHECK_EQ(w->f.freed, 1);
  CHECK_EQ(w->f.closed, w->f.made);
  for (int i = 0; i < w->n; i++) {
    CHECK(w->c[i].times <= 1);
    pml_store_call_drop(&w->c[i].call);
  }
  pml_loop_free(w->loop);
}

static void counts(world *w, uint32_t open, uint32_t busy) {
  pml_store_stats st;
  pml_store_stats_get(w->s, &st);
  CHECK_EQ(st.open, open);
  CHECK_EQ(st.busy, busy);
}

TEST(store_pool_opens_what_calls_need_and_lends_the_last_one_again) {
  world w;
  begin(&w, 2);
  w.f.at_once = 1;
  CHECK_EQ(w.f.made, 0);
  asked *a = ask(&w, PML_STORE_QUERY, 0), *b = ask(&w, PML_STORE_QUERY, 0);
  asked *c = ask(&w, PML_STORE_QUERY, 0);
  CHECK_EQ(w.f.made, 2);
  counts(&w, 2, 2);
  answer(&w, 1, 0);
  CHECK_EQ(b->times, 1);
  CHECK(w.f.links[1]->base.call == &c->call);
  answer(&w, 1, PML_EIO);
  CHECK_EQ(c->rc, PML_EIO);
  answer(&w, 0, 0);
  CHECK_EQ(a->times, 1);
  counts(&w, 2, 0);
  ask(&w, PML_STORE_QUERY, 0);
  CHECK(w.f.links[0]->base.call != NULL);
  CHECK_EQ(w.f.made, 2);
  end(&w);
}

TEST(store_pool_takes_a_driver_that_answers_at_once) {
  world w;
  begin(&w, 1);
  w.f.at_once = 2;
  for (int i = 0; i < CALLS; i++) CHECK_EQ(ask(&w, PML_STORE_EXEC, 0)->times, 1);
  CHECK_EQ(w.f.made, 1);
  CHECK_EQ(w.f.links[0]->ran, CALLS);
  end(&w);
}

TEST(store_pool_closes_connections_that_are_idle_for_five_minutes) {
  world w;
  begin(&w, 4);
  w.f.at_once = 2;
  ask(&w, PML_STORE_QUERY, 0);
  pml_loop_advance(w.loop, 200000);
  ask(&w, PML_STORE_QUERY, 0);
  pml_loop_advance(w.loop, 299999);
  CHECK_EQ(w.f.closed, 0);
  pml_loop_advance(w.loop, 1);
  CHECK_EQ(w.f.closed, 1);
  counts(&w, 0, 0);
  CHECK_EQ(ask(&w, PML_STORE_QUERY, 0)->times, 1);
  end(&w);
}

TEST(store_pool_keeps_the_connection_of_a_transaction) {
  world w;
  begin(&w, 1);
  w.f.at_once = 1;
  asked *b = ask(&w, PML_STORE_BEGIN, 0);
  answer(&w, 0, 0);
  uint64_t tx = b->call.tx;
  CHECK(tx != 0);
  asked *other = ask(&w, PML_STORE_QUERY, 0);
  asked *first = ask(&w, PML_STORE_EXEC, tx), *second = ask(&w, PML_STORE_EXEC, tx);
  CHECK(w.f.links[0]->base.call == &first->call);
  answer(&w, 0, PML_EIO);
  CHECK(w.f.links[0]->base.call == &second->call);
  answer(&w, 0, 0);
  asked *commit = ask(&w, PML_STORE_COMMIT, tx);
  answer(&w, 0, 0);
  CHECK_EQ(commit->times, 1);
  CHECK_EQ(w.f.links[0]->cleaning, 0);
  CHECK(w.f.links[0]->base.call == &other->call);
  CHECK_EQ(ask(&w, PML_STORE_EXEC, tx)->rc, PML_ECLOSED);
  CHECK_EQ(ask(&w, PML_STORE_ROLLBACK, tx)->rc, 0);
  end(&w);
}

TEST(store_pool_refuses_transactions_that_make_no_sense) {
  world w;
  begin(&w, 1);
  w.f.at_once = 1;
  CHECK_EQ(ask(&w, PML_STORE_COMMIT, 0)->rc, PML_EINVAL);
  CHECK_EQ(ask(&w, PML_STORE_BEGIN, 77)->rc, PML_EINVAL);
  CHECK_EQ(ask(&w, PML_STORE_QUERY, 77)->rc, PML_ECLOSED);
  CHECK_EQ(w.f.made, 0);
  end(&w);
}

TEST(store_pool_cleans_the_connection_of_a_call_at_its_deadline) {
  world w;
  begin(&w, 1);
  w.f.at_once = 1;
  asked *a = ask(&w, PML_STORE_QUERY, 0);
  pml_loop_advance(w.loop, 1000);
  asked *b = ask(&w, PML_STORE_QUERY, 0);
  pml_loop_advance(w.loop, 3000);
  CHECK_EQ(a->rc, PML_ETIMEOUT);
  CHECK_EQ(w.f.links[0]->cleaning, 1);
  CHECK(w.f.links[0]->base.call == NULL);
  CHECK_EQ(b->times, 0);
  pml_store_conn_ready(&w.f.links[0]->base);
  CHECK(w.f.links[0]->base.call == &b->call);
  answer(&w, 0, 0);
  CHECK_EQ(b->rc, 0);
  CHECK_EQ(b->times, 1);
  end(&w);
}

TEST(store_pool_gives_up_a_connection_that_does_not_become_clean) {
  world w;
  begin(&w, 1);
  w.f.at_once = 1;
  asked *a = ask(&w, PML_STORE_QUERY, 0);
  pml_store_cancel(&a->call);
  pml_loop_advance(w.loop, PML_STORE_CLEAN_MS - 1);
  CHECK_EQ(w.f.closed, 0);
  pml_loop_advance(w.loop, 1);
  CHECK_EQ(w.f.closed, 1);
  asked *b = ask(&w, PML_STORE_QUERY, 0);
  CHECK_EQ(w.f.made, 1);
  pml_loop_advance(w.loop, 100);
  CHECK_EQ(w.f.made, 2);
  answer(&w, 1, 0);
  CHECK_EQ(b->rc, 0);
  CHECK_EQ(a->times, 0);
  end(&w);
}

TEST(store_pool_cleans_when_the_statement_is_not_at_its_end) {
  world w;
  begin(&w, 1);
  w.f.at_once = 1;
  asked *a = ask(&w, PML_STORE_QUERY, 0);
  a->call.rc = PML_ETOOBIG;
  pml_store_conn_answered(&w.f.links[0]->base, 1);
  CHECK_EQ(a->rc, PML_ETOOBIG);
  CHECK_EQ(w.f.links[0]->cleaning, 1);
  end(&w);
}

TEST(store_pool_ends_a_transaction_with_a_call_that_is_cancelled) {
  world w;
  begin(&w, 1);
  w.f.at_once = 1;
  asked *b = ask(&w, PML_STORE_BEGIN, 0);
  answer(&w, 0, 0);
  asked *first = ask(&w, PML_STORE_EXEC, b->call.tx), *second = ask(&w, PML_STORE_EXEC, b->call.tx);
  pml_store_cancel(&first->call);
  CHECK_EQ(second->times, 0);
  pml_loop_settle(w.loop);
  CHECK_EQ(second->rc, PML_ECLOSED);
  CHECK_EQ(w.f.links[0]->cleaning, 1);
  CHECK_EQ(ask(&w, PML_STORE_COMMIT, b->call.tx)->rc, PML_ECLOSED);
  pml_store_conn_ready(&w.f.links[0]->base);
  counts(&w, 1, 0);
  end(&w);
}

static void cancel_third(world *w) { pml_store_cancel(&w->c[2].call); }

TEST(store_pool_ends_a_transaction_with_a_call_that_waits_and_is_cancelled) {
  world w;
  begin(&w, 1);
  w.f.at_once = 1;
  asked *b = ask(&w, PML_STORE_BEGIN, 0);
  answer(&w, 0, 0);
  asked *first = ask(&w, PML_STORE_EXEC, b->call.tx), *second = ask(&w, PML_STORE_EXEC, b->call.tx);
  first->then = cancel_third; /* the connection is about to run it */
  answer(&w, 0, 0);
  CHECK_EQ(first->rc, 0);
  CHECK_EQ(second->times, 0);
  CHECK_EQ(w.f.links[0]->cleaning, 1);
  CHECK_EQ(w.f.links[0]->ran, 2);
  CHECK_EQ(ask(&w, PML_STORE_COMMIT, b->call.tx)->rc, PML_ECLOSED);
  end(&w);
}

TEST(store_pool_ends_a_transaction_with_a_call_that_waited_too_long) {
  world w;
  begin(&w, 1);
  w.f.at_once = 1;
  asked *b = ask(&w, PML_STORE_BEGIN, 0);
  answer(&w, 0, 0);
  asked *first = &w.c[w.n++], *second = &w.c[w.n++];
  *first = *second = (asked){.w = &w};
  first->call = (pml_store_call){
    .op = PML_STORE_EXEC, .tx = b->call.tx, .ms = 5000, .done = on_done, .ud = first};
  second->call = (pml_store_call){
    .op = PML_STORE_EXEC, .tx = b->call.tx, .ms = 10, .done = on_done, .ud = second};
  pml_store_submit(w.s, &first->call);
  pml_store_submit(w.s, &second->call);
  pml_loop_advance(w.loop, 10);
  CHECK_EQ(second->rc, PML_EFULL);
  CHECK_EQ(first->rc, PML_ECLOSED);
  CHECK_EQ(w.f.links[0]->cleaning, 1);
  end(&w);
}

TEST(store_pool_rolls_back_a_begin_that_is_cancelled_before_its_answer_is_told) {
  world w;
  begin(&w, 1);
  w.f.at_once = 2;
  asked *a = &w.c[w.n++];
  *a = (asked){.w = &w};
  a->call = (pml_store_call){.op = PML_STORE_BEGIN, .done = on_done, .ud = a};
  pml_store_submit(w.s, &a->call);
  CHECK(a->call.tx != 0);
  pml_store_cancel(&a->call);
  CHECK_EQ(w.f.links[0]->cleaning, 1);
  pml_loop_settle(w.loop);
  CHECK_EQ(a->times, 0);
  end(&w);
}

TEST(store_pool_rolls_back_what_is_released) {
  world w;
  begin(&w, 2);
  w.f.at_once = 1;
  asked *a = ask(&w, PML_STORE_BEGIN, 0), *b = ask(&w, PML_STORE_BEGIN, 0);
  answer(&w, 0, 0);
  answer(&w, 1, 0);
  asked *runs = ask(&w, PML_STORE_EXEC, b->call.tx);
  pml_store_release(w.s, a->call.tx);
  pml_store_release(w.s, b->call.tx);
  pml_store_release(w.s, 4711);
  pml_loop_settle(w.loop);
  CHECK_EQ(w.f.links[0]->cleaning, 1);
  CHECK_EQ(w.f.links[1]->cleaning, 1);
  CHECK_EQ(runs->rc, PML_ECLOSED);
  CHECK_EQ(ask(&w, PML_STORE_EXEC, a->call.tx)->rc, PML_ECLOSED);
  end(&w);
}

TEST(store_pool_cleans_after_a_commit_that_failed) {
  world w;
  begin(&w, 1);
  w.f.at_once = 1;
  asked *b = ask(&w, PML_STORE_BEGIN, 0);
  answer(&w, 0, 0);
  ask(&w, PML_STORE_COMMIT, b->call.tx);
  answer(&w, 0, PML_EIO);
  CHECK_EQ(w.f.links[0]->cleaning, 1);
  end(&w);
}

TEST(store_pool_answers_who_waits_when_the_database_is_down) {
  world w;
  begin(&w, 2);
  asked *a = ask(&w, PML_STORE_QUERY, 0);
  asked *b = ask(&w, PML_STORE_QUERY, 0);
  w.f.refuse = 1;
  pml_store_conn_lost(&w.f.links[0]->base, "no route");
  CHECK_EQ(a->rc, PML_ECLOSED);
  CHECK_STR(a->message, "the database cannot be reached: no route");
  CHECK_EQ(b->rc, PML_ECLOSED);
  pml_store_conn_lost(&w.f.links[1]->base, "no route");
  /* Attempts that follow are soon enough to be waited for, until they are not. */
  asked *c = ask(&w, PML_STORE_QUERY, 0);
  CHECK_EQ(c->times, 0);
  pml_loop_advance(w.loop, 100);
  CHECK_STR(c->message, "the database cannot be reached: refused");
  for (int i = 0; i < 5; i++) {
    pml_loop_advance(w.loop, 5000);
    w.n = 3;
    asked *d = ask(&w, PML_STORE_QUERY, 0);
    CHECK_EQ(d->rc, PML_ECLOSED);
    pml_store_call_drop(&d->call);
    *d = (asked){0};
  }
  int made = w.f.made;
  CHECK_EQ(ask(&w, PML_STORE_QUERY, 0)->rc, PML_ECLOSED);
  CHECK_EQ(w.f.made, made);
  w.f.refuse = 0;
  w.f.at_once = 2;
  pml_loop_advance(w.loop, 5000);
  CHECK_EQ(ask(&w, PML_STORE_QUERY, 0)->rc, 0);
  end(&w);
}

TEST(store_pool_gives_up_an_attempt_to_connect) {
  world w;
  begin(&w, 2);
  asked *a = ask(&w, PML_STORE_QUERY, 0);
  pml_loop_advance(w.loop, 3000);
  CHECK_STR(a->message, "the database cannot be reached: no connection in 3000 ms");
  CHECK_EQ(w.f.closed, 1);
  end(&w);
}

TEST(store_pool_ends_what_a_lost_connection_did) {
  world w;
  begin(&w, 2);
  w.f.at_once = 1;
  asked *b = ask(&w, PML_STORE_BEGIN, 0);
  answer(&w, 0, 0);
  asked *first = ask(&w, PML_STORE_EXEC, b->call.tx), *second = ask(&w, PML_STORE_EXEC, b->call.tx);
  pml_store_conn_lost(&w.f.links[0]->base, "reset");
  CHECK_STR(first->message, "the connection to the database broke: reset");
  CHECK_EQ(second->rc, PML_ECLOSED);
  /* The next attempt waits, and the call for it. */
  asked *q = ask(&w, PML_STORE_QUERY, 0);
  CHECK_EQ(w.f.made, 1);
  pml_loop_advance(w.loop, 100);
  answer(&w, 1, 0);
  CHECK_EQ(q->rc, 0);
  end(&w);
}

TEST(store_pool_loses_an_idle_connection_without_a_word) {
  world w;
  begin(&w, 1);
  w.f.at_once = 2;
  ask(&w, PML_STORE_QUERY, 0);
  pml_store_conn_lost(&w.f.links[0]->base, "reset");
  counts(&w, 0, 0);
  pml_loop_advance(w.loop, 100);
  CHECK_EQ(ask(&w, PML_STORE_QUERY, 0)->rc, 0);
  end(&w);
}

static void close_store(world *w) {
  pml_store_close(w->s, on_closed, w);
  w->s = NULL;
}

TEST(store_pool_may_be_closed_by_whoever_is_answered) {
  world w;
  begin(&w, 2);
  w.f.at_once = 1;
  asked *b = ask(&w, PML_STORE_BEGIN, 0);
  answer(&w, 0, 0);
  asked *a = ask(&w, PML_STORE_EXEC, b->call.tx), *next = ask(&w, PML_STORE_EXEC, b->call.tx);
  asked *other = ask(&w, PML_STORE_QUERY, 0), *waits = ask(&w, PML_STORE_QUERY, 0);
  a->then = close_store;
  pml_store_conn_lost(&w.f.links[0]->base, "reset");
  pml_loop_settle(w.loop);
  CHECK_EQ(next->rc, PML_ECLOSED);
  CHECK_EQ(other->rc, PML_ECLOSED);
  CHECK_EQ(waits->rc, PML_ECLOSED);
  end(&w);
}

TEST(store_pool_may_be_closed_by_an_answer_and_in_any_state) {
  world w;
  begin(&w, 2);
  w.f.at_once = 1;
  asked *a = ask(&w, PML_STORE_QUERY, 0), *b = ask(&w, PML_STORE_QUERY, 0);
  pml_store_cancel(&b->call);
  a->then = close_store;
  answer(&w, 0, 0);
  CHECK_EQ(a->times, 1);
  end(&w);
}

TEST(store_pool_ends_when_its_last_connection_is_gone) {
  world w;
  begin(&w, 1);
  w.f.at_once = 1;
  w.f.hold_gone = 1;
  ask(&w, PML_STORE_QUERY, 0);
  pml_store_pool *p = w.f.links[0]->base.pool;
  close_store(&w);
  pml_loop_settle(w.loop);
  CHECK_EQ(w.ended, 0);
  pml_store_pool_gone(p);
  end(&w);
}
