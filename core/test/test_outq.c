#include "net/outq.h"
#include "base/mem.h"
#include "test/test.h"

static pml__outqs spare;
static pml_refs refs;
static pml__outq *q;

static pml_buf *put(const char *text, size_t from) {
  pml_buf *b = pml_buf_from(text, strlen(text));
  pml_slice all = pml_buf_slice(b);
  pml__outq_put(&spare, &q, b, pml_slice_of(all.p + from, all.n - from));
  return b;
}

static void put_long(int fill, size_t n) {
  char *text = pml_alloc(n);
  memset(text, fill, n);
  pml_buf *b = pml_buf_from(text, n);
  pml__outq_put(&spare, &q, b, pml_buf_slice(b));
  pml_free(text);
}

static void done(void) {
  pml__outq_cut(q, 0);
  CHECK_EQ(q->bytes, 0);
  pml__outq_free(&spare, q);
  q = NULL;
  pml_refs_settle(&refs);
  pml__outqs_free(&spare);
  CHECK(!spare.first && spare.n == 0);
}

/* What gather makes of it, as one text. */
static size_t gathered(uint8_t *scratch, char *out, unsigned *pieces, uint32_t *blocks) {
  uv_buf_t iov[PML__OUTQ_IOV];
  size_t total, n = 0;
  *pieces = pml__outq_gather(q, iov, scratch, blocks, &total);
  for (unsigned i = 0; i < *pieces; i++) {
    memcpy(out + n, iov[i].base, iov[i].len);
    n += iov[i].len;
  }
  CHECK_EQ(n, total);
  return n;
}

TEST(outq_gives_parts_of_blocks_in_order) {
  char out[100];
  unsigned pieces;
  uint32_t blocks;
  put("xxone", 2);
  put("two", 0);
  size_t n = gathered(NULL, out, &pieces, &blocks);
  CHECK_BYTES(out, n, "onetwo");
  CHECK_EQ(pieces, 2);
  CHECK_EQ(blocks, 2);
  CHECK_EQ(q->bytes, 6 + 2 * sizeof(pml__out));
  CHECK_EQ(pml__outq_behind(q), 3 + sizeof(pml__out));
  done();
}

TEST(outq_pops_what_is_written_across_blocks) {
  char out[100];
  unsigned pieces;
  uint32_t blocks;
  put("one", 0);
  put("two", 0);
  pml__outq_pop(q, &refs, 0);
  CHECK_EQ(q->cut, 0);
  pml__outq_pop(q, &refs, 4);
  CHECK_EQ(q->count, 1);
  CHECK_EQ(q->cut, 1);
  CHECK_EQ(q->bytes, 2 + sizeof(pml__out));
  size_t n = gathered(NULL, out, &pieces, &blocks);
  CHECK_BYTES(out, n, "wo");
  pml__outq_pop(q, &refs, 2);
  CHECK_EQ(q->count, 0);
  CHECK_EQ(q->cut, 0);
  CHECK_EQ(pml__outq_behind(q), 0);
  done();
}

TEST(outq_grows_round_its_end_and_keeps_the_order) {
  char text[2] = "a";
  for (int i = 0; i < 5; i++) put("-", 0);
  pml__outq_pop(q, &refs, 5);
  for (int i = 0; i < 20; i++, text[0]++) put(text, 0);
  CHECK_EQ(q->count, 20);
  CHECK_EQ(q->cap, 32);
  for (uint32_t i = 0; i < 20; i++) CHECK_EQ(pml__outq_at(q, i)->b->data[0], 'a' + i);
  done();
}

TEST(outq_copies_small_blocks_together_and_leaves_long_ones) {
  static char out[60000];
  static uint8_t scratch[PML__OUTQ_TOGETHER];
  unsigned pieces;
  uint32_t blocks;
  put("a", 0);
  put("b", 0);
  put_long('L', 1024);
  put("c", 0);
  put("d", 0);
  size_t n = gathered(scratch, out, &pieces, &blocks);
  CHECK_EQ(pieces, 3);
  CHECK_EQ(blocks, 5);
  CHECK_EQ(n, 1028);
  CHECK(memcmp(out, "abL", 3) == 0 && memcmp(out + 1025, "Lcd", 3) == 0);
  pml__outq_cut(q, 0);
  for (int i = 0; i < 20; i++) put_long('A' + i, 1000); /* more than fits into scratch */
  n = gathered(scratch, out, &pieces, &blocks);
  CHECK_EQ(n, 20000);
  CHECK_EQ(blocks, 20);
  for (size_t i = 0; i < n; i++) CHECK_EQ(out[i], 'A' + (int)(i / 1000));
  done();
}

