#include "store/redis_command.h"

#include "base/err.h"
#include "base/mem.h"
#include "test/test.h"

static pml__redis_library load(void) {
  pml__redis_library lib;
  char err[256];
  CHECK_EQ(pml__redis_load(&lib, err, sizeof err), 0);
  return lib;
}

TEST(redis_command_carries_any_bytes) {
  pml__redis_library lib = load();
  pml_data d = {0};
  pml_writer w = {0};
  char err[256] = "";
  pml_data_text(&d, PML_DATUM_TEXT, pml_slice_str("SET"));
  pml_data_text(&d, PML_DATUM_TEXT, pml_slice_str("%s\r\n*1\r\n"));
  pml_data_text(&d, PML_DATUM_BYTES, pml_slice_of("\0\xff", 2));
  pml_data_text(&d, PML_DATUM_TEXT, pml_slice_of(NULL, 0));
  CHECK_EQ(pml__redis_command_write(&lib, &d, 0, 4, &w, err, sizeof err), 0);
  static const char want[] = "*4\r\n$3\r\nSET\r\n$8\r\n%s\r\n*1\r\n\r\n$2\r\n\0\xff\r\n$0\r\n\r\n";
  CHECK_EQ(w.len, sizeof want - 1);
  CHECK(memcmp(w.b->data, want, sizeof want - 1) == 0);
  pml_writer_drop(&w);
  pml_data_drop(&d);
}

TEST(redis_command_of_many_words) {
  pml__redis_library lib = load();
  pml_data d = {0};
  pml_writer w = {0};
  char err[256] = "";
  pml_data_text(&d, PML_DATUM_TEXT, pml_slice_str("DEL"));
  for (int i = 0; i < 1000; i++) pml_data_int(&d, i % 10);
  CHECK_EQ(pml__redis_command_write(&lib, &d, 0, d.n, &w, err, sizeof err), 0);
  CHECK_EQ(w.len, strlen("*1001\r\n$3\r\nDEL\r\n") + 1000 * strlen("$1\r\n0\r\n"));
  pml_writer_drop(&w);
  CHECK_EQ(pml__redis_command_write(&lib, &d, 0, 0, &w, err, sizeof err), PML_EINVAL);
  CHECK_STR(err, "a command has from 1 to 100000 words, not 0");
  while (d.n <= PML__REDIS_WORDS_MAX) pml_data_int(&d, 1);
  CHECK_EQ(pml__redis_command_write(&lib, &d, 0, d.n, &w, err, sizeof err), PML_EINVAL);
  pml_data_drop(&d);
}

TEST(redis_command_refuses_values_that_are_no_words) {
  pml__redis_library lib = load();
  for (int i = 0; i < 3; i++) {
    pml_data d = {0};
    pml_writer w = {0};
    char err[256] = "";
    pml_data_text(&d, PML_DATUM_TEXT, pml_slice_str("SET"));
    if (i == 0) pml_data_null(&d);
    if (i == 1) pml_data_bool(&d, 1);
    if (i == 2) pml_data_array(&d, 0);
    CHECK_EQ(pml__redis_command_write(&lib, &d, 0, 2, &w, err, sizeof err), PML_EINVAL);
    CHECK_STR(err, "word 2 of the command must be a string or a number");
    CHECK_EQ(w.len, 0);
    pml_data_drop(&d);
  }
}
