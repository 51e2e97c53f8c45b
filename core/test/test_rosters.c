#include "model/rosters.h"

#include "base/err.h"
#include "model/sessions.h"
#include "test/fake_sink.h"
#include "test/test.h"

typedef struct {
  pml_sessions *sessions;
  pml_rosters *t;
  fake_sink f[6];
  pml_session *s[6];
  char told[256]; /* "+room -room " */
} crowd;

static void told(pml_slice name, int there, void *ud) {
  crowd *c = ud;
  size_t at = strlen(c->told);
  snprintf(c->told + at, sizeof c->told - at, "%c%.*s ", there ? '+' : '-', (int)name.n,
           (const char *)name.p);
}

static pml_uid uid(const char *s) { return (pml_uid){s, (uint32_t)strlen(s), 0}; }

static void lost(pml_session *s, void *ud) {
  crowd *c = ud;
  pml_rosters_forget(c->t, s, pml_sessions_by_uid(c->sessions, s->uid));
}

/* Sessions of these users, one letter each. */
static void open_crowd(crowd *c, const char *users) {
  *c = (crowd){.sessions = pml_sessions_new(NULL)};
  c->t = pml_rosters_new(told, c);
  pml_sessions_watch(c->sessions, lost, c);
  for (int i = 0; users[i]; i++) {
    c->s[i] = fake_sink_open(&c->f[i], c->sessions);
    CHECK_EQ(pml_sessions_bind(c->sessions, c->s[i], (pml_uid){users + i, 1, 0}), 0);
  }
}

static void close_crowd(crowd *c) {
  pml_sessions_watch(c->sessions, NULL, NULL);
  pml_rosters_free(c->t);
  pml_sessions_free(c->sessions);
}

static int join_of(crowd *c, const char *name, int i, size_t channels, size_t most) {
  return pml_rosters_join(c->t, pml_slice_str(name), c->s[i],
                          pml_sessions_by_uid(c->sessions, c->s[i]->uid), channels, most);
}
static int join(crowd *c, const char *name, int i) { return join_of(c, name, i, 100, 100); }
static int leave(crowd *c, const char *name, int i) {
  return pml_rosters_leave(c->t, pml_slice_str(name), c->s[i],
                           pml_sessions_by_uid(c->sessions, c->s[i]->uid));
}
static size_t users(crowd *c, const char *name) {
  const pml_roster *r = pml_rosters_find(c->t, pml_slice_str(name));
  return r ? pml_roster_users(r) : 0;
}
static size_t count(crowd *c, const char *name) {
  const pml_roster *r = pml_rosters_find(c->t, pml_slice_str(name));
  return r ? pml_roster_count(r) : 0;
}

TEST(rosters_have_a_session_once_and_are_there_as_long_as_they_have_one) {
  crowd c;
  open_crowd(&c, "abc");
  CHECK_EQ(join(&c, "hall", 0), 1);
  CHECK_EQ(join(&c, "hall", 0), 0);
  CHECK_EQ(join(&c, "hall", 1), 1);
  CHECK_EQ(join(&c, "yard", 1), 1);
  CHECK_EQ(count(&c, "hall"), 2);
  CHECK_EQ(pml_rosters_count(c.t), 2);
  CHECK_EQ(pml_rosters_members(c.t), 3);
  CHECK_EQ(leave(&c, "hall", 2), 0);
  CHECK_EQ(leave(&c, "hall", 0), 1);
  CHECK_EQ(leave(&c, "hall", 0), 0);
  CHECK_EQ(leave(&c, "hall", 1), 1);
  CHECK(!pml_rosters_find(c.t, pml_slice_str("hall")));
  CHECK(strcmp(c.told, "+hall +yard -hall ") == 0);
  close_crowd(&c);
}

