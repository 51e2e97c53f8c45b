#include "node/passwords.h"

#include "base/err.h"
#include "test/test.h"

typedef struct {
  pml_loop *l;
  pml_node *n;
  int rc, same, calls, want;
  char hash[PML_PASSWORD_HASH];
} world;

static void on_done(int rc, const char *hash, int same, void *ud) {
  world *w = ud;
  w->rc = rc;
  w->same = same;
  if (hash) snprintf(w->hash, sizeof w->hash, "%s", hash);
  if (++w->calls == w->want) pml_loop_stop(w->l);
}

static void world_init(world *w, pml_loop *l) {
  *w = (world){.l = l, .want = 1};
  const pml_node_options o = {.id = "auth-1", .type = "auth"};
  w->n = pml_node_new(l, &o);
}

static void world_end(world *w) {
  pml_node_free(w->n);
  pml_loop_free(w->l);
}

static int ask(world *w, const char *text, const char *hash, pml_password **out) {
  pml_slice kept = hash ? pml_slice_of(hash, strlen(hash)) : pml_slice_of(NULL, 0);
  return pml_node_password(w->n, pml_slice_of(text, strlen(text)), hash ? &kept : NULL, on_done, w,
                           out);
}

typedef struct {
  const char *name;
  double value;
} counter;

static void look(const char *name, double value, void *ud) {
  counter *c = ud;
  if (strcmp(name, c->name) == 0) c->value = value;
}

static double count(world *w, const char *name) {
  counter c = {name, -1};
  pml_node_counts(w->n, look, &c);
  return c.value;
}

TEST(passwords_on_a_thread) {
  world w;
  pml_password *p;
  world_init(&w, pml_loop_new());
  double lo, hi;
  CHECK_EQ(pml_config_set(pml_node_config(w.n), "passwordCost", 1, &lo, &hi), 0);
  CHECK_EQ(ask(&w, "secret", NULL, &p), 0);
  CHECK_EQ(w.calls, 0);
  pml_loop_run(w.l);
  CHECK_EQ(w.rc, 0);
  w.calls = 0;
  CHECK_EQ(ask(&w, "secret", w.hash, &p), 0);
  pml_loop_run(w.l);
  CHECK_EQ(w.same, 1);
  w.calls = 0;
  CHECK_EQ(ask(&w, "secret", "", &p), 0); /* an empty text is no hash, and no order to make one */
  pml_loop_run(w.l);
  CHECK_EQ(w.rc, PML_EINVAL);
  CHECK_EQ(w.same, 0);
  CHECK_EQ(count(&w, "passwords"), 3);
  world_end(&w);
}

TEST(passwords_above_the_limit) {
  world w;
  pml_password *p[4];
  world_init(&w, pml_loop_new());
  double lo, hi;
  CHECK_EQ(pml_config_set(pml_node_config(w.n), "passwordMaxWaiting", 1, &lo, &hi), 0);
  CHECK_EQ(pml_config_set(pml_node_config(w.n), "passwordCost", 9, &lo, &hi), 0);
  int n = 0, rc = 0; /* one is hashed, or about to be, and one waits */
  while (n < 4 && (rc = ask(&w, "secret", NULL, &p[n])) == 0) n++;
  CHECK(n <= 2);
  CHECK_EQ(rc, PML_EFULL);
  CHECK_EQ(count(&w, "passwordsRefused"), 1);
  while (n > 0) pml_node_password_cancel(p[--n]); /* the node may go while a thread goes on */
  world_end(&w);
  CHECK_EQ(w.calls, 0);
}

TEST(passwords_too_late) {
  world w;
  pml_password *p;
  world_init(&w, pml_loop_new());
  double lo, hi;
  CHECK_EQ(pml_config_set(pml_node_config(w.n), "passwordTimeout", 1, &lo, &hi), 0);
  CHECK_EQ(pml_config_set(pml_node_config(w.n), "passwordCost", 9, &lo, &hi), 0);
  CHECK_EQ(ask(&w, "secret", NULL, &p), 0);
  pml_loop_run(w.l);
  CHECK_EQ(w.rc, PML_ETIMEOUT);
  CHECK_EQ(count(&w, "passwordsLate"), 1);
  CHECK_EQ(count(&w, "passwords"), 0);
  world_end(&w);
}

TEST(passwords_in_virtual_time) {
  world w;
  pml_password *p;
  world_init(&w, pml_loop_new_virtual());
  CHECK_EQ(ask(&w, "secret", NULL, &p), 0);
  CHECK_EQ(w.calls, 0);
  pml_loop_settle(w.l);
  CHECK_EQ(w.calls, 1);
  CHECK(strncmp(w.hash, "$y$j75$", 7) == 0); /* the least cost */
  CHECK_EQ(ask(&w, "secret", w.hash, &p), 0);
  pml_node_password_cancel(p);
  pml_loop_settle(w.l);
  CHECK_EQ(w.calls, 1);
  world_end(&w);
}
