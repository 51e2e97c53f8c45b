/* config: a server's settings as one checked struct. pml_settings is the only place where a
 * setting has its name, its range and its default; no default is infinity. Scripts set settings by
 * name before the server listens. */
#ifndef PML_NODE_CONFIG_H
#define PML_NODE_CONFIG_H

#include "net/conn.h"

#include <stddef.h>
#include <stdint.h>

typedef struct {
  uint32_t heartbeat_s;    /* between two heartbeats of a client; 0: none */
  uint32_t timeout_s;      /* silence after which a client is closed; 0: twice the heartbeat */
  uint32_t keep_alive_s;   /* silence after which the system asks whether the client is there; 0:
                              never */
  uint32_t package_before; /* largest package of a client, until the handshake is done */
  uint32_t package_after;  /* largest package of a client from then on */
  uint32_t handshake_ms;   /* from the connection to the end of the handshake */
  size_t max_conns;        /* connections; 0: the limit of open files less 512 */
  size_t queue_soft;       /* bytes that may wait for a client longer than queue_ms */
  uint32_t queue_ms;       /* see queue_soft */
  size_t queue_hard;       /* bytes that may wait for a client */
  uint32_t tls_shakes;     /* TLS handshakes under way at a time */
  uint32_t tls_per_s;      /* TLS handshakes that begin in a second */
  uint32_t package_ms;     /* for a package that has begun; 0: for ever */
  uint32_t client_mib;     /* memory of what waits for, and of what comes from, all clients of the
                              program; 0: a quarter of the machine's */
  uint32_t io_uring;       /* 1: used where the kernel has it; 0: never */
  uint32_t rate_messages;  /* that a session may send in a second; 0: any, of any size */
  uint32_t rate_burst;     /* messages that it may send at once */
  uint32_t rate_bytes;     /* bytes of messages that a session may send in a second */
  uint32_t max_in_flight;  /* requests of one session that may be open */
  uint32_t handler_ms;     /* a handler's time to answer */
  uint32_t forward_ms;     /* another server's time to answer a forwarded request */
  uint32_t push_ms;        /* the frontends' time to acknowledge a push */
  uint32_t max_calls;      /* calls to other servers that may wait */
  uint32_t auth;           /* 1: clients bring tokens, and new ones by sys.refresh */
  uint32_t resume_s;       /* that a session waits for its client when the line is lost; 0: none
                              does */
  uint32_t resume_bytes; /* that are kept of one session's packages, for its client to come back */
  uint32_t resume_mib;   /* the same of all sessions */
  uint32_t router_type;  /* a pml_balance */
  uint32_t memory_soft_mib;     /* Lua heap above which new requests are refused */
  uint32_t memory_hard_mib;     /* Lua heap above which the process ends */
  uint32_t stop_ms;             /* for a stop in order */
  uint32_t stop_grace_ms;       /* the part of stop_ms for open requests */
  uint32_t drain_ms;            /* the part of stop_ms over which clients are told to move */
  uint32_t stuck_s;             /* standing still for longer stops the watchdog; 0: nothing does */
  uint32_t budget_ms;           /* processor time of a script; 0: any */
  uint32_t address_connections; /* of one address, at once; 0: any number */
  uint32_t address_per_second;  /* of one address, new ones a second; 0: any number */
  uint32_t address_handshakes;  /* of one address, that have not finished theirs; 0: any number */
  uint32_t address_loopback;    /* 1: those of this machine are counted, too */
  uint32_t cluster_name;        /* bytes of a cluster channel's name */
  uint32_t cluster_channels;    /* cluster channels that may have members at this frontend */
  uint32_t cluster_per_session; /* cluster channels that one session may be in */
  uint32_t start_budget_ms;     /* the least budget while a server starts */
  uint32_t password_cost;       /* of hashes of passwords: each more doubles it */
  uint32_t password_threads;    /* that hash passwords, and compare them */
  uint32_t password_waiting;    /* passwords that may wait for a thread */
  uint32_t password_ms;         /* for one, with its wait */
} pml_config;

typedef struct {
  const char *name; /* as scripts know it; NULL ends the table */
  double least, most;
  double standard; /* the value when a script sets none; maxConnections and clientMemory: 0,
                      below their range */
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