TEST(outq_gathers_no_more_than_one_system_call_takes) {
  const size_t room = (size_t)3 << 20;
  char *out = test_room(room);
  unsigned pieces;
  uint32_t blocks;
  for (unsigned i = 0; i < PML__OUTQ_IOV + 5; i++) put("x", 0);
  CHECK_EQ(gathered(NULL, out, &pieces, &blocks), PML__OUTQ_IOV);
  CHECK_EQ(blocks, PML__OUTQ_IOV);
  pml__outq_cut(q, 0);
  for (int i = 0; i < 4; i++) put_long('y', 600000);
  CHECK_EQ(gathered(NULL, out, &pieces, &blocks),
           1200000); /* the block that goes over is the last */
  CHECK_EQ(blocks, 2);
  done();
}

TEST(outq_cut_releases_what_is_behind) {
  pml_buf *b[3] = {put("one", 0), put("two", 0), put("three", 0)};
  for (int i = 0; i < 3; i++) pml_buf_ref(b[i]);
  pml__outq_cut(q, 1);
  CHECK_EQ(q->count, 1);
  CHECK_EQ(q->bytes, 3 + sizeof(pml__out));
  pml__outq_cut(q, 1);
  CHECK_EQ(q->count, 1);
  done();
  for (int i = 0; i < 3; i++) {
    CHECK_EQ(atomic_load(&b[i]->refs), 1);
    pml_buf_unref(b[i]);
  }
}

TEST(outq_keeps_the_smallest_that_are_free) {
  pml__outq *first = pml__outq_new(&spare, PML__OUTQ_FIRST), *big = pml__outq_new(&spare, 16);
  pml__outq_free(&spare, big);
  CHECK_EQ(spare.n, 0);
  pml__outq_free(&spare, first);
  CHECK_EQ(spare.n, 1);
  CHECK(pml__outq_new(&spare, PML__OUTQ_FIRST) == first);
  CHECK_EQ(spare.n, 0);
  pml__outq *many[PML__OUTQ_SPARE + 1];
  many[0] = first;
  for (unsigned i = 1; i <= PML__OUTQ_SPARE; i++) many[i] = pml__outq_new(&spare, PML__OUTQ_FIRST);
  for (unsigned i = 0; i <= PML__OUTQ_SPARE; i++) pml__outq_free(&spare, many[i]);
  CHECK_EQ(spare.n, PML__OUTQ_SPARE);
  pml__outqs_free(&spare);
}

TEST(outq_copies_all_that_waits) {
  uint8_t out[16];
  put("xxone", 2);
  put("two", 0);
  put("three", 0);
  pml__outq_pop(q, &refs, 4);
  CHECK_EQ(pml__outq_length(q), 7);
  pml__outq_copy(q, out);
  CHECK_BYTES(out, 7, "wothree");
  pml__outq_pop(q, &refs, 7);
  CHECK_EQ(pml__outq_length(q), 0);
  done();
}

/* ---- blocks that have an identity ---- */

static int put_latest(const char *text, uint64_t identity) {
  pml_buf *b = pml_buf_from(text, strlen(text));
  return pml__outq_replace(&spare, &refs, &q, b, pml_buf_slice(b), identity);
}

/* What waits, as text; holes are closed. */
static const char *waiting(void) {
  static char out[4096];
  pml__outq_settle(q);
  size_t n = pml__outq_length(q);
  CHECK(n < sizeof out);
  pml__outq_copy(q, (uint8_t *)out);
  out[n] = 0;
  return out;
}

