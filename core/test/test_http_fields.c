#include "test/test.h"
#include "wire/http_fields.h"

static uint64_t first, count;
static pml_range range(const char *value, uint64_t size) {
  first = count = 0;
  return pml_http_range(value, size, &first, &count);
}

TEST(http_fields_read_one_range) {
  CHECK_EQ(range("bytes=0-0", 10), PML_RANGE_PART);
  CHECK_EQ(first, 0);
  CHECK_EQ(count, 1);
  CHECK_EQ(range("bytes=2-5", 10), PML_RANGE_PART);
  CHECK_EQ(first, 2);
  CHECK_EQ(count, 4);
  CHECK_EQ(range("Bytes= 3- ", 10), PML_RANGE_PART);
  CHECK_EQ(first, 3);
  CHECK_EQ(count, 7);
  CHECK_EQ(range("bytes=-4", 10), PML_RANGE_PART);
  CHECK_EQ(first, 6);
  CHECK_EQ(count, 4);
}

TEST(http_fields_cut_a_range_to_the_file) {
  CHECK_EQ(range("bytes=8-99999999999999999999999", 10), PML_RANGE_PART);
  CHECK_EQ(first, 8);
  CHECK_EQ(count, 2);
  CHECK_EQ(range("bytes=-11", 10), PML_RANGE_PART);
  CHECK_EQ(first, 0);
  CHECK_EQ(count, 10);
}

TEST(http_fields_say_when_a_range_is_outside) {
  CHECK_EQ(range("bytes=10-", 10), PML_RANGE_OUTSIDE);
  CHECK_EQ(range("bytes=99999999999999999999999-", 10), PML_RANGE_OUTSIDE);
  CHECK_EQ(range("bytes=-0", 10), PML_RANGE_OUTSIDE);
  CHECK_EQ(range("bytes=0-", 0), PML_RANGE_OUTSIDE);
  CHECK_EQ(range("bytes=-5", 0), PML_RANGE_OUTSIDE);
}

TEST(http_fields_ignore_what_is_no_range) {
  static const char *const none[] = {"",           "bytes",      "bytes=",        "bytes=-",
                                     "bytes=a-b",  "bytes=5-2",  "bytes=1-2,4-5", "lines=1-2",
                                     "bytes=1-2x", "bytes=+1-2", "bytes=1",       "bytes=--1"};
  for (size_t i = 0; i < sizeof none / sizeof *none; i++)
    CHECK_EQ(range(none[i], 10), PML_RANGE_NONE);
  CHECK_EQ(range(NULL, 10), PML_RANGE_NONE);
}

TEST(http_fields_weigh_codings) {
  CHECK_EQ(pml_http_accepts("gzip, deflate, br", "gzip"), 1000);
  CHECK_EQ(pml_http_accepts("gzip, deflate, br", "br"), 1000);
  CHECK_EQ(pml_http_accepts("GZIP;q=0.5 , br ; q=0.25", "gzip"), 500);
  CHECK_EQ(pml_http_accepts("GZIP;q=0.5 , br ; q=0.25", "br"), 250);
  CHECK_EQ(pml_http_accepts("gzip;q=0", "gzip"), 0);
  CHECK_EQ(pml_http_accepts("gzip;q=0, *", "gzip"), 0);
  CHECK_EQ(pml_http_accepts("*;q=0.1", "br"), 100);
  CHECK_EQ(pml_http_accepts("identity", "br"), 0);
  CHECK_EQ(pml_http_accepts("xgzip, gzipx", "gzip"), 0);
  CHECK_EQ(pml_http_accepts("gzip;x", "gzip"), 0);
  CHECK_EQ(pml_http_accepts("", "gzip"), 0);
  CHECK_EQ(pml_http_accepts(NULL, "gzip"), 0);
}
