#include "store/postgres.h"

#include "base/err.h"
#include "test/test.h"

/* What needs a real server, and so store/postgres_connect.c, store/postgres_run.c,
 * store/postgres_result.c and store/postgres_cancel.c, is in spec/core/postgres_spec.lua and
 * spec/slow/postgres_spec.lua. */

TEST(postgres_says_what_it_needs) {
  pml_loop *real = pml_loop_new(), *kit = pml_loop_new_virtual();
  pml_postgres_options o = {.host = "127.0.0.1", .pool = PML_STORE_POOL_OPTIONS};
  char err[200];
  CHECK(pml_postgres_open(real, &o, NULL, err, sizeof err) == NULL);
  CHECK_STR(err, "a PostgreSQL database needs a host and a user");
  o.user = "game";
  CHECK(pml_postgres_open(kit, &o, NULL, err, sizeof err) == NULL);
  CHECK(strstr(err, "test kit") != NULL);
  pml_loop_free(real);
  pml_loop_free(kit);
}

typedef struct {
  pml_loop *l;
  int rc;
  char message[300];
} told;

static void on_done(pml_store_call *c, void *ud) {
  told *t = ud;
  pml_slice m = pml_buf_slice(c->message);
  t->rc = c->rc;
  snprintf(t->message, sizeof t->message, "%.*s", (int)m.n, m.n ? (const char *)m.p : "");
  pml_loop_stop(t->l);
}

TEST(postgres_says_why_there_is_no_connection) {
  told t = {.l = pml_loop_new(), .rc = 1};
  /* Nobody listens at port 1. */
  pml_postgres_options o = {.host = "127.0.0.1",
                            .port = 1,
                            .user = "game",
                            .password = "hidden",
                            .pool = PML_STORE_POOL_OPTIONS};
  char err[200];
  pml_store *s = pml_postgres_open(t.l, &o, NULL, err, sizeof err);
  CHECK(s != NULL);
  pml_store_call c = {
    .op = PML_STORE_QUERY, .text = pml_buf_from("select 1", 8), .done = on_done, .ud = &t};
  pml_store_submit(s, &c);
  pml_loop_run(t.l);
  CHECK_EQ(t.rc, PML_ECLOSED);
  CHECK(strstr(t.message, "the database cannot be reached: ") == t.message);
  CHECK(strstr(t.message, "Connection refused") != NULL);
  CHECK(strchr(t.message, '\n') == NULL);
  CHECK(strstr(t.message, "hidden") == NULL);
  pml_store_call_drop(&c);
  pml_store_close(s, NULL, NULL);
  pml_loop_free(t.l);
}
