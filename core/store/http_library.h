/* http_library: libcurl, loaded when the first HTTP store is opened and not before. Its functions
 * are called through one table, of which every store has its own. */
#ifndef PML_STORE_HTTP_LIBRARY_H
#define PML_STORE_HTTP_LIBRARY_H

#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>
#include <stddef.h>

#define PML__CURL_FUNCTIONS(F) \
  F(curl_global_init) \
  F(curl_version_info) \
  F(curl_easy_init) \
  F(curl_easy_setopt) \
  F(curl_easy_getinfo) \
  F(curl_easy_cleanup) \
  F(curl_easy_nextheader) \
  F(curl_easy_strerror) \
  F(curl_multi_init) \
  F(curl_multi_setopt) \
  F(curl_multi_add_handle) \
  F(curl_multi_remove_handle) \
  F(curl_multi_socket_action) \
  F(curl_multi_assign) \
  F(curl_multi_info_read) \
  F(curl_multi_cleanup) \
  F(curl_slist_append) \
  F(curl_slist_free_all) \
  F(curl_url) \
  F(curl_url_set) \
  F(curl_url_get) \
  F(curl_url_cleanup) \
  F(curl_free)

typedef struct {
#define PML__CURL_FIELD(name) __typeof__(&name) name;
  PML__CURL_FUNCTIONS(PML__CURL_FIELD)
#undef PML__CURL_FIELD
} pml__curl;

/* Loads the library, which stays in the process, and fills *out. 0, or PML_ENOENT with one sentence
 * in err. Any thread. */
int pml__curl_load(pml__curl *out, char *err, size_t nerr);

#endif
