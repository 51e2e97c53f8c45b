#include "wire/announce.h"

#include "base/err.h"
#include "test/test.h"

static const pml_announce base = {.protocol = 1,
                                  .process = "0123456789abcdef",
                                  .number = 0x01020304,
                                  .links = 5,
                                  .mine = 0x1122334455667788,
                                  .theirs = 9,
                                  .met = 3,
                                  .version = 6,
                                  .pid = 4711,
                                  .host = {(const uint8_t *)"host", 4},
                                  .incarnation = 1764266400000,
                                  .id = {(const uint8_t *)"chat-1", 6}};

static pml_announce_server server(const char *id, const char *info) {
  return (pml_announce_server){pml_slice_str(id), 1764266400001, 1, pml_slice_str(info)};
}

static size_t write(uint8_t *out, uint8_t kind, uint8_t flags, const pml_announce_server *s) {
  pml_announce a = base;
  pml_writer w = {0};
  a.kind = kind;
  a.flags = flags;
  pml_announce_put(&w, &a);
  if (s) pml_announce_put_server(&w, s);
  memcpy(out, w.b->data, w.len);
  size_t n = w.len;
  pml_writer_drop(&w);
  return n;
}

static int reads(const uint8_t *p, size_t n) {
  pml_announce a;
  return pml_announce_read(pml_slice_of(p, n), 1, &a) == 0;
}

#define HEAD_HEX "30313233343536373839616263646566" /* the name of the process */

/* The head and REFUSE are the same for ever. */
TEST(announce_has_these_bytes) {
  uint8_t m[256];
  size_t n = write(m, PML_ANNOUNCE_BEAT, PML_ANNOUNCE_TOOL, NULL);
  CHECK(test_hex_eq(m, n, "504d4c010101" HEAD_HEX "010203040000000500000006"));
  n = write(m, PML_ANNOUNCE_REFUSE, PML_ANNOUNCE_SETTLED, NULL);
  CHECK(test_hex_eq(m, n, "504d4c010208" HEAD_HEX "04686f7374"));
  n = write(m, PML_ANNOUNCE_GREET, PML_ANNOUNCE_WANT, NULL);
  CHECK(test_hex_eq(m, n, "504d4c010302" HEAD_HEX "11223344556677880000000000000009"));
  n = write(m, PML_ANNOUNCE_BYE, 0, NULL);
  CHECK(test_hex_eq(m, n, "504d4c010500" HEAD_HEX));
  n = write(m, PML_ANNOUNCE_CLAIM, 0, NULL);
  CHECK(test_hex_eq(m, n, "504d4c010600" HEAD_HEX "0102030406636861742d31"));
  n = write(m, PML_ANNOUNCE_HELD, PML_ANNOUNCE_LIVES, NULL);
  CHECK(test_hex_eq(m, n,
                    "504d4c010710" HEAD_HEX "010203040000019ac678d90000001267"
                    "06636861742d3104686f7374"));
  pml_announce_server s = server("chat-1", "{}");
  n = write(m, PML_ANNOUNCE_LIST, 0, &s);
  CHECK(test_hex_eq(m, n,
                    "504d4c010400" HEAD_HEX "000000060000126704686f7374"
                    "0000019ac678d9010106636861742d3100027b7d"));
}

TEST(announce_comes_back_as_it_went) {
  uint8_t m[256];
  pml_announce a;
  pml_announce_server s = server("chat-1", "{\"weight\":2}"), back;
  size_t n =
    write(m, PML_ANNOUNCE_GREET, PML_ANNOUNCE_LISTED | PML_ANNOUNCE_WANT | PML_ANNOUNCE_TOOL, &s);
  CHECK_EQ(pml_announce_read(pml_slice_of(m, n), 1, &a), 0);
  CHECK_EQ(a.mine, base.mine);
  CHECK_EQ(a.theirs, base.theirs);
  CHECK_EQ(a.met, a.flags & PML_ANNOUNCE_LISTED ? base.met : 0);
  CHECK_EQ(a.version, base.version);
  CHECK_EQ(a.pid, base.pid);
  CHECK(pml_slice_eq(a.host, base.host));
  CHECK(memcmp(a.process, base.process, sizeof a.process) == 0);
  CHECK_EQ(pml_announce_next(&a, &back), 1);
  CHECK(pml_slice_eq(back.id, s.id) && pml_slice_eq(back.info, s.info));
  CHECK_EQ(back.incarnation, s.incarnation);
  CHECK_EQ(back.leaving, 1);
  CHECK_EQ(pml_announce_next(&a, &back), 0);
}

