/* lua_node: what the bindings share: the node behind a Lua state, and how values
 * cross. Included by the files of this folder only. */
#ifndef PML_SCRIPT_LUA_NODE_H
#define PML_SCRIPT_LUA_NODE_H

#include "base/list.h"
#include "base/uid.h"
#include "script/budget.h"
#include "script/memory.h"
#include "node/node.h"
#include "host/member.h"

#include <lauxlib.h>
#include <lua.h>

#define PML_NODE_TNAME "pomelua.node"

/* The functions of a script that C calls; the order is that of the names in script_lua.c. */
enum {
  PML_ON_MESSAGE,
  PML_ON_FORWARDED,
  PML_ON_CALL,
  PML_ON_ANSWERED,
  PML_ON_PUSHED,
  PML_ON_HANDSHAKE,
  PML_ON_ROUTE,
  PML_ON_CLOSED,
  PML_ON_TIMER,
  PML_ON_FILTER,
  PML_ON_START,
  PML_ON_STARTED,
  PML_ON_STOP,
  PML_ON_CONTROL,
  PML_ON_PENDING,
  PML_ENTRIES
};

typedef struct pml_lua {
  const void *kind; /* see pml_lua_object */
  lua_State *L; /* where C calls scripts now: the state's own, or the caller's in a virtual node */
  pml_node *node;          /* NULL once closed */
  pml_member *member;      /* NULL: a virtual node */
  pml_budget_slot *budget; /* borrowed; NULL: scripts may run for ever */
  pml_memory memory;       /* not begun in a virtual node */
  int entry[PML_ENTRIES];  /* registry references, LUA_NOREF: not set */
  int channels;            /* registry reference: id -> Channel, weak */
  int env;                 /* registry reference: environment of Channels, keeps the node alive */
  int busy;                /* scripts may be running: the node stays */
  int filtering;           /* a filter runs: sessions stay, the loop does not turn */
  pml_list waiting;        /* l_watch; not initialised before it is needed */
  pml_id last_waiter;
  struct pml_virtual *virt; /* the test kit's part, NULL otherwise */
} pml_lua;

/* Pushes the node userdata for a node, with its methods. Borrows all. */
pml_lua *pml_lua_node_push(lua_State *L, pml_node *node, pml_member *member);
/* A userdata of our own begins with `kind`, the address of something of its file's: two
 * looks where luaL_checkudata makes and looks up a string. Raises when idx is none. */
void *pml_lua_object(lua_State *L, int idx, size_t size, const void *kind, const char *tname);
/* The node behind argument 1 of a method; raises when it is no open node. */
pml_lua *pml_lua_check(lua_State *L);

/* Scripts that are called from here on run on L, the state that has called us. Returns what
 * leave wants back. */
lua_State *pml_lua_enter(pml_lua *lua, lua_State *L);
void pml_lua_leave(pml_lua *lua, lua_State *before);

/* Pushes nil, message, name of err and returns 3. */
int pml_lua_fail(lua_State *L, int err, const char *message);
int pml_lua_fail_name(lua_State *L, const char *name, const char *message);

/* An id (session, request, …) at idx: a number; 0 when it is none. Raises on other types. */
pml_id pml_lua_id(lua_State *L, int idx);
/* The name of a server at idx as a C string; "", nobody's, when it holds a NUL, which would make
 * another name of it. Raises on other types. */
const char *pml_lua_name(lua_State *L, int idx);
/* A uid at idx: string or number. buf holds a number's text. 0, or PML_EINVAL (NaN, too long, other
 * type). */
int pml_lua_uid(lua_State *L, int idx, char buf[40], pml_uid *out);
void pml_lua_push_uid(lua_State *L, pml_uid uid);     /* nil for none */
void pml_lua_push_slice(lua_State *L, pml_slice s);   /* nil for an empty one without bytes */
void pml_lua_push_uids(lua_State *L, pml_slice list); /* an array */
/* Appends the uids of the array at idx (nil: none). 0 or PML_EINVAL. */
int pml_lua_uids(lua_State *L, int idx, pml_writer *w);

/* Sets node methods of the other files on the method table at the top. */
void pml_lua_session_methods(lua_State *L);
void pml_lua_channel_methods(lua_State *L);
void pml_lua_virtual_methods(lua_State *L);
/* Creates the metatable of Channels; sets channel_methods on the module at the top. */
void pml_lua_open_channel(lua_State *L);

/* Sets the node's script to one that calls the entries of `lua`. */
void pml_script_lua_set(pml_lua *lua);
/* The stage that calls its entries; valid while lua is. */
pml_stage pml_script_lua_stage(pml_lua *lua);
/* Takes the functions of the table at idx as entries; raises on an unknown name. */
void pml_script_lua_entries(lua_State *L, pml_lua *lua, int idx);

#endif
