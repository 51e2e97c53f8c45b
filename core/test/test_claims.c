#include "bus/claims.h"

#include "test/test.h"

TEST(claims_are_found_by_number_and_by_id) {
  pml_claims c;
  pml_claims_init(&c);
  CHECK(pml_claims_due(&c) == UINT64_MAX);
  pml_claim *a = pml_claims_begin(&c, pml_slice_str("chat-1"), 1000);
  pml_claim *b = pml_claims_begin(&c, pml_slice_str("chat-2"), 1010);
  pml_claim *again = pml_claims_begin(&c, pml_slice_str("chat-1"), 1020);
  CHECK(a->number && b->number && a->number != b->number && again->number != a->number);
  CHECK(pml_claims_find(&c, b->number) == b);
  CHECK(pml_claims_of(&c, pml_slice_str("chat-1")) == a);
  CHECK(pml_claims_first(&c) == a && pml_claims_next(&c, a) == b);
  uint32_t number = a->number;
  pml_claims_end(a);
  CHECK(pml_claims_find(&c, number) == NULL);
  CHECK(pml_claims_of(&c, pml_slice_str("chat-1")) == again);
  CHECK(pml_claims_of(&c, pml_slice_str("chat-3")) == NULL);
  pml_claims_fini(&c);
}

TEST(claims_are_due_when_all_are_asked_and_at_the_end) {
  pml_claims c;
  pml_claims_init(&c);
  pml_claim *a = pml_claims_begin(&c, pml_slice_str("chat-1"), 1000);
  CHECK_EQ(pml_claims_due(&c), 1000 + PML_CLAIM_WIDE_MS);
  a->wide = 1;
  CHECK_EQ(pml_claims_due(&c), 1000 + PML_CLAIM_MS);
  pml_claims_begin(&c, pml_slice_str("chat-2"), 1200);
  CHECK_EQ(pml_claims_due(&c), 1200 + PML_CLAIM_WIDE_MS);
  pml_claims_fini(&c);
}
