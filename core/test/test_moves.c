#include "node/moves.h"

#include "node/requests.h"
#include "test/front.h"

static void done(void *ud) { ++*(int *)ud; }

typedef struct {
  const char *name;
  double value;
} wanted;

static void find(const char *name, double value, void *ud) {
  wanted *w = ud;
  if (strcmp(w->name, name) == 0) w->value = value;
}

static int counted(virtual_node *v, const char *name) {
  wanted w = {name, -1};
  pml_node_counts(v->node, find, &w);
  return (int)w.value;
}

static int told(const fake_sink *f, int n) {
  int count = 0;
  for (int i = 0; i < n; i++) count += f[i].moved;
  return count;
}

static void gone(virtual_node *v, pml_session *s) {
  pml_close_reason why = {.kind = PML_CLOSE_NIL};
  pml_frontend_closed(v->node, s, &why);
}

TEST(moves_are_spread_evenly) {
  virtual_node v;
  fake_sink f[5];
  pml_session *s[5];
  int moved = 0;
  front_open(&v);
  for (int i = 0; i < 5; i++) s[i] = fake_sink_open(&f[i], pml_node_sessions(v.node));
  pml_node_move(v.node, "shutdown", 1000, done, &moved);
  for (int i = 0; i < 5; i++) { /* at 0, 200, 400, 600, 800 */
    CHECK_EQ(told(f, 5), i + 1);
    CHECK(f[i].moved && strcmp(f[i].reason, "shutdown") == 0);
    CHECK_EQ(f[i].frames, 0);
    CHECK_EQ(pml_sessions_count(pml_node_sessions(v.node)), 4 - i);
    pml_loop_advance(v.loop, 199);
    CHECK_EQ(told(f, 5), i + 1);
    pml_loop_advance(v.loop, 1);
  }
  CHECK_EQ(moved, 1);
  CHECK_EQ(counted(&v, "moved"), 5);
  for (int i = 0; i < 5; i++) gone(&v, s[i]);
  virtual_close(&v);
}

TEST(moves_of_many_are_told_some_at_a_time) {
  enum { MANY = 15 };
  static const int at[] = {1, 4, 7, 10, 13, 15};
  fake_sink f[MANY];
  pml_session *s[MANY];
  virtual_node v;
  int moved = 0;
  front_open(&v);
  for (int i = 0; i < MANY; i++) s[i] = fake_sink_open(&f[i], pml_node_sessions(v.node));
  pml_node_move(v.node, "shutdown", 50, done, &moved);
  for (int i = 0; i < 6; i++) { /* every 10 ms, and not each at its own time */
    CHECK_EQ(told(f, MANY), at[i]);
    pml_loop_advance(v.loop, 9);
    CHECK_EQ(told(f, MANY), at[i]);
    pml_loop_advance(v.loop, 1);
  }
  CHECK_EQ(moved, 1);
  for (int i = 0; i < MANY; i++) gone(&v, s[i]);
  virtual_close(&v);
}

TEST(moves_come_behind_the_answers) {
  virtual_node v;
  virtual_record r;
  fake_sink f[2];
  int moved = 0;
  front_open(&v);
  pml_session *own = fake_sink_open(&f[0], pml_node_sessions(v.node));
  pml_session *other = fake_sink_open(&f[1], pml_node_sessions(v.node));
  front_say(&v, own, PML_MSG_REQUEST, 1, "connector.a.b", "{}");
  front_say(&v, other, PML_MSG_REQUEST, 1, "chat.a.b", "{}");
  front_say(&v, other, PML_MSG_NOTIFY, 0, "chat.a.b", "{}"); /* nothing is owed for it */
  pml_node_move(v.node, "shutdown", 100, done, &moved);
  pml_loop_advance(v.loop, 100);
  CHECK_EQ(moved, 1); /* the time is over */
  CHECK_EQ(told(f, 2), 0);
  /* From here on what they send is counted and not run. */
  front_say(&v, own, PML_MSG_REQUEST, 2, "connector.a.b", "{}");
  front_say(&v, own, PML_MSG_NOTIFY, 0, "connector.a.b", "{}");
  CHECK_EQ(own->in_flight, 1);
  CHECK_EQ(counted(&v, "requestsBehindClose"), 1);
  CHECK_EQ(counted(&v, "notifiesBehindClose"), 1);
  pml_requests_fail(v.node, v.script.request);
  CHECK_EQ(told(f, 2), 0); /* at the end of the turn */
  pml_loop_settle(v.loop);
  CHECK(f[0].moved && f[0].frames == 1);
  CHECK(virtual_take(&v, &r));
  virtual_answer(&v, "chat-1", r.env.call, 1, "no");
  pml_loop_settle(v.loop);
  CHECK(f[1].moved && f[1].frames == 1);
  virtual_drop(&r);
  for (int i = 0; i < 2; i++) fake_sink_clear(&f[i]);
  gone(&v, own);
  gone(&v, other);
  virtual_close(&v);
}

TEST(moves_end_early_when_nobody_is_left) {
  virtual_node v;
  fake_sink f[2];
  pml_session *s[2];
  int moved = 0;
  front_open(&v);
  pml_node_move(v.node, "shutdown", 5000, done, &moved);
  CHECK_EQ(moved, 1);
  for (int i = 0; i < 2; i++) s[i] = fake_sink_open(&f[i], pml_node_sessions(v.node));
  pml_node_move(v.node, "shutdown", 5000, done, &moved);
  gone(&v, s[1]); /* by itself */
  CHECK_EQ(moved, 1);
  pml_loop_settle(v.loop);
  CHECK_EQ(moved, 2);
  pml_loop_advance(v.loop, 10000);
  CHECK_EQ(moved, 2);
  gone(&v, s[0]);
  virtual_close(&v);
}

TEST(moves_without_a_time_are_told_at_once) {
  virtual_node v;
  fake_sink f[3];
  pml_session *s[3];
  int moved = 0;
  front_open(&v);
  for (int i = 0; i < 3; i++) s[i] = fake_sink_open(&f[i], pml_node_sessions(v.node));
  pml_node_move(v.node, "shutdown", 0, done, &moved);
  CHECK_EQ(told(f, 3), 3);
  CHECK_EQ(moved, 1);
  for (int i = 0; i < 3; i++) gone(&v, s[i]);
  virtual_close(&v);
}

TEST(moves_are_waited_for_until_their_connections_end) {
  virtual_node v;
  fake_sink f;
  int moved = 0, parted = 0;
  front_open(&v);
  pml_session *s = fake_sink_open(&f, pml_node_sessions(v.node));
  pml_node_move(v.node, "shutdown", 1000, done, &moved);
  CHECK_EQ(moved, 1);
  pml_node_drain(v.node, "shutdown", 1000, done, &parted);
  pml_loop_settle(v.loop);
  CHECK_EQ(parted, 0);
  gone(&v, s);
  pml_loop_settle(v.loop);
  CHECK_EQ(parted, 1);
  virtual_close(&v);
}
