#include "net/gate.h"

#include "net/conns_private.h"

#include <stdio.h>

#define QUIET_MS 60000 /* for one line of the log about an address */

static const pml_gate *gate_of(const pml_conns *s) { return s->o.gate; }

static int limits(const pml_gate *g) {
  return g->limits.connections || g->limits.per_second || g->limits.handshakes;
}

int pml__gate_asks(const pml_conns *s) {
  const pml_gate *g = gate_of(s);
  return g && (g->allow || g->deny || g->trusted || limits(g));
}

int pml__gate_trusts(const pml_conns *s, const pml_address *a) {
  const pml_gate *g = gate_of(s);
  return g && g->trusted && pml_cidr_list_find(g->trusted, a) >= 0;
}

int pml__gate_denies(const pml_conns *s, const pml_address *a) {
  const pml_gate *g = gate_of(s);
  if (!g) return 0;
  return pml_cidr_list_find(g->deny, a) >= 0 || (g->allow && pml_cidr_list_find(g->allow, a) < 0);
}

static void refused(pml_conns *s, const pml_address *a, uint64_t *counter, const char *why) {
  static const char begin[] = "clients refused from ";
  char ip[PML_ADDRESS_TEXT], kind[sizeof begin + PML_ADDRESS_TEXT];
  pml_address at = pml_address_place(a);
  ++*counter;
  if (!s->o.log) return;
  pml_address_print(&at, ip);
  int n = snprintf(kind, sizeof kind, "%s%s", begin, ip);
  if (!pml_log_may(s->o.log, PML_INFO, kind, (size_t)n, 1, QUIET_MS)) return;
  pml_log_write(s->o.log, PML_INFO, "refused a client of %s%s: %s", ip,
                pml_address_is_four(a) ? "" : "/64", why);
}

static pml__gate_answer count(pml_conns *s, const pml_address_limits *m, const pml_address *a,
                              pml__place **place) {
  if (!s->addresses) s->addresses = pml__addresses_new();
  switch (pml__address_enter(s->addresses, m, a, pml_loop_now(s->loop), place)) {
  case PML__ADDRESS_CONNECTIONS:
    refused(s, a, &s->counts.address_connections, "the address has perAddress.connections");
    return PML__GATE_CONNECTIONS;
  case PML__ADDRESS_PER_SECOND:
    refused(s, a, &s->counts.address_per_second, "more than perAddress.perSecond");
    return PML__GATE_PER_SECOND;
  case PML__ADDRESS_HANDSHAKES:
    refused(s, a, &s->counts.address_handshakes,
            "perAddress.handshakes connections of the address have not finished the handshake");
    return PML__GATE_HANDSHAKES;
  default: return PML__GATE_OPEN;
  }
}

pml__gate_answer pml__gate_enter(pml_conns *s, const pml_address *a, pml__place **place) {
  const pml_gate *g = gate_of(s);
  *place = NULL;
  if (!g) return PML__GATE_OPEN;
  if (pml__gate_denies(s, a)) {
    refused(s, a, &s->counts.address_denied, "the lists allow and deny keep its address out");
    return PML__GATE_DENIED;
  }
  if (!limits(g) || (!g->limits.loopback && pml_address_is_loopback(a))) return PML__GATE_OPEN;
  return count(s, &g->limits, a, place);
}

int pml__gate_has_room(pml_conns *s, const pml__place *place) {
  const pml_gate *g = gate_of(s);
  if (!place || !g || pml__address_has_room(place, &g->limits)) return 1;
  s->counts.address_connections++;
  return 0;
}

void pml__gate_left(pml_conns *s, pml__place *place, int finished) {
  pml__address_left(s->addresses, place, finished, pml_loop_now(s->loop));
}