TEST(rosters_count_users_and_not_their_sessions) {
  crowd c;
  open_crowd(&c, "abaa");
  for (int i = 0; i < 4; i++) CHECK_EQ(join(&c, "hall", i), 1);
  CHECK_EQ(count(&c, "hall"), 4);
  CHECK_EQ(users(&c, "hall"), 2);
  leave(&c, "hall", 3);
  leave(&c, "hall", 0);
  CHECK_EQ(users(&c, "hall"), 2);
  leave(&c, "hall", 2);
  CHECK_EQ(users(&c, "hall"), 1);
  CHECK_EQ(pml_rosters_clear(c.t, pml_slice_str("hall")), 1);
  CHECK_EQ(pml_rosters_clear(c.t, pml_slice_str("hall")), 0);
  CHECK_EQ(join(&c, "hall", 0) + join(&c, "hall", 1) + join(&c, "hall", 2), 3);
  CHECK_EQ(pml_rosters_clear(c.t, pml_slice_str("hall")), 3);
  CHECK_EQ(pml_rosters_members(c.t), 0);
  for (int i = 0; i < 3; i++) CHECK(!pml_session_rosters(c.s[i]));
  close_crowd(&c);
}

TEST(rosters_lose_a_session_that_ends_or_loses_its_uid) {
  crowd c;
  open_crowd(&c, "aba");
  const char *const names[] = {"hall", "yard", "shop"};
  for (int n = 0; n < 3; n++)
    for (int i = 0; i < 3; i++) join(&c, names[n], i);
  pml_sessions_leave(c.sessions, c.s[0]);
  CHECK_EQ(count(&c, "yard"), 2);
  CHECK_EQ(users(&c, "yard"), 2);
  CHECK_EQ(pml_sessions_unbind(c.sessions, c.s[1], uid("b")), 0);
  CHECK_EQ(count(&c, "shop"), 1);
  pml_sessions_close(c.sessions, c.s[0]);
  pml_sessions_close(c.sessions, c.s[2]);
  CHECK_EQ(pml_rosters_count(c.t), 0);
  CHECK_EQ(pml_rosters_members(c.t), 0);
  close_crowd(&c);
}

TEST(rosters_are_bounded_for_a_frontend_and_for_a_session) {
  crowd c;
  open_crowd(&c, "ab");
  CHECK_EQ(join_of(&c, "one", 0, 2, 2), 1);
  CHECK_EQ(join_of(&c, "two", 0, 2, 2), 1);
  CHECK_EQ(join_of(&c, "two", 0, 2, 2), 0);
  CHECK_EQ(join_of(&c, "three", 0, 9, 2), PML_ETOOBIG);
  CHECK_EQ(join_of(&c, "three", 1, 2, 2), PML_EFULL);
  CHECK_EQ(join_of(&c, "two", 1, 2, 2), 1);
  CHECK_EQ(pml_rosters_members(c.t), 3);
  close_crowd(&c);
}

TEST(rosters_grow_shrink_and_keep_every_session) {
  pml_sessions *sessions = pml_sessions_new(NULL);
  crowd c = {.sessions = sessions};
  c.t = pml_rosters_new(told, &c);
  fake_sink f[8];
  pml_session *s[8];
  char name[8];
  for (int i = 0; i < 8; i++) {
    s[i] = fake_sink_open(&f[i], sessions);
    snprintf(name, sizeof name, "u%d", i);
    pml_sessions_bind(sessions, s[i], uid(name));
  }
  for (int round = 0; round < 3; round++) {
    for (int i = 0; i < 8; i++)
      CHECK_EQ(pml_rosters_join(c.t, pml_slice_str("x"), s[i], s[i], 9, 9), 1);
    const pml_roster *r = pml_rosters_find(c.t, pml_slice_str("x"));
    for (int i = 0; i < 8; i++) CHECK(pml_roster_has(r, s[i]));
    for (int i = 0; i < 7; i++) {
      CHECK_EQ(pml_rosters_leave(c.t, pml_slice_str("x"), s[(i * 3) % 8], NULL), 1);
      CHECK_EQ(pml_roster_count(r), (size_t)(7 - i));
      for (size_t k = 0; k < pml_roster_count(r); k++)
        CHECK(pml_roster_has(r, pml_roster_sessions(r)[k]));
    }
    CHECK_EQ(pml_rosters_clear(c.t, pml_slice_str("x")), 1);
  }
  pml_rosters_free(c.t);
  pml_sessions_free(sessions);
}
