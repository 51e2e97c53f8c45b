#include "node/node.h"

#include "base/container.h"
#include "base/err.h"
#include "base/mem.h"
#include "bus/transport_record.h"
#include "net/conn.h"
#include "node/calls_in.h"
#include "node/frontend.h"
#include "base/throttle.h"
#include "node/state.h"
#include "node/push.h"
#include "node/requests.h"
#include "node/resolve.h"
#include "wire/ws_frame.h"

#include <stdio.h>
#include <sys/resource.h>

#define FILES_KEPT 512 /* descriptors that are not for clients */
#define GONE_MAX 1024  /* servers that went whose coming back is noticed */

/* --- life --------------------------------------------------------------- */

static void on_record(const pml_envelope *env, pml_buf *body, pml_buf *extra, void *ud) {
  pml_backend_record(ud, env, body, extra);
}

static void gone_add(pml_node *n, const char *id) {
  if (!n->gone) n->gone = pml_alloc0(GONE_MAX * sizeof *n->gone);
  if (n->ngone == GONE_MAX) {
    pml_free(n->gone[0]);
    memmove(n->gone, n->gone + 1, --n->ngone * sizeof *n->gone);
  }
  n->gone[n->ngone++] = pml_strdup(id);
}

/* Whether a server had gone before; then it is forgotten. */
static int gone_take(pml_node *n, const char *id) {
  for (size_t i = 0; i < n->ngone; i++) {
    if (strcmp(n->gone[i], id) != 0) continue;
    pml_free(n->gone[i]);
    memmove(n->gone + i, n->gone + i + 1, (--n->ngone - i) * sizeof *n->gone);
    return 1;
  }
  return 0;
}

/* A server that went will not take what it is owed, whoever comes under its id: what it has open
 * here is forgotten. The members of channels behind a frontend stay until then, so that pushes
 * name them as not reached; nobody of them is connected to the next one. */
static void on_peer(const char *id, uint64_t incarnation, int up, void *ud) {
  pml_node *n = ud;
  (void)incarnation;
  pml_directory_changed(&n->directory);
  pml__node_stays(n, id);
  if (up) {
    if (gone_take(n, id)) pml_channels_drop(n->channels, id);
  } else {
    gone_add(n, id);
    pml_requests_gone(n, id);
    pml_backend_gone(n, id);
  }
  if (strcmp(id, n->id) != 0)
    pml_log_write(&n->log, PML_DEBUG, "server %s is %s", id, up ? "there" : "gone");
}

static void drained(pml_task *t);
static void drain_late(pml_timer *t);

/* --- the log's limit on lines that others can cause ------------------------------ */

static uint64_t log_now(void *ud) { return pml_loop_now(((pml_node *)ud)->loop); }

static void log_held(uint64_t ms, void *ud) {
  pml_node *n = ud;
  pml_timer_start(n->loop, &n->left_out, ms);
}

static void log_left_out(pml_timer *t) {
  pml_node *n = PML_CONTAINER(t, pml_node, left_out);
  pml_log_left_out(&n->log, 0);
  uint64_t ms = pml_throttle_due(n->log.throttle);
  if (ms) pml_timer_start(n->loop, t, ms);
}

static void limit_log(pml_node *n) {
  pml_throttle_hooks hooks = {log_now, log_held, n};
  pml_timer_init(&n->left_out, log_left_out);
  n->log.throttle = pml_throttle_new(&hooks);
}

pml_node *pml_node_new(pml_loop *loop, const pml_node_options *o) {
  pml_node *n = pml_alloc0(sizeof *n);
  n->loop = loop;
  n->id = pml_strdup(o->id);
  n->type = pml_strdup(o->type);
  n->frontend = o->frontend;
  n->floor = o->floor;
  n->log = o->log;
  limit_log(n);
  pml_config_defaults(&n->config);
  pml_directory_init(&n->directory);
  n->sessions = pml_sessions_new(n->floor);
  n->channels = pml_channels_new(n->floor);
  n->resolver = pml_resolver_new();
  pml_requests_init(n);
  n->pending = pml_slots_new(n->floor);
  n->remote_calls = pml_slots_new(n->floor);
  n->pushes = pml_slots_new(n->floor);
  n->timers = pml_slots_new(n->floor);
  pml_task_init(&n->drain.task, drained);
  pml_timer_init(&n->drain.timer, drain_late);
  pml_frontend_init(n);
  return n;
}

void pml__node_empty(pml_slots *t, void (*fn)(void *obj, pml_node *n), pml_node *n) {
  uint32_t at = 0;
  pml_id id;
  void *obj;
  while ((obj = pml_slots_next(t, &at, &id))) {
    pml_slots_take(t, id);
    fn(obj, n);
  }
}

