#include "script/json_text.h"

#include "base/err.h"
#include "test/test.h"

TEST(json_scan_refuses_what_cjson_takes_by_mistake) {
  static const char *const bad[] = {
    "1.",    "[-.5]",  "0.e1",    "1e999", "-1e999", "\"a\nb\"",
    "\"a\\", "\"open", "[1]\x01", "-",     "1e",     "1e+",
  };
  int found;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    CHECK_EQ(pml_json_scan(bad[i], strlen(bad[i]), &found), PML_EPROTO);
  }
  CHECK_EQ(pml_json_scan("[1]\0", 4, &found), PML_EPROTO);
  CHECK_EQ(pml_json_scan("\"a\0b\"", 5, &found), PML_EPROTO);
}

TEST(json_scan_says_what_must_be_looked_at_again) {
  static const struct {
    const char *text;
    int found;
  } good[] = {
    {"", 0},
    {"{}", 0},
    {"[1,-0,1.5e-3,0]", 0},
    {"\t\r\n [null]", PML_JSON_NULL},
    {"\"\\\"null\\\\[]\"", 0},
    {"\"\x7f\"", 0},
    {"1e-999", 0},
    {"1E308", 0},
    {"[ \t\r\n]", PML_JSON_EMPTY},
    {"[", 0},
    {"[ ", 0},
    {"[[null],[]]", PML_JSON_NULL | PML_JSON_EMPTY},
    {"\"\\ud83d\\ude00\\uDBFF\\uDFFF\\u00e4\\\\ud83d\"", 0},
    {"\"\\ud83d\"", PML_JSON_LONE},
    {"\"\\ude00\\ud83d\"", PML_JSON_LONE},
    {"\"\\ud83d\\n\"", PML_JSON_LONE},
    {"\"\\ud83\"", 0},
  };
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    int found = -1;
    CHECK_EQ(pml_json_scan(good[i].text, strlen(good[i].text), &found), 0);
    CHECK_EQ(found, good[i].found);
  }
}

TEST(json_rewrite_changes_empty_arrays_and_lone_surrogates_only) {
  static const char *const texts[][2] = {
    {"[]", PML_JSON_MARK},
    {"{\"[]\":[ \n],\"b\":[[]]}", "{\"[]\":" PML_JSON_MARK ",\"b\":[" PML_JSON_MARK "]}"},
    {"[\"\\ud83d\",[]]", "[\"\\ufffd\"," PML_JSON_MARK "]"},
    {"\"a\\uDC00b\\ud83d\\ude00\\\"\\ud83d", "\"a\\ufffdb\\ud83d\\ude00\\\"\\ufffd"},
    {"\"[]\\", "\"[]\\"},
  };
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    pml_writer w = {0};
    pml_json_rewrite(&w, texts[i][0], strlen(texts[i][0]));
    CHECK(pml_slice_eq(pml_slice_of(pml_writer_at(&w, 0), w.len), pml_slice_str(texts[i][1])));
    pml_writer_drop(&w);
  }
}
