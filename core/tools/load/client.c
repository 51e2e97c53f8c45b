#include "tools/load/client.h"

#include "base/mem.h"
#include "tools/load/slow.h"
#include "tools/load/template.h"
#include "tools/load/tls.h"
#include "wire/message.h"
#include "wire/ws_frame.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Connections from one loopback address: the more there are, the longer the kernel looks for a
 * free port. */
#define PER_SOURCE 4000
#define TIME_BYTES 20     /* of {now} */
#define UPGRADE_MAX 16384 /* bytes of the server's HTTP answer */
#define SHOWN_ERRORS 3
#define HELLO "{\"sys\":{\"type\":\"pomelua-load\",\"version\":\"1\"}"

double load_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

load *load_new(const load_options *o) {
  load *l = pml_alloc0(sizeof *l);
  uint32_t ids = 1;
  while (ids < 2 * (uint32_t)o->in_flight) ids *= 2;
  l->o = o;
  l->id_mask = ids - 1;
  l->sample_every = o->rate ? 1 : 16;
  l->samples.v = pml_alloc(LOAD_SAMPLES * sizeof *l->samples.v);
  l->room_sent = pml_alloc0((size_t)o->rooms * sizeof *l->room_sent);
  l->clients = pml_alloc0((size_t)o->clients * sizeof *l->clients);
  double *sent_at = pml_alloc0((size_t)o->clients * ids * sizeof *sent_at);
  for (int i = 0; i < o->clients; i++) {
    l->clients[i].load = l;
    l->clients[i].id = i;
    l->clients[i].room = (int)(i % o->rooms);
    l->clients[i].sent_at = sent_at + (size_t)i * ids;
  }
  l->fill = pml_alloc0((size_t)o->size + 1);
  memset(l->fill, 'x', o->size > TIME_BYTES ? (size_t)o->size - TIME_BYTES : 0);
  l->epfd = epoll_create1(EPOLL_CLOEXEC);
  if (o->tls) load_tls_trust(l);
  return l;
}

/* --- bytes out -------------------------------------------------------------------- */

static void drop(client *c) {
  if (c->state == CLIENT_DEAD) return;
  if (c->state == CLIENT_READY) c->load->ready--;
  c->state = CLIENT_DEAD;
  c->load->dead++;
  if (c->tls) load_tls_end(c);
  close(c->fd);
}

/* Whether c reads when load_slow_read says so, and not when something has come. */
static int is_slow(const client *c) {
  return c->state == CLIENT_READY && load_slow_is(c->load->o, c->id);
}

static void arm(client *c, int write) {
  struct epoll_event e = {.data.ptr = c};
  e.events = (is_slow(c) ? 0 : EPOLLIN) | (write ? EPOLLOUT : 0);
  epoll_ctl(c->load->epfd, EPOLL_CTL_MOD, c->fd, &e);
  c->write_armed = write;
}

static void flush(client *c) {
  pml_writer *out = c->tls ? load_tls_seal(c) : &c->out;
  while (c->sent < out->len) {
    ssize_t n = send(c->fd, pml_writer_at(out, c->sent), out->len - c->sent, MSG_NOSIGNAL);
    if (n < 0) {
      if (errno != EAGAIN) drop(c);
      else if (!c->write_armed) arm(c, 1);
      return;
    }
    c->sent += (size_t)n;
  }
  pml_writer_cut(out, 0);
  c->sent = 0;
  if (c->write_armed) arm(c, 0);
}

/* A client's frame is masked; the key 0 leaves the payload as it is. */
static void put_frame_head(client *c, size_t n) {
  uint8_t head[14];
  size_t k = pml_ws_frame_write_head(head, PML_WS_BINARY, 1, n);
  head[1] |= 0x80;
  memset(head + k, 0, 4);
  pml_writer_put(&c->out, head, k + 4);
}

static void put_package(client *c, uint8_t type, pml_slice head, pml_slice body) {
  uint8_t h[PML_PKG_HEAD];
  size_t n = head.n + body.n;
  if (!c->load->o->tcp) put_frame_head(c, sizeof h + n);
  pml_package_write_head(h, type, n);
  pml_writer_put(&c->out, h, sizeof h);
  pml_writer_put(&c->out, head.p, head.n);
  pml_writer_put(&c->out, body.p, body.n);
}

static void request(client *c, const load_route *route, const char *template) {
  load *l = c->load;
  pml_message_view m = {
    .type = PML_MSG_REQUEST, .id = ++c->msg_id, .body = load_template(c, template)};
  pml_writer_cut(&l->message, 0);
  if (load_forms_write(route, &m, &l->message) != 0 && l->errors++ < SHOWN_ERRORS)
    fprintf(stderr, "load: the message for %.*s does not fit the server's clientProtos\n",
            (int)route->name.n, (const char *)route->name.p);
  put_package(c, PML_PKG_DATA, pml_slice_of(pml_writer_at(&l->message, 0), l->message.len),
              (pml_slice){0});
}

