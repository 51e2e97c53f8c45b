#include "base/port.h"

#include "test/test.h"

#include <errno.h>

TEST(port_hint_names_three_ways_to_the_right_for_a_low_port) {
  const char *hint = pml_port_hint(443, EACCES);
  CHECK(strstr(hint, "pomelua@.service"));
  CHECK(strstr(hint, "pomelua@.socket"));
  CHECK(strstr(hint, "cap_net_bind_service"));
}

TEST(port_hint_is_empty_for_other_ports_and_errors) {
  CHECK_EQ(strlen(pml_port_hint(1024, EACCES)), 0);
  CHECK_EQ(strlen(pml_port_hint(0, EACCES)), 0);
  CHECK_EQ(strlen(pml_port_hint(443, EADDRINUSE)), 0);
}
