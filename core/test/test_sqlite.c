/* sqlite, store/sqlite_file.c and store/sqlite_line.c: stores on real loops with threads, and on
 * virtual ones. */
#include "store/sqlite.h"

#include "base/clock.h"
#include "base/container.h"
#include "base/err.h"
#include "test/test.h"

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

typedef struct {
  pml_store_call call;
  int times;
} one;

typedef struct {
  pml_loop *loop;
  pml_store *s;
  int left; /* calls that are not answered */
  char dir[40], path[64];
} world;

static void on_done(pml_store_call *c, void *ud) {
  PML_CONTAINER(c, one, call)->times++;
  world *w = ud;
  if (--w->left == 0 && !pml_loop_is_virtual(w->loop)) pml_loop_stop(w->loop);
}

static void on_limit(pml_timer *t) {
  (void)t;
  fprintf(stderr, "no answer in 10 s\n");
  exit(1);
}

/* Until every call is answered. */
static void wait_all(world *w) {
  pml_timer limit;
  pml_timer_init(&limit, on_limit);
  pml_timer_start(w->loop, &limit, 10000);
  if (pml_loop_is_virtual(w->loop)) pml_loop_settle(w->loop);
  else if (w->left) pml_loop_run(w->loop);
  pml_timer_stop(w->loop, &limit);
  CHECK_EQ(w->left, 0);
}

static void begin_within(world *w, one *c, pml_store_op op, const char *sql, uint64_t tx,
                         uint32_t ms) {
  *c = (one){.call = {.op = op, .tx = tx, .ms = ms, .done = on_done, .ud = w}};
  if (sql) c->call.text = pml_buf_from(sql, strlen(sql));
  w->left++;
  pml_store_submit(w->s, &c->call);
}

static void begin(world *w, one *c, pml_store_op op, const char *sql, uint64_t tx) {
  begin_within(w, c, op, sql, tx, 0);
}

static void drop(one *c) { pml_store_call_drop(&c->call); }

/* Submits, waits, and returns rc. */
static int run(world *w, one *c, pml_store_op op, const char *sql, uint64_t tx) {
  begin(w, c, op, sql, tx);
  wait_all(w);
  return c->call.rc;
}

static int exec(world *w, const char *sql) {
  one c;
  int rc = run(w, &c, PML_STORE_EXEC, sql, 0);
  drop(&c);
  return rc;
}

static int64_t only(world *w, const char *sql, uint64_t tx) {
  one c;
  CHECK_EQ(run(w, &c, PML_STORE_QUERY, sql, tx), 0);
  CHECK_EQ(c.call.rows, 1);
  int64_t n = c.call.values.v[1].i;
  drop(&c);
  return n;
}

static uint64_t begin_tx(world *w) {
  one c;
  CHECK_EQ(run(w, &c, PML_STORE_BEGIN, NULL, 0), 0);
  uint64_t tx = c.call.tx;
  CHECK(tx != 0);
  drop(&c);
  return tx;
}

static int end_tx(world *w, pml_store_op op, uint64_t tx) {
  one c;
  int rc = run(w, &c, op, NULL, tx);
  drop(&c);
  return rc;
}

static void open_at(world *w, const char *path, uint32_t tx_ms, pml_sqlite_files *files) {
  char err[256];
  pml_sqlite_options o = {.file = path, .tx_ms = tx_ms, .files = files};
  w->s = pml_sqlite_open(w->loop, &o, NULL, err, sizeof err);
  CHECK(w->s);
}

/* A store with threads, on a file of its own. */
static void up(world *w, uint32_t tx_ms) {
  *w = (world){.dir = "/tmp/pomelua-test-XXXXXX"};
  CHECK(mkdtemp(w->dir));
  snprintf(w->path, sizeof w->path, "%s/a.db", w->dir);
  w->loop = pml_loop_new();
  open_at(w, w->path, tx_ms, NULL);
  CHECK_EQ(exec(w, "create table t (x integer unique)"), 0);
}

static void down(world *w) {
  char other[80];
  if (w->s) pml_store_close(w->s, NULL, NULL);
  pml_loop_free(w->loop);
  unlink(w->path);
  snprintf(other, sizeof other, "%s-wal", w->path);
  unlink(other);
  snprintf(other, sizeof other, "%s-shm", w->path);
  unlink(other);
  CHECK_EQ(rmdir(w->dir), 0);
}