TEST(outq_takes_an_earlier_block_of_the_identity_out_and_the_new_one_stands_last) {
  CHECK_EQ(put_latest("a1 ", 1), 0);
  put("x ", 0);
  CHECK_EQ(put_latest("b1 ", 2), 0);
  CHECK_EQ(put_latest("a2 ", 1), 1);
  CHECK_EQ(spare.waiting, 2);
  CHECK_STR(waiting(), "x b1 a2 ");
  CHECK_EQ(put_latest("b2 ", 2), 1);
  put("y ", 0);
  CHECK_STR(waiting(), "x a2 b2 y ");
  CHECK_EQ(put_latest("b3 ", 2), 1);
  CHECK_EQ(q->bytes, pml__outq_length(q) + q->count * sizeof(pml__out));
  CHECK_STR(waiting(), "x a2 y b3 ");
  CHECK_EQ(q->bytes, 10 + 4 * sizeof(pml__out));
  done();
  CHECK_EQ(spare.waiting, 0);
}

TEST(outq_releases_the_block_that_is_taken_out) {
  pml_buf *b = pml_buf_ref(pml_buf_from("old", 3));
  pml__outq_replace(&spare, &refs, &q, b, pml_buf_slice(b), 7);
  CHECK_EQ(put_latest("new", 7), 1);
  pml_refs_settle(&refs);
  CHECK_EQ(atomic_load(&b->refs), 1);
  pml_buf_unref(b);
  CHECK_STR(waiting(), "new");
  done();
}

TEST(outq_does_not_take_out_what_is_written_in_part) {
  put_latest("first", 1);
  pml__outq_pop(q, &refs, 2);
  CHECK_EQ(q->cut, 1);
  CHECK_EQ(spare.waiting, 0);
  CHECK_EQ(put_latest("second", 1), 0);
  CHECK_EQ(put_latest("third", 1), 1);
  CHECK_EQ(spare.waiting, 1);
  CHECK_STR(waiting(), "rstthird");
  pml__outq_pop(q, &refs, 4); /* the next one is begun as well */
  CHECK_EQ(put_latest("fourth", 1), 0);
  CHECK_STR(waiting(), "hirdfourth");
  done();
}

TEST(outq_does_not_take_out_what_it_has_given_away) {
  put_latest("a", 1);
  put_latest("b", 2);
  pml__outq_hold(q, 2);
  CHECK_EQ(put_latest("A", 1), 0);
  CHECK_EQ(put_latest("+", 1), 1);
  CHECK_STR(waiting(), "ab+");
  pml__outq_pop(q, &refs, 3);
  q->held = 0;
  CHECK_EQ(q->count, 0);
  done();
}

TEST(outq_does_not_grow_by_what_is_taken_out) {
  put("the oldest, which is never written", 0);
  for (int i = 0; i < 100000; i++) put_latest("position", 1 + (uint64_t)i % 3);
  CHECK_EQ(spare.waiting, 3);
  CHECK(q->cap <= 16);
  CHECK_STR(waiting(), "the oldest, which is never writtenpositionpositionposition");
  done();
}

TEST(outq_finds_one_identity_among_thousands_at_once) {
  enum { KEYS = 4096 };
  put("-", 0);
  for (uint64_t round = 0; round < 50; round++)
    for (uint64_t k = 1; k <= KEYS; k++)
      CHECK_EQ(put_latest("x", k * 0x9e3779b97f4a7c15u), round > 0);
  CHECK_EQ(spare.waiting, KEYS);
  CHECK_EQ(pml__outq_length(q), KEYS + 1);
  pml__outq_pop(q, &refs, KEYS + 1);
  CHECK_EQ(spare.waiting, 0);
  done();
}

TEST(outq_the_oldest_item_is_never_a_hole) {
  put_latest("1", 1);
  put_latest("2", 2);
  put_latest("3", 3);
  put_latest("4", 4);
  CHECK_EQ(put_latest("2'", 2), 1);
  CHECK_EQ(put_latest("1'", 1), 1);
  CHECK_EQ(pml__outq_at(q, 0)->len, 1); /* 3 */
  CHECK_EQ(pml__outq_behind(q), 5 + 3 * sizeof(pml__out));
  CHECK_STR(waiting(), "342'1'");
  done();
}

TEST(outq_keeps_the_identities_of_free_queues) {
  pml__outq *first;
  put_latest("1", 1);
  first = q;
  pml__outq_pop(q, &refs, 1);
  pml__outq_free(&spare, q);
  q = NULL;
  CHECK_EQ(spare.ntags, 1);
  put("2", 0);
  CHECK(q == first && !q->tags);
  CHECK_EQ(put_latest("3", 1), 0); /* nothing of before is found */
  CHECK_EQ(spare.ntags, 0);
  CHECK_STR(waiting(), "23");
  done();
}
