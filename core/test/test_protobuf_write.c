/* Messages to bytes and back: the vectors of docs/protocol.md 25.3, and each way not to fit. */
#include "wire/protobuf.h"

#include "base/err.h"
#include "test/test.h"

static const char definitions[] =
  "{\"t\":{\"optional uInt32 u\":1,\"optional int32 i\":2,\"optional sInt32 s\":3,"
  "\"optional float f\":4,\"optional double d\":5,\"optional string str\":6,"
  "\"message In\":{\"optional uInt32 a\":1},\"optional In m\":7,\"repeated uInt32 ru\":8,"
  "\"repeated string rs\":9,\"repeated In rm\":10,\"repeated float rf\":11,"
  "\"repeated double rd\":12,\"repeated sInt32 ri\":13,\"optional uInt32 big\":16,"
  "\"optional bool b\":17,\"repeated bool rb\":18,\"optional uInt64 u64\":19,"
  "\"optional sInt64 s64\":20},"
  "\"onMove\":{\"required uInt32 entityId\":1,\"message Path\":{\"required uInt32 x\":1,"
  "\"required uInt32 y\":2},\"repeated Path path\":2,\"required uInt32 speed\":3},"
  "\"message Node\":{\"optional uInt32 v\":1,\"optional Node next\":2,\"repeated Node all\":3},"
  "\"tree\":{\"optional Node root\":1}}";

static pml_protos *load(void) {
  pml_protos_error err;
  pml_protos *p = pml_protos_new(pml_slice_str(definitions), pml_slice_str(""), &err);
  if (!p) fprintf(stderr, "%u: %s: %s\n", err.line, err.key, err.what);
  CHECK(p != NULL);
  return p;
}

typedef struct {
  const char *json, *hex;
} vector;

static const vector vectors[] = {
  {"{\"u\":0}", "0800"},
  {"{\"u\":127}", "087f"},
  {"{\"u\":128}", "088001"},
  {"{\"u\":300}", "08ac02"},
  {"{\"u\":4294967295}", "08ffffffff0f"},
  {"{\"u\":4294967296}", "088080808010"},
  {"{\"u\":9007199254740991}", "08ffffffffffffff0f"},
  {"{\"i\":0}", "1000"},
  {"{\"i\":-1}", "1001"},
  {"{\"i\":1}", "1002"},
  {"{\"i\":-2}", "1003"},
  {"{\"i\":2147483647}", "10feffffff0f"},
  {"{\"i\":-2147483648}", "10ffffffff0f"},
  {"{\"s\":-1}", "1801"},
  {"{\"f\":1.5}", "250000c03f"},
  {"{\"d\":0.1}", "299a9999999999b93f"},
  {"{\"str\":\"abc\"}", "3203616263"},
  {"{\"str\":\"\"}", "3200"},
  {"{\"str\":\"\xe4\xbd\xa0\xe5\xa5\xbd\"}", "3206e4bda0e5a5bd"},
  {"{\"str\":\"\\ud83d\\ude00\"}", "3204f09f9880"},
  {"{\"m\":{\"a\":150}}", "3a03089601"},
  {"{\"m\":{}}", "3a00"},
  {"{\"ru\":[1,2,300]}", "40030102ac02"},
  {"{\"rs\":[\"a\",\"bc\"]}", "4a01614a026263"},
  {"{\"rm\":[{\"a\":1},{\"a\":2}]}", "5202080152020802"},
  {"{\"rf\":[1.5,2.5]}", "5d020000c03f00002040"},
  {"{\"rd\":[1.5]}", "6101000000000000f83f"},
  {"{\"ri\":[-1,1]}", "68020102"},
  {"{\"big\":1}", "800101"},
  {"{\"u\":1,\"str\":\"a\",\"i\":-5}", "08013201611009"},
  {"{\"i\":-5,\"u\":1}", "10090801"},
  {"{\"b\":true}", "880101"},
  {"{\"b\":false}", "880100"},
  {"{\"rb\":[true,false]}", "9001020100"},
  {"{\"u64\":9007199254740992}", "98018080808080808010"},
  {"{\"s64\":-9007199254740992}", "a001ffffffffffffff1f"},
};
#define VECTORS (sizeof vectors / sizeof *vectors)

