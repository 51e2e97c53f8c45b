/* virtual: a node without sockets, threads or time of its own, for the test kit: what l_virtual
 * (its time and its end), virtual_client (its clients) and virtual_bus (the other servers) share.
 * Included by these files only. */
#ifndef PML_BIND_VIRTUAL_H
#define PML_BIND_VIRTUAL_H

#include "script/handle.h"

/* Owned by its handle, which owns the node and the loop, too. */
typedef struct pml_virtual {
  pml_loop *loop;
  pml_list clients, sent; /* virtual_client */
  pml_list asked, given;  /* virtual_bus: records that wait for an answer: went out, came in */
  pml_list lines;         /* l_virtual: of the log */
  int turning;            /* the loop turns: it cannot be turned from inside */
} pml_virtual;

/* The virtual node behind argument 1; raises when it is none. */
static inline pml_lua *pml__virtual_check(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  if (!lua->virt) luaL_error(L, "only a virtual node can do this");
  return lua;
}

/* What a client sent to open its WebSocket; empty: nothing is known. */
pml_slice pml__virtual_head(pml_lua *lua, pml_id sid);
/* Its handshake is answered, which is kept. PML_ENOENT: it is gone. */
int pml__virtual_handshake(pml_lua *lua, pml_id sid, int code, pml_slice json);
/* Frees the clients and what was kept of them; the node is still there. */
void pml__virtual_clients_free(pml_lua *lua);
/* Frees what is remembered of records; the node may be gone. */
void pml__virtual_bus_free(pml_virtual *v);

#endif
