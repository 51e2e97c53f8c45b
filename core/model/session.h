/* session: one client's state on its frontend. Owned by model/sessions, which
 * alone changes uid and links; other files read them. */
#ifndef PML_MODEL_SESSION_H
#define PML_MODEL_SESSION_H

#include "base/list.h"
#include "base/slot.h"
#include "base/uid.h"
#include "model/sink.h"

typedef struct pml_session {
  pml_id id;                    /* read-only; never reused */
  pml_sink *sink;               /* read-only, borrowed; NULL once closed */
  pml_uid uid;                  /* read-only; s NULL while unbound */
  struct pml_session *uid_next; /* read-only: another session of the same uid, older */
  pml_buf *settings;            /* public, owned: JSON object text, NULL for none */
  pml_list all;                 /* private: in the order of opening */
  uint32_t in_flight;           /* public: requests not answered yet */
  uint32_t mark;                /* public: left out of the push of that number */
  uint8_t ready;                /* public: the handshake is done; pushes before it are dropped */
  uint8_t wants_closed;         /* public: scripts listen for its end */
  uint8_t left;                 /* read-only: out of the tables, its connection is still ending */
} pml_session;

#endif
