#include "node/door.h"

#include "net/conn.h"
#include "node/state.h"

/* Sessions without a socket: that wait for their clients, or as the test kit has them. */
static int ask_session(pml_session *s, void *ud) {
  pml_node *n = ud;
  const pml_gate *g = &n->door.gate;
  char ip[PML_ADDRESS_TEXT] = "";
  pml_address a;
  int port;
  if (!s->sink || s->left) return 0;
  pml_sink_address(s->sink, ip, &port);
  if (pml_address_parse(pml_slice_str(ip), &a)) return 0;
  if (pml_cidr_list_find(g->trusted, &a) >= 0) return 0; /* the proxy itself: no client's address */
  if (pml_cidr_list_find(g->deny, &a) < 0 && (!g->allow || pml_cidr_list_find(g->allow, &a) >= 0))
    return 0;
  if (n->conns) pml_conns_count_address(n->conns);
  pml_sink_leave(s->sink, pml_slice_str(pml_end_name(PML_END_ADDRESS)));
  return 0;
}

static int ask_waiting(pml_session *s, void *ud) {
  return pml__resume_is_waiting(s) ? ask_session(s, ud) : 0;
}

void pml_door_set(pml_node *n, pml_door_list which, pml_cidr_list *list) {
  pml_gate *g = &n->door.gate;
  pml_cidr_list **const at[] = {&g->allow, &g->deny, &g->trusted};
  pml_cidr_list_free(*at[which]);
  *at[which] = list;
  if (which == PML_DOOR_TRUSTED) return;
  if (n->conns) pml_conns_ask_again(n->conns);
  pml_sessions_each(n->sessions, n->conns ? ask_waiting : ask_session, n);
}

void pml_door_origins(pml_node *n, pml_origins *o) {
  pml_origins_free(n->door.gate.origins);
  n->door.gate.origins = o;
}

void pml_door_keep_heads(pml_node *n, int on) { n->door.gate.keep_heads = on; }

const pml_gate *pml__door_gate(pml_node *n) {
  const pml_config *c = &n->config;
  n->door.gate.limits = (pml_address_limits){
    .connections = c->address_connections,
    .per_second = c->address_per_second,
    .handshakes = c->address_handshakes,
    .loopback = (int)c->address_loopback,
  };
  return &n->door.gate;
}

void pml__door_clear(pml_node *n) {
  pml_gate *g = &n->door.gate;
  pml_cidr_list_free(g->allow);
  pml_cidr_list_free(g->deny);
  pml_cidr_list_free(g->trusted);
  pml_origins_free(g->origins);
}
