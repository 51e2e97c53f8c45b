#include "bus/others.h"

#include "test/test.h"

TEST(others_are_found_by_their_names_and_bounded) {
  pml_others o;
  uint8_t name[PML_PROCESS_BYTES] = {0};
  pml_others_init(&o, 5000);
  for (unsigned i = 0; i < PML_DISCOVERY_PROCESSES; i++) {
    name[0] = (uint8_t)i;
    name[1] = (uint8_t)(i >> 8);
    pml_other *other = pml_others_add(&o, name, i);
    CHECK(other && other->reachable && !other->met);
    CHECK_EQ(other->mine, pml_announce_mine(5000, i + 1));
    CHECK_EQ(other->heard, i);
  }
  name[2] = 1;
  CHECK(pml_others_add(&o, name, 1) == NULL);
  CHECK(pml_others_find(&o, name) == NULL);
  name[2] = 0;
  pml_other *last = pml_others_find(&o, name);
  CHECK(last != NULL);
  CHECK(pml_others_named(&o, last->holder.name) == last);
  CHECK(pml_others_named(&o, "chat-1") == NULL);
  pml_others_remove(&o, last);
  CHECK(pml_others_find(&o, name) == NULL);
  /* Who comes back meets anew. */
  CHECK_EQ(pml_others_add(&o, name, 1)->mine, pml_announce_mine(5000, PML_DISCOVERY_PROCESSES + 1));
  pml_others_fini(&o);
}
