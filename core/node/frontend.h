/* frontend: the clients of this server. A package of a client becomes a message, which goes to a
 * handler of this server (node/requests) or to another server (node/route). */
#ifndef PML_NODE_FRONTEND_H
#define PML_NODE_FRONTEND_H

#include "net/peer.h"
#include "node/counter.h"
#include "node/node.h"
#include "node/resume.h"

/* Private to frontend.c. */
typedef struct {
  pml_peer_host host;
  uint64_t bad_routes, coded_routes, ignored;
} pml_frontend;

/* A DATA body from the client of a session. 0; PML_EPROTO: it is to be closed; PML_EFULL: too, for
 * it sends more than it may (node/rate). */
int pml_frontend_data(pml_node *n, pml_session *s, pml_slice body);
/* The HANDSHAKE body of the client of a session; answered later. */
void pml_frontend_shake(pml_node *n, pml_session *s, pml_slice body);
/* Ends a session: from here on it is not found, not counted and not reached. Its connection ends
 * after what is queued, and the listeners of the session hear of it then. reason: as
 * pml_sink_close. */
void pml_frontend_kick(pml_node *n, pml_session *s, pml_slice reason);
/* The same for a reason of the server's own: text is what its KICK says. */
void pml_frontend_end(pml_node *n, pml_session *s, pml_end why, pml_slice text);
/* The end of a session's connection: tells the scripts, frees the session. */
void pml_frontend_closed(pml_node *n, pml_session *s, const pml_close_reason *why);
/* The ACK of the client of a session has come. */
void pml_frontend_acked(pml_node *n, pml_session *s);
/* Its connection is gone, for a reason that gives a session a grace when its client may come back;
 * a text of `why` is a constant. 1: it waits for its client; 0: it is to be ended, by
 * pml_frontend_closed. */
int pml_frontend_lost(pml_node *n, pml_session *s, const pml_close_reason *why);
/* A session is freed without its end being told: nothing of it is kept. */
void pml_frontend_forget(pml_node *n, pml_session *s);
/* The connection of a session; NULL: there is none. */
pml_sink *pml_frontend_line(const pml_session *s);

/* Sessions whose clients may come back (node/resume). What was asked with a token: */
typedef enum {
  PML_RESUME_CAN,     /* the client may go on with that session */
  PML_RESUME_NOT,     /* the token is nobody's, or the number is impossible */
  PML_RESUME_TOO_LATE /* what the client has missed is gone */
} pml_resume_found;
/* Which session a client of this token, which has taken `seen` packages, wants; both may be
 * anything. Nothing is changed. *out: not with NOT. */
pml_resume_found pml_frontend_resumable(pml_node *n, pml_slice token, double seen, pml_id *out);
/* The same once it has been decided that the client does not go on: it is counted, and the session
 * whose token it is ends. */
void pml_frontend_resume_not(pml_node *n, pml_slice token, double seen);
/* The connection of `session`, whose handshake is not answered yet, becomes that of the one that
 * the token stands for, which has *out as its id; `session` is gone. 0; PML_ENOENT: one of both is
 * gone; PML_EINVAL: its messages would have another form; PML_EIO: no random bytes. */
int pml_frontend_resume(pml_node *n, pml_id session, pml_slice token, double seen, pml_id *out,
                        pml_resume_answer *answer);
/* A session whose handshake is about to be answered may be resumed: its token. 0; PML_ENOENT: it is
 * gone; or as pml__resume_keep. */
int pml_frontend_keep(pml_node *n, pml_id session, char token[PML_RESUME_TOKEN + 1]);

/* Answers on_handshake. PML_ENOENT: the session is gone. */
int pml_frontend_handshake(pml_node *n, pml_id session, int code, pml_slice json);
/* The same for an answer that refuses; its connection ends for `why`. */
int pml_frontend_refuse(pml_node *n, pml_id session, int code, pml_slice json, pml_end why);
/* Ends the sessions of clients in banned networks. Returns how many there were. */
size_t pml_frontend_end_banned(pml_node *n);

/* The HTTP request by which its client came, while on_handshake runs; empty when none was kept.
 * Borrowed. */
pml_slice pml_frontend_head(pml_node *n, pml_id session);

/* What TLS has negotiated with its client; 0: nothing, or it is gone. Borrowed until the client
 * goes. */
int pml_frontend_encryption(pml_node *n, pml_id session, pml_tls_facts *out);

/* For the files of this folder. */
extern const pml_counter pml__frontend_counters[];
void pml__frontend_init(pml_node *n);
/* The hooks and the owner for a listener; the host has the settings of this moment. */
pml_conn_hooks pml__frontend_hooks(void);
pml_peer_host *pml__frontend_host(pml_node *n);

#endif
