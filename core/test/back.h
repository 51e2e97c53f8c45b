/* back: a server without clients that gets records of a frontend f1. */
#ifndef PML_TEST_BACK_H
#define PML_TEST_BACK_H

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
