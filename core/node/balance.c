#include "node/balance.h"

#include "base/crc32.h"

static const pml_server_info *by_uid(const pml_server_type *t, pml_slice key) {
  int32_t crc = (int32_t)pml_crc32(key.p, key.n);
  return t->v[(uint64_t)(crc < 0 ? -(int64_t)crc : (int64_t)crc) % t->n];
}

static const pml_server_info *by_turn(pml_server_type *t) {
  if (t->turn >= t->n) t->turn = 0;
  return t->v[t->turn++];
}

/* Each server gains its weight, and the one that then has most pays for all: so that a server of
 * weight 3 beside one of weight 1 gets a, a, b, a and not a, a, a, b. */
static const pml_server_info *by_weight(pml_server_type *t) {
  int64_t total = 0;
  size_t best = 0;
  for (size_t i = 0; i < t->n; i++) {
    t->credit[i] += t->v[i]->weight;
    total += t->v[i]->weight;
    if (t->credit[i] > t->credit[best]) best = i;
  }
  t->credit[best] -= total;
  return t->v[best];
}

/* Servers that wait for equally many take turns. */
static const pml_server_info *by_waiting(pml_server_type *t,
                                         size_t (*waiting)(const char *id, void *ud), void *ud) {
  size_t best = 0, least = SIZE_MAX;
  if (t->turn >= t->n) t->turn = 0;
  for (size_t k = 0; k < t->n && least > 0; k++) {
    size_t i = (t->turn + k) % t->n, n = waiting(t->v[i]->id, ud);
    if (n < least) {
      least = n;
      best = i;
    }
  }
  t->turn = best + 1;
  return t->v[best];
}

static uint64_t mixed(uint64_t x) {
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9u;
  x ^= x >> 27;
  x *= 0x94d049bb133111ebu;
  return x ^ x >> 31;
}

static uint64_t sum(const void *p, size_t n) {
  uint64_t h = 0xcbf29ce484222325u;
  for (size_t i = 0; i < n; i++) h = (h ^ ((const uint8_t *)p)[i]) * 0x100000001b3u;
  return mixed(h);
}

/* Every server must come to the same result, also those of other versions: the sums are part of the
 * behaviour, and the order of the servers is not. */
static const pml_server_info *by_hash(const pml_server_type *t, pml_slice key) {
  const pml_server_info *best = NULL;
  uint64_t most = 0, of_key = key.n ? sum(key.p, key.n) : 0;
  for (size_t i = 0; i < t->n; i++) {
    const char *id = t->v[i]->id;
    uint64_t mark = mixed(sum(id, strlen(id)) + of_key);
    if (best && mark <= most) continue;
    most = mark;
    best = t->v[i];
  }
  return best;
}

const pml_server_info *pml_balance_pick(pml_balance how, pml_server_type *t, pml_slice key,
                                        size_t (*waiting)(const char *id, void *ud), void *ud) {
  switch (how) {
  case PML_BALANCE_TURN: return by_turn(t);
  case PML_BALANCE_WEIGHTED: return by_weight(t);
  case PML_BALANCE_LEAST: return by_waiting(t, waiting, ud);
  case PML_BALANCE_HASH: return by_hash(t, key);
  default: return by_uid(t, key);
  }
}
