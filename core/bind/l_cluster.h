/* l_cluster: core.cluster: all servers of an app as threads of this process, beside the spec
 * that started them. Their log and their lines are kept in memory. */
#ifndef PML_BIND_L_CLUSTER_H
#define PML_BIND_L_CLUSTER_H

#include <lua.h>

/* Sets `cluster` on the module at the top. core: opens pomelua.core in the servers' states. */
void pml_open_cluster(lua_State *L, lua_CFunction core);

#endif