static int encodes_to(const pml_proto *m, const char *json, unsigned flags, const char *hex) {
  pml_writer w = {0};
  pml_protobuf_error err = {{0}, {0}};
  int rc = pml_protobuf_encode(m, pml_slice_str(json), flags, &w, &err);
  if (rc) fprintf(stderr, "%s: %s: %s\n", json, err.path, err.what);
  int same = rc == 0 && (w.len ? test_hex_eq(pml_writer_at(&w, 0), w.len, hex) : !*hex);
  pml_writer_drop(&w);
  return same;
}

static int decodes_to(const pml_proto *m, const char *hex, const char *json) {
  uint8_t bytes[512];
  pml_writer w = {0};
  int rc = pml_protobuf_decode(m, pml_slice_of(bytes, test_unhex(hex, bytes)), &w);
  int same = rc == 0 && w.len == strlen(json) && memcmp(pml_writer_at(&w, 0), json, w.len) == 0;
  if (!same) fprintf(stderr, "%s: %d %.*s\n", hex, rc, (int)w.len, (char *)pml_writer_at(&w, 0));
  pml_writer_drop(&w);
  return same;
}

/* The path and the reason, "path: what". */
static const char *refused(const pml_proto *m, const char *json) {
  static char text[300];
  pml_writer w = {0}, fixed = {0};
  pml_protobuf_error err, checked;
  pml_writer_byte(&w, 'x');
  if (pml_protobuf_encode(m, pml_slice_str(json), 0, &w, &err) != PML_EINVAL) return "accepted";
  CHECK_EQ(w.len, 1);
  CHECK_EQ(pml_protobuf_check(m, pml_slice_str(json), &fixed, &checked), PML_EINVAL);
  CHECK_EQ(fixed.len, 0);
  CHECK_STR(checked.path, err.path);
  CHECK_STR(checked.what, err.what);
  pml_writer_drop(&w);
  pml_writer_drop(&fixed);
  snprintf(text, sizeof text, "%s: %s", err.path, err.what);
  return text;
}

TEST(protobuf_write_gives_pomelos_bytes) {
  pml_protos *p = load();
  const pml_proto *t = pml_protos_server(p, pml_slice_str("t"));
  for (size_t i = 0; i < VECTORS; i++) CHECK(encodes_to(t, vectors[i].json, 0, vectors[i].hex));
  CHECK(encodes_to(t, "{\"f\":0.1}", 0, "25cdcccc3d"));
  CHECK(encodes_to(pml_protos_server(p, pml_slice_str("onMove")),
                   "{\"entityId\":14,\"path\":[{\"x\":128,\"y\":796},{\"x\":677,\"y\":895}],"
                   "\"speed\":160}",
                   0,
                   "080e12060880"
                   "01109c06120608a50510ff0618a001"));
  pml_protos_unref(p);
}

TEST(protobuf_read_reads_pomelos_bytes) {
  pml_protos *p = load();
  const pml_proto *t = pml_protos_server(p, pml_slice_str("t"));
  for (size_t i = 0; i < VECTORS; i++) {
    if (strstr(vectors[i].json, "str\":\"")) continue; /* its JSON has other forms */
    CHECK(decodes_to(t, vectors[i].hex, vectors[i].json));
  }
  CHECK(decodes_to(t, "", "{}"));
  CHECK(decodes_to(t, "3204f09f9880", "{\"str\":\"\\ud83d\\ude00\"}"));
  CHECK(decodes_to(t, "3206eda0bdedb880", "{\"str\":\"\\ud83d\\ude00\"}")); /* CESU-8 */
  CHECK(decodes_to(t, "25cdcccc3d", "{\"f\":0.10000000149011612}"));
  pml_protos_unref(p);
}

TEST(protobuf_write_cuts_fractions_and_takes_texts_of_numbers) {
  pml_protos *p = load();
  const pml_proto *t = pml_protos_server(p, pml_slice_str("t"));
  CHECK(encodes_to(t, "{\"u\":1.9}", 0, "0801"));
  CHECK(encodes_to(t, "{\"i\":-1.9}", 0, "1001"));
  CHECK(encodes_to(t, "{\"u\":-0.5}", 0, "0800"));
  CHECK(encodes_to(t, "{\"u\":\"12\"}", 0, "080c"));
  CHECK(encodes_to(t, "{\"u\":\" 007.5 \"}", 0, "0807"));
  CHECK(encodes_to(t, "{\"d\":\"0.1\"}", 0, "299a9999999999b93f"));
  CHECK(encodes_to(t, "{\"b\":1}", 0, "880101"));
  CHECK(encodes_to(t, "{\"other\":[1,{\"x\":[]}],\"u\":1,\"ru\":null,\"rs\":[]}", 0, "0801"));
  CHECK(encodes_to(t, "{\"\\u0075\":1}", 0, "0801"));
  pml_protos_unref(p);
}