TEST(announce_tells_a_timeout_within_bounds) {
  pml_announce a = base;
  a.mine = pml_announce_mine(5000, 7);
  CHECK_EQ(a.mine, 0x0000138800000007);
  CHECK_EQ(pml_announce_timeout(&a), 5000);
  a.mine = 7; /* it is not told */
  CHECK_EQ(pml_announce_timeout(&a), 0);
  a.mine = UINT64_MAX;
  CHECK_EQ(pml_announce_timeout(&a), PML_ANNOUNCE_TIMEOUT_MAX);
}

TEST(announce_cut_or_with_bytes_left_over_is_refused) {
  uint8_t m[256];
  pml_announce_server s = server("chat-1", "{}");
  for (uint8_t kind = PML_ANNOUNCE_BEAT; kind <= PML_ANNOUNCE_HELD; kind++) {
    size_t n = write(m, kind, 0, kind == PML_ANNOUNCE_LIST ? &s : NULL);
    size_t bare = kind == PML_ANNOUNCE_LIST ? n - 20 : 0; /* a list without servers is a list */
    CHECK(reads(m, n));
    for (size_t k = 0; k < n; k++)
      if (k != bare || !bare) CHECK(!reads(m, k));
    m[n] = 0;
    CHECK(!reads(m, n + 1));
  }
}

TEST(announce_of_an_unknown_kind_or_flag_is_refused) {
  uint8_t m[256];
  size_t n = write(m, PML_ANNOUNCE_BYE, 0, NULL);
  CHECK(reads(m, n));
  m[4] = 0;
  CHECK(!reads(m, n));
  m[4] = 8;
  CHECK(!reads(m, n));
  m[4] = PML_ANNOUNCE_BYE;
  m[5] = 1;
  CHECK(!reads(m, n));
  m[5] = 0;
  m[0] = 'p';
  CHECK(!reads(m, n));
  n = write(m, PML_ANNOUNCE_GREET, 0, NULL);
  memset(m + 22, 0, 8); /* a meeting has a number */
  CHECK(!reads(m, n));
}

TEST(announce_of_another_protocol_tells_whose_it_is) {
  uint8_t m[256];
  pml_announce a;
  size_t n = write(m, PML_ANNOUNCE_LIST, 0, NULL);
  m[3] = 2;
  m[n - 1] = 1; /* its body is not looked at */
  CHECK_EQ(pml_announce_read(pml_slice_of(m, n), 1, &a), 0);
  CHECK_EQ(a.protocol, 2);
  CHECK_EQ(a.kind, PML_ANNOUNCE_LIST);
  CHECK(memcmp(a.process, base.process, sizeof a.process) == 0);
  CHECK_EQ(a.host.n, 0);
  n = write(m, PML_ANNOUNCE_REFUSE, PML_ANNOUNCE_SETTLED, NULL);
  m[3] = 2;
  CHECK_EQ(pml_announce_read(pml_slice_of(m, n), 1, &a), 0);
  CHECK(pml_slice_eq(a.host, base.host));
  CHECK_EQ(a.flags, PML_ANNOUNCE_SETTLED);
}

static int taken(const char *id, const char *info) {
  uint8_t m[512];
  pml_announce_server s = server(id, info);
  return reads(m, write(m, PML_ANNOUNCE_LIST, 0, &s));
}

TEST(announce_takes_only_servers_that_can_be) {
  CHECK(taken("chat-1", "{\"a\":[1,{}]} "));
  CHECK(taken("\xc3\xa9-1", "{}"));
  CHECK(taken("a23456789b123456789c123456789d123456789e123456789f123456789g123", "{}"));
  CHECK(!taken("a23456789b123456789c123456789d123456789e123456789f123456789g1234", "{}"));
  CHECK(!taken("", "{}"));
  CHECK(!taken("chat 1", "{}"));
  CHECK(!taken("chat\n1", "{}"));
  CHECK(!taken("\xff", "{}"));
  CHECK(!taken("chat-1", ""));
  CHECK(!taken("chat-1", "[]"));
  CHECK(!taken("chat-1", "{}{}"));
  CHECK(!taken("chat-1", "{\"a\":\"\xff\"}"));
}

TEST(announce_names_a_process_in_hexadecimal) {
  char name[PML_PROCESS_NAME];
  uint8_t back[PML_PROCESS_BYTES];
  pml_process_text(base.process, name);
  CHECK_STR(name, HEAD_HEX);
  CHECK_EQ(pml_process_read(name, back), 0);
  CHECK(memcmp(back, base.process, sizeof back) == 0);
  CHECK_EQ(pml_process_read("", back), PML_EINVAL);
  CHECK_EQ(pml_process_read(HEAD_HEX "0", back), PML_EINVAL);
  CHECK_EQ(pml_process_read("3031323334353637383961626364656g", back), PML_EINVAL);
  CHECK_EQ(pml_process_read("3031323334353637383961626364656F", back), PML_EINVAL);
}
