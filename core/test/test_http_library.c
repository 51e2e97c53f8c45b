#include "store/http_library.h"

#include "base/err.h"
#include "test/test.h"

TEST(http_library_is_loaded_with_all_its_functions) {
  pml__curl curl;
  char err[256] = "";
  memset(&curl, 0, sizeof curl);
  int rc = pml__curl_load(&curl, err, sizeof err);
  if (rc) { /* a machine without it gets a sentence */
    CHECK_EQ(rc, PML_ENOENT);
    CHECK(strstr(err, "libcurl"));
    return;
  }
#define THERE(name) CHECK(curl.name != NULL);
  PML__CURL_FUNCTIONS(THERE)
#undef THERE
  CHECK_STR(curl.curl_easy_strerror(CURLE_OK), "No error");
}
