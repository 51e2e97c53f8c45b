/* config: a server's settings as one checked struct. pml_settings is the only place where a
 * setting has its name, its range and its default; no default is infinity. Scripts set settings by
 * name before the server listens. */
#ifndef PML_NODE_CONFIG_H
#define PML_NODE_CONFIG_H

#include "net/conn.h"

#include <stddef.h>
#include <stdint.h>

typedef struct {
  uint32_t heartbeat_s;     /* between two heartbeats of a client; 0: none */
  uint32_t timeout_s;       /* silence after which a client is closed; 0: twice the heartbeat */
  uint32_t keep_alive_s;    /* silence after which the system asks whether the client is there; 0:
                               never */
  uint32_t package_before;  /* largest package of a client, until the handshake is done */
  uint32_t package_after;   /* largest package of a client from then on */
  uint32_t handshake_ms;    /* from the connection to the end of the handshake */
  size_t max_conns;         /* connections; 0: the limit of open files less 512 */
  size_t queue_soft;        /* bytes that may wait for a client longer than queue_ms */
  uint32_t queue_ms;        /* see queue_soft */
  size_t queue_hard;        /* bytes that may wait for a client */
  uint32_t io_uring;        /* 1: used where the kernel has it; 0: never */
  uint32_t max_in_flight;   /* requests of one session that may be open */
  uint32_t handler_ms;      /* a handler's time to answer */
  uint32_t forward_ms;      /* another server's time to answer a forwarded request */
  uint32_t max_calls;       /* calls to other servers that may wait */
  uint32_t memory_soft_mib; /* Lua heap above which new requests are refused */
  uint32_t memory_hard_mib; /* Lua heap above which the process ends */
  uint32_t stop_ms;         /* for a stop in order */
  uint32_t stop_grace_ms;   /* the part of stop_ms for open requests */
  uint32_t budget_ms;       /* processor time of a script; 0: any */
} pml_config;

typedef struct {
  const char *name; /* as scripts know it; NULL ends the table */
  double least, most;
  double standard; /* the value when a script sets none; maxConnections: 0, below its range */
  size_t at;       /* private: the field of pml_config */
  int is_size;     /* private: the field is a size_t, not a uint32_t */
} pml_setting;

extern const pml_setting pml_settings[];

void pml_config_defaults(pml_config *c);
/* Sets one setting by its name. 0; PML_ENOENT: there is no such setting; PML_EINVAL: the value is
 * out of its range, which *lo and *hi then tell. */
int pml_config_set(pml_config *c, const char *name, double value, double *lo, double *hi);
void pml_config_conn_limits(const pml_config *c, pml_conn_limits *out);

#endif
