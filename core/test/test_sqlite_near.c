/* sqlite_near: which reads a server does itself, beside a file that a thread would have. */
#include "store/sqlite_near.h"

#include "base/clock.h"
#include "base/err.h"
#include "test/test.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

typedef struct {
  pml_loop *loop; /* virtual: its time stands still */
  pml__sqlite_line line;
  pml__sqlite_conn *writer;
  pml__sqlite_near *near;
  pml__sqlite_bounds limits;
  pml_data params;
  pml__sqlite_result r;
  char dir[40], path[64];
} world;

static void write_to(world *w, const char *sql) {
  pml__sqlite_bounds none = {.max_rows = 1, .max_bytes = 1000};
  pml__sqlite_result r = {0};
  CHECK_EQ(pml__sqlite_conn_run(w->writer, pml_slice_str(sql), &w->params, 0, &none, &r), 0);
  pml__sqlite_result_drop(&r);
}

static void up_at(world *w, const char *path) {
  char err[256];
  pml__sqlite lib;
  pml__sqlite_result r = {0};
  w->loop = pml_loop_new_virtual();
  w->limits = (pml__sqlite_bounds){.max_rows = 100, .max_bytes = 1 << 20};
  CHECK_EQ(pml__sqlite_load(&lib, err, sizeof err), 0);
  pml__sqlite_line_init(&w->line, &lib, path);
  w->writer = pml__sqlite_conn_open(&w->line.lib, path, PML__SQLITE_WRITER, &r);
  CHECK(w->writer);
  w->near = pml__sqlite_near_new(w->loop, &w->line);
  write_to(w, "create table t (id integer primary key, name text)");
  write_to(w, "insert into t values (1, 'one'), (2, 'two')");
}

/* Some file systems cannot tell whether a read would have to wait; then nothing is done here. */
static int cannot_tell(const char *path) {
  char byte;
  struct iovec v = {.iov_base = &byte, .iov_len = 1};
  int fd = open(path, O_RDONLY);
  CHECK(fd >= 0);
  int rc = preadv2(fd, &v, 1, 0, RWF_NOWAIT) < 0 && errno != EAGAIN;
  close(fd);
  if (rc) fprintf(stderr, "# skipped: the file system of /tmp knows no RWF_NOWAIT\n");
  return rc;
}

#define UP(w) \
  do { \
    up(w); \
    if (cannot_tell((w)->path)) { \
      down(w); \
      return; \
    } \
  } while (0)

static void up(world *w) {
  *w = (world){.dir = "/tmp/pomelua-near-XXXXXX"};
  CHECK(mkdtemp(w->dir));
  snprintf(w->path, sizeof w->path, "%s/a.db", w->dir);
  up_at(w, w->path);
}

static void down(world *w) {
  pml__sqlite_result_drop(&w->r);
  pml_data_drop(&w->params);
  pml__sqlite_near_free(w->near);
  pml__sqlite_conn_close(w->writer);
  pml__sqlite_line_clear(&w->line);
  pml_loop_free(w->loop);
  if (!w->dir[0]) return;
  char cmd[80];
  snprintf(cmd, sizeof cmd, "rm -rf %s", w->dir);
  CHECK_EQ(system(cmd), 0);
}

static int run(world *w, const char *sql) {
  pml__sqlite_result_drop(&w->r);
  return pml__sqlite_near_run(w->near, pml_slice_str(sql), &w->params, &w->limits, &w->r);
}

static void learn(world *w, const char *sql, uint32_t us) {
  pml__sqlite_near_learn(w->near, pml_slice_str(sql), us);
}

/* Whether it is ever answered here: on a busy machine one that takes too long by chance is learnt
 * anew. */
static int answers(world *w, const char *sql) {
  for (int i = 0; i < 300; i++) {
    pml_loop_settle(w->loop);
    if (run(w, sql)) return 1;
    learn(w, sql, 1);
  }
  return 0;
}

#define BY_ID "select name from t where id = $1"

TEST(sqlite_near_does_a_read_that_was_quick_twice) {
  world w;
  UP(&w);
  pml_data_int(&w.params, 2);
  CHECK_EQ(run(&w, BY_ID), 0);
  learn(&w, BY_ID, 1);
  CHECK_EQ(run(&w, BY_ID), 0);
  CHECK(answers(&w, BY_ID));
  CHECK_EQ(w.r.rows, 1);
  CHECK_EQ(w.r.columns, 1);
  pml_slice name = pml_data_slice(&w.r.values, &w.r.values.v[1]);
  CHECK_BYTES(name.p, name.n, "two");
  CHECK_EQ(w.params.n, 1); /* they are the caller's */
  CHECK_EQ(atomic_load(&w.line.open), 1);
  down(&w);
}

