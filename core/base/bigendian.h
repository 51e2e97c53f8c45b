/* bigendian: numbers as bytes, the high one first. The caller has checked that the bytes are
 * there. */
#ifndef PML_BASE_BIGENDIAN_H
#define PML_BASE_BIGENDIAN_H

#include <stdint.h>

static inline void pml_put16(uint8_t *p, uint16_t v) {
  p[0] = (uint8_t)(v >> 8);
  p[1] = (uint8_t)v;
}
static inline void pml_put32(uint8_t *p, uint32_t v) {
  pml_put16(p, (uint16_t)(v >> 16));
  pml_put16(p + 2, (uint16_t)v);
}
static inline void pml_put64(uint8_t *p, uint64_t v) {
  pml_put32(p, (uint32_t)(v >> 32));
  pml_put32(p + 4, (uint32_t)v);
}
static inline uint16_t pml_get16(const uint8_t *p) {
  return (uint16_t)((unsigned)p[0] << 8 | p[1]);
}
static inline uint32_t pml_get32(const uint8_t *p) {
  return (uint32_t)pml_get16(p) << 16 | pml_get16(p + 2);
}
static inline uint64_t pml_get64(const uint8_t *p) {
  return (uint64_t)pml_get32(p) << 32 | pml_get32(p + 4);
}

#endif
