/* Calls of this server's scripts to other servers: each ends once, with on_answered. The calls
 * that wait are kept by bus/rpc. */
#include "base/err.h"
#include "base/mem.h"
#include "node/state.h"

typedef struct {
  pml_node *node;
  pml_id id;
} script_call;

static void on_answer(int status, pml_buf *body, void *ud) {
  script_call *c = ud;
  pml_node *n = c->node;
  pml_id id = c->id;
  pml_free(c);
  if (n->script.on_answered) n->script.on_answered(n->script.ud, id, status, pml_buf_slice(body));
}

static int send_call(pml_node *n, uint8_t flags, const char *to, pml_slice name, pml_buf *args,
                     uint32_t ms, pml_id *call) {
  pml_envelope env = {.kind = PML_ENV_CALL, .flags = flags, .route = name};
  *call = 0;
  if (!n->rpc) return PML_ENOENT;
  if (ms == 0) return pml_rpc_cast(n->rpc, to, &env, args, NULL);
  script_call *c = pml_alloc0(sizeof *c);
  c->node = n;
  int rc = pml_rpc_call(n->rpc, to, &env, args, NULL, ms, on_answer, c, &c->id);
  if (rc) pml_free(c);
  else *call = c->id;
  return rc;
}

int pml_node_call(pml_node *n, const char *to, pml_slice name, pml_buf *args, uint32_t ms,
                  pml_id *call) {
  return send_call(n, 0, to, name, args, ms, call);
}

int pml_node_call_aside(pml_node *n, const char *to, pml_slice name, pml_buf *args, uint32_t ms,
                        pml_id *call) {
  return send_call(n, PML_ENV_ASIDE, to, name, args, ms, call);
}

size_t pml_node_calls_to(const pml_node *n, const char *id) {
  return n->rpc ? pml_rpc_waiting_for(n->rpc, id) : 0;
}
