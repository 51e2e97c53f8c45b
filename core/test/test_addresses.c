#include "net/addresses.h"

#include "test/test.h"

static pml_address address(const char *text) {
  pml_address a;
  CHECK_EQ(pml_address_parse(pml_slice_str(text), &a), 0);
  return a;
}

/* Whether a connection of that address may come in; it is put into v then. */
static pml__address_answer enter(pml__addresses *t, pml_address_limits m, const char *text,
                                 uint64_t now, pml__place **out) {
  pml_address a = address(text);
  return pml__address_enter(t, &m, &a, now, out);
}

TEST(addresses_have_so_many_connections) {
  pml__addresses *t = pml__addresses_new();
  pml_address_limits m = {.connections = 2};
  pml__place *a, *b, *c, *d;
  CHECK_EQ(enter(t, m, "10.0.0.1", 0, &a), PML__ADDRESS_GOOD);
  CHECK_EQ(enter(t, m, "10.0.0.1", 0, &b), PML__ADDRESS_GOOD);
  CHECK(a == b);
  CHECK_EQ(enter(t, m, "10.0.0.1", 0, &d), PML__ADDRESS_CONNECTIONS);
  CHECK_EQ(enter(t, m, "10.0.0.2", 0, &c), PML__ADDRESS_GOOD);
  CHECK_EQ(pml__addresses_count(t), 2);
  pml__address_left(t, b, 0, 0);
  CHECK_EQ(enter(t, m, "10.0.0.1", 0, &d), PML__ADDRESS_GOOD);
  pml__address_left(t, a, 0, 0);
  pml__address_left(t, d, 0, 0);
  pml__address_left(t, c, 0, 0);
  pml__addresses_free(t);
}

TEST(addresses_have_so_many_unfinished_handshakes) {
  pml__addresses *t = pml__addresses_new();
  pml_address_limits m = {.handshakes = 2};
  pml__place *a, *b, *c;
  CHECK_EQ(enter(t, m, "10.0.0.1", 0, &a), PML__ADDRESS_GOOD);
  CHECK_EQ(enter(t, m, "10.0.0.1", 0, &b), PML__ADDRESS_GOOD);
  CHECK_EQ(enter(t, m, "10.0.0.1", 0, &c), PML__ADDRESS_HANDSHAKES);
  pml__address_finished(a);
  CHECK_EQ(pml__address_handshakes(a), 1);
  CHECK_EQ(enter(t, m, "10.0.0.1", 0, &c), PML__ADDRESS_GOOD);
  pml__address_left(t, b, 0, 0);
  CHECK_EQ(pml__address_handshakes(a), 1);
  pml__address_left(t, a, 1, 0);
  CHECK_EQ(pml__address_handshakes(c), 1);
  pml__address_left(t, c, 0, 0);
  pml__addresses_free(t);
}

TEST(addresses_bring_so_many_connections_a_second) {
  pml__addresses *t = pml__addresses_new();
  pml_address_limits m = {.per_second = 10};
  pml__place *p;
  int good = 0;
  for (int i = 0; i < 100; i++)
    if (enter(t, m, "10.0.0.1", 5000, &p) == PML__ADDRESS_GOOD) {
      good++;
      pml__address_left(t, p, 0, 5000);
    }
  CHECK_EQ(good, 10);
  CHECK_EQ(enter(t, m, "10.0.0.1", 5099, &p), PML__ADDRESS_PER_SECOND);
  CHECK_EQ(enter(t, m, "10.0.0.1", 5100, &p), PML__ADDRESS_GOOD); /* a tenth of a second later */
  pml__address_left(t, p, 0, 5100);
  for (int second = 6; second < 16; second++)
    for (int i = 0; i < 100; i++)
      if (enter(t, m, "10.0.0.1", 1000 * (uint64_t)second, &p) == PML__ADDRESS_GOOD) {
        good++;
        pml__address_left(t, p, 0, 1000 * (uint64_t)second);
      }
  CHECK(good >= 108 && good <= 110);
  pml__addresses_free(t);
}

TEST(addresses_of_ipv6_are_counted_by_64_bits) {
  pml__addresses *t = pml__addresses_new();
  pml_address_limits m = {.connections = 1};
  pml__place *a, *b;
  CHECK_EQ(enter(t, m, "2001:db8:0:1::1", 0, &a), PML__ADDRESS_GOOD);
  CHECK_EQ(enter(t, m, "2001:db8:0:1:ffff::2", 0, &b), PML__ADDRESS_CONNECTIONS);
  CHECK_EQ(enter(t, m, "2001:db8:0:2::1", 0, &b), PML__ADDRESS_GOOD);
  pml__address_left(t, a, 0, 0);
  pml__address_left(t, b, 0, 0);
  pml__addresses_free(t);
}

/* Of addresses without connections the newest are kept, until their second has passed. */
TEST(addresses_of_a_whole_range_take_no_more_memory) {
  pml__addresses *t = pml__addresses_new();
  pml_address_limits m = {.connections = 5, .per_second = 5, .handshakes = 5};
  pml__place *p, *stays;
  CHECK_EQ(enter(t, m, "2001:db8:ffff::", 0, &stays), PML__ADDRESS_GOOD);
  for (int i = 0; i < 100000; i++) {
    pml_address a = address("2001:db8::");
    a.b[5] = (uint8_t)(i >> 16);
    a.b[6] = (uint8_t)(i >> 8);
    a.b[7] = (uint8_t)i;
    CHECK_EQ(pml__address_enter(t, &m, &a, (uint64_t)i / 1000, &p), PML__ADDRESS_GOOD);
    pml__address_left(t, p, 0, (uint64_t)i / 1000);
    CHECK(pml__addresses_count(t) <= 1 + PML__ADDRESSES_IDLE);
  }
  CHECK_EQ(enter(t, m, "10.0.0.1", 5000, &p), PML__ADDRESS_GOOD); /* each reaps some */
  pml__address_left(t, p, 0, 5000);
  CHECK_EQ(enter(t, m, "10.0.0.1", 9000, &p), PML__ADDRESS_GOOD);
  CHECK_EQ(pml__addresses_count(t), 2);
  pml__address_left(t, p, 0, 9000);
  pml__address_left(t, stays, 0, 9000);
  pml__addresses_free(t);
  pml__addresses_free(NULL);
}

TEST(addresses_are_kept_for_those_who_wait) {
  pml__addresses *t = pml__addresses_new();
  pml_address_limits m = {.connections = 1};
  pml__place *p;
  CHECK_EQ(enter(t, m, "10.0.0.1", 0, &p), PML__ADDRESS_GOOD);
  pml__address_waits(t, p, 1);
  pml__address_left(t, p, 0, 0);
  for (int i = 2; i < 20; i++) {
    pml__place *other;
    char text[20];
    snprintf(text, sizeof text, "10.0.0.%d", i);
    CHECK_EQ(enter(t, m, text, 0, &other), PML__ADDRESS_GOOD);
    pml__address_left(t, other, 0, 0);
  }
  pml__place *back;
  CHECK_EQ(enter(t, m, "10.0.0.1", 0, &back), PML__ADDRESS_GOOD); /* it may come back */
  CHECK(back == p);
  CHECK(!pml__address_has_room(p, &m)); /* and a new one may not come beside it */
  pml__address_waits(t, p, 0);
  CHECK(pml__address_has_room(p, &m));
  pml__address_left(t, p, 0, 0);
  m.connections = 0;
  CHECK(pml__address_has_room(p, &m));
  pml__addresses_free(t);
}
