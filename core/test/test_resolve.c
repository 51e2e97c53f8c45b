#include "node/resolve.h"

#include "test/test.h"

static pml_uid uid(const char *s) { return (pml_uid){s, (uint32_t)strlen(s), 0}; }

/* n uids "u0" "u1" …, each at least 5 bytes in the list. Returns owned. */
static pml_buf *list_of(int n) {
  pml_writer w = {0};
  char text[16];
  for (int i = 0; i < n; i++) {
    snprintf(text, sizeof text, "u%d", i);
    pml_uids_put(&w, uid(text));
  }
  return pml_writer_finish(&w);
}

TEST(resolve_remembers_what_is_pushed_to_again) {
  pml_sessions *t = pml_sessions_new();
  pml_resolver *r = pml_resolver_new();
  pml_session *a = pml_sessions_open(t, NULL), *b = pml_sessions_open(t, NULL),
              *c = pml_sessions_open(t, NULL);
  CHECK_EQ(pml_sessions_bind(t, a, uid("u0")), 0);
  CHECK_EQ(pml_sessions_bind(t, b, uid("u2")), 0);
  CHECK_EQ(pml_sessions_bind(t, c, uid("u0")), 0);
  pml_buf *list = list_of(3);
  CHECK(pml_resolver_get(r, t, list) == NULL); /* once is not worth it */
  for (int i = 0; i < 3; i++) {
    const pml_resolved *x = pml_resolver_get(r, t, list);
    CHECK(x && x->n == 3);
    CHECK(x->v[0] == c && x->v[1] == a && x->v[2] == b);
    CHECK(test_hex_eq(x->fails.p, x->fails.n, "0000027531"));
  }
  pml_buf_unref(list);
  pml_resolver_free(r);
  pml_sessions_free(t);
}

TEST(resolve_forgets_when_a_uid_may_mean_others) {
  pml_sessions *t = pml_sessions_new();
  pml_resolver *r = pml_resolver_new();
  pml_session *a = pml_sessions_open(t, NULL), *b = pml_sessions_open(t, NULL);
  pml_buf *list = list_of(3);
  for (int i = 0; i < 4; i++) {
    if (i == 1) CHECK_EQ(pml_sessions_bind(t, a, uid("u0")), 0);
    if (i == 2) CHECK_EQ(pml_sessions_bind(t, b, uid("u1")), 0);
    if (i == 3) pml_sessions_close(t, a);
    pml_resolver_get(r, t, list);
    const pml_resolved *x = pml_resolver_get(r, t, list);
    CHECK(x && x->n == (size_t)(i == 3 ? 1 : i));
    if (i == 3) CHECK(x->v[0] == b);
  }
  pml_buf_unref(list);
  pml_resolver_free(r);
  pml_sessions_free(t);
}

TEST(resolve_leaves_small_lists_alone) {
  pml_sessions *t = pml_sessions_new();
  pml_resolver *r = pml_resolver_new();
  pml_buf *list = list_of(1);
  for (int i = 0; i < 5; i++) CHECK(pml_resolver_get(r, t, list) == NULL);
  CHECK(pml_resolver_get(r, t, NULL) == NULL);
  pml_buf_unref(list);
  pml_resolver_free(r);
  pml_sessions_free(t);
}

/* A list that nobody else holds is ours to free: it must not be kept for ever. */
TEST(resolve_holds_on_to_so_many_lists_only) {
  pml_sessions *t = pml_sessions_new();
  pml_resolver *r = pml_resolver_new();
  pml_buf *first = list_of(3);
  pml_resolver_get(r, t, first);
  CHECK_EQ(first->refs, 2);
  for (int i = 0; i < 5000; i++) {
    pml_buf *list = list_of(3);
    pml_resolver_get(r, t, list);
    pml_buf_unref(list);
  }
  CHECK_EQ(first->refs, 1);
  pml_buf *large[12];
  for (int i = 0; i < 12; i++) {
    large[i] = pml_buf_new(4u << 20);
    memset(large[i]->data, 0xff, large[i]->len); /* what is in it does not matter */
    pml_resolver_get(r, t, large[i]);
  }
  CHECK_EQ(large[0]->refs, 1);
  for (int i = 0; i < 12; i++) pml_buf_unref(large[i]);
  pml_buf_unref(first);
  pml_resolver_free(r);
  pml_sessions_free(t);
}
