#include "bind/l_scratch.h"

#include "base/mem.h"
#include "script/ctext.h"
#include "script/scratch.h"
#include "script/values.h"

/* core.scratch(module, text, ms, mib) -> what require(module)(text) gives, a string | nil, message,
 * "SCRIPT": in a Lua state of its own, which is gone afterwards; 0 stands for no limit */
static int l_scratch(lua_State *L) {
  size_t n;
  const char *module = pml_lua_ctext(L, 1, "module"), *text = luaL_checklstring(L, 2, &n);
  lua_Number ms = luaL_checknumber(L, 3), mib = luaL_checknumber(L, 4);
  luaL_argcheck(L, ms >= 0 && ms <= 3600000, 3, "milliseconds, from 0 to 3600000");
  luaL_argcheck(L, mib >= 0 && mib <= 1048576, 4, "MiB, from 0 to 1048576");
  lua_getglobal(L, "package");
  luaL_checktype(L, -1, LUA_TTABLE);
  lua_getfield(L, -1, "path");
  const pml_scratch_options o = {
    .path = pml_lua_ctext_field(L, -1, "package.path"),
    .core = lua_tocfunction(L, lua_upvalueindex(1)),
    .ms = (uint32_t)ms,
    .mib = (uint32_t)mib,
  };
  pml_buf *out = NULL;
  char *err = NULL;
  if (pml_scratch_run(&o, module, pml_slice_of(text, n), &out, &err) != 0) {
    int results = pml_lua_fail_name(L, "SCRIPT", err);
    pml_free(err);
    return results;
  }
  lua_pushlstring(L, (const char *)out->data, out->len);
  pml_buf_unref(out);
  return 1;
}

void pml_open_scratch(lua_State *L, lua_CFunction core) {
  lua_pushcfunction(L, core);
  lua_pushcclosure(L, l_scratch, 1);
  lua_setfield(L, -2, "scratch");
}
