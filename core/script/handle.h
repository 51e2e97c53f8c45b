/* handle: the userdata by which Lua holds a node, and what every userdata of ours has: a kind that
 * is checked by address, a metatable with its methods.
 *
 * A handle borrows its node. The node of a virtual server may be closed before its handle is
 * collected: then `node` is NULL and every method raises. */
#ifndef PML_SCRIPT_HANDLE_H
#define PML_SCRIPT_HANDLE_H

#include "base/list.h"
#include "base/log_files.h"
#include "host/member.h"
#include "node/node.h"
#include "script/anchor.h"
#include "script/budget.h"
#include "script/memory.h"

#include <lauxlib.h>
#include <lua.h>

#define PML_NODE_TNAME "pomelua.node"
#define PML_LUA_NEAREST "pomelua.nearest"

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
  PML_ON_RETURNED,
  PML_ON_MEMBER,
  PML_ON_PEER,
  PML_ON_WEB,
  PML_ON_LOST,
  PML_ON_RESUMED,
  PML_ENTRIES
};

typedef struct pml_lua {
  const void *kind; /* see pml_lua_object */
  lua_State *L; /* where C calls scripts now: the state's own, or the caller's in a virtual node */
  pml_node *node;          /* NULL once closed */
  pml_member *member;      /* NULL: a virtual node */
  pml_budget_slot *budget; /* borrowed; NULL: scripts may run for ever */
  pml_memory memory;       /* not begun in a virtual node */
  pml_anchor entry[PML_ENTRIES];
  pml_anchor channels; /* id -> Channel, weak */
  pml_anchor env;   /* environment of Channels: [1] the node, which it keeps alive, [2] the function
                       of node:onPush, [3] the object of node:clusterOwner */
  int busy;         /* scripts may be running: the node stays */
  int filtering;    /* a filter runs: sessions stay, the loop does not turn */
  pml_list waiting; /* of pml_waiter; not initialised before the first one */
  pml_id last_waiter;
  pml_log_files *log_files;      /* borrowed; NULL: a virtual node, which opens none */
  struct pml_log_ways *log_ways; /* owned; NULL: no category, all goes where the log goes */
  struct pml_virtual *virt;      /* the test kit's part, NULL otherwise */
} pml_lua;

/* Pushes the metatable of that name, and makes it at the first call: the methods (up to a NULL
 * name) are its __index, gc is its __gc unless it is NULL, scripts cannot read or replace it.
 * Returns 1 when this call has made it. */
int pml_lua_class(lua_State *L, const char *tname, const luaL_Reg *methods, lua_CFunction gc);
/* For a metatable at the top that pml_lua_class has just made: the methods are in its field
 * __methods, too, and misspelled names raise. index: becomes __index, a closure over the methods
 * and `object`, which is what messages call it; NULL: pml_lua_index, asked only when there is no
 * such method. */
void pml_lua_index_by_name(lua_State *L, const char *object, lua_CFunction index);
/* The metatable of objects that scripts get: pml_lua_class without a gc, pml_lua_index_by_name, and
 * __tostring. Pushes the table of its methods. */
void pml_lua_script_class(lua_State *L, const char *tname, const char *object,
                          const luaL_Reg *methods, lua_CFunction index, lua_CFunction text);
/* Such an index: the method of the name at index 2. A name that is nearly one of a method raises,
 * and says which: the function in registry field PML_LUA_NEAREST, (name, methods) -> name | nil,
 * finds it. Any other name is nil. */
int pml_lua_index(lua_State *L);
/* Pushes what the same function finds for the name at `name` among the strings that the table at
 * `known` holds, as keys or as a list; nil: none is near. */
void pml_lua_nearest(lua_State *L, int name, int known);
/* A userdata of ours begins with `kind`, the address of something in its own file: two
 * comparisons, where luaL_checkudata makes a string and looks it up. Raises when the value at idx
 * is not one of `size` bytes with that kind. */
void *pml_lua_object(lua_State *L, int idx, size_t size, const void *kind, const char *tname);

/* Pushes the userdata of a node; no entry is set. Borrows all. */
pml_lua *pml_lua_node_push(lua_State *L, pml_node *node, pml_member *member);
/* The node behind argument 1 of a method; raises when it is no open node. */
pml_lua *pml_lua_check(lua_State *L);

/* From here until leave C calls scripts on L, the state that has called a method. Returns what
 * leave needs. */
lua_State *pml_lua_enter(pml_lua *lua, lua_State *L);
void pml_lua_leave(pml_lua *lua, lua_State *before);

#endif
