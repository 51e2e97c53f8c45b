#include "store/postgres_library.h"

#include "base/err.h"

#include <dlfcn.h>
#include <stdio.h>

int pml__pq_load(pml__pq *out, char *err, size_t nerr) {
  /* A thread that cancels a statement may run until the process ends: it is never unloaded. */
  void *lib = dlopen("libpq.so.5", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (!lib) {
    snprintf(err, nerr,
             "PostgreSQL needs the library libpq, which is not here: install the Debian package "
             "libpq5");
    return PML_ENOENT;
  }
  const char *missing = NULL;
#define LOAD(name) \
  *(void **)&out->name = dlsym(lib, #name); \
  if (!out->name) missing = #name;
  PML__PQ_FUNCTIONS(LOAD)
#undef LOAD
  if (!missing) return 0;
  snprintf(err, nerr, "the library libpq that is installed has no function %s: it is too old",
           missing);
  dlclose(lib);
  return PML_ENOENT;
}
