#include "bus/steady.h"

void pml_steady_link(pml_steady *s, int up, uint64_t now) {
  s->up = up;
  s->steady = 0;
  s->last = now;
  s->returned = s->sent; /* those that are out are lost */
}

void pml_steady_touch(pml_steady *s, uint64_t now) {
  if (now > s->last + 2 * (uint64_t)s->heartbeat) s->steady = 0;
  s->last = now;
}

uint32_t pml_steady_send(pml_steady *s, uint64_t now) {
  s->sent++;
  s->times[s->sent % PML_STEADY_BEATS] = now;
  return s->sent;
}

int pml_steady_return(pml_steady *s, uint32_t number, uint64_t now) {
  uint32_t out = s->sent - number, expected = s->sent - s->returned;
  if (!s->up || out >= PML_STEADY_BEATS || out >= expected) return 0; /* none of this link's */
  s->returned = number;
  if (now > s->times[number % PML_STEADY_BEATS] + s->heartbeat) {
    s->steady = 0;
  } else if (!s->steady) {
    s->steady = 1;
    s->since = now;
    return 1;
  }
  return 0;
}

int pml_steady_check(pml_steady *s, uint64_t now) {
  uint32_t out = s->sent - s->returned;
  if (out > PML_STEADY_BEATS) s->steady = 0;
  else if (out && now > s->times[(s->returned + 1) % PML_STEADY_BEATS] + s->heartbeat)
    s->steady = 0;
  return s->steady;
}
