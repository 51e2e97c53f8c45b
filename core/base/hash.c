#include "base/hash.h"

#include <string.h>
#include <sys/random.h>

void pml_hash_key_init(pml_hash_key *key) {
  /* At most 256 bytes are never cut short; a kernel without the call leaves a
   * fixed key, with which everything works but collisions can be prepared. */
  memset(key, 0, sizeof *key);
  if (getrandom(key, sizeof *key, 0) < 0) key->k[0] = (uint64_t)(uintptr_t)key;
}

static inline uint64_t rot(uint64_t x, int b) { return x << b | x >> (64 - b); }

static inline void mix(uint64_t v[4]) {
  v[0] += v[1];
  v[1] = rot(v[1], 13) ^ v[0];
  v[0] = rot(v[0], 32);
  v[2] += v[3];
  v[3] = rot(v[3], 16) ^ v[2];
  v[0] += v[3];
  v[3] = rot(v[3], 21) ^ v[0];
  v[2] += v[1];
  v[1] = rot(v[1], 17) ^ v[2];
  v[2] = rot(v[2], 32);
}

uint32_t pml_hash_ours(const void *p, size_t n) {
  const uint8_t *b = p;
  uint64_t h = n;
  for (; n >= 8; b += 8, n -= 8) {
    uint64_t m;
    memcpy(&m, b, 8);
    h = (h ^ m) * 0x9e3779b97f4a7c15u;
    h ^= h >> 32;
  }
  uint64_t last = 0;
  for (size_t i = 0; i < n; i++) last = last << 8 | b[i];
  h = (h ^ last) * 0x9e3779b97f4a7c15u;
  return (uint32_t)(h >> 32);
}

/* SipHash-1-3. Words are taken in the machine's order: values never leave it. */
uint32_t pml_hash(const pml_hash_key *key, const void *p, size_t n) {
  const uint8_t *b = p;
  uint64_t v[4] = {
    key->k[0] ^ 0x736f6d6570736575u,
    key->k[1] ^ 0x646f72616e646f6du,
    key->k[0] ^ 0x6c7967656e657261u,
    key->k[1] ^ 0x7465646279746573u,
  };
  size_t left = n;
  for (; left >= 8; b += 8, left -= 8) {
    uint64_t m;
    memcpy(&m, b, 8);
    v[3] ^= m;
    mix(v);
    v[0] ^= m;
  }
  uint64_t last = (uint64_t)n << 56;
  for (size_t i = 0; i < left; i++) last |= (uint64_t)b[i] << (8 * i);
  v[3] ^= last;
  mix(v);
  v[0] ^= last;
  v[2] ^= 0xff;
  mix(v);
  mix(v);
  mix(v);
  uint64_t h = v[0] ^ v[1] ^ v[2] ^ v[3];
  return (uint32_t)(h ^ h >> 32);
}
