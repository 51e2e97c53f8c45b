#include "node/config.h"

#include "base/err.h"
#include "test/test.h"

#include <math.h>
#include <string.h>

TEST(config_has_a_limit_for_everything) {
  pml_config c;
  pml_config_defaults(&c);
  CHECK_EQ(c.heartbeat_s, 0);
  CHECK_EQ(c.package_before, 4096);
  CHECK_EQ(c.package_after, 65536);
  CHECK_EQ(c.handshake_ms, 10000);
  CHECK_EQ(c.queue_soft, 1 << 20);
  CHECK_EQ(c.queue_ms, 5000);
  CHECK_EQ(c.queue_hard, 8 << 20);
  CHECK_EQ(c.max_in_flight, 128);
  CHECK_EQ(c.handler_ms, 10000);
  CHECK_EQ(c.forward_ms, 11000);
  CHECK_EQ(c.max_calls, 65536);
}

TEST(config_has_no_default_outside_of_its_range) {
  pml_config c, defaults;
  double lo, hi;
  pml_config_defaults(&defaults);
  c = defaults;
  for (const pml_setting *s = pml_settings; s->name; s++) {
    CHECK(s->least <= s->most);
    /* 0: what the system gives. */
    if (!strcmp(s->name, "maxConnections") || !strcmp(s->name, "clientMemory")) continue;
    CHECK_EQ(pml_config_set(&c, s->name, s->standard, &lo, &hi), 0);
  }
  CHECK(memcmp(&c, &defaults, sizeof c) == 0);
}

TEST(config_sets_by_name_and_keeps_ranges) {
  pml_config c, before;
  double lo = -1, hi = -1;
  pml_config_defaults(&c);
  CHECK_EQ(pml_config_set(&c, "heartbeat", 3, &lo, &hi), 0);
  CHECK_EQ(c.heartbeat_s, 3);
  CHECK_EQ(pml_config_set(&c, "queueHard", 1 << 30, &lo, &hi), 0);
  CHECK_EQ(c.queue_hard, 1 << 30);
  CHECK_EQ(pml_config_set(&c, "maxConnections", 5, &lo, &hi), 0);
  CHECK_EQ(c.max_conns, 5);
  CHECK_EQ(lo, -1); /* told only when out of range */
  before = c;
  CHECK_EQ(pml_config_set(&c, "heartBeat", 3, &lo, &hi), PML_ENOENT);
  CHECK_EQ(pml_config_set(&c, "", 3, &lo, &hi), PML_ENOENT);
  CHECK_EQ(pml_config_set(&c, "packageAfter", 63, &lo, &hi), PML_EINVAL);
  CHECK_EQ(lo, 64);
  CHECK_EQ(hi, 0xFFFFFF);
  CHECK_EQ(pml_config_set(&c, "packageAfter", 0x1000000, &lo, &hi), PML_EINVAL);
  CHECK_EQ(pml_config_set(&c, "handlerTimeout", NAN, &lo, &hi), PML_EINVAL);
  CHECK_EQ(pml_config_set(&c, "handlerTimeout", INFINITY, &lo, &hi), PML_EINVAL);
  CHECK_EQ(pml_config_set(&c, "handlerTimeout", -1, &lo, &hi), PML_EINVAL);
  CHECK(memcmp(&c, &before, sizeof c) == 0);
}

TEST(config_gives_connections_their_limits) {
  pml_config c;
  pml_conn_limits limits;
  pml_config_defaults(&c);
  c.queue_ms = 7;
  c.handshake_ms = 8;
  pml_config_conn_limits(&c, &limits);
  CHECK_EQ(limits.queue_soft, 1 << 20);
  CHECK_EQ(limits.queue_hard, 8 << 20);
  CHECK_EQ(limits.queue_ms, 7);
  CHECK_EQ(limits.upgrade_ms, 8);
  CHECK(limits.linger_ms > 0 && limits.ws_frame_max > 0);
}
