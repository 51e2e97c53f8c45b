/* The counters of a server by name: the tables of its parts, of its bus and of its listener.
 * Tested by core/test/test_node.c. */
#include "base/throttle.h"
#include "node/rate.h"
#include "node/requests.h"
#include "node/script_timers.h"
#include "node/state.h"

#define RPC(name, field) \
  { name, offsetof(pml_rpc_counts, field) }
#define NET(name, field) \
  { name, offsetof(pml_net_counts, field) }

static const pml_counter rpc_counters[] = {
  RPC("rpcCalls", calls),     RPC("rpcTimeouts", timeouts),
  RPC("rpcLost", lost),       RPC("rpcLate", late),
  RPC("rpcRefused", refused), RPC("rpcBad", bad),
  RPC("rpcStrayed", strayed), {NULL, 0},
};

static const pml_counter net_counters[] = {
  NET("accepted", accepted),
  NET("refused", refused),
  NET("closedProtocol", protocol),
  NET("closedTooBig", toobig),
  NET("closedSlow", slow),
  NET("closedHandshake", handshake),
  NET("closedHeartbeat", heartbeat),
  NET("closedBanned", banned),
  NET("closedPackage", package),
  NET("closedMemory", memory),
  NET("closedAddress", address),
  NET("addressDenied", address_denied),
  NET("addressConnections", address_connections),
  NET("addressPerSecond", address_per_second),
  NET("addressHandshakes", address_handshakes),
  NET("originsRefused", origins),
  NET("proxied", proxied),
  NET("trims", trims),
  NET("closedRate", rate),
  NET("closedVanished", vanished),
  NET("bytesIn", bytes_in),
  NET("bytesOut", bytes_out),
  NET("writes", writes),
  NET("pushesReplaced", replaced),
  NET("pushesDropped", dropped),
  NET("pings", pings),
  NET("sharesHad", shares),
  NET("tlsHandshakes", tls_begun),
  NET("tlsDone", tls_done),
  NET("tlsResumed", tls_resumed),
  NET("tlsFailed", tls_failed),
  NET("tlsLate", tls_late),
  NET("tlsLeft", tls_left),
  NET("tlsBadHello", tls_hello),
  NET("tlsBroken", tls_broken),
  NET("tlsRenegotiations", tls_renegotiations),
  NET("tlsPlainText", tls_plain),
  NET("tlsNotSpoken", tls_not_spoken),
  NET("heartbeatsUnanswered", heartbeats_unanswered),
  {NULL, 0},
};

static const pml_counter own_counters[] = {
  PML_NODE_COUNTER("blocked", blocked),
  {NULL, 0},
};

static const pml_counter *const parts[] = {
  own_counters,
  pml__admission_counters,
  pml__frontend_counters,
  pml__forward_counters,
  pml__requests_counters,
  pml__calls_in_counters,
  pml__push_counters,
  pml__deliver_counters,
  pml__forms_counters,
  pml__transcode_counters,
  pml__rate_counters,
  pml__fair_counters,
  pml__moves_counters,
  pml__resume_counters,
  pml__cluster_counters,
  pml__cluster_members_counters,
  pml__passwords_counters,
};

typedef struct {
  void (*fn)(const char *name, double value, void *ud);
  void *ud;
} receiver;

static void walk(const receiver *to, const pml_counter *table, const void *object) {
  for (const pml_counter *c = table; c->name; c++)
    to->fn(c->name, (double)*(const uint64_t *)(const void *)((const char *)object + c->at),
           to->ud);
}

/* Numbers of this moment. */
static void walk_present(const receiver *to, const pml_node *n) {
  to->fn("sessions", (double)pml_sessions_count(n->sessions), to->ud);
  to->fn("bound", (double)pml_sessions_bound(n->sessions), to->ud);
  to->fn("channels", (double)pml_channels_count(n->channels), to->ud);
  to->fn("clusterChannels", (double)pml__cluster_members_channels(n), to->ud);
  to->fn("clusterMembers", (double)pml__cluster_members_count(n), to->ud);
  to->fn("clusterKnown", (double)pml__cluster_known(n), to->ud);
  to->fn("requestsOpen", (double)pml__requests_count(n), to->ud);
  to->fn("timers", (double)pml__script_timers_count(n), to->ud);
}

void pml_node_counts(pml_node *n, void (*fn)(const char *name, double value, void *ud), void *ud) {
  const receiver to = {fn, ud};
  walk_present(&to, n);
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) walk(&to, parts[i], n);
  fn("linesLeftOut", (double)pml_throttle_count(n->log.throttle), ud);
  fn("linesLost", (double)pml_log_lost(&n->log), ud);
  if (n->rpc) {
    fn("rpcWaiting", (double)pml_rpc_waiting(n->rpc), ud);
    walk(&to, rpc_counters, pml_rpc_counters(n->rpc));
  }
  if (n->conns) {
    const pml_net_counts *net = pml_conns_counts(n->conns);
    fn("connections", (double)net->open, ud);
    fn("connectionsWaiting", (double)pml_conns_waiting(n->conns), ud);
    size_t waiting, shaking = pml_conns_shaking(n->conns, &waiting);
    fn("tlsUnderWay", (double)shaking, ud);
    fn("tlsWaiting", (double)waiting, ud);
    fn("addresses", (double)pml_conns_addresses(n->conns), ud);
    fn("latestWaiting", (double)pml_conns_latest(n->conns), ud);
    fn("clientBytes", (double)pml_conns_held(n->conns), ud);
    walk(&to, net_counters, net);
  }
}
