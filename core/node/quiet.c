/* Tested by spec/program/stop_spec.lua and core/test/test_node.c. */
#include "node/quiet.h"

#include "base/mem.h"
#include "node/drain.h"
#include "node/fair.h"
#include "node/forward.h"
#include "node/requests.h"
#include "node/route.h"
#include "node/state.h"

#define FLUSH_MS 86400000 /* a caller has a deadline of its own */

size_t pml_node_open_requests(const pml_node *n) {
  return pml__requests_count(n) + pml__route_count(n) + pml__forward_count(n) + pml__drain_open(n) +
         pml__fair_count(n);
}

typedef struct pml_flush {
  pml_node *node;
  uint32_t ms; /* how long the others have */
  uint8_t flags;
  const char *together; /* of pml_node_leave, while it runs; or NULL */
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
  pml_envelope env = {.kind = PML_ENV_CALL, .flags = f->flags};
  if (pml_rpc_call(f->node->rpc, id, &env, NULL, NULL, f->ms, on_answer, f, NULL) == 0)
    f->waiting++;
}

static flush *flush_new(pml_node *n, uint32_t ms, uint8_t flags, void (*done)(void *ud), void *ud) {
  flush *f = pml_alloc(sizeof *f);
  *f = (flush){n, ms, flags | PML_ENV_ASIDE, NULL, 1, done, ud};
  n->quiet.flush = f;
  return f;
}

/* Whether an id is one of those that each end with a line break. */
static int is_line(const char *lines, const char *id) {
  size_t n = strlen(id);
  for (const char *at = lines; *at; at += strcspn(at, "\n") + 1)
    if (strncmp(at, id, n) == 0 && at[n] == '\n') return 1;
  return 0;
}

static void tell_peer(const char *id, void *ud) {
  flush *f = ud;
  if (strcmp(id, f->node->id) != 0 && !is_line(f->together, id)) ask_peer(id, f);
}

void pml_node_leave(pml_node *n, const char *together, uint32_t ms, void (*done)(void *ud),
                    void *ud) {
  flush *f = flush_new(n, ms, PML_ENV_LEAVING, done, ud);
  f->together = together;
  pml__peers_leave(n);
  if (n->rpc) pml_rpc_each_peer(n->rpc, tell_peer, f);
  less(f);
}

void pml_node_flush(pml_node *n, const char *to, void (*done)(void *ud), void *ud) {
  flush *f = flush_new(n, FLUSH_MS, 0, done, ud);
  if (n->rpc && to) ask_peer(to, f);
  else if (n->rpc) pml_rpc_each_peer(n->rpc, ask_peer, f);
  less(f);
}

void pml__quiet_clear(pml_node *n) { n->quiet.flush = NULL; }
