#include "script/script_call.h"

#include "script/call.h"

int pml_script_call(pml_lua *lua, const char *what, pml_slice detail, int nargs, int nresults) {
  int rc =
    pml_budget_call(lua->budget, lua->L, what, detail, nargs, nresults, pml_node_log(lua->node));
  pml_memory_check(&lua->memory);
  return rc;
}