static void up_virtual(world *w) {
  *w = (world){.loop = pml_loop_new_virtual()};
  open_at(w, ":memory:", PML_SQLITE_TX_MS, NULL);
  CHECK_EQ(exec(w, "create table t (x integer unique)"), 0);
}

static void down_virtual(world *w) {
  if (w->s) pml_store_close(w->s, NULL, NULL);
  pml_loop_settle(w->loop);
  pml_loop_free(w->loop);
}

static void writes_and_reads(world *w) {
  CHECK_EQ(exec(w, "insert into t values (1)"), 0);
  CHECK_EQ(only(w, "select x from t", 0), 1);
  CHECK_EQ(exec(w, "insert into t values (1)"), PML_EIO);
  CHECK_EQ(only(w, "insert into t values (2) returning x", 0), 2); /* a reader hands it on */
  CHECK_EQ(only(w, "select count(*) from t", 0), 2);
}

TEST(sqlite_writes_and_reads) {
  world w;
  up(&w, 2000);
  writes_and_reads(&w);
  down(&w);
  up_virtual(&w);
  writes_and_reads(&w);
  down_virtual(&w);
}

/* Each of many writes at once is a statement of its own, whatever becomes of the others. */
TEST(sqlite_takes_waiting_writes_together) {
  enum { N = 200 };
  world w;
  static one c[N];
  char sql[64];
  up(&w, 2000);
  for (int i = 0; i < N; i++) { /* every third one fails */
    snprintf(sql, sizeof sql, "insert into t values (%d)", i % 3 == 2 ? i - 1 : i);
    begin(&w, &c[i], PML_STORE_EXEC, sql, 0);
  }
  wait_all(&w);
  for (int i = 0; i < N; i++) {
    CHECK_EQ(c[i].times, 1);
    CHECK_EQ(c[i].call.rc, i % 3 == 2 ? PML_EIO : 0);
    CHECK_EQ(c[i].call.rows, i % 3 != 2);
    drop(&c[i]);
  }
  CHECK_EQ(only(&w, "select count(*) from t", 0), 134);
  down(&w);
}

/* An interruption ends the transaction that several writes share: the others are done again. */
TEST(sqlite_an_interrupted_write_takes_no_other_with_it) {
  static const char slow[] =
    "insert into t with recursive r(n) as (select 100 union all select n + 1 "
    "from r) select n from r";
  world w;
  one hold, c[5];
  up(&w, 60000);
  uint64_t tx = begin_tx(&w); /* so that all of them wait */
  for (int i = 0; i < 5; i++) {
    char sql[64];
    snprintf(sql, sizeof sql, "insert into t values (%d)", i);
    begin_within(&w, &c[i], PML_STORE_EXEC, i == 2 ? slow : sql, 0, i == 2 ? 100 : 0);
  }
  begin(&w, &hold, PML_STORE_COMMIT, NULL, tx);
  wait_all(&w);
  for (int i = 0; i < 5; i++) {
    CHECK_EQ(c[i].call.rc, i == 2 ? PML_ETIMEOUT : 0);
    drop(&c[i]);
  }
  drop(&hold);
  CHECK_EQ(only(&w, "select count(*) from t", 0), 4);
  down(&w);
}

static void keeps_or_drops(world *w) {
  uint64_t tx = begin_tx(w);
  one c;
  CHECK_EQ(run(w, &c, PML_STORE_EXEC, "insert into t values (1)", tx), 0);
  drop(&c);
  CHECK_EQ(only(w, "select count(*) from t", tx), 1);
  CHECK_EQ(end_tx(w, PML_STORE_ROLLBACK, tx), 0);
  CHECK_EQ(only(w, "select count(*) from t", 0), 0);
  CHECK_EQ(end_tx(w, PML_STORE_COMMIT, tx), PML_ECLOSED);
  tx = begin_tx(w);
  CHECK_EQ(run(w, &c, PML_STORE_EXEC, "insert into t values (1)", tx), 0);
  drop(&c);
  CHECK_EQ(end_tx(w, PML_STORE_COMMIT, tx), 0);
  CHECK_EQ(only(w, "select count(*) from t", 0), 1);
  tx = begin_tx(w); /* its owner goes */
  CHECK_EQ(run(w, &c, PML_STORE_EXEC, "delete from t", tx), 0);
  drop(&c);
  pml_store_release(w->s, tx);
  pml_store_release(w->s, tx + 7);
  CHECK_EQ(exec(w, "insert into t values (2)"), 0);
  CHECK_EQ(only(w, "select count(*) from t", 0), 2);
}

