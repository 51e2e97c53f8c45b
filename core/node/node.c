#include "node/node.h"

#include "base/err.h"
#include "base/machine.h"
#include "base/mem.h"
#include "base/port.h"
#include "bus/transport_record.h"
#include "net/conn.h"
#include "node/records.h"
#include "node/state.h"
#include "wire/ws_frame.h"

#include <stdio.h>
#include <sys/resource.h>

#define FILES_KEPT 512 /* descriptors that are not for clients */

/* --- life --------------------------------------------------------------- */

pml_node *pml_node_new(pml_loop *loop, const pml_node_options *o) {
  pml_node *n = pml_alloc0(sizeof *n);
  n->loop = loop;
  n->id = pml_strdup(o->id);
  n->type = pml_strdup(o->type);
  n->is_frontend = o->frontend;
  n->floor = o->floor;
  n->client_memory = o->client_memory;
  n->socket = o->socket;
  n->socket_ud = o->socket_ud;
  n->log = o->log;
  pml_config_defaults(&n->config);
  pml_directory_init(&n->directory);
  n->sessions = pml_sessions_new(n->floor);
  n->channels = pml_channels_new(n->floor);
  pml__log_limit_init(n);
  pml__frontend_init(n);
  pml__route_init(n);
  pml__forward_init(n);
  pml__requests_init(n);
  pml__calls_in_init(n);
  pml__credits_init(n);
  pml__records_init(n);
  pml__gather_init(n);
  pml__deliver_init(n);
  pml__drain_init(n);
  pml__moves_init(n);
  pml__script_timers_init(n);
  pml__membership_init(n);
  pml__cluster_members_init(n);
  return n;
}

/* The end of a session without a socket, as the test kit has them. */
static int session_end(pml_session *s, void *ud) {
  pml_sessions_close(((pml_node *)ud)->sessions, s);
  return 0;
}

/* Ends every call, so that the parts hold nothing that waits for an answer. */
static void leave_bus(pml_node *n) {
  if (n->rpc) pml_rpc_free(n->rpc);
  n->rpc = NULL;
  if (n->transport) pml_transport_close(n->transport);
  n->transport = NULL;
}

static void clear_parts(pml_node *n) {
  pml__requests_clear(n);
  pml__route_clear(n);
  pml__rate_clear(n);
  pml__forward_clear(n);
  pml__calls_in_clear(n);
  pml__credits_clear(n);
  pml__fair_clear(n);
  pml__gather_clear(n);
  pml__script_timers_clear(n);
  pml__membership_clear(n);
  pml__cluster_clear(n);
  pml__cluster_members_clear(n);
  pml__deliver_clear(n);
  pml__passwords_clear(n);
}

void pml_node_free(pml_node *n) {
  n->script = (pml_script){0}; /* the scripts hear nothing from here on */
  pml__drain_clear(n);
  pml__moves_clear(n);
  pml__quiet_clear(n);
  pml__log_limit_flush(n);
  leave_bus(n);
  clear_parts(n);
  pml__resume_clear(n);
  pml_sessions_each(n->sessions, session_end, n);
  pml_sessions_free(n->sessions);
  pml__forms_clear(n);
  pml__banned_clear(n);
  pml__door_clear(n);
  pml_channels_free(n->channels);
  pml_directory_fini(&n->directory);
  pml__peers_clear(n);
  pml_tls_unref(n->tls);
  pml_free(n->id);
  pml_free(n->type);
  pml__log_limit_clear(n); /* last: the parts may have written to the log */
  pml_free(n);
}

void pml_node_set_script(pml_node *n, const pml_script *s) { n->script = *s; }

/* --- what it is made of -------------------------------------------------- */

const char *pml_node_id(const pml_node *n) { return n->id; }
const char *pml_node_type(const pml_node *n) { return n->type; }
int pml_node_is_frontend(const pml_node *n) { return n->is_frontend; }
pml_loop *pml_node_loop(pml_node *n) { return n->loop; }
pml_log *pml_node_log(pml_node *n) { return &n->log; }
pml_config *pml_node_config(pml_node *n) { return &n->config; }
void pml_node_set_generation(pml_node *n, uint32_t generation) { n->generation = generation; }
pml_sessions *pml_node_sessions(pml_node *n) { return n->sessions; }
pml_channels *pml_node_channels(pml_node *n) { return n->channels; }
pml_directory *pml_node_directory(pml_node *n) { return &n->directory; }
pml_transport *pml_node_transport(pml_node *n) { return n->transport; }

uint64_t *pml_node_blocked(pml_node *n) { return &n->blocked; }
const uint32_t *pml_node_generation(const pml_node *n) { return &n->generation; }

/* --- the bus ------------------------------------------------------------- */

static void on_record(const pml_envelope *env, pml_buf *body, pml_buf *extra, void *ud) {
  pml__records_take(ud, env, body, extra);
}

/* A server that went takes no answers, whichever server comes under its id: what it has open here
 * is forgotten. Members of channels behind a frontend that went stay, so that pushes name them as
 * not reached, until another server comes under its id: no member is connected to that one. */
