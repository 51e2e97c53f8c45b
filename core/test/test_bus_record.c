#include "wire/bus_record.h"

#include "base/err.h"
#include "test/test.h"

static const pml_batch_pair one = {"chat-1", "connector-1", 1700000000000, 1700000000001};
static const pml_batch_pair two = {"chat-2", "connector-1", 7, 1700000000001};

static pml_slice of(pml_writer *w) { return pml_slice_of(pml_writer_at(w, 0), w->len); }

TEST(bus_record_batch_comes_back_as_it_went) {
  pml_writer w = {0};
  pml_buf *body = pml_buf_from("body", 4), *none = pml_buf_new(0);
  pml_batch_begin(&w);
  pml_batch_pair_put(&w, &one, 41);
  pml_batch_record_put(&w, PML_BATCH_OWED, pml_slice_str("head"), body, NULL);
  pml_batch_record_put(&w, 0, pml_slice_str(""), none, body);
  pml_batch_pair_put(&w, &two, 1);
  pml_batch_part_put(&w, 0, pml_slice_str("head"), body, body, 2, 7);
  pml_batch_reader r;
  pml_batch_item i;
  CHECK_EQ(pml_batch_read(&r, of(&w)), 0);
  CHECK_EQ(pml_batch_next(&r, &i), 1);
  CHECK_STR(i.pair.from, "chat-1");
  CHECK_STR(i.pair.to, "connector-1");
  CHECK_EQ(i.pair.from_incarnation, one.from_incarnation);
  CHECK_EQ(i.pair.to_incarnation, one.to_incarnation);
  CHECK_EQ(i.seq, 41);
  CHECK_EQ(i.flags, PML_BATCH_OWED | PML_BATCH_BODY);
  CHECK_BYTES(i.bytes.p, i.bytes.n, "headbody");
  CHECK_EQ(pml_batch_next(&r, &i), 1);
  CHECK_EQ(i.seq, 42);
  CHECK_EQ(i.flags, PML_BATCH_BODY | PML_BATCH_EXTRA);
  CHECK_EQ(i.nhead + i.nbody, 0);
  CHECK_EQ(i.nextra, 4);
  CHECK_EQ(pml_batch_next(&r, &i), 1);
  CHECK_STR(i.pair.from, "chat-2");
  CHECK_EQ(i.seq, 1);
  CHECK_EQ(i.at, 2);
  CHECK_EQ(i.nhead + i.nbody + i.nextra, 12);
  CHECK_BYTES(i.bytes.p, i.bytes.n, "adbodyb");
  CHECK_EQ(pml_batch_next(&r, &i), 0);
  pml_buf_unref(body);
  pml_buf_unref(none);
  pml_writer_drop(&w);
}

TEST(bus_record_parts_are_the_record) {
  pml_buf *body = pml_buf_from("0123456789", 10), *extra = pml_buf_from("abc", 3);
  for (size_t n = 1; n <= 17; n++) {
    char whole[18] = "";
    for (size_t at = 0; at < 17; at += n) {
      pml_writer w = {0};
      pml_batch_reader r;
      pml_batch_item i;
      pml_batch_begin(&w);
      pml_batch_pair_put(&w, &one, 1);
      pml_batch_part_put(&w, 0, pml_slice_str("head"), body, extra, at, 17 - at < n ? 17 - at : n);
      CHECK_EQ(pml_batch_read(&r, of(&w)), 0);
      CHECK_EQ(pml_batch_next(&r, &i), 1);
      CHECK_EQ(i.at, at);
      memcpy(whole + at, i.bytes.p, i.bytes.n);
      pml_writer_drop(&w);
    }
    CHECK_STR(whole, "head0123456789abc");
  }
  pml_buf_unref(body);
  pml_buf_unref(extra);
}

TEST(bus_record_cut_batch_is_refused) {
  pml_writer w = {0};
  pml_buf *body = pml_buf_from("body", 4);
  pml_batch_begin(&w);
  pml_batch_pair_put(&w, &one, 300);
  pml_batch_record_put(&w, 0, pml_slice_str("head"), body, NULL);
  for (size_t n = 0; n < w.len; n++) {
    uint8_t *copy = malloc(n ? n : 1);
    pml_batch_reader r;
    pml_batch_item i;
    memcpy(copy, pml_writer_at(&w, 0), n);
    int rc = pml_batch_read(&r, pml_slice_of(copy, n));
    CHECK_EQ(rc, n < 2 ? PML_EPROTO : 0);
    if (!rc) rc = pml_batch_next(&r, &i);
    /* After the head, and after the pair, a batch may end. */
    CHECK(rc == PML_EPROTO || (rc == 0 && (n == 2 || n == 2 + 3 + 16 + 2 + 6 + 11)));
    free(copy);
  }
  pml_buf_unref(body);
  pml_writer_drop(&w);
}

TEST(bus_record_what_is_none_is_refused) {
  static const char *const bad[] = {
    "4202",     /* another version */
    "7b01",     /* another message */
    "42010200", /* a record of no pair */
    "420104",   /* no such item */
    "42010100010000000000000001000000000000000101"
    "61", /* no bytes of `from` */
    "420101010100000000000000010000000000000001ffffffffffffffffff01"
    "6161",                                                      /* a number that never ends */
    "4201010101000000000000000100000000000000010061610200000000" /* number 0 */
  };
  for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
    uint8_t bytes[128];
    pml_batch_reader r;
    pml_batch_item i;
    size_t n = test_unhex(bad[k], bytes);
    int rc = pml_batch_read(&r, pml_slice_of(bytes, n));
    if (!rc) rc = pml_batch_next(&r, &i);
    CHECK_EQ(rc, PML_EPROTO);
  }
}
