#include "base/buf.h"

#include "test/test.h"

TEST(buf_is_a_copy_with_a_count) {
  char text[] = "hello";
  pml_buf *b = pml_buf_from(text, 5);
  text[0] = 'j';
  CHECK_BYTES(b->data, b->len, "hello");
  CHECK(pml_buf_ref(b) == b);
  pml_buf_unref(b);
  CHECK_BYTES(b->data, b->len, "hello"); /* one holder is left */
  pml_buf_unref(b);
}

TEST(buf_nothing_is_allowed_everywhere) {
  CHECK(pml_buf_ref(NULL) == NULL);
  pml_buf_unref(NULL);
  CHECK_EQ(pml_buf_slice(NULL).n, 0);
  pml_buf *b = pml_buf_from(NULL, 0);
  CHECK_EQ(b->len, 0);
  pml_buf_unref(b);
}

TEST(buf_slices_are_equal_by_their_bytes) {
  CHECK(pml_slice_eq(pml_slice_str("abc"), pml_slice_of("abcd", 3)));
  CHECK(!pml_slice_eq(pml_slice_str("abc"), pml_slice_str("abd")));
  CHECK(!pml_slice_eq(pml_slice_str("abc"), pml_slice_str("ab")));
  CHECK(pml_slice_eq(pml_slice_str(NULL), pml_slice_str("")));
}

TEST(buf_writer_keeps_what_was_put_while_it_grows) {
  pml_writer w = {0};
  for (int i = 0; i < 10000; i++) {
    pml_writer_byte(&w, (uint8_t)i);
    pml_writer_put(&w, "xy", 2);
  }
  CHECK_EQ(w.len, 30000);
  *pml_writer_at(&w, 3) = 77;
  pml_buf *b = pml_writer_finish(&w);
  CHECK_EQ(b->len, 30000);
  CHECK_EQ(b->data[3], 77);
  for (int i = 2; i < 10000; i++) {
    CHECK_EQ(b->data[3 * i], (uint8_t)i);
    CHECK(b->data[3 * i + 1] == 'x' && b->data[3 * i + 2] == 'y');
  }
  pml_buf_unref(b);
}

TEST(buf_writer_is_empty_after_finish_and_drop) {
  pml_writer w = {0};
  pml_buf *b = pml_writer_finish(&w);
  CHECK_EQ(b->len, 0);
  pml_buf_unref(b);
  pml_writer_put(&w, "a", 1);
  b = pml_writer_finish(&w);
  CHECK(w.b == NULL && w.len == 0);
  pml_buf_unref(b);
  memset(pml_writer_more(&w, 1000), 'z', 1000);
  CHECK_EQ(w.len, 1000);
  pml_writer_drop(&w);
  CHECK(w.b == NULL && w.len == 0);
}

TEST(buf_writer_grows_to_what_is_asked_at_once) {
  pml_writer w = {0};
  pml_writer_grow(&w, 5000);
  pml_buf *block = w.b;
  memset(pml_writer_more(&w, 5000), 'a', 5000);
  CHECK(w.b == block); /* not moved */
  pml_writer_drop(&w);
}
