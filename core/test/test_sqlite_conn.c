/* sqlite_conn, store/sqlite_run.c and store/sqlite_library.c: one connection, without a loop. */
#include "store/sqlite_conn.h"

#include "base/clock.h"
#include "base/err.h"
#include "test/test.h"

#include <pthread.h>
#include <unistd.h>

typedef struct {
  pml__sqlite lib;
  pml__sqlite_conn *c;
  pml__sqlite_result r;
  pml__sqlite_bounds b;
  pml_data params;
  char text[600];
} conn;

static void up(conn *t, const char *path, int reader) {
  char err[256];
  *t = (conn){.b = {.max_rows = 100, .max_bytes = 1 << 20}};
  CHECK_EQ(pml__sqlite_load(&t->lib, err, sizeof err), 0);
  t->c = pml__sqlite_conn_open(&t->lib, path, reader, &t->r);
}

static void down(conn *t) {
  pml__sqlite_result_drop(&t->r);
  pml_data_drop(&t->params);
  pml__sqlite_conn_close(t->c);
}

static int run(conn *t, const char *sql, int rows) {
  pml__sqlite_result_drop(&t->r);
  return pml__sqlite_conn_run(t->c, pml_slice_str(sql), &t->params, rows, &t->b, &t->r);
}

static int script(conn *t, const char *sql) {
  pml__sqlite_result_drop(&t->r);
  return pml__sqlite_conn_script(t->c, pml_slice_str(sql), &t->b, &t->r);
}

static int step(conn *t, pml__sqlite_step s) {
  pml__sqlite_result_drop(&t->r);
  return pml__sqlite_conn_step(t->c, s, &t->b, &t->r);
}

static const char *said(conn *t) {
  pml_slice m = pml_buf_slice(t->r.message);
  snprintf(t->text, sizeof t->text, "%.*s", (int)m.n, m.n ? (const char *)m.p : "");
  return t->text;
}

static int64_t only(conn *t, const char *sql) {
  CHECK_EQ(run(t, sql, 1), 0);
  CHECK_EQ(t->r.rows, 1);
  CHECK_EQ(t->r.columns, 1);
  return t->r.values.v[1].i;
}

TEST(sqlite_conn_binds_by_number_and_gives_rows) {
  conn t;
  up(&t, ":memory:", 0);
  CHECK_EQ(run(&t, "create table t (a integer, b text, c real, d blob, e boolean)", 0), 0);
  CHECK_EQ(t.r.rows, 0);
  pml_data_int(&t.params, INT64_MAX);
  pml_data_text(&t.params, PML_DATUM_TEXT, pml_slice_of("x\0y", 3));
  pml_data_real(&t.params, 0.5);
  pml_data_text(&t.params, PML_DATUM_BYTES, pml_slice_of("\0", 1));
  pml_data_bool(&t.params, 1);
  CHECK_EQ(run(&t, "insert into t (b, a, c, d, e) values ($2, $1, $3, $4, $5)", 0), 0);
  CHECK_EQ(t.r.rows, 1);
  pml_data_drop(&t.params);
  for (int again = 0; again < 2; again++) { /* the second time it is ready */
    CHECK_EQ(run(&t, "select * from t", 1), 0);
    CHECK_EQ(t.r.columns, 5);
    CHECK_EQ(t.r.rows, 1);
    pml_datum *v = t.r.values.v;
    pml_slice name = pml_data_slice(&t.r.values, &v[1]);
    CHECK_BYTES(name.p, name.n, "b");
    CHECK(v[5].kind == PML_DATUM_INT && v[5].i == INT64_MAX);
    CHECK(v[6].kind == PML_DATUM_TEXT && v[6].n == 3);
    CHECK(v[7].kind == PML_DATUM_REAL && v[7].d == 0.5);
    CHECK(v[8].kind == PML_DATUM_BYTES && v[8].n == 1);
    CHECK(v[9].kind == PML_DATUM_BOOL && v[9].i == 1);
  }
  down(&t);
}

TEST(sqlite_conn_keeps_statements_within_bounds) {
  conn t;
  char sql[64];
  up(&t, ":memory:", 0);
  for (int i = 0; i < 300; i++) {
    snprintf(sql, sizeof sql, "select %d", i % 150);
    CHECK_EQ(only(&t, sql), i % 150);
  }
  char *wide = malloc(40001);
  memset(wide, ' ', 40000);
  memcpy(wide, "select 7", 8);
  wide[40000] = 0;
  CHECK_EQ(only(&t, wide), 7);
  CHECK_EQ(only(&t, wide), 7);
  free(wide);
  down(&t);
}

