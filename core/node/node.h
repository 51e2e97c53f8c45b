/* node: one server: its tables, its listener, its bus and its scripts, and all that scripts may ask
 * of it. One loop, one thread, nothing shared. */
#ifndef PML_NODE_NODE_H
#define PML_NODE_NODE_H

#include "base/log.h"
#include "bus/transport_local.h"
#include "loop/loop.h"
#include "model/channels.h"
#include "model/sessions.h"
#include "net/tls_context.h"
#include "node/config.h"
#include "node/directory.h"
#include "node/script.h"

typedef struct pml_node pml_node;

typedef struct {
  const char *id, *type;
  int frontend;
  pml_log log; /* copied */
  /* Borrowed, or NULL: no id of this node is equal to an id of an earlier node with the same floor.
   */
  pml_slot_floor *floor;
  /* Borrowed, or NULL: what the clients of all servers of the process hold. */
  pml_client_memory *client_memory;
  /* May be NULL. A socket that was opened for the client port before, owned by who gets it; -1:
   * there is none. From the node's thread. */
  int (*socket)(void *ud, const char *id, const char *host, int port);
  void *socket_ud;
} pml_node_options;

/* Borrows loop. Returns owned. */
pml_node *pml_node_new(pml_loop *loop, const pml_node_options *o);
/* Ends every call and request; the listener must be closed before (pml_node_shut). */
void pml_node_free(pml_node *n);
void pml_node_set_script(pml_node *n, const pml_script *s); /* copied */

const char *pml_node_id(const pml_node *n);
const char *pml_node_type(const pml_node *n);
int pml_node_is_frontend(const pml_node *n);
pml_loop *pml_node_loop(pml_node *n);
pml_log *pml_node_log(pml_node *n);
pml_config *pml_node_config(pml_node *n);
pml_sessions *pml_node_sessions(pml_node *n);
pml_channels *pml_node_channels(pml_node *n);
pml_directory *pml_node_directory(pml_node *n);

/* From here on scripts hear of what happens to channels (told: on_member, of the channels that are
 * there first), and channels whose last member has left are destroyed at the end of the turn
 * (remove_empty). Neither can be taken back. */
void pml_node_watch_channels(pml_node *n, int told, int remove_empty);
/* A member was added that is one. */
void pml_node_member_again(pml_node *n, const pml_channel *c, pml_uid uid, const char *sid);
/* A member was added with a session of the frontend sid: scripts hear of this, and of its leaving,
 * also when they hear of nothing else. */
void pml_node_member_tied(pml_node *n, pml_channel *c, pml_uid uid, const char *sid,
                          pml_id session);
/* on_member tells `number` after all changes so far. */
void pml_node_member_after(pml_node *n, pml_id number);
/* While on, what happens to channels comes from a store. */
void pml_node_restoring(pml_node *n, int on);

/* While on, requests for this server's handlers are answered {"code":500} and notifies are dropped.
 */
void pml_node_refuse(pml_node *n, int on);
int pml_node_refusing(const pml_node *n);

/* The bus: of this process, or the test kit's. 0, or as pml_transport_local_join. */
int pml_node_join(pml_node *n, pml_hub *hub);
void pml_node_use_recorder(pml_node *n);
pml_transport *pml_node_transport(pml_node *n);
int pml_node_alive(const pml_node *n, const char *id);
/* Which life of a server is there now, oneself included; 0: none is. */
uint64_t pml_node_incarnation(const pml_node *n, const char *id);
/* The servers of a type that are there and do not stop; NULL: none is. Borrowed until the directory
 * changes. */
const pml_server_type *pml_node_servers(pml_node *n, pml_slice type);
/* The one of them that gets the next message or call (node/balance); when all of them stop, the
 * first that does. NULL: none is there. Borrowed until the directory changes. */
const pml_server_info *pml_node_route(pml_node *n, pml_slice type, pml_slice key);

