#include "wire/interest_list.h"

#include "base/err.h"
#include "test/test.h"

TEST(interest_list_comes_back_as_it_went) {
  pml_writer w = {0};
  const pml_interest_list in = {PML_INTEREST_LIST, 1, 0x01020304, 0x1122334455667788, {0}};
  pml_interest_list_begin(&w, &in);
  pml_interest_list_put(&w, pml_slice_str("hall"), 1);
  pml_interest_list_put(&w, pml_slice_str(""), 0);
  pml_buf *b = pml_writer_finish(&w);
  pml_interest_list out;
  pml_slice name;
  int there;
  CHECK_EQ(pml_interest_list_read(pml_buf_slice(b), &out), 0);
  CHECK_EQ(out.op, PML_INTEREST_LIST);
  CHECK_EQ(out.last, 1);
  CHECK_EQ(out.part, 0x01020304);
  CHECK_EQ(out.seq, 0x1122334455667788);
  CHECK_EQ(pml_interest_list_next(&out.channels, &name, &there), 1);
  CHECK_BYTES(name.p, name.n, "hall");
  CHECK_EQ(there, 1);
  CHECK_EQ(pml_interest_list_next(&out.channels, &name, &there), 1);
  CHECK_EQ(name.n, 0);
  CHECK_EQ(there, 0);
  CHECK_EQ(pml_interest_list_next(&out.channels, &name, &there), 0);
  pml_buf_unref(b);
}

TEST(interest_list_is_refused_when_cut_unknown_or_too_long) {
  pml_writer w = {0};
  pml_interest_list out;
  pml_interest_list_begin(&w, &(pml_interest_list){.op = PML_INTEREST_CHANGES, .seq = 7});
  pml_interest_list_put(&w, pml_slice_str("hall"), 1);
  pml_buf *b = pml_writer_finish(&w);
  pml_slice whole = pml_buf_slice(b);
  CHECK_EQ(pml_interest_list_read(whole, &out), 0);
  for (size_t n = 0; n < whole.n; n++)
    CHECK_EQ(pml_interest_list_read(pml_slice_of(whole.p, n), &out), n == 14 ? 0 : PML_EPROTO);
  b->data[14] = 2; /* neither there nor not */
  CHECK_EQ(pml_interest_list_read(whole, &out), PML_EPROTO);
  b->data[14] = 1;
  b->data[0] = PML_INTEREST_ASK; /* a question has no channels */
  CHECK_EQ(pml_interest_list_read(whole, &out), PML_EPROTO);
  b->data[0] = 4;
  CHECK_EQ(pml_interest_list_read(whole, &out), PML_EPROTO);
  b->data[0] = PML_INTEREST_CHANGES;
  b->data[1] = 2;
  CHECK_EQ(pml_interest_list_read(whole, &out), PML_EPROTO);
  pml_buf_unref(b);
}
