/* Tested by spec/program/stop_spec.lua and core/test/test_node.c. */
#include "node/quiet.h"

#include "base/mem.h"
#include "node/drain.h"
#include "node/forward.h"
#include "node/requests.h"
#include "node/route.h"
#include "node/state.h"

#define FLUSH_MS 86400000 /* a caller has a deadline of its own */

size_t pml_node_open_requests(const pml_node *n) {
  return pml__requests_count(n) + pml__route_count(n) + pml__forward_count(n) + pml__drain_open(n);
}

typedef struct pml_flush {
  pml_node *node;
  size_t waiting;
  void (*done)(void *ud);
  void *ud;
} flush;

static void less(flush *f) {
  if (--f->waiting) return;
  int wanted = f->node->quiet.flush == f;
  if (wanted) f->node->quiet.flush = NULL;
  if (wanted) f->done(f->ud);
  pml_free(f);
}

/* Records to one server arrive in their order, so its answer comes after all of them. */
static void on_answer(int status, pml_buf *body, void *ud) {
  (void)status;
  (void)body;
  less(ud);
}

static void ask_peer(const char *id, void *ud) {
  flush *f = ud;
  pml_envelope env = {.kind = PML_ENV_CALL, .flags = PML_ENV_ASIDE};
  if (pml_rpc_call(f->node->rpc, id, &env, NULL, NULL, FLUSH_MS, on_answer, f, NULL) == 0)
    f->waiting++;
}

void pml_node_flush(pml_node *n, const char *to, void (*done)(void *ud), void *ud) {
  flush *f = pml_alloc(sizeof *f);
  *f = (flush){n, 1, done, ud};
  n->quiet.flush = f;
  if (n->rpc && to) ask_peer(to, f);
  else if (n->rpc) pml_rpc_each_peer(n->rpc, ask_peer, f);
  less(f);
}

void pml__quiet_clear(pml_node *n) { n->quiet.flush = NULL; }
