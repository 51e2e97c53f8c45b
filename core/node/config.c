#include "node/config.h"

#include "base/err.h"
#include "base/limits.h"
#include "node/balance.h"
#include "wire/package.h"

#include <string.h>

#define LINGER_MS \
  2000 /* for a connection that is closed: to flush, and to hear from its client \
        */
#define DAY_S 86400.0
#define DAY_MS 86400000.0
#define MIB 1048576.0
#define RATE_MOST 1000000.0 /* messages a second */

#define U32(field) offsetof(pml_config, field), 0
#define SIZE(field) offsetof(pml_config, field), 1

const pml_setting pml_settings[] = {
  {"heartbeat", 0, DAY_S, 0, U32(heartbeat_s)},
  {"timeout", 0, DAY_S, 0, U32(timeout_s)},
  {"keepAlive", 0, 32767, 60, U32(keep_alive_s)},
  {"packageBefore", 64, 0xFFFFFF, 4096, U32(package_before)},
  {"packageAfter", 64, 0xFFFFFF, 65536, U32(package_after)},
  {"handshakeTimeout", 1, DAY_MS, 10000, U32(handshake_ms)},
  {"maxConnections", 1, 16000000, 0, SIZE(max_conns)},
  {"queueSoft", 1024, 1024 * MIB, 1 * MIB, SIZE(queue_soft)},
  {"queueTime", 1, DAY_MS, 5000, U32(queue_ms)},
  {"queueHard", 1024, 1024 * MIB, 8 * MIB, SIZE(queue_hard)},
  {"tlsHandshakes", 1, 1000000, 256, U32(tls_shakes)},
  {"tlsPerSecond", 1, 1000000, 1000, U32(tls_per_s)},
  {"packageTime", 0, DAY_MS, 20000, U32(package_ms)},
  {"clientMemory", 1, 16 * MIB, 0, U32(client_mib)},
  {"ioUring", 0, 1, 1, U32(io_uring)},
  {"addressConnections", 0, 16000000, 4096, U32(address_connections)},
  {"addressPerSecond", 0, 1000000, 500, U32(address_per_second)},
  {"addressHandshakes", 0, 16000000, 64, U32(address_handshakes)},
  {"addressLoopback", 0, 1, 0, U32(address_loopback)},
  {"rateMessages", 0, RATE_MOST, 5000, U32(rate_messages)},
  {"rateBurst", 1, RATE_MOST, 10000, U32(rate_burst)},
  {"rateBytes", 1, 1024 * MIB, 4 * MIB, U32(rate_bytes)},
  {"maxInFlight", 1, 1000000, 128, U32(max_in_flight)},
  {"handlerTimeout", 1, DAY_MS, 10000, U32(handler_ms)},
  {"forwardTimeout", 1, DAY_MS, 11000, U32(forward_ms)},
  {"pushTimeout", 1, DAY_MS, 3000, U32(push_ms)},
  {"clusterNameSize", 1, 65535, 256, U32(cluster_name)},
  {"clusterChannels", 1, 16000000, 100000, U32(cluster_channels)},
  {"clusterPerSession", 1, 1000000, 1000, U32(cluster_per_session)},
  {"maxCalls", 1, 16000000, 65536, U32(max_calls)},
  {"auth", 0, 1, 0, U32(auth)},
  {"resumeGrace", 0, DAY_S, 0, U32(resume_s)},
  {"resumeBytes", 1024, 1024 * MIB, 65536, U32(resume_bytes)},
  {"resumeTotal", 1, 1024 * 1024, 64, U32(resume_mib)},
  {"routerType", 0, PML_BALANCE_MODES - 1, PML_BALANCE_UID, U32(router_type)},
  {"stopTimeout", 100, DAY_MS, 10000, U32(stop_ms)},
  {"stopGrace", 0, DAY_MS, 2000, U32(stop_grace_ms)},
  {"stuck", 0, 86400, 0, U32(stuck_s)},
  {"drainTime", 0, DAY_MS, 5000, U32(drain_ms)},
  {"budget", 0, DAY_MS, 1000, U32(budget_ms)},
  {"startBudget", 100, DAY_MS, PML_START_BUDGET_MS, U32(start_budget_ms)},
  {"passwordCost", 1, 11, 5, U32(password_cost)},
  {"passwordThreads", 1, 64, 1, U32(password_threads)},
  {"passwordMaxWaiting", 1, 1000000, 64, U32(password_waiting)},
  {"passwordTimeout", 1, DAY_MS, 5000, U32(password_ms)},
  {"memorySoft", 1, 4000, 1024, U32(memory_soft_mib)},
  {"memoryHard", 1, 4000, 3072, U32(memory_hard_mib)},
  {NULL, 0, 0, 0, 0, 0},
};

static void put(pml_config *c, const pml_setting *s, double value) {
  void *at = (char *)c + s->at;
  if (s->is_size) *(size_t *)at = (size_t)value;
  else *(uint32_t *)at = (uint32_t)value;
}

void pml_config_defaults(pml_config *c) {
  *c = (pml_config){0};
  for (const pml_setting *s = pml_settings; s->name; s++) put(c, s, s->standard);
}

int pml_config_set(pml_config *c, const char *name, double value, double *lo, double *hi) {
  const pml_setting *s = pml_settings;
  while (s->name && strcmp(s->name, name) != 0) s++;
  if (!s->name) return PML_ENOENT;
  if (!(value >= s->least && value <= s->most)) {
    *lo = s->least;
    *hi = s->most;
    return PML_EINVAL;
  }
  put(c, s, value);
  return 0;
}

void pml_config_conn_limits(const pml_config *c, pml_conn_limits *out) {
  *out = (pml_conn_limits){
    .queue_soft = c->queue_soft,
    .queue_ms = c->queue_ms,
    .queue_hard = c->queue_hard,
    .linger_ms = LINGER_MS,
    .upgrade_ms = c->handshake_ms,
    .package_ms = c->package_ms,
    .memory = (uint64_t)c->client_mib << 20,
    .keep_alive_s = c->keep_alive_s ? c->keep_alive_s : PML_CONN_NEVER,
    .ws_frame_max = PML_PKG_HEAD + PML_PKG_MAX,
    .tls_shakes = c->tls_shakes,
    .tls_per_s = c->tls_per_s,
    .no_ring = !c->io_uring,
  };
}
