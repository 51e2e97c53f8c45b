/* What arrives from strangers: cut, of the wrong type, unknown, scattered. */
#include "wire/protobuf.h"

#include "base/err.h"
#include "test/test.h"

static const char definitions[] =
  "{\"t\":{\"optional uInt32 u\":1,\"optional sInt32 s\":3,\"optional float f\":4,"
  "\"optional double d\":5,\"optional string str\":6,\"message In\":{\"optional uInt32 a\":1},"
  "\"optional In m\":7,\"repeated uInt32 ru\":8,\"repeated string rs\":9,\"repeated In rm\":10,"
  "\"repeated double rd\":12,\"optional uInt32 far\":100000}}";

static const char *decoded(const char *hex) {
  static char text[1000];
  static pml_protos *p;
  pml_protos_error err;
  uint8_t bytes[512];
  pml_writer w = {0};
  p = pml_protos_new(pml_slice_str(""), pml_slice_str(definitions), &err);
  CHECK(p != NULL);
  size_t n = test_unhex(hex, bytes);
  uint8_t *exact = malloc(n + !n);
  memcpy(exact, bytes, n);
  pml_writer_byte(&w, '>');
  int rc =
    pml_protobuf_decode(pml_protos_client(p, pml_slice_str("t")), pml_slice_of(exact, n), &w);
  if (rc) CHECK_EQ(w.len, 1);
  snprintf(text, sizeof text, "%.*s", (int)w.len - 1, (char *)pml_writer_at(&w, 1));
  if (rc) snprintf(text, sizeof text, "%s", rc == PML_EPROTO ? "EPROTO" : "another error");
  pml_writer_drop(&w);
  free(exact);
  pml_protos_unref(p);
  return text;
}

TEST(protobuf_read_bounds_every_read) {
  static const char *const whole[] = {"08ac02",
                                      "250000c03f",
                                      "299a9999999999b93f",
                                      "3203616263",
                                      "3a03089601",
                                      "40030102ac02",
                                      "61020000000000000000000000000000f83f",
                                      "80ea3001"};
  for (size_t i = 0; i < sizeof whole / sizeof *whole; i++) {
    char cut[100];
    CHECK(strcmp(decoded(whole[i]), "EPROTO") != 0);
    for (size_t n = 2; n < strlen(whole[i]); n += 2) {
      snprintf(cut, sizeof cut, "%.*s", (int)n, whole[i]);
      CHECK_STR(decoded(cut), "EPROTO");
    }
  }
}

TEST(protobuf_read_trusts_no_length_and_no_count) {
  CHECK_STR(decoded("32ffffffff0f61"), "EPROTO");
  CHECK_STR(decoded("32ffffffffffffffffff0161"), "EPROTO");
  CHECK_STR(decoded("40ffffffff0f01"), "EPROTO");
  CHECK_STR(decoded("61ffffffffffffffff7f0000000000000000"), "EPROTO");
  CHECK_STR(decoded("618080808080808080200000000000000000"), "EPROTO"); /* 8 times it is 0 */
  CHECK_STR(decoded("3a050801"), "EPROTO"); /* the inner one is longer than the outer */
  CHECK_STR(decoded("3a0208ff01"), "EPROTO");
}

TEST(protobuf_read_takes_integers_to_2_53) {
  CHECK_STR(decoded("088080808080808010"), "{\"u\":9007199254740992}");
  CHECK_STR(decoded("088180808080808010"), "EPROTO");
  CHECK_STR(decoded("18ffffffffffffff1f"), "{\"s\":-9007199254740992}");
  CHECK_STR(decoded("188180808080808020"), "EPROTO");
  CHECK_STR(decoded("08ffffffffffffffffff02"), "EPROTO"); /* more than 64 bits */
  CHECK_STR(decoded("08808080808080808080"
                    "8000"),
            "EPROTO");
  CHECK_STR(decoded("088100"), "{\"u\":1}"); /* longer than it need be */
}

TEST(protobuf_read_refuses_what_json_has_no_text_for) {
  CHECK_STR(decoded("250000c07f"), "EPROTO");         /* NaN */
  CHECK_STR(decoded("29000000000000f07f"), "EPROTO"); /* an infinity */
  CHECK_STR(decoded("2500000080"), "{\"f\":0}");
}

