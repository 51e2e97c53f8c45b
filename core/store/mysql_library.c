#include "store/mysql_library.h"

#include "base/err.h"

#include <dlfcn.h>
#include <stdio.h>

int pml__mysql_load(pml__mysql *out, char *err, size_t nerr) {
  /* A thread may be in it until the process ends: it is never unloaded. */
  void *lib = dlopen("libmariadb.so.3", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (!lib) {
    snprintf(err, nerr,
             "MySQL and MariaDB need the library libmariadb, which is not here: install the Debian "
             "package libmariadb3");
    return PML_ENOENT;
  }
  const char *missing = NULL;
#define LOAD(name) \
  *(void **)&out->name = dlsym(lib, #name); \
  if (!out->name) missing = #name;
  PML__MYSQL_FUNCTIONS(LOAD)
#undef LOAD
  if (!missing && out->mysql_server_init(0, NULL, NULL) == 0) return 0;
  snprintf(err, nerr, "the library libmariadb that is installed has no function %s: it is too old",
           missing ? missing : "that works");
  dlclose(lib);
  return PML_ENOENT;
}
