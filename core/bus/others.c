#include "bus/others.h"

#include "base/mem.h"

void pml_others_init(pml_others *o, uint32_t timeout_ms) {
  *o = (pml_others){.meetings = pml_announce_mine(timeout_ms, 0)};
  pml_hash_key_init(&o->key);
}

static uint32_t hash_of(const pml_others *o, const uint8_t process[PML_PROCESS_BYTES]) {
  return pml_hash(&o->key, process, PML_PROCESS_BYTES);
}

void pml_others_fini(pml_others *o) {
  pml_other *other, *next;
  HASH_ITER (hh, o->all, other, next) {
    pml_holder_fini(&other->holder);
    pml_others_remove(o, other);
  }
}

pml_other *pml_others_find(const pml_others *o, const uint8_t process[PML_PROCESS_BYTES]) {
  pml_other *other;
  HASH_FIND_BYHASHVALUE(hh, o->all, process, PML_PROCESS_BYTES, hash_of(o, process), other);
  return other;
}

pml_other *pml_others_named(const pml_others *o, const char *name) {
  uint8_t process[PML_PROCESS_BYTES];
  return pml_process_read(name, process) ? NULL : pml_others_find(o, process);
}

pml_other *pml_others_add(pml_others *o, const uint8_t process[PML_PROCESS_BYTES], uint64_t now) {
  if (HASH_COUNT(o->all) >= PML_DISCOVERY_PROCESSES) return NULL;
  pml_other *other = pml_alloc0(sizeof *other);
  memcpy(other->process, process, PML_PROCESS_BYTES);
  pml_holder_init(&other->holder, process);
  other->mine = ++o->meetings;
  other->reachable = 1;
  other->heard = now;
  HASH_ADD_KEYPTR_BYHASHVALUE(hh, o->all, other->process, PML_PROCESS_BYTES, hash_of(o, process),
                              other);
  return other;
}

void pml_others_remove(pml_others *o, pml_other *other) {
  HASH_DELETE(hh, o->all, other);
  pml_free(other);
}

uint32_t pml_others_met(const pml_others *o, const pml_other *but, uint32_t *waiting) {
  uint32_t met = 0;
  *waiting = 0;
  for (const pml_other *p = o->all; p; p = p->hh.next) {
    if (p == but || p->tool) continue;
    if (p->met) met++;
    else (*waiting)++;
  }
  return met;
}