typedef struct {
  pml_timer timer;
  pml_node *node;
  pml_id id;
} script_timer;

static void timer_free(void *obj, pml_node *n) {
  script_timer *t = obj;
  pml_timer_stop(n->loop, &t->timer);
  pml_free(t);
}

/* What a session without a socket left behind: the test kit's. */
static int session_end(pml_session *s, void *ud) {
  pml_sessions_close(((pml_node *)ud)->sessions, s);
  return 0;
}

void pml_node_free(pml_node *n) {
  n->script = (pml_script){0}; /* nobody is told any more */
  n->drain.done = NULL;
  n->flush = NULL;
  pml_log_left_out(&n->log, 1);
  pml_timer_stop(n->loop, &n->left_out);
  pml_timer_stop(n->loop, &n->drain.timer);
  pml_task_cancel(&n->drain.task);
  if (n->rpc) pml_rpc_free(n->rpc);
  n->rpc = NULL;
  if (n->transport) pml_transport_close(n->transport);
  n->transport = NULL;
  pml_requests_clear(n);
  pml_frontend_clear(n);
  pml_backend_clear(n);
  pml_push_clear(n);
  pml__node_empty(n->timers, timer_free, n);
  pml_resolver_free(n->resolver);
  pml_sessions_each(n->sessions, session_end, n);
  pml_sessions_free(n->sessions);
  pml_channels_free(n->channels);
  pml_slots_free(n->requests);
  pml_slots_free(n->pending);
  pml_slots_free(n->remote_calls);
  pml_slots_free(n->pushes);
  pml_slots_free(n->timers);
  pml_directory_fini(&n->directory);
  while (n->ngoing) pml__node_stays(n, n->going[0]);
  pml_free(n->going);
  for (size_t i = 0; i < n->nrouted; i++) pml_free(n->routed[i]);
  pml_free(n->routed);
  for (size_t i = 0; i < n->ngone; i++) pml_free(n->gone[i]);
  pml_free(n->gone);
  pml_free(n->id);
  pml_free(n->type);
  pml_timer_stop(n->loop, &n->left_out); /* what was freed may have said something */
  pml_throttle_free(n->log.throttle);
  pml_free(n);
}

void pml_node_set_script(pml_node *n, const pml_script *s) { n->script = *s; }

/* --- what it is made of -------------------------------------------------- */

const char *pml_node_id(const pml_node *n) { return n->id; }
const char *pml_node_type(const pml_node *n) { return n->type; }
int pml_node_is_frontend(const pml_node *n) { return n->frontend; }
pml_loop *pml_node_loop(pml_node *n) { return n->loop; }
pml_log *pml_node_log(pml_node *n) { return &n->log; }
pml_config *pml_node_config(pml_node *n) { return &n->config; }
void pml_node_set_generation(pml_node *n, uint32_t generation) { n->generation = generation; }
pml_sessions *pml_node_sessions(pml_node *n) { return n->sessions; }
pml_channels *pml_node_channels(pml_node *n) { return n->channels; }
pml_directory *pml_node_directory(pml_node *n) { return &n->directory; }
pml_transport *pml_node_transport(pml_node *n) { return n->transport; }

void pml_node_refuse(pml_node *n, int on) {
  if (on && !n->refusing) n->probe_at = pml_loop_now(n->loop) + 1000;
  n->refusing = on;
}
int pml_node_refusing(const pml_node *n) { return n->refusing; }

int pml__node_refuses(pml_node *n) {
  uint64_t now = pml_loop_now(n->loop);
  if (!n->refusing) return 0;
  if (now >= n->probe_at) {
    n->probe_at = now + 1000;
    return 0;
  }
  n->counts.over_memory++;
  return 1;
}

/* --- the bus ------------------------------------------------------------- */

static void make_rpc(pml_node *n) {
  pml_rpc_events ev = {.on_request = on_record, .on_peer = on_peer, .ud = n};
  n->rpc = pml_rpc_new(n->loop, n->id, n->config.max_calls, n->floor, &ev);
}

