/* sqlite_line: what becomes of calls that wait together, without threads and without a loop. */
#include "store/sqlite_line.h"

#include "base/container.h"
#include "base/err.h"
#include "base/mem.h"
#include "test/test.h"

#define MOST 16

typedef struct {
  pml__sqlite_line l;
  pml__sqlite_job *job[MOST]; /* in the order in which they were added */
  int n, done;
} world;

static int on_done(pml__sqlite_job *first) {
  world *w = first->to;
  for (pml_mail *m = &first->mail; m; m = m->next) w->done++;
  return 0;
}

static void up(world *w) {
  char err[256];
  pml__sqlite lib;
  *w = (world){0};
  CHECK_EQ(pml__sqlite_load(&lib, err, sizeof err), 0);
  pml__sqlite_line_init(&w->l, &lib, ":memory:");
}

static void forget(world *w) {
  for (int i = 0; i < w->n; i++) pml__sqlite_job_free(w->job[i]);
  w->n = w->done = 0;
}

static void down(world *w) {
  forget(w);
  pml__sqlite_line_clear(&w->l);
}

static pml__sqlite_job *add(world *w, pml_store_op op, const char *sql, uint64_t tx) {
  pml__sqlite_job *j = pml_alloc0(sizeof *j);
  j->op = op;
  j->text = pml_buf_from(sql, strlen(sql));
  j->tx = tx;
  j->bounds = (pml__sqlite_bounds){.max_rows = 100,
                                   .max_bytes = 1 << 20,
                                   .due = UINT64_MAX,
                                   .in_tx = tx || op == PML_STORE_SCRIPT};
  j->done = on_done;
  j->to = w;
  CHECK(w->n < MOST);
  w->job[w->n++] = j;
  pml__sqlite_line_add(&w->l, j);
  return j;
}

static void do_all(world *w) {
  uint64_t due;
  pthread_mutex_lock(&w->l.lock);
  while (pml__sqlite_line_write(&w->l, &due)) {}
  pthread_mutex_unlock(&w->l.lock);
  CHECK_EQ(w->done, w->n);
}

/* One call alone: its rc, and its SQLSTATE and message in w. */
static int one(world *w, pml_store_op op, const char *sql, uint64_t tx) {
  forget(w);
  pml__sqlite_job *j = add(w, op, sql, tx);
  do_all(w);
  return j->r.rc;
}

static int exec(world *w, const char *sql) { return one(w, PML_STORE_EXEC, sql, 0); }

static int64_t count(world *w, const char *table) {
  char sql[64];
  snprintf(sql, sizeof sql, "select count(*) from %s", table);
  CHECK_EQ(one(w, PML_STORE_QUERY, sql, 0), 0);
  return w->job[0]->r.values.v[1].i;
}

static uint64_t begin(world *w) {
  CHECK_EQ(one(w, PML_STORE_BEGIN, "", 0), 0);
  return w->job[0]->tx;
}

static void make_family(world *w) {
  CHECK_EQ(exec(w, "create table parent (id integer primary key)"), 0);
  CHECK_EQ(exec(w, "create table child (p integer references parent deferrable initially "
                   "deferred)"),
           0);
  CHECK_EQ(exec(w, "create table strict (p integer references parent)"), 0);
  CHECK_EQ(exec(w, "insert into parent values (1)"), 0);
  forget(w);
}

TEST(sqlite_line_a_deferred_key_fails_its_own_write_only) {
  world w;
  up(&w);
  make_family(&w);
  for (int i = 0; i < 8; i++) {
    const char *sql = i == 3   ? "insert into child values (999)"
                      : i == 5 ? "insert into child values (999) returning p"
                               : "insert into child values (1)";
    add(&w, i == 5 ? PML_STORE_QUERY : PML_STORE_EXEC, sql, 0);
  }
  do_all(&w);
  for (int i = 0; i < 8; i++) {
    const pml__sqlite_result *r = &w.job[i]->r;
    int wrong = i == 3 || i == 5;
    CHECK_EQ(r->rc, wrong ? PML_EIO : 0);
    CHECK_STR(r->state, wrong ? "23503" : "");
    CHECK_EQ(r->rows, !wrong);
    if (wrong) CHECK_BYTES(r->message->data, r->message->len, "FOREIGN KEY constraint failed");
  }
  CHECK_EQ(count(&w, "child"), 6);
  CHECK_EQ(exec(&w, "insert into child values (999)"), PML_EIO); /* alone: the same */
  CHECK_STR(w.job[0]->r.state, "23503");
  CHECK_BYTES(w.job[0]->r.message->data, w.job[0]->r.message->len, "FOREIGN KEY constraint failed");
  down(&w);
}

/* Otherwise it would hold for the writes that wait beside it. */
TEST(sqlite_line_keys_are_deferred_inside_of_a_transaction_only) {
  static const char defer[] = "pragma defer_foreign_keys = on";
  world w;
  up(&w);
  make_family(&w);
  for (int again = 0; again < 2; again++) { /* the second time it could be ready */
    add(&w, PML_STORE_EXEC, defer, 0);
    add(&w, PML_STORE_EXEC, "insert into strict values (999)", 0);
    add(&w, PML_STORE_EXEC, "insert into strict values (1)", 0);
    do_all(&w);
    CHECK_STR(w.job[0]->r.state, "42501");
    CHECK_STR(w.job[1]->r.state, "23503");
    CHECK_EQ(w.job[2]->r.rc, 0);
    uint64_t tx = begin(&w);
    CHECK_EQ(one(&w, PML_STORE_EXEC, defer, tx), 0);
    CHECK_EQ(one(&w, PML_STORE_EXEC, "insert into strict values (7)", tx), 0);
    if (again) CHECK_EQ(one(&w, PML_STORE_EXEC, "insert into parent values (7)", tx), 0);
    CHECK_EQ(one(&w, PML_STORE_COMMIT, "", tx), again ? 0 : PML_EIO);
    forget(&w);
  }
  CHECK_EQ(count(&w, "strict"), 3);
  CHECK_EQ(one(&w, PML_STORE_SCRIPT,
               "pragma defer_foreign_keys = on; insert into strict values (8);"
               "insert into parent values (8)",
               0),
           0);
  CHECK_EQ(count(&w, "strict"), 4);
  down(&w);
}