TEST(sqlite_a_transaction_is_kept_or_dropped) {
  world w;
  up(&w, 2000);
  keeps_or_drops(&w);
  down(&w);
  up_virtual(&w);
  keeps_or_drops(&w);
  down_virtual(&w);
}

TEST(sqlite_readers_do_not_wait_for_a_transaction) {
  world w;
  one c;
  up(&w, 60000);
  CHECK_EQ(exec(&w, "insert into t values (1)"), 0);
  uint64_t tx = begin_tx(&w);
  CHECK_EQ(run(&w, &c, PML_STORE_EXEC, "delete from t", tx), 0);
  drop(&c);
  CHECK_EQ(only(&w, "select count(*) from t", 0), 1);
  CHECK_EQ(end_tx(&w, PML_STORE_COMMIT, tx), 0);
  CHECK_EQ(only(&w, "select count(*) from t", 0), 0);
  down(&w);
}

TEST(sqlite_a_transaction_ends_at_its_time) {
  world w;
  one c, waits;
  up(&w, 50);
  uint64_t tx = begin_tx(&w);
  begin(&w, &c, PML_STORE_EXEC, "insert into t values (1)", tx);
  begin(&w, &waits, PML_STORE_EXEC, "insert into t values (2)", 0);
  wait_all(&w); /* the second one after those 50 ms */
  CHECK_EQ(c.call.rc, 0);
  CHECK_EQ(waits.call.rc, 0);
  drop(&c);
  drop(&waits);
  CHECK_EQ(only(&w, "select x from t", 0), 2);
  CHECK_EQ(run(&w, &c, PML_STORE_EXEC, "insert into t values (3)", tx), PML_ETIMEOUT);
  drop(&c);
  CHECK_EQ(end_tx(&w, PML_STORE_COMMIT, tx), PML_ETIMEOUT);
  down(&w);
}

/* A reload changes the limit of a file that another server has open still. */
TEST(sqlite_a_transaction_has_the_time_of_its_store) {
  world a, b;
  one c;
  pml_sqlite_files *files = pml_sqlite_files_new();
  up(&a, 2000);
  pml_store_close(a.s, NULL, NULL);
  b = (world){.loop = pml_loop_new()};
  open_at(&a, a.path, 60000, files);
  open_at(&b, a.path, 50, files);
  uint64_t tx = begin_tx(&b);
  CHECK_EQ(exec(&a, "insert into t values (1)"), 0); /* after those 50 ms */
  CHECK_EQ(run(&b, &c, PML_STORE_EXEC, "insert into t values (2)", tx), PML_ETIMEOUT);
  static const char said[] = "the transaction was rolled back: it had held the database for 50 ms";
  CHECK_BYTES(c.call.message->data, c.call.message->len, said);
  drop(&c);
  pml_store_close(b.s, NULL, NULL);
  pml_loop_free(b.loop);
  pml_store_close(a.s, NULL, NULL);
  a.s = NULL;
  pml_sqlite_files_free(files);
  down(&a);
}

TEST(sqlite_a_transaction_ends_with_one_of_its_calls) {
  world w;
  one c;
  up(&w, 60000);
  uint64_t tx = begin_tx(&w);
  begin(&w, &c, PML_STORE_EXEC, "insert into t values (1)", tx);
  pml_store_cancel(&c.call);
  w.left--;
  drop(&c);
  CHECK_EQ(exec(&w, "insert into t values (2)"), 0);
  CHECK_EQ(only(&w, "select count(*) from t", 0), 1);
  CHECK_EQ(end_tx(&w, PML_STORE_COMMIT, tx), PML_ECLOSED);
  begin(&w, &c, PML_STORE_BEGIN, NULL, 0); /* nobody gets its number */
  pml_store_cancel(&c.call);
  w.left--;
  drop(&c);
  CHECK_EQ(exec(&w, "insert into t values (3)"), 0);
  down(&w);
}

