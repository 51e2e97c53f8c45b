#include "store/http_library.h"

#include "base/err.h"

#include <dlfcn.h>
#include <stdio.h>

/* 7.88.0: CURLOPT_QUICK_EXIT (7.87) and the headers of an answer by curl_easy_nextheader (7.84). */
#define OLDEST 0x075800u

int pml__curl_load(pml__curl *out, char *err, size_t nerr) {
  /* It may have threads that look a name up: it is never unloaded. */
  void *lib = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (!lib) {
    snprintf(err, nerr,
             "pomelua.http needs the library libcurl, which is not here: install the Debian "
             "package libcurl4");
    return PML_ENOENT;
  }
  const char *missing = NULL;
#define LOAD(name) \
  *(void **)&out->name = dlsym(lib, #name); \
  if (!out->name) missing = #name;
  PML__CURL_FUNCTIONS(LOAD)
#undef LOAD
  if (!missing) {
    curl_version_info_data *v = out->curl_version_info(CURLVERSION_NOW);
    /* Servers are threads, and each of them begins by curl_global_init. */
    int fit = v->version_num >= OLDEST && v->features & CURL_VERSION_THREADSAFE &&
              v->features & CURL_VERSION_ASYNCHDNS && v->features & CURL_VERSION_SSL;
    if (fit && out->curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK) return 0;
    snprintf(
      err, nerr,
      "the library libcurl that is installed is version %s: pomelua.http needs 7.88 or newer "
      "with TLS, looking up names in threads, and a safe start in threads",
      v->version);
    return PML_ENOENT;
  }
  snprintf(err, nerr, "the library libcurl that is installed has no function %s: it is too old",
           missing);
  return PML_ENOENT;
}