TEST(protobuf_write_says_what_does_not_fit_and_where) {
  pml_protos *p = load();
  const pml_proto *t = pml_protos_server(p, pml_slice_str("t"));
  const pml_proto *move = pml_protos_server(p, pml_slice_str("onMove"));
  CHECK_STR(refused(t, "{\"u\":-1}"), "u: this type has no negative numbers");
  CHECK_STR(refused(t, "{\"u\":null}"), "u: a number is needed, not null");
  CHECK_STR(refused(t, "{\"u\":\"x\"}"), "u: a number is needed, and this text is none");
  CHECK_STR(refused(t, "{\"u\":true}"), "u: a number is needed, not true");
  CHECK_STR(refused(t, "{\"u\":9007199254740994}"), "u: whole numbers end at 2^53");
  CHECK_STR(refused(t, "{\"s64\":-1e16}"), "s64: whole numbers end at 2^53");
  CHECK_STR(refused(t, "{\"f\":1e39}"), "f: a float cannot be as large");
  CHECK_STR(refused(t, "{\"b\":2}"), "b: true or false is needed, not this number");
  CHECK_STR(refused(t, "{\"str\":5}"), "str: a string is needed, not a number");
  CHECK_STR(refused(t, "{\"m\":5}"), "m: an object is needed, not a number");
  CHECK_STR(refused(t, "{\"m\":[1]}"), "m: an object is needed, not an array");
  CHECK_STR(refused(t, "{\"m\":null}"), "m: an object is needed, not null");
  CHECK_STR(refused(t, "{\"rs\":\"abc\"}"), "rs: an array is needed, not a string");
  CHECK_STR(refused(t, "{\"rs\":{\"a\":1}}"), "rs: an array is needed, not an object");
  CHECK_STR(refused(t, "{\"ru\":[1,null]}"), "ru[2]: a number is needed, not null");
  CHECK_STR(refused(t, "{\"rm\":[{},{\"a\":-1}]}"), "rm[2].a: this type has no negative numbers");
  CHECK_STR(refused(t, "{\"u\":1,\"u\":1}"), "u: this member stands twice");
  CHECK_STR(refused(move, "{\"entityId\":1}"), "speed: it is required, and missing");
  CHECK_STR(refused(move, "{\"entityId\":1,\"speed\":1,\"path\":[{\"x\":1}]}"),
            "path[1].y: it is required, and missing");
  CHECK_STR(refused(t, "5"), ": an object is needed, not a number");
  CHECK_STR(refused(t, "{\"u\":1"), ": this is no JSON");
  CHECK_STR(refused(t, "{\"u\":1}x"), ": this is no JSON");
  pml_protos_unref(p);
}

TEST(protobuf_write_refuses_a_message_without_bytes) {
  static const char *const empty[] = {"{}", "[]", "{\"unknown\":1}", "{\"ru\":[]}"};
  pml_protos *p = load();
  const pml_proto *t = pml_protos_server(p, pml_slice_str("t"));
  for (size_t i = 0; i < sizeof empty / sizeof *empty; i++) {
    CHECK_STR(refused(t, empty[i]),
              ": no field has a value, and clients cannot read an empty message");
    CHECK(encodes_to(t, empty[i], PML_PROTOBUF_EMPTY, ""));
  }
  pml_protos_unref(p);
}

TEST(protobuf_write_puts_halves_of_a_pair_for_old_browser_clients) {
  pml_protos *p = load();
  const pml_proto *t = pml_protos_server(p, pml_slice_str("t"));
  CHECK(
    encodes_to(t, "{\"str\":\"a\\ud83d\\ude00b\"}", PML_PROTOBUF_CESU8, "320861eda0bdedb88062"));
  CHECK(encodes_to(t, "{\"rs\":[\"\xf0\x9f\x98\x80\"]}", PML_PROTOBUF_CESU8, "4a06eda0bdedb880"));
  CHECK(encodes_to(t, "{\"str\":\"\\ud83d\"}", 0, "3203efbfbd")); /* half of one */
  pml_protos_unref(p);
}

