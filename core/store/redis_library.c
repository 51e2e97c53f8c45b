#include "store/redis_library.h"

#include "base/err.h"

#include <dlfcn.h>
#include <stdio.h>

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)
/* "libhiredis.so.0.14", "libhiredis.so.1.1.0" */
#define NAME "libhiredis.so." TEXT(HIREDIS_SONAME)

int pml__redis_load(pml__redis_library *out, char *err, size_t nerr) {
  void *lib = dlopen(NAME, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (!lib) {
    snprintf(err, nerr,
             "Redis needs the library %s, which is not here: install the Debian package "
             "libhiredis%s",
             NAME, TEXT(HIREDIS_SONAME));
    return PML_ENOENT;
  }
  const char *missing = NULL;
#define LOAD(name) \
  *(void **)&out->name = dlsym(lib, #name); \
  if (!out->name) missing = #name;
  PML__REDIS_FUNCTIONS(LOAD)
#undef LOAD
  if (!missing) return 0;
  snprintf(err, nerr, "the library %s has no function %s: it is not what Debian calls by that name",
           NAME, missing);
  dlclose(lib);
  return PML_ENOENT;
}
