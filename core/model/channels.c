#include "model/channels.h"

#include "base/mem.h"
#include "model/channel_private.h"

#include <assert.h>

#define NAME_MAX_BYTES 65535u

struct pml_channels {
  pml_slots *slots;
  pml_channel *by_name;
  pml_channel_shared shared;
};

pml_channels *pml_channels_new(pml_slot_floor *floor) {
  pml_channels *t = pml_alloc0(sizeof *t);
  t->slots = pml_slots_new(floor);
  pml_hash_key_init(&t->shared.key);
  return t;
}

void pml_channels_free(pml_channels *t) {
  if (!t) return;
  t->shared.seen = NULL;
  while (t->by_name) pml_channels_destroy(t, t->by_name);
  pml_slots_free(t->slots);
  pml_table_fini(&t->shared.by_user);
  pml_free(t);
}

static pml_channel *find(const pml_channels *t, pml_slice name, uint32_t h) {
  pml_channel *c;
  const uint8_t *p = name.n ? name.p : (const uint8_t *)"";
  HASH_FIND_BYHASHVALUE(hh, t->by_name, p, name.n, h, c);
  return c;
}

pml_channel *pml_channels_find(const pml_channels *t, pml_slice name) {
  return find(t, name, pml_hash(&t->shared.key, name.p, name.n));
}

pml_channel *pml_channels_create(pml_channels *t, pml_slice name) {
  if (name.n > NAME_MAX_BYTES) return NULL;
  uint32_t h = pml_hash(&t->shared.key, name.p, name.n);
  pml_channel *c = find(t, name, h);
  if (c) return c;
  c = pml__channel_new(name, &t->shared);
  c->id = pml_slots_put(t->slots, c);
  if (!c->id) {
    pml__channel_free(c);
    return NULL;
  }
  HASH_ADD_KEYPTR_BYHASHVALUE(hh, t->by_name, c->name, c->name_len, h, c);
  pml__channel_tell(c, PML_CHANNEL_MADE);
  return c;
}

pml_channel *pml_channels_get(const pml_channels *t, pml_id id) {
  return pml_slots_get(t->slots, id);
}

void pml_channels_destroy(pml_channels *t, pml_channel *c) {
  if (t->shared.seen || t->shared.indexed) pml__channel_empty(c, PML_LEFT_DESTROYED);
  void *taken = pml_slots_take(t->slots, c->id);
  assert(taken == c); /* ours: destroyed once, in its own table */
  (void)taken;
  HASH_DELETE(hh, t->by_name, c);
  pml__channel_tell(c, PML_CHANNEL_GONE);
  pml__channel_free(c);
}

size_t pml_channels_count(const pml_channels *t) { return pml_slots_count(t->slots); }

size_t pml_channels_drop(pml_channels *t, const char *sid) {
  size_t n = 0;
  for (pml_channel *c = t->by_name; c; c = c->hh.next) n += pml_channel_drop(c, sid);
  return n;
}

void pml_channels_each(const pml_channels *t, void (*fn)(pml_channel *c, void *ud), void *ud) {
  for (pml_channel *c = t->by_name; c; c = c->hh.next) fn(c, ud);
}

static void make_index(pml_channels *t) {
  if (t->shared.indexed) return;
  for (pml_channel *c = t->by_name; c; c = c->hh.next) pml__channel_index(c);
  t->shared.indexed = 1;
}

void pml_channels_of(pml_channels *t, pml_uid uid, void (*fn)(pml_channel *c, void *ud), void *ud) {
  make_index(t);
  pml__channel_of_user(&t->shared, uid, fn, ud);
}

size_t pml_channels_leave(pml_channels *t, pml_uid uid, pml_left why) {
  size_t n = 0;
  make_index(t);
  while (pml__channel_leave_one(&t->shared, uid, why)) n++;
  return n;
}

void pml_channels_watch(pml_channels *t, pml_channels_seen fn, void *ud) {
  t->shared.seen = fn;
  t->shared.ud = ud;
}
