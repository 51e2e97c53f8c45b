#include "base/slot.h"

#include "base/mem.h"

#include <stdatomic.h>

#ifndef PML_SLOT_BITS
#define PML_SLOT_BITS 24 /* tests build with 2, so that places run out */
#endif
#define PLACE_MAX ((1u << PML_SLOT_BITS) - 1)
/* An id is a number of Lua's too: 53 bits. */
#define GEN_BITS (53 - PML_SLOT_BITS < 32 ? 53 - PML_SLOT_BITS : 32)
#define GEN_MAX ((1ull << GEN_BITS) - 1)
#define GEN_WORN (GEN_MAX / 2) /* a successor begins with fresh places instead */

typedef struct {
  void *obj;
  uint32_t gen;
  uint32_t next_free; /* 0: end of list; meaningful only while obj is NULL */
} place;

struct pml_slots {
  place *v; /* v[0] is never given out */
  uint32_t len, cap;
  uint32_t first_free;
  size_t count;
  pml_slot_floor *floor;
  uint32_t base;  /* added to a place in ids */
  uint32_t first; /* generation of a new place */
  uint32_t top;   /* the highest given out */
};

static pml_id id_of(const pml_slots *t, uint32_t i) {
  return (pml_id)t->v[i].gen << PML_SLOT_BITS | (t->base + i);
}

/* The floor is a place and a generation: what begins there has higher places, or the same
 * ones and higher generations. */
static void floor_raise(const pml_slots *t) {
  uint32_t end = t->base + t->len - 1;
  uint64_t was = atomic_load(&t->floor->at), now;
  do {
    uint32_t base = (uint32_t)(was >> 32), gen = (uint32_t)was;
    if (t->base == base && t->top < GEN_WORN) {
      if (t->top > gen) gen = t->top;
    } else if (end > base) {
      base = end;
      gen = 0;
    }
    now = (uint64_t)base << 32 | gen;
  } while (!atomic_compare_exchange_weak(&t->floor->at, &was, now));
}

pml_slots *pml_slots_new(pml_slot_floor *floor) {
  pml_slots *t = pml_alloc0(sizeof *t);
  uint64_t at = floor ? atomic_load(&floor->at) : 0;
  t->len = 1;
  t->floor = floor;
  t->base = (uint32_t)(at >> 32);
  t->first = (uint32_t)at + 1;
  return t;
}

void pml_slots_free(pml_slots *t) {
  if (!t) return;
  if (t->floor && t->len > 1) floor_raise(t);
  pml_free(t->v);
  pml_free(t);
}

static int grow(pml_slots *t) {
  uint32_t cap = t->cap ? t->cap * 2 : 8;
  if (cap > PLACE_MAX + 1) cap = PLACE_MAX + 1;
  if (cap == t->cap) return -1;
  t->v = pml_realloc(t->v, cap * sizeof *t->v);
  t->cap = cap;
  return 0;
}

pml_id pml_slots_put(pml_slots *t, void *obj) {
  uint32_t i = t->first_free;
  if (i) {
    t->first_free = t->v[i].next_free;
  } else {
    if (t->len >= t->cap && grow(t)) return 0;
    if (t->base + t->len > PLACE_MAX) return 0;
    i = t->len++;
    t->v[i].gen = t->first;
  }
  t->v[i].obj = obj;
  t->count++;
  if (t->v[i].gen > t->top) t->top = t->v[i].gen;
  return id_of(t, i);
}

static place *find(const pml_slots *t, pml_id id) {
  uint32_t i = (uint32_t)(id & PLACE_MAX) - t->base; /* below the base: far above len */
  if (i == 0 || i >= t->len) return NULL;
  place *p = &t->v[i];
  return p->obj && p->gen == id >> PML_SLOT_BITS ? p : NULL;
}

void *pml_slots_get(const pml_slots *t, pml_id id) {
  place *p = find(t, id);
  return p ? p->obj : NULL;
}

void *pml_slots_take(pml_slots *t, pml_id id) {
  place *p = find(t, id);
  if (!p) return NULL;
  void *obj = p->obj;
  p->obj = NULL;
  t->count--;
  if (p->gen == GEN_MAX) return obj; /* worn out: never reuse this place */
  p->gen++;
  p->next_free = t->first_free;
  t->first_free = (uint32_t)(p - t->v);
  return obj;
}

size_t pml_slots_count(const pml_slots *t) { return t->count; }

void *pml_slots_next(const pml_slots *t, uint32_t *at, pml_id *id) {
  for (uint32_t i = *at + 1; i < t->len; i++) {
    if (!t->v[i].obj) continue;
    *at = i;
    *id = id_of(t, i);
    return t->v[i].obj;
  }
  return NULL;
}

void pml_slots_drain(pml_slots *t, void (*fn)(void *obj, void *ud), void *ud) {
  uint32_t at = 0;
  pml_id id;
  for (void *obj; (obj = pml_slots_next(t, &at, &id));) {
    pml_slots_take(t, id);
    fn(obj, ud);
  }
}