TEST(protobuf_read_skips_unknown_tags) {
  CHECK_STR(decoded("f80101"
                    "0801"),
            "{\"u\":1}"); /* varint */
  CHECK_STR(decoded("f9010000000000000000"
                    "0801"),
            "{\"u\":1}"); /* 8 bytes */
  CHECK_STR(decoded("fa0103616263"
                    "0801"),
            "{\"u\":1}"); /* a length */
  CHECK_STR(decoded("fd0100000000"
                    "0801"),
            "{\"u\":1}"); /* 4 bytes */
  CHECK_STR(decoded("fb01"
                    "0801"),
            "EPROTO");                        /* groups have no length */
  CHECK_STR(decoded("0001"), "{}");           /* tag 0 */
  CHECK_STR(decoded("0d00000000"), "EPROTO"); /* u has another wire type */
  CHECK_STR(decoded("80ea3005"), "{\"far\":5}");
}

TEST(protobuf_read_takes_integers_as_browser_clients_write_them) {
  CHECK_STR(decoded("0aac02"), "{\"u\":300}"); /* wire type 2 for a varint */
  CHECK_STR(decoded("420301020a"), "{\"ru\":[1,2,10]}");
  CHECK_STR(decoded("300361"), "EPROTO"); /* and not the other way round */
}

TEST(protobuf_read_puts_scattered_fields_together) {
  CHECK_STR(decoded("08010802"), "{\"u\":2}");
  CHECK_STR(decoded("080118010803"), "{\"u\":3,\"s\":-1}");
  CHECK_STR(decoded("40010118014001024000"), "{\"ru\":[1,2],\"s\":-1}");
  CHECK_STR(decoded("4001014001024000"), "{\"ru\":[1,2]}");
  CHECK_STR(decoded("4000"), "{\"ru\":[]}");
  CHECK_STR(decoded("4a016108014a0162"), "{\"rs\":[\"a\",\"b\"],\"u\":1}");
  CHECK_STR(decoded("4a0161f801014a0162"), "{\"rs\":[\"a\",\"b\"]}");
  CHECK_STR(decoded("5202080108015200"), "{\"rm\":[{\"a\":1},{}],\"u\":1}");
}

TEST(protobuf_read_writes_valid_json_whatever_a_string_holds) {
  CHECK_STR(decoded("3203220a5c"), "{\"str\":\"\\\"\\n\\\\\"}");
  CHECK_STR(decoded("320100"), "{\"str\":\"\\u0000\"}");
  CHECK_STR(decoded("3201ff"), "{\"str\":\"\xef\xbf\xbd\"}");
  CHECK_STR(decoded("3203eda0bd"), "{\"str\":\"\xef\xbf\xbd\"}");
}

/* 500 repeated fields, each 20 times in turn: read once for each field it would take seconds. */
TEST(protobuf_read_puts_many_scattered_fields_together) {
  enum { FIELDS = 500, ROUNDS = 20 };
  char *text = malloc(64 * FIELDS), *at = text + sprintf(text, "{\"t\":{");
  for (int i = 1; i <= FIELDS; i++) at += sprintf(at, "\"repeated uInt32 f%d\":%d,", i, i);
  strcpy(at - 1, "}}");
  pml_protos_error err;
  pml_protos *p = pml_protos_new(pml_slice_str(""), pml_slice_str(text), &err);
  CHECK(p != NULL);
  pml_writer bytes = {0}, json = {0};
  for (int round = 0; round < ROUNDS; round++) {
    for (unsigned i = 1; i <= FIELDS; i++) {
      unsigned key = i << 3;
      if (key > 127) pml_writer_byte(&bytes, (uint8_t)(key | 128));
      pml_writer_byte(&bytes, (uint8_t)(key > 127 ? key >> 7 : key));
      pml_writer_byte(&bytes, 1);
      pml_writer_byte(&bytes, (uint8_t)round);
    }
  }
  const pml_proto *m = pml_protos_client(p, pml_slice_str("t"));
  CHECK_EQ(pml_protobuf_decode(m, pml_slice_of(pml_writer_at(&bytes, 0), bytes.len), &json), 0);
  pml_writer_byte(&json, 0);
  const char *got = (const char *)pml_writer_at(&json, 0);
  static const char list[] = "[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19]";
  char wanted[100];
  for (int i = 1; i <= FIELDS; i++) {
    int n = snprintf(wanted, sizeof wanted, "%s\"f%d\":%s", i > 1 ? "," : "{", i, list);
    CHECK(strncmp(got, wanted, (size_t)n) == 0);
    got += n;
  }
  CHECK_STR(got, "}");
  pml_writer_drop(&bytes);
  pml_writer_drop(&json);
  pml_protos_unref(p);
  free(text);
}
