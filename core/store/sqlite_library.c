#include "store/sqlite_library.h"

#include "base/err.h"

#include <dlfcn.h>
#include <stdio.h>

#define VERSION_LEAST 3038000 /* the first with sqlite3_error_offset */

int pml__sqlite_load(pml__sqlite *out, char *err, size_t nerr) {
  /* It keeps state of its own for the process: it is never unloaded. */
  void *lib = dlopen("libsqlite3.so.0", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (!lib) {
    snprintf(err, nerr,
             "a database of kind sqlite needs the library libsqlite3, which is not here: install "
             "the Debian package libsqlite3-0");
    return PML_ENOENT;
  }
  const char *missing = NULL;
#define LOAD(name) \
  *(void **)&out->name = dlsym(lib, #name); \
  if (!out->name) missing = #name;
  PML__SQLITE_FUNCTIONS(LOAD)
#undef LOAD
  if (!missing && out->sqlite3_libversion_number() >= VERSION_LEAST) return 0;
  snprintf(err, nerr, "the library libsqlite3 that is installed %s %s: it is too old",
           missing ? "has no function" : "is older than", missing ? missing : "3.38");
  dlclose(lib);
  return PML_ENOENT;
}