TEST(sqlite_near_sees_what_was_committed_before) {
  world w;
  UP(&w);
  for (int i = 3; i < 50; i++) {
    char sql[80];
    snprintf(sql, sizeof sql, "insert into t values (%d, 'x')", i);
    write_to(&w, sql);
    CHECK(answers(&w, "select max(id) from t"));
    CHECK_EQ(w.r.values.v[1].i, i);
  }
  write_to(&w, "alter table t add column more text default 'm'");
  CHECK(answers(&w, "select * from t where id = 1"));
  CHECK_EQ(w.r.columns, 3);
  down(&w);
}

TEST(sqlite_near_leaves_to_the_threads_what_may_take_long) {
  world w;
  UP(&w);
  CHECK(answers(&w, "select upper(name), count(*) from t where id > 0 group by 1 order by 1"));
  static const char *const others[] = {
    "insert into t values (9, 'x') returning id", /* a write */
    "select name from t where name like 'o%'",    /* functions of any length */
    "select printf('%1000d', 1)",
    "select replace(name, 'o', 'oo') from t",
    "select value from json_each('[1]')", /* a module */
    "pragma integrity_check",
    "select name from", /* no statement */
    "select $name",
    "select 1; select 2",
    "select id from nothing",
    "select zeroblob(10000000)", /* a long value */
    ("with recursive r(n) as (select 1 union all select n + 1 from r where n < 1000000000) "
     "select max(n) from r"), /* interrupted */
  };
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
    uint64_t begun = pml_clock_ms();
    CHECK_EQ(answers(&w, others[i]), 0);
    CHECK(pml_clock_ms() - begun < 5000);
  }
  CHECK(answers(&w, BY_ID) == 0); /* a value is missing: the threads say so */
  pml_data_int(&w.params, 1);
  CHECK(answers(&w, BY_ID));
  down(&w);
}

TEST(sqlite_near_leaves_to_the_threads_what_is_slow_or_long_there) {
  world w;
  char sql[PML__SQLITE_NEAR_TEXT + 2];
  UP(&w);
  for (int i = 0; i < 300; i++) {
    learn(&w, "select 1", 50);
    CHECK_EQ(run(&w, "select 1"), 0);
  }
  memset(sql, ' ', sizeof sql);
  memcpy(sql, "select 1", 8);
  sql[sizeof sql - 1] = 0;
  CHECK_EQ(answers(&w, sql), 0);
  sql[sizeof sql - 2] = 0;
  CHECK(answers(&w, sql));
  down(&w);
}

TEST(sqlite_near_keeps_the_limits_of_the_store) {
  world w;
  UP(&w);
  w.limits.max_rows = 1;
  CHECK_EQ(answers(&w, "select id from t"), 0);
  w.limits.max_rows = 2;
  CHECK(answers(&w, "select id from t"));
  w.limits.max_bytes = 20;
  CHECK_EQ(answers(&w, "select id from t"), 0);
  down(&w);
}

/* However many there are, a turn of the loop goes on after some time. */
TEST(sqlite_near_does_so_many_reads_in_a_turn) {
  world w;
  UP(&w);
  int n = 0;
  do {
    CHECK(answers(&w, "select 1"));
    for (n = 0; n < 100000 && run(&w, "select 1"); n++) {}
  } while (n == 0);
  CHECK(n < 100000);
  down(&w);
}

TEST(sqlite_near_closes_an_idle_connection) {
  world w;
  UP(&w);
  CHECK(answers(&w, "select 1"));
  CHECK_EQ(atomic_load(&w.line.open), 1);
  pml_loop_advance(w.loop, 299999);
  CHECK_EQ(atomic_load(&w.line.open), 1);
  pml_loop_advance(w.loop, 300002);
  CHECK_EQ(atomic_load(&w.line.open), 0);
  CHECK_EQ(run(&w, "select 1"), 0);
  CHECK(answers(&w, "select 1")); /* and comes back */
  down(&w);
}

TEST(sqlite_near_waits_for_no_lock) {
  world w;
  UP(&w);
  CHECK(answers(&w, "select 1 from t"));
  pthread_mutex_lock(&w.line.opening); /* another one opens the file */
  pml_loop_advance(w.loop, 600001);
  CHECK_EQ(answers(&w, "select 1 from t"), 0);
  pthread_mutex_unlock(&w.line.opening);
  down(&w);
}

TEST(sqlite_near_does_nothing_for_a_file_in_memory) {
  world w = {0};
  up_at(&w, ":memory:");
  CHECK_EQ(answers(&w, "select 1"), 0);
  down(&w);
}
