#include "node/banned.h"

#include "base/mem.h"
#include "test/test.h"
#include "test/virtual.h"

static pml_ban *bans(const char *const *nets, uint32_t n) {
  pml_ban *v = pml_alloc0((n + 1) * sizeof *v);
  for (uint32_t i = 0; i < n; i++) {
    CHECK_EQ(pml_cidr_parse(pml_slice_str(nets[i]), &v[i].net, NULL), 0);
    v[i].reason = pml_buf_from(nets[i], strlen(nets[i]));
    v[i].body = pml_buf_from("{}", 2);
  }
  return v;
}

static int is(const virtual_node *v, const char *address, const char *net) {
  const pml_ban *ban = pml_banned_find(v->node, address);
  if (!net || !ban) return !net && !ban;
  return ban->reason->len == strlen(net) && memcmp(ban->reason->data, net, ban->reason->len) == 0;
}

TEST(banned_is_nobody_until_a_list_is_set) {
  virtual_node v;
  virtual_open(&v, "f1", "connector", 1);
  CHECK(is(&v, "203.0.113.7", NULL));
  pml_banned_set(v.node, bans(NULL, 0), 0);
  CHECK(is(&v, "203.0.113.7", NULL));
  virtual_close(&v);
}

TEST(banned_finds_the_network_of_an_address) {
  static const char *const nets[] = {"203.0.113.7", "198.51.100.0/24", "2001:db8::/32"};
  static const char *const fresh[] = {"10.0.0.0/8"};
  virtual_node v;
  virtual_open(&v, "f1", "connector", 1);
  pml_banned_set(v.node, bans(nets, 3), 3);
  CHECK(is(&v, "203.0.113.7", "203.0.113.7"));
  CHECK(is(&v, "203.0.113.8", NULL));
  CHECK(is(&v, "198.51.100.255", "198.51.100.0/24"));
  CHECK(is(&v, "2001:db8::1", "2001:db8::/32"));
  CHECK(is(&v, "::ffff:203.0.113.7", "203.0.113.7"));
  CHECK(is(&v, "", NULL)); /* a connection that is ending has no address */
  CHECK(is(&v, "nonsense", NULL));
  pml_banned_set(v.node, bans(fresh, 1), 1); /* in the place of the others */
  CHECK(is(&v, "203.0.113.7", NULL));
  CHECK(is(&v, "10.1.2.3", "10.0.0.0/8"));
  pml_banned_set(v.node, bans(NULL, 0), 0);
  CHECK(is(&v, "10.1.2.3", NULL));
  pml_banned_set(v.node, bans(nets, 3), 3); /* freed with the node */
  virtual_close(&v);
}
