#include "base/uid.h"

#include "base/err.h"
#include "test/test.h"

TEST(uid_is_compared_by_its_text) {
  pml_uid number = {"7", 1, 1}, text = {"7", 1, 0}, other = {"8", 1, 0}, none = {NULL, 0, 0};
  CHECK(pml_uid_eq(number, text));
  CHECK(!pml_uid_eq(text, other));
  CHECK(!pml_uid_eq(text, none));
  CHECK(pml_uid_eq(none, none));
}

TEST(uid_lists_come_back_as_they_went) {
  static char longest[PML_UID_MAX];
  memset(longest, 'u', sizeof longest);
  const pml_uid uids[] = {{"ann", 3, 0}, {"10001", 5, 1}, {"", 0, 0}, {longest, PML_UID_MAX, 0}};
  pml_writer w = {0};
  for (int i = 0; i < 4; i++) pml_uids_put(&w, uids[i]);
  pml_buf *b = pml_writer_finish(&w);
  pml_slice in = pml_buf_slice(b);
  pml_uid u;
  for (int i = 0; i < 4; i++) {
    CHECK_EQ(pml_uids_next(&in, &u), 1);
    CHECK(pml_uid_eq(u, uids[i]));
    CHECK_EQ(u.is_number, uids[i].is_number);
  }
  CHECK_EQ(pml_uids_next(&in, &u), 0);
  pml_buf_unref(b);
}

TEST(uid_list_cut_anywhere_is_refused) {
  pml_writer w = {0};
  pml_uids_put(&w, (pml_uid){"ann", 3, 0});
  pml_buf *b = pml_writer_finish(&w);
  for (size_t n = 1; n < b->len; n++) {
    pml_slice in = pml_slice_of(b->data, n);
    pml_uid u;
    CHECK_EQ(pml_uids_next(&in, &u), PML_EPROTO);
    CHECK_EQ(in.n, n); /* nothing was taken */
  }
  pml_buf_unref(b);
}
