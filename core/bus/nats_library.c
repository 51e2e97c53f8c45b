#include "bus/nats_library.h"

#include "base/err.h"

#include <dlfcn.h>
#include <stdio.h>

/* The library's name has its version; these are of Debian 12 to what may follow 13. */
#define MINOR_FIRST 3
#define MINOR_LAST 40

static void *library_open(void) {
  char name[32];
  /* It has threads that run until the process ends: it is never unloaded. */
  int mode = RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE;
  for (int minor = MINOR_LAST; minor >= MINOR_FIRST; minor--) {
    snprintf(name, sizeof name, "libnats.so.3.%d", minor);
    void *lib = dlopen(name, mode);
    if (lib) return lib;
  }
  return dlopen("libnats.so", mode);
}

int pml__nats_load(pml__nats *out, char *err, size_t nerr) {
  void *lib = library_open();
  if (!lib) {
    snprintf(err, nerr,
             "a bus needs the library libnats, which is not here: install the Debian package "
             "libnats%d.%d",
             NATS_VERSION_MAJOR, NATS_VERSION_MINOR);
    return PML_ENOENT;
  }
  const char *missing = NULL;
#define LOAD(name) \
  *(void **)&out->name = dlsym(lib, #name); \
  if (!out->name) missing = #name;
  PML__NATS_FUNCTIONS(LOAD)
#undef LOAD
  if (!missing) return 0;
  snprintf(err, nerr, "the library libnats that is installed has no function %s: it is too old",
           missing);
  dlclose(lib);
  return PML_ENOENT;
}
