#include "bind/open.h"

#include "base/version.h"
#include "script/call.h"
#include "script/guard.h"
#include "bind/l_cluster.h"
#include "bind/l_codec.h"
#include "bind/l_control.h"
#include "bind/l_digest.h"
#include "bind/l_json.h"
#include "bind/l_limit.h"
#include "bind/l_node.h"
#include "bind/l_program.h"
#include "bind/l_socket.h"
#include "bind/l_system.h"
#include "bind/l_virtual.h"
#include "script/lua_node.h"

int luaopen_pomelua_core(lua_State *L) {
  pml_lua_call_open(L);
  lua_newtable(L);
  lua_pushliteral(L, PML_VERSION);
  lua_setfield(L, -2, "version");
  pml_open_guard(L);
  pml_open_json(L);
  pml_open_codec(L);
  pml_open_digest(L);
  pml_open_limit(L);
  pml_open_node(L);
  pml_lua_open_channel(L);
  pml_open_virtual(L);
  pml_open_program(L, luaopen_pomelua_core);
  pml_open_control(L);
  pml_open_cluster(L, luaopen_pomelua_core);
  pml_open_socket(L);
  pml_open_system(L);
  return 1;
}
