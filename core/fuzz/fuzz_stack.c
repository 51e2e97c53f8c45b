/* The whole stack over real sockets: listener, connection, peer, frontend, forward, backend, push,
 * sessions and the end of them, with two servers on one loop. The input is a schedule: which
 * client connects, which bytes it sends, when it ends, how often the loop turns, and, in the body
 * of each message, what the scripts do with it. Nothing may crash, and a shut must end. */
#include "base/err.h"
#include "fuzz/chunks.h"
#include "node/forms.h"
#include "node/frontend.h"
#include "node/route.h"
#include "node/node.h"
#include "node/push.h"
#include "node/requests.h"
#include "node/route.h"
#include "wire/frame.h"
#include "wire/package.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

enum { CLIENTS = 6, HELD = 32, TURNS = 4000 };

/* One server with what its scripts hold open. */
typedef struct {
  pml_node *node;
  int frontend;
  pml_id held[HELD], calls[HELD]; /* requests; calls and messages that wait for their route */
  unsigned nheld, ncalls, releases;
  pml_channel *room;
} world;

typedef struct {
  int fd; /* -1: not connected */
  int ws;
} client;

static pml_loop *loop;
static world front, back;
static int port;
static client clients[CLIENTS];

/* ---- the input ---- */

static const uint8_t *in;
static size_t left;

static unsigned next(void) {
  if (left == 0) return 0;
  left--;
  return *in++;
}

/* At most n bytes of the input. */
static pml_slice take(size_t n) {
  if (n > left) n = left;
  pml_slice s = pml_slice_of(in, n);
  in += n;
  left -= n;
  return s;
}

static void turn(int n) {
  while (n-- > 0) uv_run(pml_loop_uv(loop), UV_RUN_NOWAIT);
}

/* ---- what scripts do ---- */

/* A body's size: small ones, and some that fill a client's queue. */
static size_t size_of(unsigned b) { return b < 200 ? b : (size_t)(b - 199) * 900; }

/* The definitions of the n-th release, which bodies of the sizes 7 and 14 fit, or not. */
static pml_protos *release(unsigned n) {
  static const char *const types[] = {"uInt32", "string", "double", "bool"};
  char text[200];
  pml_protos_error err;
  snprintf(text, sizeof text,
           "{\"p\":{\"required %s x\":%u},\"b\":{\"optional %s x\":1},\"c.h.m\":{\"repeated %s "
           "x\":1},\"b.h.m\":{\"required uInt32 x\":2,\"optional uInt32 code\":%u}}",
           types[n % 4], 1 + n % 3, types[n % 3], types[n % 2], 3 + n % 2);
  pml_protos *p = pml_protos_new(pml_slice_str(text), pml_slice_str(text), &err);
  MUST(p);
  return p;
}

static void set_release(pml_node *n, unsigned number) {
  pml_protos *p = release(number);
  pml_forms_set_protos(n, p);
  pml_protos_unref(p);
}

static void set_dictionary(pml_node *n) {
  const pml_dictionary_pair pairs[] = {
    {pml_slice_str("p"), 1}, {pml_slice_str("u"), 2}, {pml_slice_str("c.h.m"), 3}};
  pml_dictionary *d;
  MUST(pml_dictionary_new(pairs, 3, &d) == 0);
  pml_forms_set_dictionary(n, d);
  pml_dictionary_unref(d);
}

static pml_buf *frame(uint8_t type, uint32_t id, const char *route, size_t size) {
  pml_message_view m = {.type = type, .id = id, .route = pml_slice_str(route)};
  pml_writer w = {0};
  pml_frame_begin(&w);
  pml_message_write_head(&w, &m);
  if (size % 7) memset(pml_writer_more(&w, size), 'x', size);
  else pml_writer_put(&w, size % 2 ? "{\"x\":1}" : "{\"x\":[]}", size % 2 ? 7 : 8);
  return pml_frame_end(&w, PML_PKG_DATA);
}

static void answer(world *x, pml_id request, size_t size) {
  uint32_t id = pml_requests_msg_id(x->node, request);
  if (id == 0) return;
  pml_buf *f = frame(PML_MSG_RESPONSE, id, "", size);
  pml_requests_answer(x->node, request, f);
  pml_buf_unref(f);
}

static pml_uid uid_of(unsigned b, char text[8]) {
  snprintf(text, 8, "u%u", b % 5);
  return (pml_uid){text, (uint32_t)strlen(text), 0};
}

