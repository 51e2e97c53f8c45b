/* Commands from the input against a plain array as the truth. */
#include "base/slot.h"
#include "fuzz/chunks.h"

#define OBJECTS 64

int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n) {
  int objs[OBJECTS] = {0}, live[OBJECTS] = {0};
  pml_id ids[OBJECTS] = {0};
  size_t count = 0;
  pml_slot_floor floor = {0};
  pml_slots *t = pml_slots_new(&floor);
  for (size_t i = 0; i + 1 < n; i += 2) {
    int k = d[i + 1] % OBJECTS;
    if (d[i] == 0xfe) { /* the next table: nobody of before is found in it */
      pml_slots_free(t);
      t = pml_slots_new(&floor);
      memset(live, 0, sizeof live);
      count = 0;
    } else if (d[i] & 1) {
      pml_id id = live[k] ? 0 : pml_slots_put(t, &objs[k]);
      if (id) ids[k] = id, live[k] = 1, count++;
    } else {
      MUST((pml_slots_take(t, ids[k]) == &objs[k]) == live[k]);
      count -= (size_t)live[k];
      live[k] = 0;
    }
    MUST(pml_slots_count(t) == count);
    for (int j = 0; j < OBJECTS; j++) MUST((pml_slots_get(t, ids[j]) == &objs[j]) == live[j]);
  }
  pml_slots_free(t);
  return 0;
}
