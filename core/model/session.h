/* session: one client's state on its frontend. Owned by model/sessions, which
 * alone changes uid and links; other files read them. */
#ifndef PML_MODEL_SESSION_H
#define PML_MODEL_SESSION_H

#include "base/bucket.h"
#include "base/slot.h"
#include "base/uid.h"
#include "model/sink.h"

/* What few sessions have, made when it is first needed (pml_session_aside). */
typedef struct {
  struct pml_roster_member *rosters; /* of model/rosters; NULL: in no cluster channel */
  uint64_t refused_ns; /* how long what was refused would have taken to come in (node/rate) */
} pml_session_rest;

/* There is one per client: with what model/sessions has beside it, it fills 112 bytes, which is a
 * size that the allocator has. */
typedef struct pml_session {
  pml_id id;      /* read-only; never reused */
  pml_sink *sink; /* public, borrowed; NULL once closed. node/resume puts itself in between */
  pml_uid uid;    /* read-only; s NULL while unbound */
  struct pml_session *uid_next; /* read-only: another session of the same uid, older */
  pml_buf *settings;            /* public, owned: JSON object text, NULL for none */
  pml_session_rest *rest;       /* private, owned; NULL: all of it is 0 */
  pml_bucket messages, bytes;   /* public: what it has sent (node/rate) */
  uint64_t bind_order; /* public: of two sessions of a uid the higher was bound later; 0: unknown */
  uint32_t bound_at;   /* public: seconds since 1970, of who binds it */
  uint32_t mark;       /* public: left out of the push of that number */
  /* public: requests not answered yet, and forwarded notifies not handled; of these, the notifies
   * (node/credits). maxInFlight, 1,000,000 at most, bounds both. */
  uint64_t in_flight : 20, notifies : 20;
  uint64_t form : 8;         /* public: how its client gets messages (node/forms); 0: plain */
  uint64_t ready : 1;        /* public: the handshake is done; pushes before it are dropped */
  uint64_t wants_closed : 1; /* public: scripts listen for its end */
  uint64_t moving : 1;       /* public: what its client sends is not taken any more (node/moves) */
  uint64_t left : 1;         /* read-only: out of the tables, its connection is still ending */
  uint64_t resumes : 1;      /* public: its sink is that of node/resume */
  uint64_t behind : 1;       /* private: a newer session has the same uid */
} pml_session;

/* For a change of one of them; borrowed from s. */
pml_session_rest *pml_session_aside(pml_session *s);

static inline struct pml_roster_member *pml_session_rosters(const pml_session *s) {
  return s->rest ? s->rest->rosters : NULL;
}
static inline uint64_t pml_session_refused_ns(const pml_session *s) {
  return s->rest ? s->rest->refused_ns : 0;
}

#endif
