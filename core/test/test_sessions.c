#include "model/sessions.h"

#include "base/err.h"
#include "test/test.h"

static pml_uid uid(const char *s) { return (pml_uid){s, (uint32_t)strlen(s), 0}; }

TEST(sessions_open_get_close) {
  pml_sessions *t = pml_sessions_new(NULL);
  pml_sink *sink = (pml_sink *)(void *)t;
  pml_session *s = pml_sessions_open(t, sink);
  CHECK(s && s->id != 0 && s->sink == sink && !s->uid.s && !s->settings);
  CHECK(pml_sessions_get(t, s->id) == s);
  CHECK_EQ(pml_sessions_count(t), 1);
  pml_id id = s->id;
  pml_sessions_close(t, s);
  CHECK(pml_sessions_get(t, id) == NULL);
  CHECK(pml_sessions_get(t, 0) == NULL);
  CHECK_EQ(pml_sessions_count(t), 0);
  pml_sessions_free(t);
}

TEST(sessions_ids_are_not_reused_and_places_run_out) {
  pml_sessions *t = pml_sessions_new(NULL);
  pml_session *v[64];
  int n = 0;
  while (n < 64 && (v[n] = pml_sessions_open(t, NULL))) n++;
  CHECK_EQ(n, (1 << PML_SLOT_BITS) - 1);
  pml_id old = v[3]->id;
  pml_sessions_close(t, v[3]);
  pml_session *again = pml_sessions_open(t, NULL);
  CHECK(again && again->id != old);
  CHECK(pml_sessions_get(t, old) == NULL);
  pml_sessions_free(t); /* frees what is left */
}

TEST(sessions_bind_follows_the_rules) {
  pml_sessions *t = pml_sessions_new(NULL);
  pml_session *s = pml_sessions_open(t, NULL);
  uint64_t before = pml_sessions_epoch(t);
  CHECK_EQ(pml_sessions_bind(t, s, uid("")), PML_EINVAL);
  CHECK_EQ(pml_sessions_bind(t, s, (pml_uid){NULL, 0, 0}), PML_EINVAL);
  static char lengthy[PML_UID_MAX + 1];
  CHECK_EQ(pml_sessions_bind(t, s, (pml_uid){lengthy, sizeof lengthy, 0}), PML_EINVAL);
  CHECK_EQ(pml_sessions_epoch(t), before);
  CHECK_EQ(pml_sessions_bind(t, s, uid("7")), 0);
  CHECK(pml_sessions_epoch(t) != before);
  before = pml_sessions_epoch(t);
  CHECK_EQ(pml_sessions_bind(t, s, (pml_uid){"7", 1, 1}), 0);
  CHECK_EQ(s->uid.is_number, 0); /* as it was given first */
  CHECK_EQ(pml_sessions_bind(t, s, uid("8")), PML_EBOUND);
  CHECK_EQ(pml_sessions_epoch(t), before);
  CHECK_EQ(pml_sessions_bound(t), 1);
  CHECK_EQ(pml_sessions_unbind(t, s, uid("8")), PML_ENOENT);
  CHECK_EQ(pml_sessions_unbind(t, s, (pml_uid){"7", 1, 1}), 0);
  CHECK_EQ(pml_sessions_unbind(t, s, uid("7")), PML_ENOENT);
  CHECK_EQ(pml_sessions_bound(t), 0);
  CHECK(pml_sessions_epoch(t) != before);
  CHECK(pml_sessions_by_uid(t, uid("7")) == NULL);
  CHECK_EQ(pml_sessions_bind(t, s, uid("8")), 0);
  CHECK_EQ(pml_sessions_bind(t, pml_sessions_open(t, NULL), (pml_uid){lengthy, PML_UID_MAX, 0}), 0);
  pml_sessions_free(t);
}

TEST(sessions_uid_is_copied) {
  pml_sessions *t = pml_sessions_new(NULL);
  pml_session *s = pml_sessions_open(t, NULL);
  char text[] = "ann";
  CHECK_EQ(pml_sessions_bind(t, s, (pml_uid){text, 3, 1}), 0);
  text[0] = 'x';
  CHECK(pml_sessions_by_uid(t, uid("ann")) == s);
  CHECK(pml_uid_eq(s->uid, uid("ann")) && s->uid.is_number);
  pml_sessions_free(t);
}

