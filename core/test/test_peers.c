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
