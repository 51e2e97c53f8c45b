#include "host/web_guard.h"

#include "base/clock.h"
#include "base/container.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/mem.h"
#include "host/web_socket.h"
#include "wire/http_head.h"

#include <pthread.h>
#include <string.h>

/* Beyond the limit for all: connections of this machine and of proxies, so that a load balancer
 * that asks for /health gets its answer. */
#define SPARE 16

typedef struct {
  pml_address key;
  UT_hash_handle hh;
  uint32_t open;   /* connections, and requests through proxies */
  uint32_t begun;  /* in that second */
  uint64_t second; /* of base/clock */
} place;

typedef enum { REQUEST, WAIT, ANSWER, IDLE } phase;

struct pml__web_conn {
  pml_list node; /* in g->conns, the oldest first */
  pml__web_guard *g;
  int fd;
  void *owner; /* borrowed */
  uint64_t number;
  pml_address from, client; /* the other end of the socket; who asks */
  place *place;             /* where the connection counts, or NULL */
  place *asks;              /* where the request of a proxy's client counts, or NULL */
  int of_proxy, ended;
  phase phase;
  uint64_t deadline, taken; /* taken: at the last look at an answer */
};

struct pml__web_guard {
  pthread_mutex_t lock;
  pml_web_limits limits;
  pml_cidr_list *proxies; /* or NULL */
  const pml_log *log;
  pml__web_alarm *alarm;
  pml_list conns;
  uint64_t newest, swept;
  pml_hash_key hash;
  place *places;
  pml__web_counts counts;
};

/* --- addresses ----------------------------------------------------------------------- */

static void drop_place(pml__web_guard *g, place *p) {
  HASH_DELETE(hh, g->places, p);
  pml_free(p);
}

/* Forgets addresses that have no connection and began none in this second. */
static void sweep(pml__web_guard *g, uint64_t second) {
  place *p, *next;
  if (g->swept == second) return;
  g->swept = second;
  HASH_ITER (hh, g->places, p, next) {
    if (!p->open && p->second != second) drop_place(g, p);
  }
}

/* The place of an address, made when it has none. NULL: addresses have no limits, or this one is
 * of this machine. */
static place *place_of(pml__web_guard *g, const pml_address *a) {
  const pml_web_limits *l = &g->limits;
  if (l->per_address == UINT32_MAX && l->per_second == UINT32_MAX) return NULL;
  if (!l->loopback && pml_address_is_loopback(a)) return NULL;
  pml_address key = pml_address_place(a);
  uint64_t second = pml_clock_ms() / 1000;
  uint32_t h = pml_hash(&g->hash, key.b, sizeof key.b);
  place *p;
  sweep(g, second);
  HASH_FIND_BYHASHVALUE(hh, g->places, key.b, sizeof key.b, h, p);
  if (!p) {
    p = pml_alloc0(sizeof *p);
    p->key = key;
    HASH_ADD_KEYPTR_BYHASHVALUE(hh, g->places, p->key.b, sizeof p->key.b, h, p);
  }
  if (p->second != second) p->begun = 0;
  p->second = second;
  return p;
}

static void leave_place(pml__web_guard *g, place **at) {
  place *p = *at;
  *at = NULL;
  if (p && --p->open == 0 && p->second != pml_clock_ms() / 1000) drop_place(g, p);
}

static void say_refused(pml__web_guard *g, const pml_address *a, const char *why, uint32_t limit,
                        const char *key) {
  char who[PML_ADDRESS_TEXT];
  if (!g->log) return;
  pml_address_print(a, who);
  pml_log_some(g->log, PML_WARN, key, "web: refused %s: %s (%s is %u)", who, why, key, limit);
}

/* Whether one more may begin there; it is counted then. */
static int may_begin(pml__web_guard *g, place *p, const pml_address *a) {
  const pml_web_limits *l = &g->limits;
  if (!p) return 1;
  if (p->open >= l->per_address) {
    g->counts.refused_address++;
    say_refused(g, a, "too many connections", l->per_address, "perAddress.connections");
    return 0;
  }
  if (p->begun >= l->per_second) {
    g->counts.refused_rate++;
    say_refused(g, a, "too many in a second", l->per_second, "perAddress.perSecond");
    return 0;
  }
  p->begun++;
  return 1;
}

/* --- connections ------------------------------------------------------------------------ */

static void set_deadline(pml__web_conn *c, phase to, uint32_t ms) {
  c->phase = to;
  c->deadline = pml_clock_ms() + ms;
  if (c->g->alarm) pml__web_alarm_by(c->g->alarm, c->deadline);
}

static void end(pml__web_conn *c) {
  c->ended = 1;
  pml__web_socket_end(c->fd);
}