/* Those who read as fast as they can. */
static uint32_t members(const load *l, int room) {
  long fast = l->o->clients - l->o->slow;
  return (uint32_t)(fast / l->o->rooms + (room < fast % l->o->rooms));
}

static void ask(client *c) {
  load *l = c->load;
  request(c, &l->route, l->o->message);
  c->sent_at[c->msg_id & l->id_mask] = l->due > 0 ? l->due : load_now();
  c->in_flight++;
  l->asked++;
  l->room_sent[c->room]++;
  l->want += members(l, c->room);
}

void load_ask(client *c) {
  ask(c);
  flush(c);
}

void load_fire(client *c) {
  while (c->left && c->in_flight < c->load->o->in_flight) {
    ask(c);
    c->left--;
  }
  if (c->out.len) flush(c);
}

/* --- messages in --------------------------------------------------------------------- */

static int holds(pml_slice body, const char *text) {
  return memmem(body.p, body.n, text, strlen(text)) != NULL;
}

static void answered(client *c, const pml_message_view *m) {
  load *l = c->load;
  const load_options *o = l->o;
  const load_route *route = c->state == CLIENT_ENTERING ? &l->enter : &l->route;
  pml_slice body = load_forms_read(route, m->body, &l->scratch);
  if ((holds(body, "\"code\":500") || holds(body, "\"code\":429")) && l->errors++ < SHOWN_ERRORS)
    fprintf(stderr, "load: %.*s answers %.*s\n", (int)route->name.n, (const char *)route->name.p,
            (int)body.n, (const char *)body.p);
  if (c->state == CLIENT_ENTERING) {
    c->state = CLIENT_READY;
    l->ready++;
    if (is_slow(c)) arm(c, c->write_armed);
    return;
  }
  double sent = c->sent_at[m->id & l->id_mask];
  if (o->mode == LOAD_ECHO && l->answers % l->sample_every == 0 && sent > 0)
    load_samples_add(&l->samples, load_now() - sent);
  l->answers++;
  c->in_flight--;
}

/* The time of sending, which stands at the begin of the content; 0: there is none. */
static double time_of(pml_slice body) {
  static const char before[] = "\"content\":\"";
  char text[TIME_BYTES + 1] = "";
  const uint8_t *at = memmem(body.p, body.n, before, sizeof before - 1);
  if (!at) return 0;
  at += sizeof before - 1;
  size_t left = body.n - (size_t)(at - body.p);
  memcpy(text, at, left < TIME_BYTES ? left : TIME_BYTES);
  return strtod(text, NULL);
}

static void pushed(client *c, const pml_message_view *m) {
  load *l = c->load;
  if (!load_forms_is(&l->push, m)) return;
  int slow = load_slow_is(l->o, c->id);
  c->got++;
  l->slow_got += (uint64_t)slow;
  if (!slow && l->deliveries++ % l->sample_every && !l->o->latest) return;
  double sent = time_of(load_forms_read(&l->push, m->body, &l->scratch));
  if (l->o->latest || slow) load_slow_note(c, sent);
  if (!slow && sent > 0) load_samples_add(&l->samples, load_now() - sent);
}

/* What the server gives its clients. */
static int take_forms(load *l, pml_slice handshake) {
  char why[512];
  if (l->forms) return 0;
  l->forms = load_forms_new(handshake, why, sizeof why);
  if (!l->forms) {
    fprintf(stderr, "load: %s\n", why);
    return -1;
  }
  l->enter = load_forms_route(l->forms, l->o->enter);
  l->route = load_forms_route(l->forms, l->o->route);
  l->push = load_forms_route(l->forms, l->o->push);
  return 0;
}

static void shaken(client *c, pml_slice body) {
  static const char beat[] = "\"heartbeat\":";
  char text[12] = "";
  const uint8_t *at = memmem(body.p, body.n, beat, sizeof beat - 1);
  if (at) {
    at += sizeof beat - 1;
    size_t left = body.n - (size_t)(at - body.p);
    memcpy(text, at, left < sizeof text - 1 ? left : sizeof text - 1);
  }
  c->heartbeat = (uint32_t)atoi(text);
  int kept = !c->load->o->resume || holds(body, "\"recovered\":false");
  if (!holds(body, "\"code\":200") || !kept || take_forms(c->load, body) != 0) {
    c->load->errors++;
    drop(c);
    return;
  }
  put_package(c, PML_PKG_ACK, (pml_slice){0}, (pml_slice){0});
  c->state = CLIENT_ENTERING;
  if (c->load->o->enter[0]) {
    request(c, &c->load->enter, c->load->o->enter_message);
  } else {
    c->state = CLIENT_READY;
    c->load->ready++;
  }
  flush(c);
}

