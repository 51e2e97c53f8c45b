#include "node/config.h"

#include "base/err.h"
#include "wire/package.h"

#include <string.h>

void pml_config_defaults(pml_config *c) {
  *c = (pml_config){
    .keep_alive_s = 60,
    .package_before = 4096,
    .package_after = 65536,
    .handshake_ms = 10000,
    .queue_soft = 1u << 20,
    .queue_ms = 5000,
    .queue_hard = 8u << 20,
    .io_uring = 1,
    .max_in_flight = 128,
    .handler_ms = 10000,
    .forward_ms = 11000,
    .max_calls = 65536,
    .stop_ms = 10000,
    .stop_grace_ms = 2000,
    .budget_ms = 1000,
    .memory_soft_mib = 1024,
    .memory_hard_mib = 3072,
  };
}

#define U32(f) offsetof(pml_config, f), 0
#define SIZE(f) offsetof(pml_config, f), 1

static const struct {
  const char *name;
  size_t at;
  int is_size;
  double lo, hi;
} settings[] = {
  {"heartbeat", U32(heartbeat_s), 0, 86400},
  {"timeout", U32(timeout_s), 0, 86400},
  {"keepAlive", U32(keep_alive_s), 0, 32767},
  {"packageBefore", U32(package_before), 64, 0xFFFFFF},
  {"packageAfter", U32(package_after), 64, 0xFFFFFF},
  {"handshakeTimeout", U32(handshake_ms), 1, 86400000},
  {"maxConnections", SIZE(max_conns), 1, 16000000},
  {"queueSoft", SIZE(queue_soft), 1024, 1u << 30},
  {"queueTime", U32(queue_ms), 1, 86400000},
  {"queueHard", SIZE(queue_hard), 1024, 1u << 30},
  {"ioUring", U32(io_uring), 0, 1},
  {"maxInFlight", U32(max_in_flight), 1, 1000000},
  {"handlerTimeout", U32(handler_ms), 1, 86400000},
  {"forwardTimeout", U32(forward_ms), 1, 86400000},
  {"maxCalls", U32(max_calls), 1, 16000000},
  {"stopTimeout", U32(stop_ms), 100, 86400000},
  {"stopGrace", U32(stop_grace_ms), 0, 86400000},
  {"budget", U32(budget_ms), 0, 86400000},
  {"memorySoft", U32(memory_soft_mib), 1, 4000},
  {"memoryHard", U32(memory_hard_mib), 1, 4000},
};

int pml_config_set(pml_config *c, const char *name, double value, double *lo, double *hi) {
  for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
    if (strcmp(settings[i].name, name) != 0) continue;
    if (!(value >= settings[i].lo && value <= settings[i].hi)) {
      *lo = settings[i].lo;
      *hi = settings[i].hi;
      return PML_EINVAL;
    }
    void *at = (char *)c + settings[i].at;
    if (settings[i].is_size) *(size_t *)at = (size_t)value;
    else *(uint32_t *)at = (uint32_t)value;
    return 0;
  }
  return PML_ENOENT;
}

void pml_config_conn_limits(const pml_config *c, pml_conn_limits *out) {
  *out = (pml_conn_limits){
    .queue_soft = c->queue_soft,
    .queue_ms = c->queue_ms,
    .queue_hard = c->queue_hard,
    .linger_ms = 2000,
    .upgrade_ms = c->handshake_ms,
    .keep_alive_s = c->keep_alive_s ? c->keep_alive_s : PML_CONN_NEVER,
    .ws_frame_max = PML_PKG_HEAD + PML_PKG_MAX,
    .no_ring = !c->io_uring,
  };
}