static void hold(world *x, pml_id request) {
  if (x->nheld < HELD) x->held[x->nheld++] = request;
}

static void hold_call(world *x, pml_id call) {
  if (x->ncalls < HELD) x->calls[x->ncalls++] = call;
}

/* All policies, and few identities. */
static pml_push_what what_of(pml_buf *f, unsigned a, int acknowledged) {
  pml_push_what w = {.frame = f, .ms = acknowledged ? 5 : 0};
  w.how.policy = (pml_policy)(a / 7 % 3);
  if (w.how.policy == PML_LATEST) w.how.identity = 1 + a / 21 % 3;
  return w;
}

static void push_channel(world *x, unsigned a) {
  char text[8];
  pml_id push;
  pml_writer w = {0};
  if (a & 1) pml_uids_put(&w, uid_of(a / 3, text));
  pml_buf *except = pml_writer_finish(&w), *f = frame(PML_MSG_PUSH, 0, "p", size_of(a));
  pml_push_what what = what_of(f, a, a & 2);
  what.except = pml_buf_slice(except);
  pml_push_channel(x->node, x->room, &what, &push);
  pml_buf_unref(except);
  pml_buf_unref(f);
}

static void push_broadcast(world *x, unsigned a) {
  const char *sids[] = {"A", "B", "gone"};
  pml_push_broadcast_to to = {.sids = sids, .count = 1 + a % 3, .binded = a & 4, .filtered = a & 8};
  pml_id push;
  pml_buf *f = frame(PML_MSG_PUSH, 0, "b", size_of(a));
  pml_push_what what = what_of(f, a, a & 2);
  pml_push_broadcast(x->node, &to, &what, &push);
  pml_buf_unref(f);
}

static void push_uids(world *x, unsigned a) {
  char one[8], two[8];
  pml_push_target to[3] = {
    {uid_of(a, one), "A"}, {uid_of(a / 5, two), a & 1 ? "A" : "gone"}, {uid_of(a, one), "A"}};
  pml_id push;
  pml_buf *f = frame(PML_MSG_PUSH, 0, "u", size_of(a));
  pml_push_what what = what_of(f, a, a & 16);
  pml_push_uids(x->node, to, 1 + a % 3, &what, &push);
  pml_buf_unref(f);
}

static void call(world *x, unsigned a) {
  const char *to = x->frontend ? "B" : a & 1 ? "A" : "gone";
  pml_id id;
  pml_buf *args = pml_buf_new(size_of(a));
  memset(args->data, 'y', args->len);
  pml_node_call(x->node, to, pml_slice_str("s.m"), args, a & 2 ? 5 : 0, &id);
  pml_buf_unref(args);
}

static void do_to_session(world *x, pml_session *s, unsigned op, unsigned a) {
  char text[8];
  switch (op) {
  case 3:
    if (s->sink) pml_sink_close(s->sink, pml_slice_str(a & 1 ? "bye\n\"\xf0\x9f\x98\x80\xff" : ""));
    break;
  case 4: pml_sessions_bind(pml_node_sessions(x->node), s, uid_of(a, text)); break;
  case 5:
    if (s->uid.s) {
      pml_uid uid = s->uid;
      pml_sessions_unbind(pml_node_sessions(x->node), s, uid);
    }
    break;
  case 11:
    pml_buf_unref(s->settings);
    s->settings = pml_buf_new(size_of(a));
    memset(s->settings->data, '1', s->settings->len);
    break;
  default: s->wants_closed = 1;
  }
}

static void do_to_server(world *x, unsigned op, unsigned a) {
  char text[8];
  switch (op) {
  case 2:
    if (x->nheld) answer(x, x->held[--x->nheld], size_of(a));
    break;
  case 6: push_channel(x, a); break;
  case 7: push_broadcast(x, a); break;
  case 8: push_uids(x, a); break;
  case 9: pml_channel_add(x->room, uid_of(a, text), a & 32 ? "A" : "gone"); break;
  case 10:
    pml_channel_leave(x->room, uid_of(a, text), a & 32 ? "A" : "gone", PML_LEFT_ASKED);
    break;
  case 13: call(x, a); break;
  case 14: pml_node_timer(x->node, a % 4); break;
  default: pml_node_refuse(x->node, a == 255);
  }
}