TEST(sqlite_who_waits_too_long_is_told_so) {
  world w;
  one c[2];
  up(&w, 60000);
  uint64_t tx = begin_tx(&w);
  begin_within(&w, &c[0], PML_STORE_EXEC, "delete from t", 0, 20);
  begin_within(&w, &c[1], PML_STORE_BEGIN, NULL, 0, 20);
  wait_all(&w);
  for (int i = 0; i < 2; i++) {
    CHECK_EQ(c[i].call.rc, PML_EFULL);
    drop(&c[i]);
  }
  /* A statement that runs too long is interrupted, and the next one runs. */
  static const char slow[] =
    "with recursive r(n) as (select 1 union all select n + 1 from r) select count(*) from r";
  begin_within(&w, &c[0], PML_STORE_QUERY, slow, 0, 500);
  wait_all(&w);
  CHECK_EQ(c[0].call.rc, PML_ETIMEOUT);
  drop(&c[0]);
  CHECK_EQ(only(&w, "select 3", 0), 3);
  CHECK_EQ(end_tx(&w, PML_STORE_COMMIT, tx), 0);
  down(&w);
}

TEST(sqlite_a_script_is_one_transaction) {
  world w;
  one c;
  up(&w, 2000);
  CHECK_EQ(run(&w, &c, PML_STORE_SCRIPT, "insert into t values (1); insert into t values (2)", 0),
           0);
  drop(&c);
  CHECK_EQ(run(&w, &c, PML_STORE_SCRIPT, "insert into t values (3);\ninsert into u values (4)", 0),
           PML_EIO);
  CHECK_BYTES(c.call.message->data, c.call.message->len, "line 2: no such table: u");
  drop(&c);
  CHECK_EQ(only(&w, "select count(*) from t", 0), 2);
  uint64_t tx = begin_tx(&w);
  CHECK_EQ(run(&w, &c, PML_STORE_SCRIPT, "insert into t values (3)", tx), 0);
  drop(&c);
  CHECK_EQ(end_tx(&w, PML_STORE_ROLLBACK, tx), 0);
  CHECK_EQ(only(&w, "select count(*) from t", 0), 2);
  down(&w);
}

/* Two servers of a program: one file, one writer. */
TEST(sqlite_stores_of_a_program_share_a_file) {
  world a, b;
  pml_store_stats st;
  pml_sqlite_files *files = pml_sqlite_files_new();
  up(&a, 2000);
  pml_store_close(a.s, NULL, NULL);
  b = (world){.loop = pml_loop_new()};
  open_at(&a, a.path, 2000, files);
  open_at(&b, a.path, 2000, files);
  uint64_t tx = begin_tx(&a);
  one c, d;
  CHECK_EQ(run(&a, &c, PML_STORE_EXEC, "insert into t values (1)", tx), 0);
  drop(&c);
  begin(&b, &d, PML_STORE_EXEC, "insert into t values (2)", 0);
  pml_store_close(a.s, NULL, NULL); /* with its transaction open */
  a.s = NULL;
  wait_all(&b);
  CHECK_EQ(d.call.rc, 0);
  drop(&d);
  CHECK_EQ(only(&b, "select x from t", 0), 2);
  pml_store_stats_get(b.s, &st);
  CHECK(st.open >= 1);
  pml_store_close(b.s, NULL, NULL);
  pml_loop_free(b.loop);
  pml_sqlite_files_free(files);
  down(&a);
}

TEST(sqlite_closes_with_calls_under_way) {
  world w;
  one c[3];
  up(&w, 2000);
  uint64_t tx = begin_tx(&w);
  begin(&w, &c[0], PML_STORE_EXEC, "insert into t values (1)", tx);
  begin(&w, &c[1], PML_STORE_EXEC, "insert into t values (2)", 0);
  begin(&w, &c[2], PML_STORE_QUERY, "select count(*) from t", 0);
  pml_store_close(w.s, NULL, NULL);
  w.s = NULL;
  wait_all(&w);
  for (int i = 0; i < 3; i++) {
    CHECK_EQ(c[i].call.rc, PML_ECLOSED);
    drop(&c[i]);
  }
  open_at(&w, w.path, 2000, NULL);
  CHECK(only(&w, "select count(*) from t", 0) <= 1); /* the second one may have begun */
  down(&w);
}