/* A package of the server's. 1: the client is dead, and reads no more. */
static int on_package(uint8_t type, pml_slice body, void *ud) {
  client *c = ud;
  pml_message_view m;
  if (type == PML_PKG_HANDSHAKE && c->state == CLIENT_SHAKING) {
    shaken(c, body);
  } else if (type == PML_PKG_HEARTBEAT && c->heartbeat && c->beat_at == 0) {
    c->beat_at = load_now() + c->heartbeat;
    c->load->beats++;
  } else if (type == PML_PKG_DATA && pml_message_read(body, &m) == 0) {
    if (m.type == PML_MSG_RESPONSE) answered(c, &m);
    else if (m.type == PML_MSG_PUSH) pushed(c, &m);
  } else if (type == PML_PKG_KICK) {
    c->load->kicks++;
  }
  return c->state == CLIENT_DEAD;
}

/* --- bytes in ------------------------------------------------------------------------ */

static void feed_packages(client *c, const uint8_t *p, size_t n) {
  static const uint32_t limit = PML_PKG_MAX;
  if (pml_package_feed(&c->packages, p, n, &limit, on_package, c) != 0) drop(c);
}

/* Reads on at a frame's head. Whether it is whole. */
static int read_head(client_frame *f, uint8_t byte) {
  f->head[f->nhead++] = byte;
  if (f->nhead < 2) return 0;
  uint8_t len = f->head[1] & 127, more = len == 127 ? 8 : len == 126 ? 2 : 0;
  if (f->nhead < 2 + more) return 0;
  f->left = more ? 0 : len;
  for (int i = 0; i < more; i++) f->left = f->left << 8 | f->head[2 + i];
  f->op = f->head[0] & 15;
  f->nhead = 0;
  return 1;
}

/* A server's frames: wire/ws_frame reads a client's only. */
static void feed_frames(client *c, const uint8_t *p, size_t n) {
  client_frame *f = &c->frame;
  while (n && c->state != CLIENT_DEAD) {
    if (f->left == 0) {
      if (read_head(f, *p) && f->op == PML_WS_CLOSE) drop(c);
      p++;
      n--;
      continue;
    }
    size_t take = f->left < n ? (size_t)f->left : n;
    if (f->op <= PML_WS_BINARY) feed_packages(c, p, take);
    f->left -= take;
    p += take;
    n -= take;
  }
}

static void hello(client *c) {
  c->state = CLIENT_SHAKING;
  const char *text = c->load->o->resume ? HELLO ",\"user\":{\"resume\":{}}}" : HELLO "}";
  put_package(c, PML_PKG_HANDSHAKE, (pml_slice){0}, pml_slice_str(text));
  flush(c);
}

/* The server's HTTP answer; frames may follow it. */
static void feed_upgrade(client *c, const uint8_t *p, size_t n) {
  static const char ok[] = "HTTP/1.1 101";
  pml_writer *w = &c->upgrade;
  pml_writer_put(w, p, n);
  uint8_t *all = pml_writer_at(w, 0), *end = memmem(all, w->len, "\r\n\r\n", 4);
  if (!end && w->len < UPGRADE_MAX) return;
  if (!end || memcmp(all, ok, sizeof ok - 1) != 0) {
    drop(c);
  } else {
    hello(c);
    feed_frames(c, end + 4, w->len - (size_t)(end + 4 - all));
  }
  pml_writer_drop(w);
}

/* The connection is there, sealed or not. */
static void begin(client *c) {
  const load_options *o = c->load->o;
  if (o->tcp) {
    hello(c);
    return;
  }
  char text[512];
  int n =
    snprintf(text, sizeof text,
             "GET / HTTP/1.1\r\nHost: %s:%ld\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
             o->host, o->port);
  c->state = CLIENT_UPGRADING;
  pml_writer_put(&c->out, text, (size_t)n);
  flush(c);
}

static void feed(client *c, const uint8_t *p, size_t n) {
  if (c->state == CLIENT_UPGRADING) feed_upgrade(c, p, n);
  else if (c->load->o->tcp) feed_packages(c, p, n);
  else feed_frames(c, p, n);
}

