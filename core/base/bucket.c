#include "base/bucket.h"

int pml_bucket_take(pml_bucket *b, uint64_t now_ns, uint64_t cost, uint64_t rate, uint64_t size) {
  uint64_t from = b->full_at > now_ns ? b->full_at : now_ns;
  uint64_t full_at = from + pml_bucket_time(cost, rate);
  if (full_at - now_ns > pml_bucket_time(size, rate)) return 0;
  b->full_at = full_at;
  return 1;
}

int pml_bucket_full(const pml_bucket *b, uint64_t now_ns) { return b->full_at <= now_ns; }
