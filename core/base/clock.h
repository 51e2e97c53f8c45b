/* clock: monotonic time, and the wall clock for log lines. */
#ifndef PML_BASE_CLOCK_H
#define PML_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

uint64_t pml_clock_ms(void);
uint64_t pml_clock_us(void);
uint64_t pml_clock_wall_ms(void); /* since 1970; it may be set back */
/* Writes "2026-11-23T18:17:46.123Z"; n is at least 25. */
void pml_clock_stamp(char *out, size_t n);

#endif
