#include "wire/envelope.h"

#include "base/err.h"
#include "test/test.h"

static const pml_envelope full = {
  .kind = PML_ENV_FORWARD,
  .flags = PML_ENV_COMPRESSED | PML_ENV_GZIP,
  .status = 3,
  .msg_type = 1,
  .ms = 0xfedcba98,
  .msg_id = 0x7fffffff,
  .call = 0x1122334455667788,
  .session = 0x001fffffffffffff,
  .from_incarnation = 0x0102030405060708,
  .to_incarnation = 0x1020304050607080,
  .identity = 0x8877665544332211,
  .from = {(const uint8_t *)"connector-1", 11},
  .route = {(const uint8_t *)"chat.chatHandler.send", 21},
  .uid = {"10001", 5, 1},
  .settings = {(const uint8_t *)"{\"rid\":1}", 9},
  .param = {(const uint8_t *)"[1]", 3},
};

TEST(envelope_comes_back_as_it_went) {
  pml_buf *b = pml_envelope_write(&full);
  pml_envelope e;
  CHECK_EQ(pml_envelope_read(pml_buf_slice(b), &e), 0);
  CHECK_EQ(e.kind, full.kind);
  CHECK_EQ(e.flags, full.flags);
  CHECK_EQ(e.status, full.status);
  CHECK_EQ(e.msg_type, full.msg_type);
  CHECK_EQ(e.ms, full.ms);
  CHECK_EQ(e.msg_id, full.msg_id);
  CHECK_EQ(e.call, full.call);
  CHECK_EQ(e.session, full.session);
  CHECK_EQ(e.from_incarnation, full.from_incarnation);
  CHECK_EQ(e.to_incarnation, full.to_incarnation);
  CHECK_EQ(e.identity, full.identity);
  CHECK(pml_slice_eq(e.from, full.from));
  CHECK(pml_slice_eq(e.route, full.route));
  CHECK(pml_uid_eq(e.uid, full.uid));
  CHECK_EQ(e.uid.is_number, 1);
  CHECK(pml_slice_eq(e.settings, full.settings));
  CHECK(pml_slice_eq(e.param, full.param));
  CHECK(e.from.p > b->data && e.from.p < b->data + b->len); /* borrowed, not copied */
  pml_buf_unref(b);
}

TEST(envelope_tells_an_empty_uid_from_none) {
  pml_envelope e = {.kind = PML_ENV_CALL};
  pml_buf *b = pml_envelope_write(&e);
  CHECK_EQ(pml_envelope_read(pml_buf_slice(b), &e), 0);
  CHECK(e.uid.s == NULL);
  CHECK_EQ(e.uid.n, 0);
  pml_buf_unref(b);
  e = (pml_envelope){.kind = PML_ENV_CALL, .uid = {"", 0, 0}};
  b = pml_envelope_write(&e);
  CHECK_EQ(pml_envelope_read(pml_buf_slice(b), &e), 0);
  CHECK(e.uid.s != NULL);
  CHECK_EQ(e.uid.n, 0);
  pml_buf_unref(b);
}

TEST(envelope_cut_or_with_bytes_left_over_is_refused) {
  pml_buf *b = pml_envelope_write(&full);
  uint8_t longer[256];
  pml_envelope e = {.kind = 99};
  for (uint32_t n = 0; n < b->len; n++)
    CHECK_EQ(pml_envelope_read(pml_slice_of(b->data, n), &e), PML_EPROTO);
  memcpy(longer, b->data, b->len);
  longer[b->len] = 0;
  CHECK_EQ(pml_envelope_read(pml_slice_of(longer, b->len + 1), &e), PML_EPROTO);
  CHECK_EQ(e.kind, 99); /* untouched on failure */
  pml_buf_unref(b);
}

TEST(envelope_of_a_push_is_small) {
  pml_envelope e = {
    .kind = PML_ENV_PUSH,
    .from_incarnation = 0x0102030405060708,
    .to_incarnation = 0x1020304050607080,
  };
  pml_buf *b = pml_envelope_write(&e);
  CHECK_EQ(b->len, 21);
  pml_buf_unref(b);
}

static int refused_with(size_t at, uint8_t value) {
  pml_buf *b = pml_envelope_write(&full);
  pml_envelope e;
  b->data[at] = value;
  int rc = pml_envelope_read(pml_buf_slice(b), &e);
  pml_buf_unref(b);
  return rc == PML_EPROTO;
}

TEST(envelope_of_unknown_version_or_kind_is_refused) {
  CHECK(!refused_with(0, 4));
  CHECK(refused_with(0, 0));
  CHECK(refused_with(0, 3));
  CHECK(refused_with(0, 5));
  CHECK(refused_with(1, 0));
  CHECK(!refused_with(1, PML_ENV_INTEREST));
  CHECK(refused_with(1, PML_ENV_INTEREST + 1));
  CHECK(refused_with(3, 0x1f)); /* two uids */
  CHECK(refused_with(3, 0x37)); /* a field that there is not */
  CHECK(refused_with(21, 0));   /* a number that is not written when it is 0 */
}

TEST(envelope_with_a_length_that_is_none_is_refused) {
  enum { FROM = 21 + 1 + 1 + 4 + 4 + 8 + 8 + 8 };
  CHECK(!refused_with(FROM + 3, 11));
  CHECK(refused_with(FROM + 3, 12));
  CHECK(refused_with(FROM, 0xff));
  pml_envelope e = {.kind = PML_ENV_CALL, .param = {(const uint8_t *)"x", 1}};
  pml_buf *b = pml_envelope_write(&e);
  b->data[b->len - 2] = 0; /* no bytes */
  b->len--;
  CHECK_EQ(pml_envelope_read(pml_buf_slice(b), &e), PML_EPROTO);
  pml_buf_unref(b);
}
