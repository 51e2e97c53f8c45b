/* bucket: a token bucket, as one number: the time at which it will be full again. Pure; the time is
 * an argument. A bucket of `size` tokens is filled by `rate` tokens a second, and is full to begin
 * with. Nothing has to be filled by a timer, and none is rounded away however often it is asked.
 *
 * The form is known as the generic cell rate algorithm (ITU-T I.371). */
#ifndef PML_BASE_BUCKET_H
#define PML_BASE_BUCKET_H

#include <stdint.h>

/* Zeroed is full. */
typedef struct {
  uint64_t full_at; /* private: nanoseconds */
} pml_bucket;

/* How long `tokens` take to come in at that rate, in nanoseconds. tokens below 2^34, rate from 1.
 */
static inline uint64_t pml_bucket_time(uint64_t tokens, uint64_t rate) {
  return tokens * 1000000000u / rate;
}
/* Takes tokens and returns 1; 0: there are not so many, and none is taken. now_ns never goes back.
 * cost, size: below 2^34; rate: from 1. */
int pml_bucket_take(pml_bucket *b, uint64_t now_ns, uint64_t cost, uint64_t rate, uint64_t size);
/* Whether nothing is missing. */
int pml_bucket_full(const pml_bucket *b, uint64_t now_ns);

#endif
