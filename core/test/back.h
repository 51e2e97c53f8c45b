/* back: a server without clients that gets records of a frontend f1. */
#ifndef PML_TEST_BACK_H
#define PML_TEST_BACK_H

#include "node/state.h"
#include "test/virtual.h"

static inline pml_envelope back_call_of(uint64_t call, uint32_t ms) {
  return (pml_envelope){
    .kind = PML_ENV_CALL, .call = call, .ms = ms, .route = pml_slice_str("room.add")};
}

static inline void back_call(virtual_node *v, uint64_t id, uint32_t ms, const char *args) {
  pml_envelope env = back_call_of(id, ms);
  virtual_deliver(v, "f1", &env, args, strlen(args), NULL);
}

static inline void back_open(virtual_node *v) {
  virtual_open(v, "chat-1", "chat", 0);
  virtual_peer(v, "f1", 1);
}

/* A frontend f2 of another process that has begun in the same millisecond as f1 in its own. */
static inline pml_transport_events back_twin(virtual_node *v) {
  pml_transport_events ev = pml_rpc_transport_events(v->node->rpc);
  virtual_peer(v, "f2", 1);
  ev.on_peer("f2", pml_node_incarnation(v->node, "f2"), 0, ev.ud);
  ev.on_peer("f2", pml_node_incarnation(v->node, "f1"), 1, ev.ud);
  CHECK_EQ(pml_node_incarnation(v->node, "f2"), pml_node_incarnation(v->node, "f1"));
  return ev;
}

/* The oldest record is an answer to this call. */
static inline void back_expect(virtual_node *v, uint64_t id, int status, const char *body) {
  virtual_record r;
  CHECK(virtual_take(v, &r));
  CHECK_EQ(r.env.kind, PML_ENV_ANSWER);
  CHECK_EQ(r.env.call, id);
  CHECK_EQ(r.env.status, status);
  CHECK(strcmp(r.to, "f1") == 0);
  if (body) CHECK_BYTES(r.body->data, r.body->len, body);
  virtual_drop(&r);
}

static inline int back_reply(virtual_node *v, pml_id id, int status, const char *text) {
  pml_buf *b = pml_buf_from(text, strlen(text));
  int rc = pml_node_reply(v->node, id, status, b);
  pml_buf_unref(b);
  return rc;
}

#endif
