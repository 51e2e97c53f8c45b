/* virtual: a node on a virtual loop with a recording transport and a fake script. */
#ifndef PML_TEST_VIRTUAL_H
#define PML_TEST_VIRTUAL_H

#include "base/limits.h"
#include "base/err.h"
#include "base/mem.h"
#include "bus/transport_record.h"
#include "node/node.h"
#include "test/fake_script.h"
#include "test/fake_sink.h"
#include "test/test.h"
#include "wire/frame.h"
#include "wire/message.h"
#include "wire/package.h"

typedef struct {
  pml_loop *loop;
  pml_node *node;
  fake_script script;
  char log[4096]; /* the last line of the log */
  int lines;      /* of it so far */
} virtual_node;

static inline void virtual_line(pml_level level, const char *text, void *ud) {
  virtual_node *v = ud;
  snprintf(v->log, sizeof v->log, "%d %s", level, text);
  v->lines++;
}

static inline void virtual_open(virtual_node *v, const char *id, const char *type, int frontend) {
  pml_node_options o = {.id = id, .type = type, .frontend = frontend};
  pml_log_init(&o.log, id, PML_INFO, 0);
  o.log.on_line = virtual_line;
  o.log.ud = v;
  v->log[0] = '\0';
  v->lines = 0;
  v->loop = pml_loop_new_virtual();
  v->node = pml_node_new(v->loop, &o);
  pml_node_use_recorder(v->node);
  fake_script_set(&v->script, v->node);
}

static inline void virtual_close(virtual_node *v) {
  pml_node_free(v->node);
  pml_loop_free(v->loop);
}

static inline void virtual_peer(virtual_node *v, const char *id, int up) {
  pml_transport_record_peer(pml_node_transport(v->node), id, up);
}

/* A record that left the node. */
typedef struct {
  char to[PML_SERVER_ID_MAX + 1];
  pml_buf *head, *body, *extra;
  pml_envelope env;
} virtual_record;

/* Takes the oldest; 0: there is none. Drop it afterwards. */
static inline int virtual_take(virtual_node *v, virtual_record *r) {
  char *to;
  if (!pml_transport_record_take(pml_node_transport(v->node), &to, &r->head, &r->body, &r->extra))
    return 0;
  snprintf(r->to, sizeof r->to, "%s", to);
  pml_free(to);
  CHECK_EQ(pml_envelope_read(pml_buf_slice(r->head), &r->env), 0);
  return 1;
}
static inline void virtual_drop(virtual_record *r) {
  pml_buf_unref(r->head);
  pml_buf_unref(r->body);
  pml_buf_unref(r->extra);
}

/* As the present life of server `from` would write it to this one. */
static inline void virtual_sign(virtual_node *v, const char *from, pml_envelope *env) {
  env->from_incarnation = pml_node_incarnation(v->node, from);
  env->to_incarnation = pml_node_transport(v->node)->incarnation;
}

static inline void virtual_deliver(virtual_node *v, const char *from, pml_envelope *env,
                                   const void *body, size_t n, pml_buf *extra) {
  if (env->kind == PML_ENV_FORWARD) env->param = pml_slice_of(body, n);
  virtual_sign(v, from, env);
  pml_buf *head = pml_envelope_write(env), *b = pml_buf_from(body, n);
  pml_transport_record_deliver(pml_node_transport(v->node), from, head, b, extra);
  pml_buf_unref(head);
  pml_buf_unref(b);
}
static inline void virtual_answer(virtual_node *v, const char *from, uint64_t call, int status,
                                  const char *body) {
  pml_envelope env = {.kind = PML_ENV_ANSWER, .call = call, .status = (uint8_t)status};
  virtual_deliver(v, from, &env, body, strlen(body), NULL);
}

static inline pml_uid virtual_uid(const char *s) { return (pml_uid){s, (uint32_t)strlen(s), 0}; }

#endif