/* The bytes of a body are what the script does: pairs of a deed and its argument. */
static void act(world *x, pml_id request, pml_id session, pml_slice body) {
  const uint8_t *p = body.p, *end = pml_slice_end(body);
  int answered = request == 0;
  for (int k = 0; k < 6 && p < end; k++) {
    unsigned op = *p++ % 16, a = p < end ? *p++ : 0;
    pml_session *s = NULL;
    switch (op) {
    case 0:
      if (!answered) answer(x, request, size_of(a));
      answered = 1;
      break;
    case 1:
      if (request) hold(x, request);
      break;
    case 3:
    case 4:
    case 5:
    case 11:
    case 12:
      if (x->frontend) s = pml_sessions_get(pml_node_sessions(x->node), session);
      if (s) do_to_session(x, s, op, a);
      break;
    default: do_to_server(x, op, a);
    }
  }
}

static void on_message(void *ud, pml_id r, const pml_session *s, const pml_message_view *m) {
  act(ud, r, s->id, m->body);
}

static void on_forwarded(void *ud, pml_id r, const pml_envelope *env, pml_slice body) {
  (void)env;
  act(ud, r, 0, body);
}

static void on_call(void *ud, pml_id id, const pml_envelope *env, pml_slice args) {
  world *x = ud;
  (void)env;
  if (id == 0) return;
  if (!(args.n & 1)) {
    hold_call(x, id);
    return;
  }
  pml_buf *out = pml_buf_from(args.p, args.n);
  pml_node_reply(x->node, id, args.n & 2 ? 1 : 0, out);
  pml_buf_unref(out);
}

static void on_answered(void *ud, pml_id id, int status, pml_slice text) {
  (void)ud, (void)id, (void)status, (void)text;
}

static void on_pushed(void *ud, pml_id push, const char *message, pml_slice fails) {
  pml_uid uid;
  int rc;
  (void)ud, (void)push, (void)message;
  while ((rc = pml_uids_next(&fails, &uid)) > 0) {}
  MUST(rc == 0);
}

static void on_handshake(void *ud, pml_id session, pml_slice body) {
  world *x = ud;
  char first = body.n ? ((const char *)body.p)[0] : 0;
  if (first == 'L') {
    hold(x, session);
    return;
  }
  if (first == 'F' && body.n > 1) pml_forms_choose(x->node, session, body.p[1]);
  pml_frontend_handshake(x->node, session, first == 'N' ? 500 : 200,
                         pml_slice_str("{\"code\":200}"));
}

static void on_route(void *ud, pml_id pending, pml_slice type, const pml_session *s,
                     const pml_message_view *m) {
  world *x = ud;
  unsigned k = m->body.n ? ((const uint8_t *)m->body.p)[0] : 0;
  (void)type, (void)s;
  if (k & 1) pml_route_choose(x->node, pending, k & 2 ? "B" : k & 4 ? "gone" : NULL);
  else hold_call(x, pending);
}

static void on_closed(void *ud, const pml_session *s, const pml_close_reason *why) {
  if (s->uid.s) MUST(s->uid.n == 0 || s->uid.s[0]);
  if (why->kind == PML_CLOSE_TEXT) MUST(why->text.p || why->text.n == 0);
  act(ud, 0, s->id, pml_slice_of("\x06\x07\x0a\x22", 4));
}

static void on_timer(void *ud, pml_id timer) {
  world *x = ud;
  if (x->frontend && timer & 1) set_release(x->node, x->releases++);
  if (x->ncalls) {
    pml_id id = x->calls[--x->ncalls];
    pml_buf *out = pml_buf_from("[]", 2);
    pml_node_reply(x->node, id, 0, out);
    pml_buf_unref(out);
    pml_route_choose(x->node, id, "B");
  }
  if (x->nheld) {
    pml_id id = x->held[--x->nheld];
    answer(x, id, 3);
    pml_frontend_handshake(x->node, id, 200, pml_slice_str("{}"));
  }
}

/* A filter that pushes while the broadcast that asks it is under way. */
static int filter(void *ud, const pml_session *s, pml_slice message, pml_slice param) {
  static int deep;
  (void)message, (void)param;
  if (deep < 2 && (s->id & 3) == 0) {
    deep++;
    push_channel(ud, 0);
    deep--;
  }
  return (int)(s->id & 1);
}

/* ---- the servers ---- */

