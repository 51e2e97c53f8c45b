/* listener: binds, accepts, counts. Over max_conns, or when there are no file
 * descriptors left, the new connection is closed at once; no slot ever leaks. */
#ifndef PML_NET_LISTENER_H
#define PML_NET_LISTENER_H

#include "net/conn.h"

typedef struct {
  const char *host; /* NULL: all addresses (both families where there are two) */
  int port;         /* 0: the system picks one */
  size_t max_conns;
  pml_conn_limits limits;
  pml_conn_hooks hooks;
  void *owner;        /* pml_conn_owner */
  const pml_log *log; /* borrowed */
} pml_listener_options;

typedef struct pml_listener pml_listener;

/* Opens at once. Options are copied (host too). Returns 0 or a negative libuv
 * code (uv_strerror), *out untouched. */
int pml_listener_open(pml_loop *l, const pml_listener_options *o, pml_listener **out);
int pml_listener_port(const pml_listener *s);
size_t pml_listener_conns(const pml_listener *s); /* open now */
const pml_net_counts *pml_listener_counts(const pml_listener *s);
/* Stops accepting; connections stay. */
void pml_listener_pause(pml_listener *s);
/* Calls fn for every open conn; fn may close it. */
void pml_listener_each(pml_listener *s, void (*fn)(pml_conn *c, void *ud), void *ud);
/* Stops accepting, closes every connection, frees the listener after the last. */
void pml_listener_close(pml_listener *s, void (*on_closed)(void *ud), void *ud);

#endif
