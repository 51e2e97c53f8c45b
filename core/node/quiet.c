/* What a stop asks of a node: to take nothing new, and whether it is quiet. Tested by
 * spec/program/stop_spec.lua and core/test/test_node.c. */
#include "base/err.h"
#include "base/mem.h"
#include "node/state.h"

#define FLUSH_MS 86400000 /* whoever asks has a deadline of its own */

void pml_node_close(pml_node *n, int refuse) {
  if (n->listener) pml_listener_close(n->listener);
  n->listener = NULL;
  if (n->stopping < 1 + refuse) n->stopping = 1 + refuse;
}

size_t pml_node_open_requests(const pml_node *n) {
  size_t ending =
    n->parting ? pml_sessions_count(n->sessions) + n->leaving : 0; /* listeners are to be told */
  return pml_slots_count(n->requests) + pml_slots_count(n->pending) + n->forwards_open + ending;
}

uint64_t pml_node_begun(const pml_node *n) { return n->counts.begun; }

size_t pml_node_calls_to(const pml_node *n, const char *id) {
  return n->rpc ? pml_rpc_waiting_for(n->rpc, id) : 0;
}

/* --- servers that stop --------------------------------------------------------- */

static size_t place_of(const pml_node *n, const char *id) {
  size_t i = 0;
  while (i < n->ngoing && strcmp(n->going[i], id) != 0) i++;
  return i;
}

void pml_node_leaving(pml_node *n, const char *id) {
  if (place_of(n, id) < n->ngoing) return;
  n->going = pml_realloc(n->going, (n->ngoing + 1) * sizeof *n->going);
  n->going[n->ngoing++] = pml_strdup(id);
  pml_directory_changed(&n->directory);
}

void pml__node_stays(pml_node *n, const char *id) {
  size_t i = place_of(n, id);
  if (i == n->ngoing) return;
  pml_free(n->going[i]);
  n->going[i] = n->going[--n->ngoing];
}

static int stays(const char *id, void *ud) {
  return pml_node_alive(ud, id) && place_of(ud, id) == ((pml_node *)ud)->ngoing;
}

const pml_server_info *pml_node_route(pml_node *n, pml_slice type, pml_slice key) {
  const pml_server_info *to = pml_directory_route(&n->directory, type, key, stays, n);
  for (size_t i = 0; !to && i < n->ngoing; i++) { /* the last of its type answers to its end */
    const pml_server_info *last = pml_directory_find(&n->directory, n->going[i]);
    if (last && pml_slice_eq(pml_slice_str(last->type), type) && pml_node_alive(n, last->id))
      to = last;
  }
  return to;
}

/* --- whether what was sent has arrived -------------------------------------------- */

typedef struct pml_flush {
  pml_node *node;
  size_t waiting;
  void (*done)(void *ud);
  void *ud;
} flush;

static void less(flush *f) {
  if (--f->waiting) return;
  int wanted = f->node->flush == f;
  if (wanted) f->node->flush = NULL;
  if (wanted) f->done(f->ud);
  pml_free(f);
}

/* Records to one server arrive in their order, so its answer comes after all of them. */
static void arrived(int status, pml_buf *body, void *ud) {
  (void)status;
  (void)body;
  less(ud);
}

static void ask_peer(const char *id, void *ud) {
  flush *f = ud;
  pml_envelope env = {.kind = PML_ENV_CALL, .flags = PML_ENV_ASIDE};
  if (pml_rpc_call(f->node->rpc, id, &env, NULL, NULL, FLUSH_MS, arrived, f, NULL) == 0)
    f->waiting++;
}

void pml_node_flush(pml_node *n, const char *to, void (*done)(void *ud), void *ud) {
  flush *f = pml_alloc(sizeof *f);
  *f = (flush){n, 1, done, ud};
  n->flush = f;
  if (n->rpc && to) ask_peer(to, f);
  else if (n->rpc) pml_rpc_each_peer(n->rpc, ask_peer, f);
  less(f);
}
