#include "node/membership.h"

#include "node/push.h"
#include "test/virtual.h"

static const pml_uid ann = {"ann", 3, 0}, bob = {"bob", 3, 0};

static pml_channel *make(virtual_node *v, const char *name) {
  return pml_channels_create(pml_node_channels(v->node), pml_slice_str(name));
}

TEST(membership_is_told_at_the_end_of_the_turn_in_order) {
  virtual_node v;
  virtual_open(&v, "a", "t", 0);
  pml_channel *c = make(&v, "early");
  pml_channel_add(c, ann, "f1");
  pml_loop_settle(v.loop);
  fake_script_expect(&v.script, ""); /* nobody watches */
  pml_node_watch_channels(v.node, 1, 0);
  pml_node_watch_channels(v.node, 1, 0);
  pml_channel_add(c, bob, "f2");
  pml_node_member_again(v.node, c, ann, "f1");
  pml_node_member_tied(v.node, c, ann, "f1", 7);
  pml_node_member_after(v.node, 1);
  pml_channel_leave(c, ann, "f1", PML_LEFT_CLOSED);
  pml_channels_destroy(pml_node_channels(v.node), c); /* its name is told all the same */
  fake_script_expect(&v.script, "");
  pml_loop_settle(v.loop);
  fake_script_expect(&v.script, "member made early uid=- sid=- why=0\n"
                                "member joined early uid=ann sid=f1 why=0\n"
                                "member joined early uid=bob sid=f2 why=0\n"
                                "member again early uid=ann sid=f1 why=0\n"
                                "member tied early uid=ann sid=f1 why=0\n"
                                "member after  uid=- sid=- why=0\n"
                                "member left early uid=ann sid=f1 why=1\n"
                                "member left early uid=bob sid=f2 why=3\n"
                                "member gone early uid=- sid=- why=0\n");
  c = make(&v, "left alone");
  virtual_close(&v); /* with something to tell */
}

TEST(membership_says_what_comes_from_a_store_and_when_it_is_pushed_to) {
  virtual_node v;
  pml_id push;
  virtual_open(&v, "a", "t", 0);
  pml_node_watch_channels(v.node, 1, 0);
  pml_node_restoring(v.node, 1);
  pml_channel *c = make(&v, "room");
  pml_channel_add(c, ann, "f1");
  pml_node_restoring(v.node, 0);
  pml_channel_add(c, bob, "f1");
  pml_channel_mark(c, 1);
  pml_buf *frame = pml_buf_from("12345678", 8);
  CHECK_EQ(pml_push_channel(v.node, c, &(pml_push_what){.frame = frame}, &push), 0);
  CHECK_EQ(pml_push_channel(v.node, c, &(pml_push_what){.frame = frame}, &push), 0);
  pml_buf_unref(frame);
  CHECK_EQ(pml_channel_is_marked(c), 0);
  pml_loop_settle(v.loop);
  fake_script_expect(&v.script, "member made room uid=- sid=- why=0 restored\n"
                                "member joined room uid=ann sid=f1 why=0 restored\n"
                                "member joined room uid=bob sid=f1 why=0\n"
                                "member pushed room uid=- sid=- why=0\n");
  virtual_close(&v);
}

TEST(membership_removes_channels_whose_last_member_has_left) {
  virtual_node v;
  virtual_open(&v, "a", "t", 0);
  pml_node_watch_channels(v.node, 0, 1);
  make(&v, "never");
  pml_channel *c = make(&v, "room");
  pml_id id = pml_channel_id(c);
  pml_channel_add(c, ann, "f1");
  pml_channel_leave(c, ann, "f1", PML_LEFT_ASKED);
  pml_channel_add(c, bob, "f1"); /* in the same turn */
  pml_loop_settle(v.loop);
  CHECK(pml_channels_get(pml_node_channels(v.node), id) == c);
  pml_channel_leave(c, bob, "f1", PML_LEFT_ASKED);
  CHECK_EQ(pml_channels_count(pml_node_channels(v.node)), 2);
  pml_loop_settle(v.loop);
  CHECK(!pml_channels_get(pml_node_channels(v.node), id));
  CHECK_EQ(pml_channels_count(pml_node_channels(v.node)), 1);
  fake_script_expect(&v.script, ""); /* no script has asked to hear of it */
  virtual_close(&v);
}

static pml_channel *room;
static void rejoin(void *ud, const pml_member_event *e) {
  if (e->change == PML_MEMBER_LEFT) pml_channel_add(room, ann, "f1");
  if (e->change == PML_MEMBER_JOINED) pml_channel_leave(room, ann, "f1", PML_LEFT_ASKED);
  ++*(int *)ud;
}

TEST(membership_goes_on_in_the_next_turn_when_scripts_go_on_for_ever) {
  virtual_node v;
  int calls = 0;
  virtual_open(&v, "a", "t", 0);
  pml_script s = {.on_member = rejoin, .ud = &calls};
  pml_node_set_script(v.node, &s);
  pml_node_watch_channels(v.node, 1, 0);
  room = make(&v, "room");
  pml_channel_add(room, ann, "f1");
  pml_loop_settle(v.loop); /* ends after so many turns */
  CHECK(calls > 100);
  virtual_close(&v);
}

TEST(membership_of_a_session_is_told_when_nothing_else_is) {
  virtual_node v;
  virtual_open(&v, "a", "t", 0);
  pml_channel *c = make(&v, "room");
  pml_channel_add(c, ann, "f1");
  pml_channel_add(c, bob, "f1");
  pml_node_member_again(v.node, c, ann, "f1");
  pml_node_member_tied(v.node, c, bob, "f1", 7);
  pml_channel_leave(c, ann, "f1", PML_LEFT_ASKED);
  pml_channel_leave(c, bob, "f1", PML_LEFT_ASKED);
  pml_channel_add(c, bob, "f1"); /* another membership, which belongs to none */
  pml_channel_leave(c, bob, "f1", PML_LEFT_ASKED);
  pml_loop_settle(v.loop);
  fake_script_expect(&v.script, "member tied room uid=bob sid=f1 why=0\n"
                                "member left room uid=bob sid=f1 why=0\n");
  CHECK_EQ(pml_channels_count(pml_node_channels(v.node)), 1);
  virtual_close(&v);
}
