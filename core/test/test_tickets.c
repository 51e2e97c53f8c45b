#include "model/tickets.h"
#include "test/test.h"

TEST(tickets_find_whose_a_text_is) {
  enum { N = 200 };
  static pml_ticket k[N];
  static char text[N][PML_TICKET_TEXT + 1];
  pml_tickets t;
  uint8_t bytes[PML_TICKET_BYTES];
  pml_tickets_init(&t);
  for (int i = 0; i < N; i++) {
    CHECK_EQ(pml_ticket_make(bytes, text[i]), 0);
    CHECK_EQ(strlen(text[i]), 32);
    pml_tickets_put(&t, &k[i], text[i], bytes);
  }
  for (int i = 0; i < N; i++) CHECK(pml_tickets_find(&t, pml_slice_str(text[i]))->of == text[i]);
  pml_tickets_drop(&t, &k[7]);
  pml_tickets_drop(&t, &k[7]);
  CHECK(pml_tickets_find(&t, pml_slice_str(text[7])) == NULL);
  char other[PML_TICKET_TEXT + 1];
  CHECK_EQ(pml_ticket_make(bytes, other), 0);
  pml_tickets_put(&t, &k[8], text[7], bytes);
  CHECK(pml_tickets_find(&t, pml_slice_str(text[8])) == NULL);
  CHECK(pml_tickets_find(&t, pml_slice_str(other))->of == text[7]);
  pml_tickets_move(&t, &k[9], &k[8]);
  CHECK(pml_tickets_find(&t, pml_slice_str(other)) == &k[9]);
  CHECK(pml_tickets_find(&t, pml_slice_str(text[9])) == NULL);
  CHECK(k[9].of == text[7]);
  pml_tickets_fini(&t);
}

TEST(tickets_find_nothing_for_what_is_no_text_of_one) {
  pml_tickets t;
  pml_ticket k = {0};
  uint8_t bytes[PML_TICKET_BYTES];
  char text[PML_TICKET_TEXT + 1];
  pml_tickets_init(&t);
  memset(bytes, 0xab, sizeof bytes);
  CHECK(pml_tickets_find(&t, pml_slice_str("")) == NULL);
  pml_tickets_put(&t, &k, &k, bytes);
  CHECK(pml_tickets_find(&t, pml_slice_str("abababababababababababababababab")) == &k);
  const char *const bad[] = {
    "ABababababababababababababababab", "ababababababababababababababababab",
    "abababababababababababababababa",  "gbababababababababababababababab",
    "acababababababababababababababab", ""};
  for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++)
    CHECK(pml_tickets_find(&t, pml_slice_str(bad[i])) == NULL);
  CHECK(pml_tickets_find(&t, pml_slice_of(NULL, 0)) == NULL);
  CHECK_EQ(pml_ticket_make(bytes, text), 0);
  pml_tickets_fini(&t);
}
