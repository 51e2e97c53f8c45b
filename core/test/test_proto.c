/* Lookups, Pomelo's version, the parsed form. */
#include "wire/proto.h"

#include "test/test.h"

static pml_protos *load(const char *server, const char *client) {
  pml_protos_error err;
  pml_protos *p = pml_protos_new(pml_slice_str(server), pml_slice_str(client), &err);
  if (!p) fprintf(stderr, "%d %u %s: %s\n", err.server, err.line, err.key, err.what);
  CHECK(p != NULL);
  return p;
}

TEST(proto_version_is_pomelos) {
  pml_protos *p = load("{\"onMove\":{\"required uInt32 x\":1}}",
                       "{\"chat.chatHandler.send\":{\"required string content\":1}}");
  CHECK_STR(pml_protos_version(p), "w6dkVXFmfPwjy3F5FQsaIQ==");
  pml_protos_unref(p);
  p = load("", "");
  CHECK_STR(pml_protos_version(p), ""); /* no files */
  pml_slice json = pml_buf_slice(pml_protos_json(p));
  CHECK_BYTES(json.p, json.n, "{\"server\":{},\"client\":{},\"version\":\"\"}");
  pml_protos_unref(p);
  p = load("{}", ""); /* MD5 of "{}{}", as in Pomelo when a file is there */
  CHECK_STR(pml_protos_version(p), "xT9OvpsqULwrUv2IpdUD4Q==");
  pml_protos_unref(p);
}

TEST(proto_parsed_form_is_that_of_the_handshake) {
  pml_protos *p = load("{\"onB\":{\"repeated In list\":5,\"message In\":{\"optional string s\":1},"
                       "\"optional Pos p\":2},\"message Pos\":{\"required double 7\":1,"
                       "\"required double x\":3,\"required double 3\":2},\"12\":{},\"3\":{}}",
                       "");
  pml_slice json = pml_buf_slice(pml_protos_json(p));
  const char *version = strstr((const char *)json.p, ",\"version\"");
  CHECK(version != NULL);
  /* Keys that are whole numbers come first, as in JavaScript. */
  CHECK_BYTES(json.p, (size_t)(version - (const char *)json.p),
              "{\"server\":{\"3\":{\"__messages\":{},\"__tags\":{}},"
              "\"12\":{\"__messages\":{},\"__tags\":{}},\"onB\":{"
              "\"list\":{\"option\":\"repeated\",\"type\":\"In\",\"tag\":5},"
              "\"p\":{\"option\":\"optional\",\"type\":\"Pos\",\"tag\":2},"
              "\"__messages\":{\"In\":{\"s\":{\"option\":\"optional\",\"type\":\"string\","
              "\"tag\":1},\"__messages\":{},\"__tags\":{\"1\":\"s\"}}},"
              "\"__tags\":{\"2\":\"p\",\"5\":\"list\"}},\"message Pos\":{"
              "\"3\":{\"option\":\"required\",\"type\":\"double\",\"tag\":2},"
              "\"7\":{\"option\":\"required\",\"type\":\"double\",\"tag\":1},"
              "\"x\":{\"option\":\"required\",\"type\":\"double\",\"tag\":3},"
              "\"__messages\":{},\"__tags\":{\"1\":\"7\",\"2\":\"3\",\"3\":\"x\"}}},\"client\":{}");
  pml_protos_unref(p);
}

TEST(proto_routes_and_fields_are_found) {
  pml_protos *p =
    load("{\"onMove\":{\"required uInt32 x\":1,\"optional In far\":90000,\"message In\":{}},"
         "\"message Shared\":{}}",
         "{\"a.b.c\":{\"required bool x\":2}}");
  const pml_proto *m = pml_protos_server(p, pml_slice_str("onMove"));
  CHECK(m != NULL);
  CHECK(pml_protos_client(p, pml_slice_str("onMove")) == NULL);
  CHECK(pml_protos_client(p, pml_slice_str("a.b.c")) != NULL);
  CHECK(pml_protos_server(p, pml_slice_str("a.b.c")) == NULL);
  CHECK(pml_protos_server(p, pml_slice_str("")) == NULL);
  CHECK(pml_protos_server(p, pml_slice_str("message Shared")) == NULL); /* no route */
  const pml_proto_field *x = pml_proto_by_name(m, pml_slice_str("x"));
  CHECK_EQ(x->kind, PML_PROTO_UNSIGNED);
  CHECK_EQ(x->option, PML_PROTO_REQUIRED);
  CHECK(pml_proto_by_tag(m, 1) == x);
  CHECK(pml_proto_by_tag(m, 90000) == pml_proto_by_name(m, pml_slice_str("far")));
  CHECK(pml_proto_by_tag(m, 0) == NULL);
  CHECK(pml_proto_by_tag(m, 2) == NULL);
  CHECK(pml_proto_by_tag(m, UINT64_MAX) == NULL);
  CHECK(pml_proto_by_name(m, pml_slice_str("y")) == NULL);
  pml_protos_unref(p);
}

TEST(proto_sets_are_counted) {
  pml_protos *p = load("{}", "{}");
  CHECK(pml_protos_ref(p) == p);
  pml_protos_unref(p);
  CHECK_STR(pml_protos_version(p), "xT9OvpsqULwrUv2IpdUD4Q==");
  pml_protos_unref(p);
  CHECK(pml_protos_ref(NULL) == NULL);
  pml_protos_unref(NULL);
}