TEST(sqlite_conn_refuses_what_is_not_one_statement) {
  static const char *const wrong[] = {"",
                                      "-- nothing",
                                      "select 1; select 2",
                                      "select ?",
                                      "select $a",
                                      "select $0",
                                      "select $1000000",
                                      "begin",
                                      "detach x",
                                      "pragma query_only = off",
                                      "select 1; garbage"};
  conn t;
  up(&t, ":memory:", 0);
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    CHECK(run(&t, wrong[i], 1) != 0);
    CHECK(*said(&t));
  }
  CHECK_EQ(pml__sqlite_conn_run(t.c, pml_slice_of("select 1\0", 9), &t.params, 1, &t.b, &t.r),
           PML_EINVAL);
  CHECK_EQ(only(&t, "select 1; -- the end"), 1);
  down(&t);
}

/* One connection of several would have it. */
TEST(sqlite_conn_refuses_what_is_temporary) {
  static const char *const wrong[] = {"create temp table gold (n integer)",
                                      "create temporary table if not exists gold (n integer)",
                                      "create table temp.gold (n integer)",
                                      "create temp table gold as select 1 as n",
                                      "create temp view gold as select 1 as n",
                                      "create view temp.gold as select 1 as n",
                                      "create temp trigger g after insert on t begin select 1; end",
                                      "create trigger temp.g insert on t begin select 1; end",
                                      "create virtual table temp.gold using fts5(n)",
                                      "create index temp.i on s (n)",
                                      "drop index temp.k",
                                      "drop trigger temp.r",
                                      "drop view temp.v",
                                      "drop table temp.s"};
  conn t;
  up(&t, ":memory:", 0);
  CHECK_EQ(run(&t, "create table t (n integer)", 0), 0);
  CHECK_EQ(script(&t, "create temp table s (n integer); create index temp.k on s (n);"
                      "create temp view v as select n from s;"
                      "create temp trigger r after insert on t begin select 1; end"),
           0);
  for (int in_tx = 0; in_tx < 2; in_tx++) {
    t.b.in_tx = in_tx;
    if (in_tx) CHECK_EQ(step(&t, PML__SQLITE_BEGIN), 0);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
      CHECK_EQ(run(&t, wrong[i], 0), PML_EIO);
      CHECK_STR(t.r.state, "42501");
      CHECK(strstr(said(&t), "temporary"));
    }
  }
  CHECK_EQ(script(&t, "drop trigger r; drop view v; drop table s"), 0);
  CHECK_EQ(run(&t, "alter table t rename to u", 0), 0);
  CHECK_EQ(run(&t, "drop table u", 0), 0);
  down(&t);
}

TEST(sqlite_conn_stops_at_its_bounds) {
  static const char endless[] =
    "with recursive r(n) as (select 1 union all select n + 1 from r) select n from r";
  static const char counts[] =
    "with recursive r(n) as (select 1 union all select n + 1 from r) select count(*) from r";
  conn t;
  atomic_int stop = 1;
  up(&t, ":memory:", 0);
  CHECK_EQ(run(&t, endless, 1), PML_ETOOBIG);
  CHECK_STR(said(&t), "more than 100 rows: add a limit to the statement");
  t.b.max_rows = 1000000;
  t.b.max_bytes = 10000;
  CHECK_EQ(run(&t, endless, 1), PML_ETOOBIG);
  t.b.due = pml_clock_us() + 20000;
  CHECK_EQ(run(&t, counts, 1), PML_ETIMEOUT);
  CHECK_STR(t.r.state, "57014");
  t.b.due = 0;
  t.b.stop = &stop;
  CHECK_EQ(run(&t, counts, 1), PML_ETIMEOUT);
  t.b.stop = NULL;
  CHECK_EQ(only(&t, "select 5"), 5); /* it can be used as before */
  down(&t);
}

TEST(sqlite_conn_runs_a_file_of_statements) {
  conn t;
  up(&t, ":memory:", 0);
  CHECK_EQ(script(&t, " -- one\n/* ; */ create table t (x);;\ninsert into t values (1), (';');\n"),
           0);
  CHECK_EQ(only(&t, "select count(*) from t"), 2);
  CHECK(script(&t, "select 1;\n\n  insert into nobody values (1);") != 0);
  CHECK_STR(said(&t), "line 3: no such table: nobody");
  CHECK(script(&t, "select 1;\ninsert into t values ($1)") != 0);
  CHECK_STR(said(&t), "line 2: a file of statements has no parameters");
  CHECK(script(&t, "\nselect 1;\n/* without an end") == 0);
  CHECK(script(&t, "commit") != 0);
  CHECK_EQ(script(&t, ""), 0);
  pml__sqlite_result_drop(&t.r);
  const char zero[] = "select 1;\n\0select 2;";
  CHECK_EQ(pml__sqlite_conn_script(t.c, pml_slice_of(zero, sizeof zero - 1), &t.b, &t.r),
           PML_EINVAL);
  CHECK_STR(said(&t), "line 2: a statement has no zero byte");
  down(&t);
}

