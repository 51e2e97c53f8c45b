#include "wire/bus_mail.h"

#include "base/err.h"
#include "test/test.h"

TEST(bus_mail_comes_back_as_it_went) {
  pml_writer w = {0};
  pml_bus_mail m = {.process = "0123456789abcdef0123456789abcdef",
                    .number = 0x1122334455667788,
                    .flags = PML_MAIL_MORE,
                    .text = pml_slice_str("list")},
               out;
  pml_bus_mail_put(&w, &m);
  pml_slice all = pml_slice_of(pml_writer_at(&w, 0), w.len);
  CHECK_EQ(all.n, PML_BUS_MAIL_HEAD + 4);
  CHECK_EQ(pml_bus_mail_read(all, &out), 0);
  CHECK_STR(out.process, m.process);
  CHECK_EQ(out.number, m.number);
  CHECK_EQ(out.flags, m.flags);
  CHECK_BYTES(out.text.p, out.text.n, "list");
  for (size_t n = 0; n < PML_BUS_MAIL_HEAD; n++)
    CHECK_EQ(pml_bus_mail_read(pml_slice_of(all.p, n), &out), PML_EPROTO);
  *pml_writer_at(&w, 3) = 'g';
  CHECK_EQ(pml_bus_mail_read(all, &out), PML_EPROTO);
  *pml_writer_at(&w, 3) = '3';
  *pml_writer_at(&w, PML_BUS_MAIL_HEAD - 1) = 4;
  CHECK_EQ(pml_bus_mail_read(all, &out), PML_EPROTO);
  pml_writer_drop(&w);
}

TEST(bus_mail_names_of_processes) {
  CHECK(pml_bus_is_process("0123456789abcdef0123456789abcdef"));
  CHECK(!pml_bus_is_process("0123456789abcdef0123456789abcde"));
  CHECK(!pml_bus_is_process("0123456789abcdef0123456789abcdef0"));
  CHECK(!pml_bus_is_process("0123456789ABCDEF0123456789abcdef"));
  CHECK(!pml_bus_is_process(""));
}