/* Ends the connection that has waited longest for its next request. Whether there was one. */
static int make_room(pml__web_guard *g) {
  pml__web_conn *longest = NULL;
  for (pml_list *n = g->conns.next; n != &g->conns; n = n->next) {
    pml__web_conn *c = PML_CONTAINER(n, pml__web_conn, node);
    if (c->phase != IDLE || c->ended || pml__web_socket_waits(c->fd)) continue;
    if (!longest || c->deadline < longest->deadline) longest = c;
  }
  if (!longest) return 0;
  g->counts.made_room++;
  end(longest);
  return 1;
}

static int is_proxy(const pml__web_guard *g, const pml_address *a) {
  return pml_cidr_list_find(g->proxies, a) >= 0;
}

static int admits(pml__web_guard *g, const pml_address *a) {
  int proxy = is_proxy(g, a), ours = proxy || pml_address_is_loopback(a);
  uint64_t limit = g->limits.connections, most = limit + SPARE / 2;
  place *p = proxy ? NULL : place_of(g, a);
  if (p && !may_begin(g, p, a)) return 0;
  /* What was ended for others still counts until libmicrohttpd has closed it. */
  if (g->counts.open < (ours ? most : limit)) return 1;
  if (g->counts.open < most && make_room(g)) return 1;
  g->counts.refused_full++;
  say_refused(g, a, "too many connections of all clients", g->limits.connections, "connections");
  return 0;
}

int pml__web_guard_admits(pml__web_guard *g, const struct sockaddr *from) {
  pml_address a;
  if (pml_address_of(from, &a, NULL) != 0) return 0;
  pthread_mutex_lock(&g->lock);
  int ok = admits(g, &a);
  pthread_mutex_unlock(&g->lock);
  return ok;
}

pml__web_conn *pml__web_guard_opened(pml__web_guard *g, const struct sockaddr *from, int fd,
                                     void *owner) {
  pml__web_conn *c = pml_alloc0(sizeof *c);
  c->g = g;
  c->fd = fd;
  c->owner = owner;
  pml_address_of(from, &c->from, NULL);
  c->client = c->from;
  pml__web_socket_patience(fd, 2 * g->limits.request_ms);
  pthread_mutex_lock(&g->lock);
  c->of_proxy = is_proxy(g, &c->from);
  c->place = c->of_proxy ? NULL : place_of(g, &c->from);
  if (c->place) c->place->open++;
  c->number = ++g->newest;
  pml_list_append(&g->conns, &c->node);
  g->counts.open++;
  g->counts.connections++;
  set_deadline(c, REQUEST, g->limits.request_ms);
  pthread_mutex_unlock(&g->lock);
  return c;
}

void pml__web_guard_closed(pml__web_conn *c) {
  pml__web_guard *g = c->g;
  pthread_mutex_lock(&g->lock);
  leave_place(g, &c->place);
  leave_place(g, &c->asks);
  pml_list_remove(&c->node);
  g->counts.open--;
  pthread_mutex_unlock(&g->lock);
  pml_free(c);
}

/* --- requests --------------------------------------------------------------------------- */

void pml__web_guard_begins(pml__web_conn *c) {
  pthread_mutex_lock(&c->g->lock);
  if (c->phase == IDLE) set_deadline(c, REQUEST, c->g->limits.request_ms);
  pthread_mutex_unlock(&c->g->lock);
}

int pml__web_guard_asks(pml__web_conn *c, pml_slice head) {
  pml__web_guard *g = c->g;
  uint16_t port;
  int ok = 1;
  pthread_mutex_lock(&g->lock);
  g->counts.requests++;
  leave_place(g, &c->asks);
  if (c->of_proxy && pml_http_head_forwarded(head, g->proxies, &c->client, &port) == 0) {
    place *p = place_of(g, &c->client);
    ok = may_begin(g, p, &c->client);
    if (ok && p) p->open++, c->asks = p;
  }
  pthread_mutex_unlock(&g->lock);
  return ok;
}

void pml__web_guard_waits(pml__web_conn *c) {
  pthread_mutex_lock(&c->g->lock);
  c->phase = WAIT;
  pthread_mutex_unlock(&c->g->lock);
}

void pml__web_guard_answers(pml__web_conn *c) {
  pthread_mutex_lock(&c->g->lock);
  c->taken = pml__web_socket_taken(c->fd);
  set_deadline(c, ANSWER, c->g->limits.request_ms);
  pthread_mutex_unlock(&c->g->lock);
}

void pml__web_guard_ends(pml__web_conn *c) {
  pml__web_guard *g = c->g;
  pthread_mutex_lock(&g->lock);
  leave_place(g, &c->asks);
  c->client = c->from;
  set_deadline(c, IDLE, g->limits.idle_ms);
  pthread_mutex_unlock(&g->lock);
}

