/* others: the other processes of the bus that this one knows, and how it stands with each.
 * bus/discovery decides; this is its table. */
#ifndef PML_BUS_OTHERS_H
#define PML_BUS_OTHERS_H

#include "base/hash.h"
#include "bus/holders.h"

#define PML_DISCOVERY_PROCESSES 4096u /* others that are known at a time */

typedef struct {
  UT_hash_handle hh; /* private */
  uint8_t process[PML_PROCESS_BYTES];
  pml_holder holder;
  int tool;
  int met;               /* its list counts */
  int reachable;         /* as far as this process knows */
  uint64_t mine, theirs; /* names of the meeting; theirs 0: not known yet */
  uint32_t timeout;      /* its own, ms; 0: not known */
  uint32_t version;      /* of its list, when met */
  uint32_t told;         /* the version of the own list that it has; 0: perhaps none */
  uint32_t links;        /* how often its link came up */
  uint64_t heard;
} pml_other;

typedef struct {
  pml_hash_key key;  /* private */
  pml_other *all;    /* for HASH_ITER */
  uint64_t meetings; /* private: the last `mine` that was given out */
} pml_others;

void pml_others_init(pml_others *o, uint32_t timeout_ms); /* this process's own */
void pml_others_fini(pml_others *o); /* forgets all of them and their servers, without an event */
pml_other *pml_others_find(const pml_others *o, const uint8_t process[PML_PROCESS_BYTES]);
pml_other *pml_others_named(const pml_others *o, const char *name);
/* With a number of a meeting that was never used, heard now. NULL: there are too many. */
pml_other *pml_others_add(pml_others *o, const uint8_t process[PML_PROCESS_BYTES], uint64_t now);
/* How many with servers are met, but for one (NULL: all count). *waiting: those that are not yet.
 */
uint32_t pml_others_met(const pml_others *o, const pml_other *but, uint32_t *waiting);
void pml_others_remove(pml_others *o, pml_other *other); /* its servers are dropped */

#endif
