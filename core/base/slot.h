/* slot — numbered places for long-lived objects.
 *
 * An id is a place number plus the generation of that place, so an id kept
 * after its object died finds nothing instead of finding another object.
 * Ids fit in 53 bits: a Lua number, a JSON number and a log line can all
 * carry one without loss. 0 is never a valid id.
 *
 * Tables that follow each other, as the tables of a restarted server do, may
 * share a floor: a table that is freed raises it above every id it has given out,
 * and a new table begins there. So an id of a table that is gone finds
 * nothing in its successor. Tables that live at the same time may give out equal ids.
 *
 * The table borrows the objects; putting one in does not own it. */
#ifndef PML_BASE_SLOT_H
#define PML_BASE_SLOT_H

#include <stddef.h>
#include <stdint.h>

typedef struct pml_slots pml_slots;
typedef uint64_t pml_id;

/* Zeroed to begin with; any thread. Outlives its tables. */
typedef struct {
  _Atomic uint64_t at; /* private */
} pml_slot_floor;

/* floor is borrowed; NULL: the table begins at nothing and leaves nothing. */
pml_slots *pml_slots_new(pml_slot_floor *floor);
void pml_slots_free(pml_slots *t);

/* Returns the new id, or 0 when out of memory or places. */
pml_id pml_slots_put(pml_slots *t, void *obj);
/* NULL when the id was never given out or its object has been taken. */
void *pml_slots_get(const pml_slots *t, pml_id id);
/* Removes and returns the object; every copy of the id is stale from here. */
void *pml_slots_take(pml_slots *t, pml_id id);
size_t pml_slots_count(const pml_slots *t);
/* Walks the objects: *at starts as 0; NULL at the end. Putting and taking meanwhile is allowed. */
void *pml_slots_next(const pml_slots *t, uint32_t *at, pml_id *id);
/* Takes every object out and hands it to fn, one after the other. */
void pml_slots_drain(pml_slots *t, void (*fn)(void *obj, void *ud), void *ud);

#endif
