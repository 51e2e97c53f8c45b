#include "node/config.h"

#include "base/err.h"
#include "wire/package.h"

#include <string.h>

#define LINGER_MS \
  2000 /* for a connection that is closed: to flush, and to hear from its client \
        */
#define DAY_S 86400.0
#define DAY_MS 86400000.0
#define MIB 1048576.0

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
  {"ioUring", 0, 1, 1, U32(io_uring)},
  {"maxInFlight", 1, 1000000, 128, U32(max_in_flight)},
  {"handlerTimeout", 1, DAY_MS, 10000, U32(handler_ms)},
  {"forwardTimeout", 1, DAY_MS, 11000, U32(forward_ms)},
  {"maxCalls", 1, 16000000, 65536, U32(max_calls)},
  {"stopTimeout", 100, DAY_MS, 10000, U32(stop_ms)},
  {"stopGrace", 0, DAY_MS, 2000, U32(stop_grace_ms)},
  {"budget", 0, DAY_MS, 1000, U32(budget_ms)},
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
    .keep_alive_s = c->keep_alive_s ? c->keep_alive_s : PML_CONN_NEVER,
    .ws_frame_max = PML_PKG_HEAD + PML_PKG_MAX,
    .no_ring = !c->io_uring,
  };
}
