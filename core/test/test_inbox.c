#include "bus/inbox.h"

#include "base/err.h"
#include "test/test.h"

typedef struct {
  pml__inbox *in;
  int known, rc;
  char got[4096]; /* heads and bodies */
  int extras, owed, gaps;
  uint64_t missing;
} world;

static int knows(const pml_batch_pair *p, void *ud) {
  const world *w = ud;
  CHECK_STR(p->to, "b");
  return w->known;
}

static int deliver(const pml_batch_pair *p, int flags, pml_slice head, pml_buf *body,
                   pml_buf *extra, void *ud) {
  world *w = ud;
  CHECK_STR(p->from, "a");
  size_t n = strlen(w->got);
  snprintf(w->got + n, sizeof w->got - n, "%.*s:%.*s ", (int)head.n, (const char *)head.p,
           (int)pml_buf_slice(body).n, body ? (const char *)body->data : "");
  w->extras += extra != NULL;
  w->owed += (flags & PML_SEND_OWED) != 0;
  return w->rc;
}

static void gap(const pml_batch_pair *p, void *ud) {
  world *w = ud;
  CHECK_STR(p->from, "a");
  w->gaps++;
}

static void world_open(world *w) {
  *w = (world){.known = 1};
  w->in = pml__inbox_new(&(pml__inbox_hooks){knows, deliver, gap, w, NULL, 0}, 4 << 20);
}

static const pml_batch_pair pair = {"a", "b", 1, 2};

/* A message with one record, or a part of one that is "h" and "0123456789". */
static void take(world *w, uint64_t seq, const char *head, long at, size_t n) {
  pml_writer m = {0};
  pml_buf *body = pml_buf_from("0123456789", 10);
  pml_batch_begin(&m);
  pml_batch_pair_put(&m, &pair, seq);
  if (at < 0) pml_batch_record_put(&m, PML_BATCH_OWED, pml_slice_str(head), NULL, body);
  else pml_batch_part_put(&m, 0, pml_slice_str(head), body, NULL, (size_t)at, n);
  w->missing += pml__inbox_take(w->in, pml_slice_of(pml_writer_at(&m, 0), m.len), NULL);
  pml_buf_unref(body);
  pml_writer_drop(&m);
}

TEST(inbox_counts_what_is_missing_and_drops_what_was_there) {
  world w;
  world_open(&w);
  take(&w, 1, "one", -1, 0);
  take(&w, 2, "two", -1, 0);
  take(&w, 2, "again", -1, 0);
  take(&w, 5, "five", -1, 0);
  take(&w, 4, "late", -1, 0);
  take(&w, 6, "six", -1, 0);
  CHECK_STR(w.got, "one: two: five: six: ");
  CHECK_EQ(w.extras, 4);
  CHECK_EQ(w.owed, 4);
  CHECK_EQ(w.missing, 2);
  CHECK_EQ(w.gaps, 1);
  CHECK_EQ(pml__inbox_counters(w.in)->gaps, 2);
  CHECK_EQ(pml__inbox_counters(w.in)->seen, 2);
  CHECK_EQ(pml__inbox_counters(w.in)->received, 4);
  pml__inbox_free(w.in);
}

TEST(inbox_the_first_record_of_a_pair_is_number_one) {
  world w;
  world_open(&w);
  take(&w, 3, "three", -1, 0);
  CHECK_EQ(w.missing, 2);
  pml__inbox_forget(w.in, "b", 3); /* another life */
  take(&w, 4, "four", -1, 0);
  CHECK_EQ(w.missing, 2);
  pml__inbox_forget(w.in, "b", 2);
  take(&w, 1, "one", -1, 0);
  pml__inbox_forget(w.in, "a", 1);
  take(&w, 1, "one", -1, 0);
  CHECK_STR(w.got, "three: four: one: one: ");
  pml__inbox_free(w.in);
}

TEST(inbox_parts_are_put_together) {
  world w;
  world_open(&w);
  take(&w, 1, "h", 0, 4);
  take(&w, 1, "h", 4, 5);
  CHECK_STR(w.got, "");
  take(&w, 1, "h", 9, 2);
  CHECK_STR(w.got, "h:0123456789 ");
  CHECK_EQ(w.missing, 0);
  pml__inbox_free(w.in);
}

TEST(inbox_record_that_lacks_a_part_is_missing) {
  world w;
  world_open(&w);
  take(&w, 1, "h", 0, 4);
  take(&w, 1, "h", 5, 6); /* not what comes next */
  CHECK_EQ(w.missing, 1);
  take(&w, 2, "h", 0, 4);
  take(&w, 3, "three", -1, 0); /* the second never became whole */
  CHECK_EQ(w.missing, 2);
  take(&w, 4, "h", 4, 7); /* its first part never came */
  CHECK_EQ(w.missing, 3);
  take(&w, 5, "h", 0, 11);
  CHECK_STR(w.got, "three: h:0123456789 ");
  CHECK_EQ(w.missing, 3);
  pml__inbox_free(w.in);
}

TEST(inbox_strangers_and_full_receivers_are_counted) {
  world w;
  world_open(&w);
  w.known = 0;
  take(&w, 1, "one", -1, 0);
  CHECK_STR(w.got, "");
  CHECK_EQ(pml__inbox_counters(w.in)->strangers, 1);
  pml__inbox_take(w.in, pml_slice_str("something else"), NULL);
  CHECK_EQ(pml__inbox_counters(w.in)->strangers, 2);
  w.known = 1;
  w.rc = PML_EFULL;
  take(&w, 1, "one", -1, 0);
  CHECK_EQ(pml__inbox_counters(w.in)->full, 1);
  w.rc = PML_ENOENT;
  take(&w, 2, "two", -1, 0);
  CHECK_EQ(pml__inbox_counters(w.in)->strangers, 3);
  CHECK_EQ(pml__inbox_counters(w.in)->received, 0);
  pml__inbox_free(w.in);
}

TEST(inbox_incomplete_records_are_bounded) {
  world w;
  world_open(&w);
  pml_buf *big = pml_buf_new(1 << 20);
  memset(big->data, 0, big->len);
  char from[8];
  for (int i = 0; i < 5; i++) { /* each lacks its last byte; there is room for four */
    pml_writer m = {0};
    snprintf(from, sizeof from, "a%d", i);
    pml_batch_begin(&m);
    pml_batch_pair_put(&m, &(pml_batch_pair){from, "b", 1, 2}, 1);
    pml_batch_part_put(&m, 0, pml_slice_str("h"), big, NULL, 0, 1 << 20);
    pml__inbox_take(w.in, pml_slice_of(pml_writer_at(&m, 0), m.len), NULL);
    pml_writer_drop(&m);
  }
  CHECK_EQ(pml__inbox_counters(w.in)->full, 1);
  pml_buf_unref(big);
  pml__inbox_free(w.in);
}
