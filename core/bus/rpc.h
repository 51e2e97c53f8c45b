/* rpc: calls over a transport: ids, deadlines, answers. Every call ends exactly
 * once: with an answer, with PML_ETIMEOUT at its deadline, with PML_ENOENT when
 * its server goes, or with PML_ECLOSED when the rpc is freed. Late and unknown
 * answers are counted and dropped.
 *
 * A server that is restarted under its id is another server. Every record names the incarnations of
 * both sides, which are set here. A record for another incarnation than this one, or from one that
 * is not there, is counted and dropped; an answer to an incarnation that went is refused. */
#ifndef PML_BUS_RPC_H
#define PML_BUS_RPC_H

#include "base/slot.h"
#include "bus/transport.h"
#include "loop/loop.h"
#include "wire/envelope.h"

typedef struct pml_rpc pml_rpc;

/* status 0: body is the answer (borrowed, may be NULL); 1: the other server's
 * error, its text in body; negative: PML_E…, body NULL. */
typedef void (*pml_rpc_on_answer_fn)(int status, pml_buf *body, void *ud);

typedef struct {
  /* A record that is not an answer. Borrowed. Answer it with pml_rpc_answer when env->call. */
  void (*on_request)(const pml_envelope *env, pml_buf *body, pml_buf *extra, void *ud);
  void (*on_peer)(const char *id, uint64_t incarnation, int up, void *ud);
  void *ud;
  /* Records between this server and that one, which is there, may have been lost. gap 1: some that
   * it sent are missing, and it does not know. NULL: does not matter. */
  void (*on_loss)(const char *id, int gap, void *ud);
} pml_rpc_events;

typedef struct {
  uint64_t calls, answers, timeouts;
  uint64_t lost;    /* calls whose server went */
  uint64_t late;    /* answers that came too late, or not from the server that was asked */
  uint64_t refused; /* calls and casts that could not be sent */
  uint64_t bad;     /* unreadable records */
  uint64_t strayed; /* records from or for, and answers owed to, another incarnation */
} pml_rpc_counts;

/* Returns owned. self: this server's id, copied. limit: waiting calls (65,536). floor: of the
 * calls' ids (base/slot), borrowed, or NULL. ev is copied; on_peer may be NULL. */
pml_rpc *pml_rpc_new(pml_loop *l, const char *self, size_t limit, pml_slot_floor *floor,
                     const pml_rpc_events *ev);
/* Takes r (NULL is allowed). Ends every waiting call with PML_ECLOSED; does not close
 * the transport, which must not deliver to r any more. Not from inside an event of r. */
void pml_rpc_free(pml_rpc *r);
/* The events to join a transport with; then tell the rpc its transport (borrowed until
 * told another, or NULL when it is closed). */
pml_transport_events pml_rpc_transport_events(pml_rpc *r);
void pml_rpc_use(pml_rpc *r, pml_transport *t);

/* Sends env (from, incarnations, call and ms are set here) and waits at most ms milliseconds.
 * 0, with the call's id in *id (may be NULL): on_answer comes later, never from
 * inside this call. Negative (ENOENT, EFULL, ETOOBIG, ECLOSED): nothing comes. */
int pml_rpc_call(pml_rpc *r, const char *to, pml_envelope *env, pml_buf *body, pml_buf *extra,
                 uint32_t ms, pml_rpc_on_answer_fn on_answer, void *ud, pml_id *id);
/* Sends env without wanting an answer. */
int pml_rpc_cast(pml_rpc *r, const char *to, pml_envelope *env, pml_buf *body, pml_buf *extra);
/* Answers call `call` of server `to` in that incarnation: status 0 or 1. Shares body.
 * PML_ENOENT: that incarnation is gone, also when another server has its id now. */
int pml_rpc_answer(pml_rpc *r, const char *to, uint64_t incarnation, uint64_t call, int status,
                   pml_buf *body);
/* The same, for the call of a record that on_request brought. */
int pml_rpc_answer_record(pml_rpc *r, const pml_envelope *env, int status, pml_buf *body);
/* Answers the call of a record with an error text; harmless when it wants no answer. */
void pml_rpc_refuse(pml_rpc *r, const pml_envelope *env, const char *text);

/* Whether a server of that id is there now; oneself is while there is a transport. */
int pml_rpc_alive(const pml_rpc *r, const char *id);
/* The incarnation of the server of that id that is there now; 0: none is. */
uint64_t pml_rpc_incarnation(const pml_rpc *r, const char *id);
size_t pml_rpc_waiting(const pml_rpc *r);
size_t pml_rpc_waiting_for(const pml_rpc *r, const char *id); /* the server of that id */
/* Ends the waiting calls whose answers go to on_answer as their deadline would, now; fn comes
 * before with the ud of each. */
void pml_rpc_expire(pml_rpc *r, pml_rpc_on_answer_fn on_answer, void (*fn)(void *call, void *ud),
                    void *ud);
/* Calls fn with the id of every server that is there now, oneself included; fn may call. */
void pml_rpc_each_peer(pml_rpc *r, void (*fn)(const char *id, void *ud), void *ud);
const pml_rpc_counts *pml_rpc_counters(const pml_rpc *r);

#endif
