/* config: a server's settings as one checked struct. Every limit of product has its
 * key here; no default is infinity. Scripts set them by name before listening. */
#ifndef PML_NODE_CONFIG_H
#define PML_NODE_CONFIG_H

#include "net/conn.h"

#include <stddef.h>
#include <stdint.h>

typedef struct {
  uint32_t heartbeat_s;     /* heartbeat: 0, none */
  uint32_t timeout_s;       /* timeout: 0, twice the heartbeat */
  uint32_t keep_alive_s;    /* keepAlive: 60 seconds of silence; 0: nobody asks */
  uint32_t package_before;  /* packageBefore: 4096 bytes, until the handshake is done */
  uint32_t package_after;   /* packageAfter: 65536 bytes */
  uint32_t handshake_ms;    /* handshakeTimeout: 10000 */
  size_t max_conns;         /* maxConnections: 0, the open-file limit less 512 */
  size_t queue_soft;        /* queueSoft: 1 MiB */
  uint32_t queue_ms;        /* queueTime: 5000 */
  size_t queue_hard;        /* queueHard: 8 MiB */
  uint32_t io_uring;        /* ioUring: 1, where the kernel has it; 0: never */
  uint32_t max_in_flight;   /* maxInFlight: 128 requests per session */
  uint32_t handler_ms;      /* handlerTimeout: 10000 */
  uint32_t forward_ms;      /* forwardTimeout: 11000 */
  uint32_t max_calls;       /* maxCalls: 65536 waiting rpc calls */
  uint32_t memory_soft_mib; /* memorySoft: 1024 MiB of Lua heap, then new requests are refused */
  uint32_t memory_hard_mib; /* memoryHard: 3072 MiB, then the process ends */
  uint32_t stop_ms;         /* stopTimeout: 10000, for a stop in order */
  uint32_t stop_grace_ms;   /* stopGrace: 2000 of them, for open requests */
  uint32_t budget_ms;       /* budget: 1000, of processor time for a script; 0: none */
} pml_config;

void pml_config_defaults(pml_config *c);
/* Sets one setting by its script name. 0; PML_ENOENT: no such setting;
 * PML_EINVAL: out of its range, which *lo and *hi then tell. */
int pml_config_set(pml_config *c, const char *name, double value, double *lo, double *hi);
void pml_config_conn_limits(const pml_config *c, pml_conn_limits *out);

#endif
