#include "bind/open.h"

#include "base/version.h"
#include "bind/l_bus_tool.h"
#include "bind/l_channel.h"
#include "bind/l_channel_service.h"
#include "bind/l_cluster.h"
#include "bind/l_cluster_channel.h"
#include "bind/l_codec.h"
#include "bind/l_control.h"
#include "bind/l_dictionary.h"
#include "bind/l_digest.h"
#include "bind/l_door.h"
#include "bind/l_http.h"
#include "bind/l_json.h"
#include "bind/l_limit.h"
#include "bind/l_password.h"
#include "bind/l_program.h"
#include "bind/l_redis_listener.h"
#include "bind/l_replace.h"
#include "bind/l_protos.h"
#include "bind/l_scratch.h"
#include "bind/l_settings.h"
#include "bind/l_socket.h"
#include "bind/l_store.h"
#include "bind/l_system.h"
#include "bind/l_token.h"
#include "bind/l_virtual.h"
#include "bind/l_web.h"
#include "bind/node_methods.h"
#include "script/call.h"
#include "bind/l_guard.h"
#include "script/handle.h"

/* The metatable of nodes. */
static void open_node(lua_State *L) {
  static const luaL_Reg *const more[] = {
    pml_log_methods,
    pml_member_methods,
    pml_timer_methods,
    pml_http_methods,
    pml_resume_methods,
    pml_request_methods,
    pml_rpc_methods,
    pml_session_methods,
    pml_push_methods,
    pml_membership_methods,
    pml_channel_service_methods,
    pml_watch_methods,
    pml_check_methods,
    pml_forms_methods,
    pml_dictionary_methods,
    pml_virtual_methods,
    pml_virtual_client_methods,
    pml_virtual_bus_methods,
    pml_tls_methods,
    pml_banned_methods,
    pml_door_methods,
    pml_cluster_channel_methods,
    pml_password_methods,
  };
  if (pml_lua_class(L, PML_NODE_TNAME, pml_node_methods, NULL)) {
    lua_getfield(L, -1, "__index");
    for (size_t i = 0; i < sizeof more / sizeof *more; i++) luaL_setfuncs(L, more[i], 0);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

int luaopen_pomelua_core(lua_State *L) {
  pml_lua_call_open(L);
  lua_newtable(L);
  lua_pushliteral(L, PML_VERSION);
  lua_setfield(L, -2, "version");
  pml_open_guard(L);
  pml_open_json(L);
  pml_open_codec(L);
  pml_open_protos(L);
  pml_open_digest(L);
  pml_open_door(L);
  pml_open_dictionary(L);
  pml_open_limit(L);
  open_node(L);
  pml_open_replace(L);
  pml_open_channel(L);
  pml_open_channel_service(L);
  pml_open_cluster_channel(L);
  pml_open_virtual(L);
  pml_open_password(L);
  pml_open_program(L, luaopen_pomelua_core);
  pml_open_control(L);
  pml_open_bus_tool(L);
  pml_open_cluster(L, luaopen_pomelua_core);
  pml_open_scratch(L, luaopen_pomelua_core);
  pml_open_settings(L);
  pml_open_socket(L);
  pml_open_redis_listener(L);
  pml_open_store(L);
  pml_open_system(L);
  pml_open_token(L);
  pml_open_web(L);
  pml_open_http(L);
  return 1;
}