TEST(sessions_of_one_uid_hang_together_newest_first) {
  pml_sessions *t = pml_sessions_new(NULL);
  pml_session *a = pml_sessions_open(t, NULL), *b = pml_sessions_open(t, NULL),
              *c = pml_sessions_open(t, NULL), *other = pml_sessions_open(t, NULL);
  CHECK_EQ(pml_sessions_bind(t, b, uid("u")), 0);
  CHECK_EQ(pml_sessions_bind(t, other, uid("v")), 0);
  CHECK_EQ(pml_sessions_bind(t, a, uid("u")), 0);
  CHECK_EQ(pml_sessions_bind(t, c, uid("u")), 0);
  CHECK(pml_sessions_by_uid(t, uid("u")) == c);
  CHECK(c->uid_next == a && a->uid_next == b && b->uid_next == NULL);
  pml_sessions_close(t, a); /* in the middle */
  CHECK(c->uid_next == b);
  pml_sessions_close(t, c); /* the newest */
  CHECK(pml_sessions_by_uid(t, uid("u")) == b && b->uid_next == NULL);
  CHECK_EQ(pml_sessions_unbind(t, b, uid("u")), 0);
  CHECK(pml_sessions_by_uid(t, uid("u")) == NULL);
  CHECK(pml_sessions_by_uid(t, uid("v")) == other);
  pml_sessions_free(t);
}

static int close_even(pml_session *s, void *ud) {
  pml_sessions *t = ud;
  if (s->in_flight % 2 == 0) pml_sessions_close(t, s);
  return 0;
}

static int seen_in_order(pml_session *s, void *ud) {
  uint32_t *next = ud;
  CHECK_EQ(s->in_flight, *next);
  *next += 2;
  return *next > 5;
}

TEST(sessions_each_walks_in_order_and_may_close_its_own) {
  pml_sessions *t = pml_sessions_new(NULL);
  for (uint32_t i = 0; i < 8; i++) pml_sessions_open(t, NULL)->in_flight = i;
  pml_sessions_each(t, close_even, t);
  CHECK_EQ(pml_sessions_count(t), 4);
  uint32_t next = 1;
  pml_sessions_each(t, seen_in_order, &next);
  CHECK_EQ(next, 7); /* stopped when told to */
  pml_sessions_free(t);
}

TEST(sessions_closing_moves_the_epoch_only_when_bound) {
  pml_sessions *t = pml_sessions_new(NULL);
  pml_session *a = pml_sessions_open(t, NULL), *b = pml_sessions_open(t, NULL);
  CHECK_EQ(pml_sessions_bind(t, a, uid("a")), 0);
  uint64_t before = pml_sessions_epoch(t);
  pml_sessions_close(t, b);
  CHECK_EQ(pml_sessions_epoch(t), before);
  a->settings = pml_buf_from("{}", 2); /* goes with its session */
  pml_sessions_close(t, a);
  CHECK(pml_sessions_epoch(t) != before);
  pml_sessions_free(t);
  pml_sessions_free(NULL);
}

TEST(sessions_that_left_are_in_no_table_and_stay_readable) {
  pml_sessions *t = pml_sessions_new(NULL);
  pml_session *a = pml_sessions_open(t, NULL), *b = pml_sessions_open(t, NULL);
  CHECK_EQ(pml_sessions_bind(t, a, uid("ann")), 0);
  CHECK_EQ(pml_sessions_bind(t, b, uid("ann")), 0);
  uint64_t before = pml_sessions_epoch(t);
  pml_sessions_leave(t, b);
  CHECK(pml_sessions_epoch(t) != before);
  pml_sessions_leave(t, b); /* once */
  CHECK(pml_sessions_get(t, b->id) == NULL);
  CHECK(pml_sessions_by_uid(t, uid("ann")) == a);
  CHECK(a->uid_next == NULL);
  CHECK_EQ(pml_sessions_count(t), 1);
  CHECK_EQ(pml_sessions_bound(t), 1);
  CHECK(b->left && pml_uid_eq(b->uid, uid("ann")));
  CHECK_EQ(pml_sessions_bind(t, b, uid("ann")), PML_ENOENT);
  CHECK_EQ(pml_sessions_unbind(t, b, uid("ann")), PML_ENOENT);
  pml_sessions_close(t, b);
  CHECK(pml_sessions_by_uid(t, uid("ann")) == a);
  pml_sessions_free(t);
}

typedef struct {
  pml_sessions *t;
  pml_session *next;
  int seen;
} walker;

static int count_one(pml_session *s, void *ud) {
  (void)s;
  (*(int *)ud)++;
  return 0;
}

static int leave_next(pml_session *s, void *ud) {
  walker *w = ud;
  int inner = 0;
  w->seen++;
  (void)s;
  if (!w->next) return 0;
  pml_sessions_leave(w->t, w->next);
  pml_sessions_each(w->t, count_one, &inner);
  CHECK_EQ(inner, 2);
  pml_sessions_close(w->t, w->next);
  w->next = NULL;
  return 0;
}

TEST(sessions_each_goes_on_when_the_next_one_leaves) {
  pml_sessions *t = pml_sessions_new(NULL);
  pml_sessions_open(t, NULL);
  pml_session *second = pml_sessions_open(t, NULL);
  pml_sessions_open(t, NULL);
  walker w = {t, second, 0};
  pml_sessions_each(t, leave_next, &w);
  CHECK_EQ(w.seen, 2);
  pml_sessions_free(t);
}