static void make(world *x, const char *id, const char *type, int frontend, pml_hub *hub) {
  pml_node_options o = {.id = id, .type = type, .frontend = frontend};
  pml_log_init(&o.log, id, PML_SILENT, 0);
  memset(x, 0, sizeof *x);
  x->frontend = frontend;
  x->node = pml_node_new(loop, &o);
  pml_config *c = pml_node_config(x->node);
  c->queue_soft = 3000;
  c->queue_hard = 200000;
  c->queue_ms = 2;
  c->handshake_ms = 30;
  c->handler_ms = 20;
  c->forward_ms = 25;
  c->max_in_flight = 5;
  c->package_after = 5000;
  c->package_before = 300;
  c->max_conns = 5;
  c->max_calls = 20;
  c->heartbeat_s = next() & 1;
  pml_script s = {.on_message = on_message,
                  .on_forwarded = on_forwarded,
                  .on_call = on_call,
                  .on_answered = on_answered,
                  .on_pushed = on_pushed,
                  .on_handshake = on_handshake,
                  .on_route = on_route,
                  .on_closed = on_closed,
                  .on_timer = on_timer,
                  .filter = filter,
                  .ud = x};
  pml_node_set_script(x->node, &s);
  pml_directory_add(pml_node_directory(x->node), "A", "c", 1);
  pml_directory_add(pml_node_directory(x->node), "B", "b", 0);
  pml_directory_add(pml_node_directory(x->node), "gone", "g", 0);
  if (frontend) {
    set_dictionary(x->node);
    set_release(x->node, 0);
  }
  MUST(pml_node_join(x->node, hub) == 0);
  x->room = pml_channels_create(pml_node_channels(x->node), pml_slice_str("room"));
}

/* ---- the clients ---- */

static void put(client *c, const void *p, size_t n) {
  if (c->fd >= 0 && n && send(c->fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) return;
}

static void put_halves(client *c, const void *p, size_t n, int cut) {
  if (!cut) {
    put(c, p, n);
    return;
  }
  put(c, p, n / 2);
  turn(1);
  put(c, (const char *)p + n / 2, n - n / 2);
}

/* A package; as a WebSocket frame, whole or as two fragments. how: 1 in halves, 2 without FIN,
 * 4 as text, 8 the frame in halves. */
static void put_package(client *c, uint8_t type, pml_slice body, unsigned how) {
  uint8_t pkg[700], head[8], ws[720];
  size_t n = body.n < 600 ? body.n : 600, k = 0;
  pml_package_write_head(pkg, type, n);
  if (n) memcpy(pkg + 4, body.p, n);
  n += 4;
  if (!c->ws) {
    put_halves(c, pkg, n, how & 1);
    return;
  }
  const uint8_t mask[4] = {(uint8_t)how, 7, (uint8_t)n, 1}, end[6] = {0x80, 0x80};
  head[k++] = (uint8_t)((how & 2 ? 0 : 0x80) | (how & 4 ? 1 : 2));
  if (n < 126) head[k++] = (uint8_t)(0x80 | n);
  else {
    head[k++] = 0x80 | 126;
    head[k++] = (uint8_t)(n >> 8);
    head[k++] = (uint8_t)n;
  }
  memcpy(ws, head, k);
  memcpy(ws + k, mask, 4);
  k += 4;
  for (size_t j = 0; j < n; j++) ws[k + j] = pkg[j] ^ mask[j & 3];
  put_halves(c, ws, k + n, how & 8);
  if (how & 2) put(c, end, sizeof end);
}

static void hang_up(client *c, int reset) {
  struct linger l = {1, 0};
  if (c->fd < 0) return;
  if (reset) setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &l, sizeof l);
  close(c->fd);
  c->fd = -1;
}

/* form: 0 to 3; 0: the plain one. */
static void shake_hands(client *c, unsigned form) {
  static const char *const bodies[] = {"{}", "F\2", "F\3", "F\17"};
  put_package(c, PML_PKG_HANDSHAKE, pml_slice_str(bodies[form]), 0);
  turn(3);
  put_package(c, PML_PKG_ACK, (pml_slice){0}, 0);
}

