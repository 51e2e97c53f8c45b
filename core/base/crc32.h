/* crc32: CRC-32/IEEE (polynomial 0xEDB88320), the one Pomelo's default route
 * uses (protocol 15.2, vectors protocol 25.5). */
#ifndef PML_BASE_CRC32_H
#define PML_BASE_CRC32_H

#include <stddef.h>
#include <stdint.h>

uint32_t pml_crc32(const void *p, size_t n);

#endif
