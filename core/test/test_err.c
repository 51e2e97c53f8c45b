#include "base/err.h"
#include "test/test.h"

TEST(err_every_code_has_a_name_of_its_own) {
  for (int a = PML_OK; a >= PML_EIO; a--) {
    CHECK(strcmp(pml_err_name(a), "UNKNOWN") != 0);
    for (int b = PML_OK; b > a; b--) CHECK(strcmp(pml_err_name(a), pml_err_name(b)) != 0);
  }
  CHECK(strcmp(pml_err_name(PML_OK), "OK") == 0);
  CHECK(strcmp(pml_err_name(PML_ECLOSED), "CLOSED") == 0);
  CHECK(strcmp(pml_err_name(PML_EIO), "IO") == 0);
}

TEST(err_other_numbers_are_unknown) {
  int others[] = {1, PML_EIO - 1, INT32_MAX, INT32_MIN};
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
    CHECK(strcmp(pml_err_name(others[i]), "UNKNOWN") == 0);
  }
}

TEST(err_reasons_are_sentences_about_a_server) {
  CHECK(strcmp(pml_err_reason(PML_ENOENT), "it is not there") == 0);
  CHECK(strcmp(pml_err_reason(PML_ETIMEOUT), "it did not answer in time") == 0);
  CHECK(strcmp(pml_err_reason(PML_EIO), "IO") == 0);
  CHECK(strcmp(pml_err_reason(7), "UNKNOWN") == 0);
}
