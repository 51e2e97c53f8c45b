/* fanout: a server that pushes one frame, with up to six clients of its own. */
#ifndef PML_TEST_FANOUT_H
#define PML_TEST_FANOUT_H

#include "node/push.h"
#include "test/virtual.h"

/* A push frame of the route onX. Returns owned. */
static inline pml_buf *fanout_frame(const char *body) {
  pml_message_view m = {.type = PML_MSG_PUSH, .route = pml_slice_str("onX")};
  pml_writer w = {0};
  pml_frame_begin(&w);
  pml_message_write_head(&w, &m);
  pml_writer_put(&w, body, strlen(body));
  return pml_frame_end(&w, PML_PKG_DATA);
}

/* "a b c" as a list. Returns owned. */
static inline pml_buf *fanout_list(const char *words) {
  pml_writer w = {0};
  while (*words) {
    size_t n = strcspn(words, " ");
    pml_uids_put(&w, (pml_uid){words, (uint32_t)n, 0});
    words += n + (words[n] == ' ');
  }
  return pml_writer_finish(&w);
}

typedef struct {
  virtual_node v;
  fake_sink f[6];
  pml_session *s[6];
  pml_buf *frame;
} fanout;

static inline void fanout_open(fanout *x, int frontend) {
  virtual_open(&x->v, frontend ? "f1" : "chat-1", frontend ? "connector" : "chat", frontend);
  x->frame = fanout_frame("{}");
}

/* Opens clients of these uids; "-" stays unbound. */
static inline void fanout_clients(fanout *x, const char *const *uids, int n) {
  pml_sessions *t = pml_node_sessions(x->v.node);
  for (int i = 0; i < n; i++) {
    x->s[i] = fake_sink_open(&x->f[i], t);
    if (uids[i][0] != '-') CHECK_EQ(pml_sessions_bind(t, x->s[i], virtual_uid(uids[i])), 0);
  }
}

static inline void fanout_expect(fanout *x, int n, const char *counts) {
  for (int i = 0; i < n; i++) {
    CHECK_EQ(x->f[i].frames, counts[i] - '0');
    for (int k = 0; k < x->f[i].frames; k++) CHECK(x->f[i].frame[k] == x->frame);
    fake_sink_clear(&x->f[i]);
  }
}

static inline void fanout_close(fanout *x) {
  pml_buf_unref(x->frame);
  virtual_close(&x->v);
}

#endif
