/* front: a frontend whose client says messages, with a server chat-1 of type chat behind it. */
#ifndef PML_TEST_FRONT_H
#define PML_TEST_FRONT_H

#include "node/frontend.h"
#include "test/virtual.h"

static inline pml_slice front_message(uint8_t *buf, int type, uint32_t id, const char *route,
                                      const char *body) {
  pml_message_view m = {.type = (uint8_t)type, .id = id, .route = pml_slice_str(route)};
  pml_writer w = {0};
  CHECK_EQ(pml_message_write_head(&w, &m), 0);
  pml_writer_put(&w, body, strlen(body));
  size_t n = w.len;
  memcpy(buf, pml_writer_at(&w, 0), n);
  pml_writer_drop(&w);
  return pml_slice_of(buf, n);
}

static inline int front_say(virtual_node *v, pml_session *s, int type, uint32_t id,
                            const char *route, const char *body) {
  uint8_t buf[512];
  return pml_frontend_data(v->node, s, front_message(buf, type, id, route, body));
}

static inline void front_expect_500(fake_sink *f, uint32_t id) {
  pml_message_view m;
  CHECK_EQ(f->frames, 1);
  CHECK_EQ(pml_message_read(fake_sink_body(f, 0), &m), 0);
  CHECK_EQ(m.type, PML_MSG_RESPONSE);
  CHECK_EQ(m.id, id);
  CHECK_BYTES(m.body.p, m.body.n, "{\"code\":500}");
  fake_sink_clear(f);
}

static inline void front_open(virtual_node *v) {
  virtual_open(v, "f1", "connector", 1);
  pml_directory_add(pml_node_directory(v->node), "f1", "connector", 1);
  pml_directory_add(pml_node_directory(v->node), "chat-1", "chat", 0);
  virtual_peer(v, "chat-1", 1);
}

#endif
