#include "base/password.h"

#include "base/err.h"
#include "test/test.h"

static pml_slice text(const char *s) { return pml_slice_of(s, strlen(s)); }

static int same(const char *password, const char *hash) {
  int yes = -1;
  CHECK_EQ(pml_password_verify(text(password), text(hash), &yes), 0);
  return yes;
}

TEST(password_is_hashed_and_compared) {
  char a[PML_PASSWORD_HASH], b[PML_PASSWORD_HASH];
  CHECK_EQ(pml_password_hash(text("open sesame"), 1, a), 0);
  CHECK_EQ(pml_password_hash(text("open sesame"), 1, b), 0);
  CHECK(strncmp(a, "$y$", 3) == 0);
  CHECK(strcmp(a, b) != 0); /* each has a salt of its own */
  CHECK_EQ(same("open sesame", a), 1);
  CHECK_EQ(same("open sesame", b), 1);
  CHECK_EQ(same("open sesamf", a), 0);
  CHECK_EQ(same("", a), 0);
}

/* Known answers: of crypt(5)'s other methods, which other programs use. */
TEST(password_of_another_program) {
  CHECK_EQ(same("Hello world!", "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"), 1);
  CHECK_EQ(same("Hello world?", "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"), 0);
  CHECK_EQ(same("U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"), 1);
}

TEST(password_that_can_be_none) {
  char hash[PML_PASSWORD_HASH], large[PML_PASSWORD_MAX + 1];
  int yes = -1;
  memset(large, 'a', sizeof large);
  CHECK_EQ(pml_password_hash(pml_slice_of(large, sizeof large), 1, hash), PML_ETOOBIG);
  CHECK_EQ(pml_password_hash(pml_slice_of("a\0b", 3), 1, hash), PML_EINVAL);
  CHECK_EQ(pml_password_hash(pml_slice_of(large, PML_PASSWORD_MAX), 1, hash), 0);
  CHECK_EQ(pml_password_verify(pml_slice_of(large, PML_PASSWORD_MAX), text(hash), &yes), 0);
  CHECK_EQ(yes, 1);
  CHECK_EQ(pml_password_verify(pml_slice_of(large, sizeof large), text(hash), &yes), 0);
  CHECK_EQ(yes, 0);
  CHECK_EQ(pml_password_hash(text("a"), 1, hash), 0);
  CHECK_EQ(pml_password_verify(pml_slice_of("a\0b", 3), text(hash), &yes), 0);
  CHECK_EQ(yes, 0);
  CHECK_EQ(pml_password_hash(text(""), 1, hash), 0);
  CHECK_EQ(pml_password_verify(pml_slice_of("\0", 1), text(hash), &yes), 0);
  CHECK_EQ(yes, 0);
}

TEST(password_hash_that_is_none) {
  const char *const wrong[] = {"",         "secret",
                               "$",        "$y$",
                               "$y$j75$",  "$no$such$method",
                               "$5$ab",    "*0",
                               "abcdefgh", "$y$j75$2wmY4aIyWBNYUYl3W1S6b."};
  char large[PML_PASSWORD_HASH + 8] = "$5$";
  int yes = -1;
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
    CHECK_EQ(pml_password_verify(text("secret"), text(wrong[i]), &yes), PML_EINVAL);
  memset(large + 3, 'a', sizeof large - 3);
  CHECK_EQ(pml_password_verify(text("a"), pml_slice_of(large, sizeof large), &yes), PML_EINVAL);
  CHECK_EQ(pml_password_verify(text("a"), pml_slice_of("$5$ab\0$", 7), &yes), PML_EINVAL);
  CHECK_EQ(yes, -1);
}
