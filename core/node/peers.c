#include "node/peers.h"

#include "base/mem.h"
#include "node/balance.h"
#include "node/state.h"

#define GONE_MAX 1024 /* servers that went whose return is noticed */

int pml_node_alive(const pml_node *n, const char *id) {
  return strcmp(id, n->id) == 0 || (n->rpc && pml_rpc_alive(n->rpc, id));
}

uint64_t pml_node_incarnation(const pml_node *n, const char *id) {
  return n->rpc ? pml_rpc_incarnation(n->rpc, id) : 0;
}

/* --- servers that were there before ----------------------------------------- */

static void gone_add(pml_peers *p, const char *id) {
  if (!p->gone) p->gone = pml_alloc0(GONE_MAX * sizeof *p->gone);
  if (p->ngone == GONE_MAX) {
    pml_free(p->gone[0]);
    memmove(p->gone, p->gone + 1, --p->ngone * sizeof *p->gone);
  }
  p->gone[p->ngone++] = pml_strdup(id);
}

/* Whether a server of that id had gone before; the id is forgotten then. */
static int gone_take(pml_peers *p, const char *id) {
  for (size_t i = 0; i < p->ngone; i++) {
    if (strcmp(p->gone[i], id) != 0) continue;
    pml_free(p->gone[i]);
    memmove(p->gone + i, p->gone + i + 1, (--p->ngone - i) * sizeof *p->gone);
    return 1;
  }
  return 0;
}

/* --- servers that stop --------------------------------------------------------- */

/* The index of a server that stops; nleaving when it does not. */
static size_t leaving_at(const pml_peers *p, const char *id) {
  size_t i = 0;
  while (i < p->nleaving && strcmp(p->leaving[i], id) != 0) i++;
  return i;
}

void pml_node_leaving(pml_node *n, const char *id) {
  pml_peers *p = &n->peers;
  if (leaving_at(p, id) < p->nleaving) return;
  p->leaving = pml_realloc(p->leaving, (p->nleaving + 1) * sizeof *p->leaving);
  p->leaving[p->nleaving++] = pml_strdup(id);
  pml_directory_changed(&n->directory);
}

static void leaving_remove(pml_peers *p, const char *id) {
  size_t i = leaving_at(p, id);
  if (i == p->nleaving) return;
  pml_free(p->leaving[i]);
  p->leaving[i] = p->leaving[--p->nleaving];
}

/* Whether a server is there and does not stop. */
static int stays(const char *id, void *ud) {
  const pml_node *n = ud;
  return pml_node_alive(n, id) && leaving_at(&n->peers, id) == n->peers.nleaving;
}

static size_t waiting(const char *id, void *ud) {
  const pml_node *n = ud;
  return n->rpc ? pml_rpc_waiting_for(n->rpc, id) : 0;
}

const pml_server_type *pml_node_servers(pml_node *n, pml_slice type) {
  return pml_directory_type(&n->directory, type, stays, n);
}

const pml_server_info *pml_node_route(pml_node *n, pml_slice type, pml_slice key) {
  const pml_peers *p = &n->peers;
  pml_server_type *t = pml_directory_type(&n->directory, type, stays, n);
  const pml_server_info *to = NULL;
  if (t) to = pml_balance_pick((pml_balance)n->config.router_type, t, key, waiting, n);
  for (size_t i = 0; !to && i < p->nleaving; i++) { /* the last of its type answers to its end */
    const pml_server_info *last = pml_directory_find(&n->directory, p->leaving[i]);
    if (last && pml_slice_eq(pml_slice_str(last->type), type) && pml_node_alive(n, last->id))
      to = last;
  }
  return to;
}

/* --- changes --------------------------------------------------------------------- */

void pml__peers_leave(pml_node *n) { n->peers.self = 1; }

static void tell_leaving(const pml_node *n, const char *id) {
  pml_envelope env = {.kind = PML_ENV_CALL, .flags = PML_ENV_ASIDE | PML_ENV_LEAVING};
  if (n->rpc) pml_rpc_cast(n->rpc, id, &env, NULL, NULL);
}

int pml__peers_changed(pml_node *n, const char *id, int up) {
  pml_directory_changed(&n->directory);
  leaving_remove(&n->peers, id);
  if (up && n->peers.self) tell_leaving(n, id);
  if (up) return gone_take(&n->peers, id);
  gone_add(&n->peers, id);
  return 0;
}

void pml__peers_clear(pml_node *n) {
  pml_peers *p = &n->peers;
  for (size_t i = 0; i < p->nleaving; i++) pml_free(p->leaving[i]);
  pml_free(p->leaving);
  for (size_t i = 0; i < p->ngone; i++) pml_free(p->gone[i]);
  pml_free(p->gone);
}
