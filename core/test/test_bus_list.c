#include "wire/bus_list.h"

#include "base/err.h"
#include "base/uid.h"
#include "test/fanout.h"
#include "test/test.h"

static void round_trip(const pml_bus_list *l, const char *hex) {
  pml_writer w = {0};
  pml_bus_list_put(&w, l);
  pml_buf *b = pml_writer_finish(&w);
  CHECK(test_hex_eq(b->data, b->len, hex));
  pml_bus_list back;
  CHECK_EQ(pml_bus_list_read(pml_buf_slice(b), &back), 0);
  CHECK_EQ(back.kind, l->kind);
  CHECK(back.number == l->number && back.base == l->base);
  CHECK(pml_slice_eq(back.bytes, l->bytes));
  pml_buf_unref(b);
}

TEST(bus_list_comes_back_as_it_went) {
  pml_slice ab = pml_slice_str("ab");
  round_trip(&(pml_bus_list){.kind = PML_BUS_LIST_PLAIN, .bytes = ab}, "016162");
  round_trip(&(pml_bus_list){.kind = PML_BUS_LIST_WHOLE, .number = 1, .bytes = ab}, "0201006162");
  round_trip(&(pml_bus_list){.kind = PML_BUS_LIST_SAME, .number = 300}, "03ac02");
  round_trip(&(pml_bus_list){.kind = PML_BUS_LIST_CHANGED, .number = 128, .base = 127, .bytes = ab},
             "0480017f6162");
  round_trip(&(pml_bus_list){.kind = PML_BUS_LIST_ASK, .number = UINT64_MAX},
             "05ffffffffffffffffff01");
  round_trip(&(pml_bus_list){.kind = PML_BUS_LIST_GIVE, .number = 2}, "0602");
  round_trip(&(pml_bus_list){.kind = PML_BUS_LIST_GONE, .number = 2}, "0702");
}

static int reads(const char *hex) {
  uint8_t bytes[64];
  pml_bus_list l = {.number = 99};
  int rc = pml_bus_list_read(pml_slice_of(bytes, test_unhex(hex, bytes)), &l);
  CHECK(rc == 0 || rc == PML_EPROTO);
  if (rc) CHECK_EQ(l.number, 99); /* untouched on failure */
  return rc == 0;
}

TEST(bus_list_refuses_what_no_sender_writes) {
  CHECK(reads("0301"));
  CHECK(!reads(""));
  CHECK(!reads("00"));
  CHECK(!reads("0801"));                   /* a kind that there is not */
  CHECK(!reads("0300"));                   /* number 0 */
  CHECK(!reads("0380"));                   /* cut */
  CHECK(!reads("038000"));                 /* longer than need be */
  CHECK(!reads("030100"));                 /* bytes left over */
  CHECK(!reads("03ffffffffffffffffff02")); /* above 64 bits */
  CHECK(!reads("04010061"));               /* changed from nothing */
}

static size_t changes(const char *base, const char *now) {
  pml_buf *a = fanout_list(base), *b = fanout_list(now), *made;
  pml_writer w = {0};
  size_t n = 0;
  if (pml_bus_list_compare(pml_buf_slice(a), pml_buf_slice(b), &w)) {
    n = w.len;
    pml_slice text = pml_slice_of(pml_writer_at(&w, 0), n);
    CHECK_EQ(pml_bus_list_apply(pml_buf_slice(a), text, b->len, &made), 0);
    CHECK(pml_slice_eq(pml_buf_slice(made), pml_buf_slice(b)));
    pml_buf_unref(made);
    /* Of another base nothing is made. */
    CHECK_EQ(pml_bus_list_apply(pml_slice_of(a->data, a->len - 1), text, b->len, &made),
             PML_EPROTO);
    if (b->len) CHECK_EQ(pml_bus_list_apply(pml_buf_slice(a), text, b->len - 1, &made), PML_EPROTO);
  }
  pml_writer_drop(&w);
  pml_buf_unref(a);
  pml_buf_unref(b);
  return n;
}

TEST(bus_list_of_changes_has_what_has_changed) {
  enum { HEAD = 2, CUT = 2, ANNA = 3 + 4 };
  CHECK_EQ(changes("anna bert carl", "anna bert carl"), HEAD);
  CHECK_EQ(changes("bert carl dora", "bert carl dora anna"), HEAD + ANNA);
  CHECK_EQ(changes("anna bert carl", "bert carl"), HEAD + CUT);
  CHECK_EQ(changes("anna bert carl", "anna carl"), HEAD + CUT);
  CHECK_EQ(changes("anna bert carl", "anna bert"), HEAD + CUT);
  CHECK_EQ(changes("anna bert carl", "bert carl anna"), HEAD + CUT + ANNA);
  CHECK_EQ(changes("a bert carl dora emil f", "bert dora f anna"), HEAD + 3 * CUT + ANNA);
  CHECK_EQ(changes("anna bert", "carl"), 0); /* the list itself is shorter */
  CHECK_EQ(changes("anna", ""), 0);
}

TEST(bus_list_of_changes_that_cannot_be_is_refused) {
  static const char *const bad[] = {
    "",           /* no length of base */
    "0a",         /* no cuts */
    "0b00",       /* another base */
    "0a0109",     /* a cut without what goes */
    "0a010900",   /* good, see below */
    "0a010902",   /* more goes than there is */
    "0a010b00",   /* more stays than there is */
    "0a02050501", /* nothing is left of base for the second cut */
    "0a7f0101",   /* more cuts than bytes */
  };
  pml_buf *base = pml_buf_from("0123456789", 10), *made;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    uint8_t text[16];
    pml_slice s = pml_slice_of(text, test_unhex(bad[i], text));
    int rc = pml_bus_list_apply(pml_buf_slice(base), s, 100, &made);
    if (i != 4) {
      CHECK_EQ(rc, PML_EPROTO);
      continue;
    }
    CHECK_EQ(rc, 0);
    CHECK(pml_slice_eq(pml_buf_slice(made), pml_buf_slice(base)));
    pml_buf_unref(made);
  }
  pml_buf_unref(base);
}