int pml_node_join(pml_node *n, pml_hub *hub) {
  make_rpc(n);
  pml_transport_events ev = pml_rpc_transport_events(n->rpc);
  n->transport = pml_transport_local_join(hub, n->loop, n->id, &ev);
  if (!n->transport) return PML_EEXIST;
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

int pml_node_alive(const pml_node *n, const char *id) {
  return strcmp(id, n->id) == 0 || (n->rpc && pml_rpc_alive(n->rpc, id));
}

uint64_t pml_node_incarnation(const pml_node *n, const char *id) {
  return n->rpc ? pml_rpc_incarnation(n->rpc, id) : 0;
}

/* --- the client port ------------------------------------------------------ */

/* Everything that one thread of many may take of the process's descriptors. */
static size_t default_max_conns(void) {
  struct rlimit rl;
  if (getrlimit(RLIMIT_NOFILE, &rl) != 0 || rl.rlim_cur == RLIM_INFINITY) return 1u << 20;
  return rl.rlim_cur > 2 * FILES_KEPT ? (size_t)rl.rlim_cur - FILES_KEPT : (size_t)rl.rlim_cur / 2;
}

int pml_node_listen(pml_node *n, const char *host, int port, int *bound, char *err, size_t nerr) {
  if (n->conns) {
    snprintf(err, nerr, "listening already, on port %d", n->port);
    return PML_EIO;
  }
  n->host.package_before = n->config.package_before;
  n->host.package_after = n->config.package_after;
  n->host.handshake_ms = n->config.handshake_ms;
  n->host.heartbeat_s = n->config.heartbeat_s;
  n->host.timeout_s = n->config.timeout_s;
  n->host.ping_s = n->config.keep_alive_s;
  n->host.log = &n->log;
  pml_conns_options o = {
    .max_conns = n->config.max_conns ? n->config.max_conns : default_max_conns(),
    .hooks = pml_frontend_hooks(),
    .owner = &n->host,
    .log = &n->log,
  };
  pml_config_conn_limits(&n->config, &o.limits);
  pml_conns *conns = pml_conns_new(n->loop, &o);
  int rc = conns ? pml_listener_open(conns, host, port, &n->listener) : UV_EINVAL;
  if (rc) {
    if (conns) pml_conns_free(conns, NULL, NULL);
    snprintf(err, nerr, "cannot listen on %s:%d: %s", host ? host : "*", port, uv_strerror(rc));
    return PML_EIO;
  }
  n->conns = conns;
  *bound = n->port = pml_listener_port(n->listener);
  return 0;
}

static int leave_one(pml_session *s, void *ud) {
  if (s->sink) pml_sink_leave(s->sink, pml_slice_str(ud));
  return 0;
}

static void drain_end(pml_node *n) {
  void (*done)(void *ud) = n->drain.done;
  pml_timer_stop(n->loop, &n->drain.timer);
  n->drain.done = NULL;
  if (done) done(n->drain.ud);
}

static void drained(pml_task *t) { drain_end(PML_CONTAINER(t, pml_node, drain.task)); }
static void drain_late(pml_timer *t) { drain_end(PML_CONTAINER(t, pml_node, drain.timer)); }

void pml__node_session_ended(pml_node *n) {
  if (n->drain.done && pml_sessions_count(n->sessions) + n->leaving == 0)
    pml_loop_defer(n->loop, &n->drain.task);
}

void pml_node_drain(pml_node *n, const char *reason, uint32_t ms, void (*done)(void *ud),
                    void *ud) {
  pml_node_close(n, 1);
  n->parting = 1;
  n->drain.done = done;
  n->drain.ud = ud;
  pml_timer_start(n->loop, &n->drain.timer, ms);
  pml_sessions_each(n->sessions, leave_one, (void *)(uintptr_t)reason);
  pml__node_session_ended(n);
}

void pml_node_shut(pml_node *n, void (*done)(void *ud), void *ud) {
  pml_conns *conns = n->conns;
  if (!conns) {
    done(ud);
    return;
  }
  n->shutting = 1;
  n->conns = NULL;
  if (n->listener) pml_listener_close(n->listener);
  n->listener = NULL;
  pml_conn_close_all(conns, PML_END_ASKED, PML_WS_GOING_AWAY);
  pml_conns_free(conns, done, ud);
}

/* --- timers of scripts ----------------------------------------------------- */

static void timer_fire(pml_timer *t) {
  script_timer *st = PML_CONTAINER(t, script_timer, timer);
  pml_node *n = st->node;
  pml_id id = st->id;
  pml_slots_take(n->timers, id);
  pml_free(st);
  if (n->script.on_timer) n->script.on_timer(n->script.ud, id);
}

pml_id pml_node_timer(pml_node *n, uint64_t ms) {
  script_timer *st = pml_alloc0(sizeof *st);
  st->node = n;
  st->id = pml_slots_put(n->timers, st);
  if (!st->id) {
    pml_free(st);
    return 0;
  }
  pml_timer_init(&st->timer, timer_fire);
  pml_timer_start(n->loop, &st->timer, ms);
  return st->id;
}

int pml_node_timer_cancel(pml_node *n, pml_id id) {
  script_timer *st = pml_slots_take(n->timers, id);
  if (!st) return 0;
  timer_free(st, n);
  return 1;
}

/* --- rpc of scripts -------------------------------------------------------- */

typedef struct {
  pml_node *node;
  pml_id id;
} script_call;

static void call_end(int status, pml_buf *body, void *ud) {
  script_call *c = ud;
  pml_node *n = c->node;
  pml_id id = c->id;
  pml_free(c);
  if (n->script.on_answered) n->script.on_answered(n->script.ud, id, status, pml_buf_slice(body));
}

static int call_with(pml_node *n, uint8_t flags, const char *to, pml_slice name, pml_buf *args,
                     uint32_t ms, pml_id *call) {
  pml_envelope env = {.kind = PML_ENV_CALL, .flags = flags, .route = name};
  *call = 0;
  if (!n->rpc) return PML_ENOENT;
  if (ms == 0) return pml_rpc_cast(n->rpc, to, &env, args, NULL);
  script_call *c = pml_alloc0(sizeof *c);
  c->node = n;
  int rc = pml_rpc_call(n->rpc, to, &env, args, NULL, ms, call_end, c, &c->id);
  if (rc) pml_free(c);
  else *call = c->id;
  return rc;
}

int pml_node_call(pml_node *n, const char *to, pml_slice name, pml_buf *args, uint32_t ms,
                  pml_id *call) {
  return call_with(n, 0, to, name, args, ms, call);
}

int pml_node_call_aside(pml_node *n, const char *to, pml_slice name, pml_buf *args, uint32_t ms,
                        pml_id *call) {
  return call_with(n, PML_ENV_ASIDE, to, name, args, ms, call);
}

/* --- counters ---------------------------------------------------------------- */

uint64_t *pml_node_blocked(pml_node *n) { return &n->counts.blocked; }

const uint32_t *pml_node_generation(const pml_node *n) { return &n->generation; }

void pml_node_count_over_in_flight(pml_node *n) { n->counts.over_in_flight++; }

void pml_node_counts(pml_node *n, void (*fn)(const char *name, double value, void *ud), void *ud) {
  const pml_node_counters *c = &n->counts;
  const struct {
    const char *name;
    uint64_t value;
  } own[] = {
    {"sessions", pml_sessions_count(n->sessions)},
    {"bound", pml_sessions_bound(n->sessions)},
    {"channels", pml_channels_count(n->channels)},
    {"requestsOpen", pml_slots_count(n->requests)},
    {"timers", pml_slots_count(n->timers)},
    {"requests", c->requests},
    {"notifies", c->notifies},
    {"forwards", c->forwards},
    {"forwardFails", c->forward_fails},
    {"badRoutes", c->bad_routes},
    {"overInFlight", c->over_in_flight},
    {"overMemory", c->over_memory},
    {"blocked", c->blocked},
    {"ignored", c->ignored},
    {"refusedStopping", c->stopping},
    {"answers", c->answers},
    {"lateAnswers", c->late_answers},
    {"handlerTimeouts", c->handler_timeouts},
    {"callsIn", c->calls_in},
    {"pushes", c->pushes},
    {"pushRecords", c->push_records},
    {"deliveries", c->deliveries},
    {"pushFails", c->push_fails},
    {"linesLeftOut", pml_throttle_count(n->log.throttle)},
    {"linesLost", n->log.output ? pml_output_lost(n->log.output) : 0},
  };
  for (size_t i = 0; i < sizeof own / sizeof *own; i++) fn(own[i].name, (double)own[i].value, ud);
  if (n->rpc) {
    const pml_rpc_counts *r = pml_rpc_counters(n->rpc);
    fn("rpcCalls", (double)r->calls, ud);
    fn("rpcWaiting", (double)pml_rpc_waiting(n->rpc), ud);
    fn("rpcTimeouts", (double)r->timeouts, ud);
    fn("rpcLost", (double)r->lost, ud);
    fn("rpcLate", (double)r->late, ud);
    fn("rpcRefused", (double)r->refused, ud);
    fn("rpcBad", (double)r->bad, ud);
    fn("rpcStrayed", (double)r->strayed, ud);
  }
  if (n->conns) {
    const pml_net_counts *w = pml_conns_counts(n->conns);
    fn("connections", (double)w->open, ud);
    fn("accepted", (double)w->accepted, ud);
    fn("refused", (double)w->refused, ud);
    fn("closedProtocol", (double)w->protocol, ud);
    fn("closedTooBig", (double)w->toobig, ud);
    fn("closedSlow", (double)w->slow, ud);
    fn("closedHandshake", (double)w->handshake, ud);
    fn("closedHeartbeat", (double)w->heartbeat, ud);
    fn("closedVanished", (double)w->vanished, ud);
    fn("bytesIn", (double)w->bytes_in, ud);
    fn("bytesOut", (double)w->bytes_out, ud);
    fn("writes", (double)w->writes, ud);
    fn("pings", (double)w->pings, ud);
    fn("heartbeatsUnanswered", (double)w->heartbeats_unanswered, ud);
  }
}
