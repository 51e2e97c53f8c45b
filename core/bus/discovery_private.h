/* discovery_private: what the files of discovery share. */
#ifndef PML_BUS_DISCOVERY_PRIVATE_H
#define PML_BUS_DISCOVERY_PRIVATE_H

#include "bus/claims.h"
#include "bus/discovery.h"
#include "bus/others.h"
#include "bus/own_servers.h"
#include "bus/steady.h"

#define PML__NEVER UINT64_MAX

struct pml_discovery {
  pml_discovery_events ev;
  pml_announce self; /* protocol, process, host, pid, and the version of the own list */
  char host[PML_ANNOUNCE_HOST_MAX + 1];
  uint32_t timeout;
  int tool;

  int up;
  int settled, refused; /* among processes of this protocol; by one of another */
  uint64_t first_up;    /* when the link came up for the first time; PML__NEVER */
  uint32_t links;       /* how often it came up */
  uint32_t there;       /* others with servers that there are, as far as one of them knew */
  uint64_t next_beat;
  pml_steady steady;
  uint64_t next_look; /* when somebody may be gone */

  pml_own_servers own;
  int dirty; /* they have changed since the others were told */

  pml_others others;
  pml_holders *holders;
  pml_claims claims;
  pml_discovery_counts counts;
};

/* A message of this process; its bytes, returned owned; to send it. */
pml_announce pml__discovery_message_of(const pml_discovery *d, uint8_t kind, uint8_t flags);
pml_buf *pml__discovery_write(const pml_discovery *d, const pml_announce *a);
void pml__discovery_send_all(const pml_discovery *d, const pml_announce *a);
void pml__discovery_send_to(const pml_discovery *d, const char *process, const pml_announce *a);

/* Claims of this process, and of others. */
void pml__discovery_claims_tick(pml_discovery *d, uint64_t now);
void pml__discovery_claims_end(pml_discovery *d); /* the link is down: all are free */
void pml__discovery_on_claim(const pml_discovery *d, const pml_announce *a);
void pml__discovery_on_held(pml_discovery *d, const pml_announce *a);
void pml__discovery_held_send(const pml_discovery *d, const char *process, uint32_t number,
                              pml_slice id, uint64_t incarnation, uint8_t flags);

#endif
