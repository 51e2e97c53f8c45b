/* What is wrong in a file of definitions, with its line and key. */
#include "wire/proto_read.h"

#include "base/err.h"
#include "test/test.h"

/* "line: key: what" */
static const char *refused(const char *text) {
  static char out[500];
  pml__proto_file f = {0};
  pml_protos_error err = {0};
  int rc = pml__proto_read(&f, pml_slice_str(text), &err);
  CHECK(rc == 0 || f.first == NULL);
  pml__proto_file_fini(&f);
  if (rc == 0) return "accepted";
  CHECK_EQ(rc, PML_EINVAL);
  snprintf(out, sizeof out, "%u: %s: %s", err.line, err.key, err.what);
  return out;
}

TEST(proto_read_names_what_pomelo_skips_in_silence) {
  CHECK_STR(refused("{\"onMove\":{\n\"required uInt32 x\":1,\n\"optional uInt32 y\":1}}"),
            "3: onMove > optional uInt32 y: the tag 1 belongs to x already");
  CHECK_STR(refused("{\"a\":{\"required uInt32 x\":1,\"optional string x\":2}}"),
            "1: a > optional string x: there is a field of this name already, with the tag 1");
  CHECK_STR(refused("{\"a\":{\"requierd uInt32 x\":1}}"),
            "1: a > requierd uInt32 x: a key begins with optional, required, repeated or message, "
            "not with requierd");
  CHECK_STR(
    refused("{\"a\":{\"required uInt32  x\":1}}"),
    "1: a > required uInt32  x: a field has a key of three words, \"optional uInt32 name\"");
  CHECK_STR(refused("{\"a\":{\"required x\":1}}"),
            "1: a > required x: a field has a key of three words, \"optional uInt32 name\"");
  CHECK_STR(refused("{\"a\":{\"message A B\":{}}}"),
            "1: a > message A B: a message has a key of two words, \"message Name\"");
  CHECK_STR(refused("{\"required uInt32 x\":1}"),
            "1: required uInt32 x: a field stands inside of a route or of a \"message Name\"");
}

TEST(proto_read_names_unknown_types) {
  CHECK_STR(refused("{\"a\":{\"required uint32 x\":1}}"),
            "1: a > x: the type uint32 is unknown; uInt32 is one");
  CHECK_STR(refused("{\"a\":{\"required int64 x\":1}}"),
            "1: a > x: the type int64 is unknown; sInt64 is one");
  CHECK_STR(refused("{\"a\":{\"required Pos x\":1}}"),
            "1: a > x: the type Pos is unknown: no \"message Pos\" stands beside this field or at "
            "the top of the file");
  /* A message sees its own messages and those at the top, not its parent's. */
  CHECK_STR(refused("{\"a\":{\"message P\":{},\"message Q\":{\"optional P p\":1}}}"),
            "1: a > Q > p: the type P is unknown: no \"message P\" stands beside this field or at "
            "the top of the file");
  CHECK_STR(refused("{\"a\":{\"optional P p\":1},\"message P\":{\"optional P p\":1}}"), "accepted");
  CHECK_STR(refused("{\"a\":{\"optional b p\":1},\"b\":{}}"),
            "1: a > p: the type b is unknown: no \"message b\" stands beside this field or at the "
            "top of the file");
}

TEST(proto_read_names_wrong_tags_and_values) {
  static const char *const tags[] = {"0", "-1", "1.5", "268435456", "\"1\"", "null", "{}"};
  for (size_t i = 0; i < sizeof tags / sizeof *tags; i++) {
    char text[100];
    snprintf(text, sizeof text, "{\"a\":{\"required uInt32 x\":%s}}", tags[i]);
    CHECK_STR(refused(text), "1: a > required uInt32 x: the tag must be a whole number from 1 to "
                             "268435455");
  }
  CHECK_STR(refused("{\"a\":{\"required uInt32 x\":268435455}}"), "accepted");
  CHECK_STR(refused("{\"a\":5}"), "1: a: an object with the fields of a message is needed here");
  CHECK_STR(refused("{\"a\":{},\n\"a\":{}}"), "2: a: this key stands twice");
  CHECK_STR(refused("{\"message string\":{}}"), "1: message string: string is a type already");
  CHECK_STR(refused("{\"\":{}}"), "1: : a name is missing");
  CHECK_STR(refused("{\"a\":{\"required uInt32 __tags\":1}}"),
            "1: a > required uInt32 __tags: a name that Pomelo keeps for itself");
  CHECK_STR(refused("{\"a\":{\"required uInt32 a\\\"b\":1}}"),
            "1: a > required uInt32 a\"b: a character that no name can have");
}

TEST(proto_read_names_the_place_that_is_no_json) {
  CHECK_STR(refused("{\"a\":{\n\"required uInt32 x\":1,\n}}"), "3: a: this is no JSON");
  CHECK_STR(refused("[]"), "1: : an object is needed, { \"onMove\": { … } }");
  CHECK_STR(refused("{}\n{}"), "2: : this is no JSON");
  CHECK_STR(refused(""), "accepted");
  char deep[2000] = "{\"a\":", *at = deep + strlen(deep);
  for (int i = 0; i < 70; i++) at += sprintf(at, "{\"message A\":");
  CHECK(strstr(refused(deep), "too many objects in each other") != NULL);
}

TEST(proto_read_bounds_the_fields_of_a_message) {
  char *text = malloc(40000), *at = text + sprintf(text, "{\"a\":{");
  for (int i = 1; i <= 512; i++) at += sprintf(at, "\"optional bool f%d\":%d,", i, i);
  strcpy(at - 1, "}}");
  CHECK_STR(refused(text), "accepted");
  strcpy(at - 1, ",\"optional bool more\":513}}");
  CHECK_STR(refused(text), "1: a > optional bool more: more than 512 fields in one message");
  free(text);
}