/* What was answered before stays, what fails says why, and later writes go on. */
TEST(sqlite_survives_a_full_disk) {
  enum { N = 8 };
  world w;
  one c[N];
  struct rlimit before, small;
  int kept = 0, failed = 0;
  up(&w, 2000);
  CHECK_EQ(exec(&w, "create table big (x blob)"), 0);
  signal(SIGXFSZ, SIG_IGN); /* as base/signals does in a program */
  CHECK_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  small = before;
  small.rlim_cur = 200000;
  CHECK_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  for (int round = 0; round < 3; round++) {
    for (int i = 0; i < N; i++)
      begin(&w, &c[i], PML_STORE_EXEC, "insert into big values (zeroblob(20000))", 0);
    wait_all(&w);
    for (int i = 0; i < N; i++) {
      kept += c[i].call.rc == 0;
      failed += c[i].call.rc != 0;
      if (c[i].call.rc) {
        CHECK_EQ(c[i].call.rc, PML_EIO);
        CHECK(strcmp(c[i].call.state, "58030") == 0 || strcmp(c[i].call.state, "53100") == 0);
      }
      drop(&c[i]);
    }
  }
  CHECK(kept > 0 && failed > 0);
  CHECK_EQ(only(&w, "select count(*) from big", 0), kept);
  CHECK_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  CHECK_EQ(exec(&w, "insert into big values (zeroblob(20000))"), 0);
  CHECK_EQ(only(&w, "select count(*) from big", 0), kept + 1);
  down(&w);
}

TEST(sqlite_says_what_it_does_not_do) {
  world w;
  one c;
  up_virtual(&w);
  CHECK_EQ(run(&w, &c, PML_STORE_COMMAND, NULL, 0), PML_EINVAL);
  drop(&c);
  down_virtual(&w);
}

/* Whether an answer is there at once, after the threads have given it often enough. */
static int is_there(world *w, const char *sql, pml_store_call *c) {
  for (int i = 0; i < 300; i++) {
    *c = (pml_store_call){.op = PML_STORE_QUERY};
    if (pml_store_now(w->s, pml_slice_str(sql), c)) return 1;
    only(w, sql, 0);
  }
  return 0;
}

/* Of a file system that cannot tell what is in memory it is not; sqlite_near has the details. */
TEST(sqlite_has_some_answers_at_once) {
  world w;
  pml_store_call c;
  pml_store_stats before, after;
  up(&w, PML_SQLITE_TX_MS);
  CHECK_EQ(exec(&w, "insert into t values (7)"), 0);
  pml_store_stats_get(w.s, &before);
  int there = is_there(&w, "select x from t", &c);
  pml_store_stats_get(w.s, &after);
  CHECK(after.calls > before.calls);
  if (there) {
    CHECK_EQ(c.values.v[1].i, 7);
    CHECK_EQ(c.rc, 0);
    CHECK_EQ(exec(&w, "update t set x = 8"), 0);
    pml_data_clear(&c.values); /* its memory may be used again, or not */
    CHECK_EQ(pml_store_now(w.s, pml_slice_str("select 1 from nothing"), &c), 0);
    pml_store_call_drop(&c);
    CHECK(is_there(&w, "select x from t", &c));
    CHECK_EQ(c.values.v[1].i, 8);
    pml_store_call_drop(&c);
    c.op = PML_STORE_EXEC;
    CHECK_EQ(pml_store_now(w.s, pml_slice_str("select x from t"), &c), 0);
    uint64_t tx = begin_tx(&w); /* its own reads are the writer's */
    c = (pml_store_call){.op = PML_STORE_QUERY, .tx = tx};
    CHECK_EQ(pml_store_now(w.s, pml_slice_str("select x from t"), &c), 0);
    CHECK_EQ(only(&w, "update t set x = 9 returning x", tx), 9);
    CHECK_EQ(only(&w, "select x from t", tx), 9);
    CHECK_EQ(only(&w, "select x from t", 0), 8);
    CHECK_EQ(end_tx(&w, PML_STORE_COMMIT, tx), 0);
    CHECK_EQ(only(&w, "select x from t", 0), 9);
  }
  down(&w);
}
