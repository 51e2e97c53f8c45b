#include "node/peers.h"

#include "test/virtual.h"

static const char *route(virtual_node *v) {
  const pml_server_info *to = pml_node_route(v->node, pml_slice_str("chat"), pml_slice_str("ann"));
  return to ? to->id : "none";
}

static void open_with_chats(virtual_node *v) {
  virtual_open(v, "f1", "connector", 1);
  pml_directory_add(pml_node_directory(v->node), "chat-1", "chat", 0);
  pml_directory_add(pml_node_directory(v->node), "chat-2", "chat", 0);
}

TEST(peers_that_stop_get_messages_only_as_the_last_of_their_type) {
  virtual_node v;
  open_with_chats(&v);
  CHECK(strcmp(route(&v), "none") == 0);
  virtual_peer(&v, "chat-1", 1);
  virtual_peer(&v, "chat-2", 1);
  pml_node_leaving(v.node, "chat-1");
  pml_node_leaving(v.node, "chat-1"); /* twice is once */
  CHECK(strcmp(route(&v), "chat-2") == 0);
  pml_node_leaving(v.node, "chat-2");
  CHECK(strcmp(route(&v), "chat-1") == 0); /* the first of those that stop */
  virtual_peer(&v, "chat-1", 0);
  CHECK(strcmp(route(&v), "chat-2") == 0);
  virtual_peer(&v, "chat-1", 1); /* a new one, which does not stop */
  CHECK(strcmp(route(&v), "chat-1") == 0);
  virtual_close(&v); /* while chat-2 stops */
}

TEST(peers_that_come_anew_are_noticed_once) {
  virtual_node v;
  open_with_chats(&v);
  CHECK_EQ(pml__peers_changed(v.node, "chat-1", 1), 0);
  CHECK_EQ(pml__peers_changed(v.node, "chat-1", 0), 0);
  CHECK_EQ(pml__peers_changed(v.node, "chat-1", 1), 1);
  CHECK_EQ(pml__peers_changed(v.node, "chat-1", 1), 0);
  virtual_close(&v);
}

TEST(peers_that_went_are_remembered_in_bounds) {
  virtual_node v;
  char id[16];
  open_with_chats(&v);
  for (int i = 0; i < 1025; i++) {
    snprintf(id, sizeof id, "s-%d", i);
    CHECK_EQ(pml__peers_changed(v.node, id, 0), 0);
  }
  CHECK_EQ(pml__peers_changed(v.node, "s-0", 1), 0); /* the oldest was given up */
  CHECK_EQ(pml__peers_changed(v.node, "s-1", 1), 1);
  CHECK_EQ(pml__peers_changed(v.node, "s-1024", 1), 1);
  virtual_close(&v);
}

static void done(void *ud) { ++*(int *)ud; }

TEST(peers_hear_that_this_server_stops) {
  virtual_node v;
  virtual_record r[2];
  int left = 0;
  open_with_chats(&v);
  virtual_peer(&v, "chat-1", 1);
  virtual_peer(&v, "chat-2", 1);
  virtual_peer(&v, "chat-10", 1);
  pml_node_leave(v.node, "chat-10\nf2\n", 1000, done, &left);
  for (int i = 0; i < 2; i++) { /* not itself, and not chat-10 */
    CHECK(virtual_take(&v, &r[i]));
    CHECK(strcmp(r[i].to, i ? "chat-2" : "chat-1") == 0);
    CHECK_EQ(r[i].env.kind, PML_ENV_CALL);
    CHECK_EQ(r[i].env.flags, PML_ENV_ASIDE | PML_ENV_LEAVING);
    CHECK_EQ(r[i].env.route.n, 0);
    CHECK_EQ(r[i].env.ms, 1000);
  }
  virtual_answer(&v, "chat-2", r[1].env.call, 1, "");
  CHECK_EQ(left, 0);
  pml_loop_advance(v.loop, 1000); /* chat-1 does not answer */
  CHECK_EQ(left, 1);
  for (int i = 0; i < 2; i++) virtual_drop(&r[i]);
  CHECK(!virtual_take(&v, &r[0]));
  virtual_peer(&v, "chat-3", 1); /* who comes later hears of it, too */
  CHECK(virtual_take(&v, &r[0]));
  CHECK(strcmp(r[0].to, "chat-3") == 0);
  CHECK_EQ(r[0].env.flags, PML_ENV_ASIDE | PML_ENV_LEAVING);
  virtual_drop(&r[0]);
  virtual_close(&v);
}

TEST(peers_send_nothing_new_to_a_server_that_says_it_stops) {
  virtual_node v;
  virtual_record r;
  open_with_chats(&v);
  virtual_peer(&v, "chat-1", 1);
  virtual_peer(&v, "chat-2", 1);
  pml_envelope env = {.kind = PML_ENV_CALL, .flags = PML_ENV_LEAVING, .call = 7, .ms = 100};
  virtual_deliver(&v, "chat-1", &env, "", 0, NULL);
  CHECK(virtual_take(&v, &r)); /* answered behind all that was sent before */
  CHECK_EQ(r.env.kind, PML_ENV_ANSWER);
  CHECK_EQ(r.env.call, 7);
  virtual_drop(&r);
  for (int i = 0; i < 4; i++) CHECK(strcmp(route(&v), "chat-2") == 0);
  virtual_close(&v);
}