TEST(sqlite_conn_savepoints_keep_what_was_before) {
  conn t;
  up(&t, ":memory:", 0);
  CHECK_EQ(run(&t, "create table t (x integer unique)", 0), 0);
  CHECK(!pml__sqlite_conn_in_tx(t.c));
  CHECK_EQ(step(&t, PML__SQLITE_BEGIN), 0);
  CHECK(pml__sqlite_conn_in_tx(t.c));
  CHECK_EQ(step(&t, PML__SQLITE_SAVEPOINT), 0);
  CHECK_EQ(run(&t, "insert into t values (1)", 0), 0);
  CHECK_EQ(step(&t, PML__SQLITE_RELEASE), 0);
  CHECK_EQ(step(&t, PML__SQLITE_SAVEPOINT), 0);
  CHECK_EQ(run(&t, "insert into t values (2)", 0), 0);
  CHECK_EQ(step(&t, PML__SQLITE_BACK), 0);
  CHECK_EQ(step(&t, PML__SQLITE_COMMIT), 0);
  CHECK_EQ(only(&t, "select count(*) from t"), 1);
  CHECK_EQ(step(&t, PML__SQLITE_BEGIN), 0);
  CHECK_EQ(run(&t, "delete from t", 0), 0);
  CHECK_EQ(t.r.rows, 1);
  CHECK_EQ(step(&t, PML__SQLITE_ROLLBACK), 0);
  CHECK_EQ(only(&t, "select count(*) from t"), 1);
  down(&t);
}

TEST(sqlite_conn_a_reader_writes_nothing) {
  char dir[] = "/tmp/pomelua-test-XXXXXX", path[64];
  conn t, reader;
  CHECK(mkdtemp(dir));
  snprintf(path, sizeof path, "%s/a.db", dir);
  up(&t, path, 0);
  CHECK_EQ(run(&t, "create table t (x)", 0), 0);
  up(&reader, path, 1);
  CHECK(reader.c);
  CHECK_EQ(run(&reader, "insert into t values (1)", 0), PML_EAGAIN);
  CHECK_EQ(step(&t, PML__SQLITE_BEGIN), 0);
  CHECK_EQ(run(&t, "insert into t values (1)", 0), 0);
  CHECK_EQ(only(&reader, "select count(*) from t"), 0); /* it does not wait for the writer */
  CHECK_EQ(step(&t, PML__SQLITE_COMMIT), 0);
  CHECK_EQ(only(&reader, "select count(*) from t"), 1);
  down(&reader);
  down(&t);
  unlink(path);
  rmdir(dir);
}

TEST(sqlite_conn_says_why_a_file_cannot_be_opened) {
  char dir[] = "/tmp/pomelua-test-XXXXXX", path[64];
  conn t;
  CHECK(mkdtemp(dir));
  up(&t, dir, 0); /* a folder */
  CHECK(!t.c);
  CHECK_EQ(t.r.rc, PML_EIO);
  CHECK(strstr(said(&t), dir));
  down(&t);
  snprintf(path, sizeof path, "%s/a.db", dir);
  FILE *f = fopen(path, "w");
  for (int i = 0; i < 200; i++) fputs("this is no database. ", f);
  fclose(f);
  up(&t, path, 0);
  CHECK(!t.c);
  CHECK_STR(t.r.state, "XX001");
  down(&t);
  unlink(path);
  rmdir(dir);
}

typedef struct {
  char path[64];
  pthread_barrier_t together;
} opening;

static void *open_it(void *ud) {
  opening *o = ud;
  conn t;
  pthread_barrier_wait(&o->together);
  up(&t, o->path, 0);
  const char *why = t.c ? NULL : said(&t);
  if (why) fprintf(stderr, "%s\n", why);
  int failed = t.c == NULL;
  down(&t);
  return failed ? ud : NULL;
}

/* A new file is given its log by whoever is first; the others, of other processes as well, wait. */
TEST(sqlite_conn_opens_a_new_file_with_others) {
  for (int round = 0; round < 20; round++) {
    char other[80];
    pthread_t t[6];
    opening o;
    snprintf(o.path, sizeof o.path, "/tmp/pomelua-open-%d-%d.db", getpid(), round);
    pthread_barrier_init(&o.together, NULL, 6);
    for (int i = 0; i < 6; i++) CHECK_EQ(pthread_create(&t[i], NULL, open_it, &o), 0);
    for (int i = 0; i < 6; i++) {
      void *failed;
      pthread_join(t[i], &failed);
      CHECK(!failed);
    }
    pthread_barrier_destroy(&o.together);
    unlink(o.path);
    for (int i = 0; i < 2; i++) {
      snprintf(other, sizeof other, "%s-%s", o.path, i ? "wal" : "shm");
      unlink(other);
    }
  }
}
