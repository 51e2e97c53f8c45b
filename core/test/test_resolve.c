/* Tests of node/resolve.c. */
#include "node/resolve.h"

#include "base/mem.h"
#include "test/test.h"

static pml_session *bind(pml_sessions *t, const char *uid) {
  static pml_sink sink;
  pml_session *s = pml_sessions_open(t, &sink);
  pml_uid u = {uid, (uint32_t)strlen(uid), 0};
  CHECK_EQ(pml_sessions_bind(t, s, u), 0);
  return s;
}

static pml_buf *list(const char *const *uids, size_t n) {
  pml_writer w = {0};
  for (size_t i = 0; i < n; i++) {
    pml_uid u = {uids[i], (uint32_t)strlen(uids[i]), 0};
    pml_uids_put(&w, u);
  }
  return pml_writer_finish(&w);
}

static const char *const names[] = {"alice", "bob", "nobody"};

TEST(resolve_remembers_from_the_second_push_on) {
  pml_sessions *t = pml_sessions_new(NULL);
  pml_resolver *r = pml_resolver_new();
  pml_session *a = bind(t, "alice"), *b = bind(t, "bob");
  pml_buf *uids = list(names, 3);
  pml_uid fail;
  CHECK(pml_resolver_get(r, t, uids) == NULL);
  const pml_resolved *got = pml_resolver_get(r, t, uids);
  CHECK(got != NULL);
  CHECK_EQ(got->n, 2);
  CHECK(got->v[0] == a && got->v[1] == b);
  pml_slice fails = got->fails;
  CHECK_EQ(pml_uids_next(&fails, &fail), 1);
  CHECK(fail.n == 6 && memcmp(fail.s, "nobody", 6) == 0);
  CHECK_EQ(pml_uids_next(&fails, &fail), 0);
  pml_buf_unref(uids);
  pml_resolver_free(r);
  pml_sessions_free(t);
}

TEST(resolve_forgets_when_a_uid_may_mean_others) {
  pml_sessions *t = pml_sessions_new(NULL);
  pml_resolver *r = pml_resolver_new();
  pml_session *a = bind(t, "alice");
  bind(t, "bob");
  pml_buf *uids = list(names, 3);
  pml_resolver_get(r, t, uids);
  CHECK_EQ(pml_resolver_get(r, t, uids)->n, 2);
  pml_session *second = bind(t, "alice");
  CHECK(pml_resolver_get(r, t, uids) == NULL);
  const pml_resolved *got = pml_resolver_get(r, t, uids);
  CHECK_EQ(got->n, 3);
  CHECK(got->v[0] == second && got->v[1] == a);
  pml_sessions_close(t, a);
  CHECK(pml_resolver_get(r, t, uids) == NULL);
  CHECK_EQ(pml_resolver_get(r, t, uids)->n, 2);
  bind(t, "nobody");
  pml_resolver_get(r, t, uids);
  got = pml_resolver_get(r, t, uids);
  CHECK_EQ(got->n, 3);
  CHECK_EQ(got->fails.n, 0);
  pml_buf_unref(uids);
  pml_resolver_free(r);
  pml_sessions_free(t);
}

TEST(resolve_keeps_no_more_lists_than_it_may) {
  enum { LISTS = 3000 };
  pml_sessions *t = pml_sessions_new(NULL);
  pml_resolver *r = pml_resolver_new();
  pml_buf *uids[LISTS];
  bind(t, "alice");
  for (int i = 0; i < LISTS; i++) {
    uids[i] = list(names, 3);
    pml_resolver_get(r, t, uids[i]);
    const pml_resolved *got = pml_resolver_get(r, t, uids[i]);
    CHECK(!got || got->n == 1);
  }
  /* Whoever is pushed to now is remembered, however many there were before. */
  CHECK(pml_resolver_get(r, t, uids[LISTS - 1]) != NULL);
  int held = 0;
  for (int i = 0; i < LISTS; i++) held += uids[i]->refs > 1;
  CHECK(held <= 1024);
  for (int i = 0; i < LISTS; i++) pml_buf_unref(uids[i]);
  pml_resolver_free(r);
  pml_sessions_free(t);
}