static void on_peer(const char *id, uint64_t incarnation, int up, void *ud) {
  pml_node *n = ud;
  int was_there = pml__peers_changed(n, id, up);
  if (was_there) pml_channels_drop(n->channels, id);
  if (!up) {
    pml__credits_lost(n);
    pml__fair_gone(n, id, incarnation);
    pml__requests_gone(n, id);
    pml__calls_in_gone(n, id);
  }
  if (n->script.on_peer) n->script.on_peer(n->script.ud, id, up);
  if (strcmp(id, n->id) != 0)
    pml_log_write(&n->log, PML_DEBUG, "server %s is %s", id, up ? "there" : "gone");
}

/* Notifies that this frontend waits for, or credits for them, may be among what was lost, and news
 * of cluster channels. */
static void on_loss(const char *id, int gap, void *ud) {
  pml__cluster_lost(ud, id);
  pml__credits_lost(ud);
  if (gap) pml__credits_missed(ud, id);
}

static void make_rpc(pml_node *n) {
  pml_rpc_events ev = {.on_request = on_record, .on_peer = on_peer, .on_loss = on_loss, .ud = n};
  n->rpc = pml_rpc_new(n->loop, n->id, n->config.max_calls, n->floor, &ev);
}

int pml_node_join(pml_node *n, pml_hub *hub) {
  make_rpc(n);
  pml_transport_events ev = pml_rpc_transport_events(n->rpc);
  int rc = pml_transport_local_join(hub, n->loop, n->id, &ev, &n->transport);
  if (rc) return rc;
  pml_rpc_use(n->rpc, n->transport);
  return 0;
}

void pml_node_use_recorder(pml_node *n) {
  make_rpc(n);
  pml_transport_events ev = pml_rpc_transport_events(n->rpc);
  n->transport = pml_transport_record_new(&ev);
  pml_rpc_use(n->rpc, n->transport);
  pml_transport_record_peer(n->transport, n->id, 1); /* a server may call itself */
}

/* --- the client port ------------------------------------------------------ */

/* Everything that one thread of many may take of the process's descriptors. */
static size_t default_max_conns(void) {
  struct rlimit rl;
  if (getrlimit(RLIMIT_NOFILE, &rl) != 0 || rl.rlim_cur == RLIM_INFINITY) return 1u << 20;
  return rl.rlim_cur > 2 * FILES_KEPT ? (size_t)rl.rlim_cur - FILES_KEPT : (size_t)rl.rlim_cur / 2;
}

static int listen_in(pml_node *n, pml_conns *conns, const char *host, int port) {
  int fd = n->socket ? n->socket(n->socket_ud, n->id, host, port) : -1;
  if (fd >= 0) return pml_listener_adopt(conns, fd, &n->listener);
  return pml_listener_open(conns, host, port, &n->listener);
}

int pml_node_listen(pml_node *n, const char *host, int port, int *bound, char *err, size_t nerr) {
  if (n->conns) {
    snprintf(err, nerr, "listening already, on port %d", n->port);
    return PML_EIO;
  }
  pml_conns_options o = {
    .max_conns = n->config.max_conns ? n->config.max_conns : default_max_conns(),
    .hooks = pml__frontend_hooks(),
    .owner = pml__frontend_host(n),
    .log = &n->log,
    .memory = n->client_memory,
    .gate = pml__door_gate(n),
  };
  pml_config_conn_limits(&n->config, &o.limits);
  if (!o.limits.memory) o.limits.memory = pml_machine_memory("") / 4;
  pml_conns *conns = pml_conns_new(n->loop, &o);
  int rc = conns ? listen_in(n, conns, host, port) : UV_EINVAL;
  if (rc) {
    if (conns) pml_conns_free(conns, NULL, NULL);
    snprintf(err, nerr, "cannot listen on %s:%d: %s%s", host ? host : "*", port, uv_strerror(rc),
             pml_port_hint(port, -rc));
    return PML_EIO;
  }
  if (n->tls) pml_conns_set_tls(conns, n->tls, n->tls_required);
  n->conns = conns;
  *bound = n->port = pml_listener_port(n->listener);
  return 0;
}

void pml_node_set_tls(pml_node *n, pml_tls *t, int required) {
  pml_tls *before = n->tls;
  n->tls = pml_tls_ref(t);
  n->tls_required = required;
  if (n->conns) pml_conns_set_tls(n->conns, t, required);
  pml_tls_unref(before);
}

static void leave(pml_conn *c, void *ud) {
  (void)ud;
  pml_conn_leave(c, "move");
}

void pml_node_shut(pml_node *n, void (*done)(void *ud), void *ud) {
  pml_conns *conns = n->conns;
  pml__resume_stop(n, pml_slice_str(NULL));
  if (!conns) {
    done(ud);
    return;
  }
  pml__resume_unseat(n);
  n->conns = NULL;
  if (n->listener) pml_listener_close(n->listener);
  n->listener = NULL;
  pml_conn_each(conns, leave, NULL);
  pml_conns_free(conns, done, ud);
}