TEST(protobuf_write_moves_what_is_longer_than_127_bytes) {
  pml_protos *p = load();
  const pml_proto *t = pml_protos_server(p, pml_slice_str("t"));
  char json[2000] = "{\"str\":\"", *at = json + strlen(json);
  memset(at, 'a', 300);
  strcpy(at + 300, "\"}");
  pml_writer w = {0}, back = {0};
  CHECK_EQ(pml_protobuf_encode(t, pml_slice_str(json), 0, &w, NULL), 0);
  CHECK_EQ(w.len, 303);
  CHECK(test_hex_eq(pml_writer_at(&w, 0), 4, "32ac0261"));
  CHECK_EQ(pml_protobuf_decode(t, pml_slice_of(pml_writer_at(&w, 0), w.len), &back), 0);
  CHECK_BYTES(pml_writer_at(&back, 0), back.len, json);
  pml_writer_drop(&w);
  pml_writer_drop(&back);
  at = json + sprintf(json, "{\"rd\":[");
  for (int i = 0; i < 200; i++) at += sprintf(at, "%s%d", i ? "," : "", i);
  strcpy(at, "]}"); /* 10 doubles already overflow Pomelo's buffer */
  CHECK_EQ(pml_protobuf_encode(t, pml_slice_str(json), 0, &w, NULL), 0);
  CHECK_EQ(w.len, 3 + 1600);
  CHECK_EQ(pml_protobuf_decode(t, pml_slice_of(pml_writer_at(&w, 0), w.len), &back), 0);
  CHECK_BYTES(pml_writer_at(&back, 0), back.len, json);
  pml_writer_drop(&w);
  pml_writer_drop(&back);
  pml_protos_unref(p);
}

TEST(protobuf_check_mends_empty_tables) {
  pml_protos *p = load();
  const pml_proto *t = pml_protos_server(p, pml_slice_str("t"));
  pml_writer fixed = {0};
  pml_protobuf_error err;
  CHECK_EQ(pml_protobuf_check(t, pml_slice_str("{\"u\":1,\"ru\":[]}"), &fixed, &err), 0);
  CHECK_EQ(fixed.len, 0);
  const char *text = "{ \"ru\" : { } ,\"u\":1,\"x\":{},\"rm\":{},\"m\":[ ]}";
  CHECK_EQ(pml_protobuf_check(t, pml_slice_str(text), &fixed, &err), 1);
  CHECK_BYTES(pml_writer_at(&fixed, 0), fixed.len,
              "{ \"ru\" : [] ,\"u\":1,\"x\":{},\"rm\":[],\"m\":{}}");
  CHECK(encodes_to(t, text, 0, "08013a00"));
  pml_writer_drop(&fixed);
  pml_protos_unref(p);
}

/* {"next":{"next":…}} with depth levels below root. */
static int deep(const pml_proto *m, int depth, pml_writer *w, pml_protobuf_error *err) {
  char json[4096] = "{\"root\":", *at = json + strlen(json);
  for (int i = 1; i < depth; i++) at += sprintf(at, "{\"next\":");
  at += sprintf(at, "{\"v\":1}");
  for (int i = 0; i < depth; i++) *at++ = '}';
  *at = 0;
  return pml_protobuf_encode(m, pml_slice_str(json), 0, w, err);
}

TEST(protobuf_depth_is_bounded) {
  pml_protos *p = load();
  const pml_proto *tree = pml_protos_server(p, pml_slice_str("tree"));
  pml_writer w = {0}, json = {0};
  pml_protobuf_error err;
  CHECK_EQ(deep(tree, 31, &w, &err), 0);
  CHECK_EQ(pml_protobuf_decode(tree, pml_slice_of(pml_writer_at(&w, 0), w.len), &json), 0);
  pml_writer_drop(&w);
  pml_writer_drop(&json);
  CHECK_EQ(deep(tree, 32, &w, &err), PML_EINVAL);
  CHECK_STR(err.what, "deeper than 32 messages");
  uint8_t bytes[512];
  size_t n = 0, from = sizeof bytes;
  bytes[--from] = 0;
  bytes[--from] = 0x12;
  for (n = 2; n < 120; n += 2) {
    bytes[--from] = (uint8_t)n;
    bytes[--from] = 0x12;
  }
  bytes[from] = 0x0a;
  CHECK_EQ(pml_protobuf_decode(tree, pml_slice_of(bytes + from, sizeof bytes - from), &json),
           PML_EPROTO);
  CHECK_EQ(json.len, 0);
  pml_writer_drop(&w);
  pml_writer_drop(&json);
  pml_protos_unref(p);
}
