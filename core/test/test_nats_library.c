#include "bus/nats_library.h"

#include "base/err.h"
#include "test/test.h"

TEST(nats_library_is_loaded_with_all_its_functions) {
  pml__nats nats;
  char err[256] = "";
  memset(&nats, 0, sizeof nats);
  int rc = pml__nats_load(&nats, err, sizeof err);
  if (rc) { /* a machine without it gets a sentence */
    CHECK_EQ(rc, PML_ENOENT);
    CHECK(strstr(err, "libnats"));
    return;
  }
#define THERE(name) CHECK(nats.name != NULL);
  PML__NATS_FUNCTIONS(THERE)
#undef THERE
  CHECK_STR(nats.natsStatus_GetText(NATS_OK), "OK");
}