static void feed_sealed(client *c, const uint8_t *p, size_t n) {
  load *l = c->load;
  int open = load_tls_open(c, p, n);
  if (open < 0) {
    drop(c);
    return;
  }
  flush(c);
  if (open && c->state == CLIENT_SEALING) begin(c);
  if (open && c->state != CLIENT_DEAD && l->plain.len)
    feed(c, pml_writer_at(&l->plain, 0), l->plain.len);
}

/* Reads at most limit bytes, or one piece more. */
static void readable(client *c, size_t limit) {
  load *l = c->load;
  for (size_t room = sizeof l->in;;) {
    if (limit < room) room = limit;
    ssize_t n = recv(c->fd, l->in, room, 0);
    if (n <= 0) {
      if (n == 0 || errno != EAGAIN) drop(c);
      return;
    }
    l->bytes_in += (uint64_t)n;
    if (c->tls) feed_sealed(c, l->in, (size_t)n);
    else feed(c, l->in, (size_t)n);
    limit -= (size_t)n;
    if (c->state == CLIENT_DEAD || !limit || (size_t)n < room) return;
  }
}

/* --- connections ------------------------------------------------------------------------- */

static void connected(client *c) {
  int one = 1;
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  arm(c, 0);
  if (!c->load->trust) {
    begin(c);
    return;
  }
  c->state = CLIENT_SEALING;
  load_tls_begin(c);
  flush(c);
}

/* Another loopback address for each PER_SOURCE clients. */
static void bind_source(const client *c) {
  struct sockaddr_in from = {.sin_family = AF_INET};
  int one = 1;
  from.sin_addr.s_addr = htonl(0x7f000101u + (uint32_t)(c->id / PER_SOURCE) * 256u);
  setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
  if (bind(c->fd, (void *)&from, sizeof from) < 0) perror("load: bind");
}

void load_leave(load *l) {
  static const char leave[] = "\2\11sys.leave{}"; /* a notify: protocol 2.3 */
  for (int i = 0; l->o->resume && i < l->o->clients; i++) {
    client *c = &l->clients[i];
    if (c->state != CLIENT_READY) continue;
    put_package(c, PML_PKG_DATA, (pml_slice){0}, pml_slice_str(leave));
    flush(c);
  }
}

void load_connect(load *l, int i) {
  const load_options *o = l->o;
  client *c = &l->clients[i];
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(load_port(o, i))};
  if (inet_pton(AF_INET, o->host, &to.sin_addr) != 1) {
    fprintf(stderr, "load: --host is an IPv4 address, not %s\n", o->host);
    exit(2);
  }
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (c->fd < 0) {
    perror("load: socket");
    exit(2);
  }
  if (load_slow_is(o, i)) load_slow_begin(c);
  if (o->clients > PER_SOURCE && !strncmp(o->host, "127.", 4)) bind_source(c);
  struct epoll_event e = {.events = EPOLLIN | EPOLLOUT, .data.ptr = c};
  epoll_ctl(l->epfd, EPOLL_CTL_ADD, c->fd, &e);
  c->state = CLIENT_CONNECTING;
  if (connect(c->fd, (void *)&to, sizeof to) < 0 && errno != EINPROGRESS) drop(c);
}

static void heartbeats(load *l) {
  static double next;
  double t = load_now();
  if (!l->beats || t < next) return;
  next = t + 0.1;
  for (int i = 0; i < l->o->clients; i++) {
    client *c = &l->clients[i];
    if (c->beat_at == 0 || c->beat_at > t) continue;
    c->beat_at = 0;
    l->beats--;
    if (c->state == CLIENT_DEAD || c->state < CLIENT_ENTERING) continue;
    put_package(c, PML_PKG_HEARTBEAT, (pml_slice){0}, (pml_slice){0});
    l->beats_sent++;
    flush(c);
  }
}

static void serve(client *c, uint32_t events) {
  if (c->state == CLIENT_DEAD) return;
  if (c->state == CLIENT_CONNECTING) {
    if (events & (EPOLLERR | EPOLLHUP)) drop(c);
    else if (events & EPOLLOUT) connected(c);
    return;
  }
  if (events & EPOLLOUT) flush(c);
  if (c->state != CLIENT_DEAD && events & (EPOLLIN | EPOLLHUP | EPOLLERR)) readable(c, SIZE_MAX);
}

void load_turn(load *l, double seconds) {
  static struct epoll_event ev[1024];
  struct timespec t = {.tv_nsec = seconds > 0 ? (long)(seconds * 1e9) : 0};
  heartbeats(l);
  load_slow_read(l, readable);
  int n = epoll_pwait2(l->epfd, ev, 1024, &t, NULL);
  for (int i = 0; i < n; i++) serve(ev[i].data.ptr, ev[i].events);
}
