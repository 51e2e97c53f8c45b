/* steady: since when the bus carries messages without a stop, which is what the silence of others
 * is measured against. The bus is steady while the link is up, each own heartbeat comes back within
 * the time between two, and this process itself does not stand still. */
#ifndef PML_BUS_STEADY_H
#define PML_BUS_STEADY_H

#include <stdint.h>

#define PML_STEADY_BEATS 16 /* own heartbeats whose times are remembered */

/* Zeroed but for heartbeat is a valid one, with the link down. Times are milliseconds. */
typedef struct {
  uint32_t heartbeat;               /* between two of them */
  uint32_t sent;                    /* read-only: the number of the last one that was sent */
  int up;                           /* private */
  int steady;                       /* read-only */
  uint64_t since;                   /* read-only, while it is steady */
  uint32_t returned;                /* private: the number of the last one that came back */
  uint64_t last;                    /* private: when it was looked at last */
  uint64_t times[PML_STEADY_BEATS]; /* private */
} pml_steady;

void pml_steady_link(pml_steady *s, int up, uint64_t now);
/* Any input: at least every second heartbeat, otherwise this process stood still. */
void pml_steady_touch(pml_steady *s, uint64_t now);
uint32_t pml_steady_send(pml_steady *s, uint64_t now); /* the number of the next one, sent now */
/* One came back: 1 when the bus is steady from now on, and was not before. */
int pml_steady_return(pml_steady *s, uint32_t number, uint64_t now);
/* Whether it still is steady now: one that is out for too long ends it. */
int pml_steady_check(pml_steady *s, uint64_t now);

#endif
