/* l_forms: methods of the node: in which form clients get messages. */
#include "bind/node_methods.h"

#include "base/err.h"
#include "bind/l_protos.h"
#include "node/forms.h"
#include "script/handle.h"
#include "script/values.h"

/* node:setProtos(protos | nil): what clients that come from here on get, and what is checked that
 * scripts send. Not from inside a broadcastFilter. */
static int l_set_protos(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  pml_forms_set_protos(lua->node, lua_isnoneornil(L, 2) ? NULL : pml_lua_protos(L, 2));
  return 0;
}

static const struct {
  const char *name;
  unsigned flag;
} flags[] = {
  {"dict", PML_FORM_DICTIONARY},
  {"protos", PML_FORM_PROTOS},
  {"cesu8", PML_FORM_CESU8},
  {"jsonResponses", PML_FORM_JSON_RESPONSES},
};

/* node:setForm(sid, {dict=, protos=, cesu8=, jsonResponses=}) -> true | nil, message, "NOENT" |
 * "FULL": the client has the dictionary, the definitions; its strings are CESU-8, its responses
 * JSON. Each of them true, or left out. Before the answer to its handshake. */
static int l_set_form(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  pml_id sid = pml_lua_id(L, 2);
  unsigned given = 0;
  luaL_checktype(L, 3, LUA_TTABLE);
  for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
    lua_pushstring(L, flags[i].name);
    lua_rawget(L, 3);
    if (lua_toboolean(L, -1)) given |= flags[i].flag;
    lua_pop(L, 1);
  }
  int rc = pml_forms_choose(lua->node, sid, given);
  if (rc == PML_ENOENT) return pml_lua_fail(L, rc, "the client is gone");
  if (rc) return pml_lua_fail(L, rc, "clients have too many different dictionaries");
  lua_pushboolean(L, 1);
  return 1;
}

const luaL_Reg pml_forms_methods[] = {
  {"setProtos", l_set_protos},
  {"setForm", l_set_form},
  {NULL, NULL},
};