void *pml__web_conn_owner(const pml__web_conn *c) { return c->owner; }

int pml__web_conn_of_proxy(const pml__web_conn *c) { return c->of_proxy; }

void pml__web_conn_print(const pml__web_conn *c, char out[PML_ADDRESS_TEXT]) {
  pml_address_print(&c->client, out);
}

/* --- time ------------------------------------------------------------------------------- */

static void say_slow(pml__web_guard *g, const pml__web_conn *c, const char *what) {
  char who[PML_ADDRESS_TEXT];
  if (!g->log) return;
  pml_address_print(&c->client, who);
  pml_log_some(g->log, PML_INFO, what, "web: closed the connection of %s: %s in %u ms", who, what,
               g->limits.request_ms);
}

/* The deadline of a connection has passed. */
static void late(pml__web_guard *g, pml__web_conn *c, uint64_t now) {
  uint64_t least = (uint64_t)g->limits.least_rate * g->limits.request_ms / 1000;
  if (c->phase == REQUEST) {
    g->counts.ended_request++;
    say_slow(g, c, "no whole request");
    end(c);
    return;
  }
  if (c->phase == IDLE && !pml__web_socket_waits(c->fd)) {
    end(c);
    return;
  }
  uint64_t taken = pml__web_socket_taken(c->fd);
  if (taken - c->taken >= (least ? least : 1)) {
    c->taken = taken;
    c->deadline = now + g->limits.request_ms;
    return;
  }
  g->counts.ended_answer++;
  say_slow(g, c, "it took too little of an answer");
  end(c);
}

uint64_t pml__web_guard_look(pml__web_guard *g, uint64_t now) {
  uint64_t next = 0;
  pthread_mutex_lock(&g->lock);
  for (pml_list *n = g->conns.next; n != &g->conns; n = n->next) {
    pml__web_conn *c = PML_CONTAINER(n, pml__web_conn, node);
    if (c->phase == WAIT) continue;
    if (!c->ended && c->deadline <= now) late(g, c, now);
    if (!c->ended && (!next || c->deadline < next)) next = c->deadline;
  }
  sweep(g, now / 1000);
  pthread_mutex_unlock(&g->lock);
  return next;
}

/* --- what others ask ---------------------------------------------------------------------- */

static uint32_t or_default(uint32_t n, uint32_t otherwise) { return n ? n : otherwise; }

pml__web_guard *pml__web_guard_new(const pml_web_options *o, const pml_log *log) {
  pml__web_guard *g = pml_alloc0(sizeof *g);
  pml_web_limits *l = &g->limits;
  *l = o->limits;
  l->connections = or_default(l->connections, 256);
  l->per_address = or_default(l->per_address, 64);
  l->per_second = or_default(l->per_second, 100);
  l->request_ms = or_default(l->request_ms, 10000);
  l->idle_ms = or_default(l->idle_ms, 5000);
  l->least_rate = or_default(l->least_rate, 1024);
  if (o->proxy_count) g->proxies = pml_cidr_list_new(o->proxies, o->proxy_count);
  g->log = log;
  pthread_mutex_init(&g->lock, NULL);
  pml_hash_key_init(&g->hash);
  pml_list_init(&g->conns);
  return g;
}

void pml__web_guard_free(pml__web_guard *g) {
  place *p, *next;
  if (!g) return;
  HASH_ITER (hh, g->places, p, next) drop_place(g, p);
  pml_cidr_list_free(g->proxies);
  pthread_mutex_destroy(&g->lock);
  pml_free(g);
}

void pml__web_guard_set_alarm(pml__web_guard *g, pml__web_alarm *a) { g->alarm = a; }

uint32_t pml__web_guard_places(const pml__web_guard *g) { return g->limits.connections + SPARE; }

uint64_t pml__web_guard_newest(pml__web_guard *g) {
  pthread_mutex_lock(&g->lock);
  uint64_t n = g->newest;
  pthread_mutex_unlock(&g->lock);
  return n;
}

uint64_t pml__web_guard_oldest(pml__web_guard *g) {
  pthread_mutex_lock(&g->lock);
  uint64_t n = g->newest + 1;
  if (!pml_list_empty(&g->conns)) n = PML_CONTAINER(g->conns.next, pml__web_conn, node)->number;
  pthread_mutex_unlock(&g->lock);
  return n;
}

pml__web_counts pml__web_guard_counts(pml__web_guard *g) {
  pthread_mutex_lock(&g->lock);
  pml__web_counts counts = g->counts;
  pthread_mutex_unlock(&g->lock);
  return counts;
}
