#include "model/backlog.h"
#include "test/test.h"

static pml_refs refs;

static void put(pml_backlog *b, const char *text, uint64_t identity) {
  pml_backlog_put(b, pml_buf_from(text, strlen(text)), identity);
}

static void append(pml_buf *frame, void *ud) {
  strncat(ud, (const char *)frame->data, frame->len);
  strcat(ud, " ");
}

static const char *from(const pml_backlog *b, uint64_t number) {
  static char text[2000];
  text[0] = '\0';
  pml_backlog_each(b, number, append, text);
  return text;
}

static void done(pml_backlog *b) {
  pml_backlog_clear(b, &refs);
  pml_refs_settle(&refs);
  CHECK_EQ(b->bytes, 0);
  CHECK(b->at == NULL && b->tags == NULL);
}

TEST(backlog_gives_what_was_put_from_a_package_on) {
  pml_backlog b = {0};
  char text[16];
  for (int i = 0; i < 20; i++) {
    snprintf(text, sizeof text, "%d", i);
    put(&b, text, 0);
  }
  CHECK_EQ(pml_backlog_first(&b), 0);
  CHECK_STR(from(&b, 17), "17 18 19 ");
  CHECK_STR(from(&b, 20), "");
  CHECK_EQ(b.bytes, 30 + 20 * PML_BACKLOG_APART);
  done(&b);
  CHECK_EQ(b.next, 20);
}

TEST(backlog_drops_the_oldest_and_goes_on_counting) {
  pml_backlog b = {0};
  put(&b, "a", 0);
  put(&b, "bc", 0);
  CHECK_EQ(pml_backlog_drop(&b, &refs), 1 + PML_BACKLOG_APART);
  CHECK_EQ(pml_backlog_first(&b), 1);
  put(&b, "d", 0);
  CHECK_STR(from(&b, 1), "bc d ");
  CHECK_EQ(pml_backlog_drop(&b, &refs), 2 + PML_BACKLOG_APART);
  CHECK_EQ(pml_backlog_drop(&b, &refs), 1 + PML_BACKLOG_APART);
  CHECK_EQ(pml_backlog_drop(&b, &refs), 0);
  CHECK_EQ(pml_backlog_first(&b), 3);
  done(&b);
}

TEST(backlog_takes_out_the_newest_of_an_identity_and_counts_it_no_more) {
  pml_backlog b = {0};
  put(&b, "a", 5);
  put(&b, "b", 0);
  put(&b, "c", 5);
  put(&b, "d", 13); /* the same low bits */
  CHECK_EQ(pml_backlog_take_out(&b, &refs, 5), 1 + PML_BACKLOG_APART);
  CHECK_EQ(b.next, 3);
  CHECK_STR(from(&b, 0), "a b d ");
  CHECK_STR(from(&b, 2), "d ");
  CHECK_EQ(pml_backlog_take_out(&b, &refs, 5), 1 + PML_BACKLOG_APART);
  CHECK_EQ(pml_backlog_take_out(&b, &refs, 5), 0);
  CHECK_STR(from(&b, 0), "b d ");
  CHECK_EQ(pml_backlog_first(&b), 0);
  done(&b);
}

TEST(backlog_does_not_take_out_what_was_sent) {
  pml_backlog b = {0};
  put(&b, "a", 5);
  pml_backlog_fix(&b);
  CHECK_EQ(pml_backlog_take_out(&b, &refs, 5), 0);
  put(&b, "b", 5);
  CHECK_EQ(pml_backlog_take_out(&b, &refs, 5), 1 + PML_BACKLOG_APART);
  put(&b, "c", 5);
  CHECK_STR(from(&b, 0), "a c ");
  done(&b);
}

TEST(backlog_closes_its_holes_instead_of_growing) {
  pml_backlog b = {0};
  put(&b, "a", 0);
  for (int i = 0; i < 1000; i++) {
    pml_backlog_take_out(&b, &refs, 1 + (uint64_t)(i % 3));
    put(&b, "x", 1 + (uint64_t)(i % 3));
  }
  CHECK(b.cap <= 2 * PML_BACKLOG_FIRST);
  CHECK_STR(from(&b, 0), "a x x x ");
  CHECK_EQ(b.next, 4);
  done(&b);
}