static void connect_client(client *c, int small) {
  struct sockaddr_in a = {.sin_family = AF_INET,
                          .sin_port = htons((uint16_t)port),
                          .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int bytes = 2048, one = 1;
  hang_up(c, 0);
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  c->ws = 0;
  if (small) setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
  if (connect(c->fd, (struct sockaddr *)&a, sizeof a) == 0)
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  else hang_up(c, 0);
}

static void upgrade(client *c) {
  static const char text[] = "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n"
                             "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
  put(c, text, sizeof text - 1);
  c->ws = 1;
}

/* A request or a notify, its body from the input. */
static void put_message(client *c) {
  static const char *const routes[] = {"c.h.m", "b.h.m", "g.h.m",  "c.h.constructor",
                                       "b.h",   "x.y.z", "c.h._m", ""};
  unsigned how = next(), cut = next();
  const char *route = routes[how & 7];
  uint8_t b[64];
  size_t k = 0, n = strlen(route);
  b[k++] = how & 8 ? 2 : how & 64 ? 6 : 0;
  if (!(how & 8)) b[k++] = (uint8_t)(1 + (how >> 4 & 3));
  b[k++] = (uint8_t)n;
  memcpy(b + k, route, n);
  k += n;
  pml_slice body = take(next() & 15);
  if (body.n) memcpy(b + k, body.p, body.n);
  put_package(c, PML_PKG_DATA, pml_slice_of(b, k + body.n), cut);
}

static void read_some(client *c, int all) {
  char bytes[4096];
  if (c->fd < 0) return;
  while (recv(c->fd, bytes, sizeof bytes, MSG_DONTWAIT) > 0 && all) {}
}

/* ---- the schedule ---- */

static void done(void *ud) { ++*(int *)ud; }

static void on_count(const char *name, double value, void *ud) {
  (void)ud;
  MUST(value >= 0 && name[0]);
}

static void step(unsigned op, client *c, unsigned mode, int *draining, int *drained) {
  unsigned type;
  switch (op % 14) {
  case 0:
    connect_client(c, mode & 4);
    if (op & 16) shake_hands(c, op >> 6 & 3);
    break;
  case 1:
    upgrade(c);
    turn(2);
    if (op & 16) shake_hands(c, op >> 6 & 3);
    break;
  case 2: {
    pml_slice raw = take(next());
    put(c, raw.p, raw.n);
    break;
  }
  case 3:
    type = next();
    put_package(c, (uint8_t)(type % 7), take(next() & 63), type >> 3);
    break;
  case 8: turn(1 + (int)(op >> 4)); break;
  case 9: hang_up(c, op & 16); break;
  case 10:
    if (c->fd >= 0) shutdown(c->fd, op & 16 ? SHUT_WR : SHUT_RDWR);
    break;
  case 11: read_some(c, op & 16); break;
  case 12:
    usleep((op >> 4) * 400u);
    turn(2);
    break;
  case 13:
    pml_node_counts(front.node, on_count, NULL);
    if (!(op & 128) || *draining) break;
    *draining = 1;
    pml_node_drain(front.node, "shutdown", 5, done, drained);
    break;
  default: put_message(c);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  int shut = 0, draining = 0, drained = 0;
  char err[200];
  in = data;
  left = size;
  unsigned mode = next();
  loop = pml_loop_new();
  pml_hub *hub = pml_hub_new();
  make(&front, "A", "c", 1, hub);
  make(&back, "B", "b", 0, hub);
  pml_hub_unref(hub);
  pml_node_config(front.node)->io_uring = mode & 1;
  if (mode & 2) pml_route_set(front.node, "b", 1);
  MUST(pml_node_listen(front.node, "127.0.0.1", 0, &port, err, sizeof err) == 0);
  for (int i = 0; i < CLIENTS; i++) clients[i] = (client){-1, 0};
  turn(2);
  while (left) {
    unsigned op = next();
    client *c = &clients[next() % CLIENTS];
    step(op, c, mode, &draining, &drained);
    if (op & 32) turn(1);
  }
  turn(4);
  for (int i = 0; i < CLIENTS; i++) hang_up(&clients[i], i & 1);
  pml_node_shut(front.node, done, &shut);
  for (int k = 0; k < TURNS && !shut; k++) {
    turn(1);
    if (k > 20) usleep(1000);
  }
  MUST(shut);
  MUST(pml_sessions_count(pml_node_sessions(front.node)) == 0);
  pml_node_free(front.node);
  pml_node_free(back.node);
  turn(2);
  pml_loop_free(loop);
  return 0;
}