/* Frontends: opens the client port. 0, or PML_EIO with the reason in err. */
int pml_node_listen(pml_node *n, const char *host, int port, int *bound, char *err, size_t nerr);
/* New clients may speak TLS by these certificates, and required: have to; open connections keep
 * what they have. Before or while it listens. Takes a reference. */
void pml_node_set_tls(pml_node *n, pml_tls *t, int required);
/* Begins a stop: no new clients, and no new messages of clients; with refuse, no new messages of
 * other servers either. */
void pml_node_close(pml_node *n, int refuse);
/* Requests of clients that are not answered: of its own clients, and forwarded ones. */
size_t pml_node_open_requests(const pml_node *n);
/* Messages and calls that other servers have sent so far, and that a stop waits for. */
uint64_t pml_node_begun(const pml_node *n);
/* Calls and requests that wait for a server. */
size_t pml_node_calls_to(const pml_node *n, const char *id);
/* A server stops: new messages and calls go to others of its type as long as there is one. */
void pml_node_leaving(pml_node *n, const char *id);
/* Calls done(ud) when all records to server `to` (NULL: to every server) have arrived there, or the
 * server is gone; perhaps from inside. Of two flushes only the later one calls its done. */
void pml_node_flush(pml_node *n, const char *to, void (*done)(void *ud), void *ud);
/* A stop begins: the other servers send this one no new messages and calls, as long as there are
 * others of its type; so do those that come later. Not told are those in `together`, ids of which
 * each ends with a line break. Calls done(ud) when each has answered, and all that it sent before
 * has arrived, or it is gone, at the latest after ms; perhaps from inside. As pml_node_flush
 * otherwise. */
void pml_node_leave(pml_node *n, const char *together, uint32_t ms, void (*done)(void *ud),
                    void *ud);
/* Takes no new clients, and tells those that are there to connect to another server, without a
 * KICK, spread over ms (node/moves); the listeners of their sessions get the reason (borrowed, for
 * as long as n lives). Calls done(ud), perhaps from inside, when no session is left, at the latest
 * after ms. */
void pml_node_move(pml_node *n, const char *reason, uint32_t ms, void (*done)(void *ud), void *ud);
/* Stops accepting, and closes every client without a KICK; the listeners of its session get the
 * reason. Calls done(ud) on a later turn, when every session has ended and its listeners were
 * called, at the latest after ms. */
void pml_node_drain(pml_node *n, const char *reason, uint32_t ms, void (*done)(void *ud), void *ud);
/* Closes the listener and all connections; calls done(ud) after the last connection is gone. */
void pml_node_shut(pml_node *n, void (*done)(void *ud), void *ud);

/* The number of the code that scripts run: requests and calls that come in from here on get it. */
void pml_node_set_generation(pml_node *n, uint32_t generation);

/* Timers for scripts: one-shot; the id is 0 when there are too many. */
pml_id pml_node_timer(pml_node *n, uint64_t ms);
int pml_node_timer_cancel(pml_node *n, pml_id id);

/* An rpc. args: JSON array, shared. ms 0: no answer wanted (then *call is 0). */
int pml_node_call(pml_node *n, const char *to, pml_slice name, pml_buf *args, uint32_t ms,
                  pml_id *call);
/* The same for a call that a stop does not wait for. */
int pml_node_call_aside(pml_node *n, const char *to, pml_slice name, pml_buf *args, uint32_t ms,
                        pml_id *call);
/* Answers an rpc that on_call brought: status 0 with a JSON array, 1 with a text. Shares.
 * PML_ECLOSED: answered, or too late. PML_ETOOBIG: it is open still. */
int pml_node_reply(pml_node *n, pml_id call, int status, pml_buf *body);

/* Counts a message that scripts refuse because its session has too many in flight. */
void pml_node_count_over_in_flight(pml_node *n);
/* The counter of calls that waited in C, and the generation; both borrowed from n. */
uint64_t *pml_node_blocked(pml_node *n);
const uint32_t *pml_node_generation(const pml_node *n);

/* Counters by name, for scripts: walks them all. */
void pml_node_counts(pml_node *n, void (*fn)(const char *name, double value, void *ud), void *ud);

#endif
