#include "bus/nats_link.h"

#include "base/err.h"
#include "base/mem.h"
#include "bus/handshake_watch.h"
#include "bus/nats_library.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define CONNECT_MS 1000   /* for a broker to accept a connection */
#define HANDSHAKE_MS 5000 /* for the TLS handshake with it */
/* A broker that is frozen is noticed after PING_MS * PINGS_OUT to one interval more; a write that
 * gets nowhere, in whose time no ping is sent, after WRITE_MS. */
#define PING_MS 2000
#define PINGS_OUT 2
#define WRITE_MS 4000
#define WAIT_MS 250              /* between two attempts to connect again, and up to so much more */
#define PENDING_BYTES (64 << 20) /* messages that wait for on_message */
#define RECONNECT_BYTES (32 << 10) /* published while it is not known that the link is lost */
#define IO_BYTES (64 << 10)        /* read from the broker at once */
#define CLOSE_MS 2000              /* for the library to give up what it calls */
#define SYSTEM_CA "/etc/ssl/certs/ca-certificates.crt"
#define SUBSCRIPTIONS_MAX 1024
#define SAID_MAX 256 /* bytes of what a broker says when it refuses something */

/* What the library calls for one connection. */
typedef struct {
  pml__link *l;
  uint32_t life;
  pthread_mutex_t lock; /* guards pending */
  pthread_cond_t less;
  size_t pending; /* subscriptions and the connection: each says once that it is over */
} calls;

struct pml__link {
  pml__nats nats;
  pml__link_events ev;
  char **urls;
  size_t nurls;
  char *name, *user, *password, *creds, *ca;
  int secure;
  natsConnection *nc;
  natsSubscription *subs[SUBSCRIPTIONS_MAX];
  size_t nsubs;
  calls *calls; /* of the connection; NULL: none */
  uint32_t life;
  pml__handshake_watch *watch;
  atomic_int closing; /* the end of the connection is wanted: none is made after it */
  int stuck;          /* a connection was left to the library */
};

static char *copy(const char *s) { return s ? pml_strdup(s) : NULL; }

static int starts_with(const char *s, const char *with) {
  return strncmp(s, with, strlen(with)) == 0;
}

/* libnats takes tls:// for nats://, so it is told apart here. */
static int urls_check(const pml__link_options *o, int *secure, char *err, size_t nerr) {
  size_t tls = 0;
  if (o->nurls == 0) snprintf(err, nerr, "a bus needs the url of a broker");
  for (size_t i = 0; i < o->nurls; i++) {
    tls += (size_t)starts_with(o->urls[i], "tls://");
    if (starts_with(o->urls[i], "tls://") || starts_with(o->urls[i], "nats://")) continue;
    snprintf(err, nerr, "the url of a broker begins with nats:// or tls://, not so: %s",
             o->urls[i]);
    return PML_EINVAL;
  }
  if (tls && tls < o->nurls)
    snprintf(err, nerr, "the urls of a bus begin all with tls:// or none of them does");
  *secure = tls > 0;
  return o->nurls == 0 || (tls && tls < o->nurls) ? PML_EINVAL : 0;
}

static int file_check(const char *what, const char *path, char *err, size_t nerr) {
  if (!path || access(path, R_OK) == 0) return 0;
  snprintf(err, nerr, "the file %s of the bus cannot be read: %s", what, path);
  return PML_EINVAL;
}

pml__link *pml__link_new(const pml__link_options *o, const pml__link_events *ev, char *err,
                         size_t nerr) {
  pml__nats nats;
  int secure;
  if (urls_check(o, &secure, err, nerr) || file_check("creds", o->creds, err, nerr) ||
      file_check("ca", o->ca, err, nerr) || pml__nats_load(&nats, err, nerr))
    return NULL;
  pml__handshake_watch *watch = pml__handshake_watch_new(o->urls, o->nurls, HANDSHAKE_MS);
  if (!watch) {
    snprintf(err, nerr, "the system has no room for a thread of the bus");
    return NULL;
  }
  pml__link *l = pml_alloc0(sizeof *l);
  l->watch = watch;
  l->nats = nats;
  l->ev = *ev;
  l->secure = secure;
  l->nurls = o->nurls;
  l->urls = pml_alloc0(o->nurls * sizeof *l->urls);
  for (size_t i = 0; i < o->nurls; i++) l->urls[i] = pml_strdup(o->urls[i]);
  l->name = copy(o->name);
  l->user = copy(o->user);
  l->password = copy(o->password);
  l->creds = copy(o->creds);
  l->ca = copy(o->ca);
  return l;
}

int pml__link_free(pml__link *l) {
  if (!l) return 0;
  if (l->stuck) return PML_ETIMEOUT;
  pml__handshake_watch_free(l->watch);
  for (size_t i = 0; i < l->nurls; i++) pml_free(l->urls[i]);
  pml_free(l->urls);
  pml_free(l->name);
  pml_free(l->user);
  pml_free(l->password);
  pml_free(l->creds);
  pml_free(l->ca);
  pml_free(l);
  return 0;
}

static calls *calls_new(pml__link *l) {
  calls *c = pml_alloc0(sizeof *c);
  if (pthread_mutex_init(&c->lock, NULL) || pthread_cond_init(&c->less, NULL)) abort();
  c->l = l;
  c->life = ++l->life;
  c->pending = 1;
  return c;
}

static void calls_free(calls *c) {
  pthread_cond_destroy(&c->less);
  pthread_mutex_destroy(&c->lock);
  pml_free(c);
}

/* --- the library's threads ------------------------------------------------------------------ */

static void on_message(natsConnection *nc, natsSubscription *sub, natsMsg *msg, void *ud) {
  (void)nc;
  (void)sub;
  pml__link *l = ((calls *)ud)->l;
  int nobody = l->nats.natsMsg_IsNoResponders(msg);
  int n = l->nats.natsMsg_GetDataLength(msg);
  l->ev.on_message(l->nats.natsMsg_GetSubject(msg),
                   pml_slice_of(l->nats.natsMsg_GetData(msg), nobody || n < 0 ? 0 : (size_t)n),
                   nobody, l->ev.ud);
  l->nats.natsMsg_Destroy(msg);
}

static void event_with(const calls *c, pml__link_event what, const char *text) {
  c->l->ev.on_event(what, c->life, text, c->l->ev.ud);
}
static void event(const calls *c, pml__link_event what) { event_with(c, what, ""); }

/* What the broker said last. Another thread of the library may write over it just now: the copy is
 * for people, it may be of two refusals, but it ends. */
static natsStatus said_last(pml__link *l, natsConnection *nc, char *out, size_t n) {
  const char *text = NULL;
  natsStatus s = l->nats.natsConnection_GetLastError(nc, &text);
  snprintf(out, n, "%s", text ? text : "");
  return s;
}

static void on_lost(natsConnection *nc, void *ud) {
  (void)nc;
  pml__link *l = ((calls *)ud)->l;
  if (!l->closing) pml__handshake_watch_look(l->watch, 1);
  event(ud, PML__LINK_LOST);
}

static void on_again(natsConnection *nc, void *ud) {
  (void)nc;
  pml__handshake_watch_look(((calls *)ud)->l->watch, 0);
  event(ud, PML__LINK_AGAIN);
}

static void on_error(natsConnection *nc, natsSubscription *sub, natsStatus status, void *ud) {
  (void)sub;
  char text[SAID_MAX];
  if (status == NATS_SLOW_CONSUMER) event(ud, PML__LINK_SLOW);
  if (status != NATS_NOT_PERMITTED) return;
  said_last(((calls *)ud)->l, nc, text, sizeof text);
  event_with(ud, PML__LINK_REFUSED, text);
}

static void on_over(void *ud) {
  calls *c = ud;
  pthread_mutex_lock(&c->lock);
  c->pending--;
  pthread_cond_signal(&c->less);
  pthread_mutex_unlock(&c->lock);
}

static void on_closed(natsConnection *nc, void *ud) {
  (void)nc;
  event(ud, PML__LINK_CLOSED);
  on_over(ud);
}

/* --- the bus's thread ------------------------------------------------------------------------ */

static natsStatus who_set(pml__link *l, natsOptions *o) {
  natsStatus s = NATS_OK;
  if (l->user) s = l->nats.natsOptions_SetUserInfo(o, l->user, l->password ? l->password : "");
  if (!s && l->creds) s = l->nats.natsOptions_SetUserCredentialsFromFiles(o, l->creds, NULL);
  if (!s && l->secure) s = l->nats.natsOptions_SetSecure(o, true);
  /* A ca also for nats://: the library speaks TLS to a broker that wants it. */
  if (s || (!l->ca && !l->secure)) return s;
  return l->nats.natsOptions_LoadCATrustedCertificates(o, l->ca ? l->ca : SYSTEM_CA);
}

static natsStatus events_set(pml__link *l, natsOptions *o, calls *c) {
  natsStatus s = l->nats.natsOptions_SetDisconnectedCB(o, on_lost, c);
  if (!s) s = l->nats.natsOptions_SetReconnectedCB(o, on_again, c);
  if (!s) s = l->nats.natsOptions_SetClosedCB(o, on_closed, c);
  return s ? s : l->nats.natsOptions_SetErrorHandler(o, on_error, c);
}

static natsStatus options_set(pml__link *l, natsOptions *o) {
  const pml__nats *n = &l->nats;
  natsStatus s = n->natsOptions_SetServers(o, (const char **)l->urls, (int)l->nurls);
  if (!s) s = n->natsOptions_SetNoRandomize(o, true);
  if (!s) s = n->natsOptions_SetName(o, l->name ? l->name : "pomelua");
  if (!s) s = n->natsOptions_SetTimeout(o, CONNECT_MS);
  if (!s) s = n->natsOptions_SetPingInterval(o, PING_MS);
  if (!s) s = n->natsOptions_SetMaxPingsOut(o, PINGS_OUT);
  if (!s) s = n->natsOptions_SetMaxReconnect(o, -1);
  if (!s) s = n->natsOptions_SetReconnectWait(o, WAIT_MS);
  if (!s) s = n->natsOptions_SetReconnectJitter(o, WAIT_MS, WAIT_MS);
  if (!s) s = n->natsOptions_SetReconnectBufSize(o, RECONNECT_BYTES);
  if (!s) s = n->natsOptions_SetIOBufSize(o, IO_BYTES);
  if (!s) s = n->natsOptions_SetWriteDeadline(o, WRITE_MS);
  /* Without it a message waits a millisecond for others; those of a turn are one message here. */
  if (!s) s = n->natsOptions_SetSendAsap(o, true);
  /* One thread for all subscriptions, or messages of two of them would pass each other. */
  if (!s) s = n->natsOptions_UseGlobalMessageDelivery(o, true);
  return s ? s : who_set(l, o);
}

static void error_say(pml__link *l, natsStatus s, char *err, size_t nerr) {
  const char *text = l->nats.nats_GetLastError(NULL);
  if (s == NATS_SECURE_CONNECTION_WANTED)
    snprintf(err, nerr, "the broker at %s offers no TLS, which tls:// asks for", l->urls[0]);
  else if (s == NATS_CONNECTION_AUTH_FAILED)
    snprintf(err, nerr, "the broker at %s does not accept the user of the bus", l->urls[0]);
  else if (s == NATS_NO_SERVER)
    snprintf(err, nerr, "no broker answers at %s%s", l->urls[0],
             l->nurls > 1 ? " and the other urls of the bus" : "");
  else
    snprintf(err, nerr, "the broker at %s cannot be spoken to: %s", l->urls[0],
             text && *text ? text : l->nats.natsStatus_GetText(s));
}

int pml__link_connect(pml__link *l, char *err, size_t nerr) {
  natsOptions *o = NULL;
  calls *c = calls_new(l);
  uint32_t ended = pml__handshake_watch_ended(l->watch);
  l->closing = 0;
  pml__handshake_watch_look(l->watch, 1);
  natsStatus s = l->nats.nats_Open(-1);
  if (!s) s = l->nats.nats_SetMessageDeliveryPoolSize(1);
  if (!s) s = l->nats.natsOptions_Create(&o);
  if (!s) s = options_set(l, o);
  if (!s) s = events_set(l, o, c);
  if (!s) s = l->nats.natsConnection_Connect(&l->nc, o);
  pml__handshake_watch_look(l->watch, 0);
  if (s) {
    l->nc = NULL;
    error_say(l, s, err, nerr);
    if (pml__handshake_watch_ended(l->watch) != ended)
      snprintf(err, nerr, "the broker at %s does not finish its TLS handshake", l->urls[0]);
    calls_free(c);
  } else {
    l->calls = c;
  }
  if (o) l->nats.natsOptions_Destroy(o);
  return s ? PML_EIO : 0;
}

int pml__link_subscribe(pml__link *l, const char *subject) {
  natsSubscription *sub;
  if (l->nsubs == SUBSCRIPTIONS_MAX) return PML_EFULL;
  if (!l->nc || l->nats.natsConnection_Subscribe(&sub, l->nc, subject, on_message, l->calls))
    return PML_EIO;
  l->subs[l->nsubs++] = sub;
  l->nats.natsSubscription_SetPendingLimits(sub, -1, PENDING_BYTES);
  pthread_mutex_lock(&l->calls->lock);
  if (l->nats.natsSubscription_SetOnCompleteCB(sub, on_over, l->calls) == NATS_OK)
    l->calls->pending++;
  pthread_mutex_unlock(&l->calls->lock);
  return 0;
}

int pml__link_publish(pml__link *l, const char *subject, const char *reply, pml_slice data) {
  if (!l->nc) return PML_ECLOSED;
  natsStatus s =
    reply ? l->nats.natsConnection_PublishRequest(l->nc, subject, reply, data.p, (int)data.n)
          : l->nats.natsConnection_Publish(l->nc, subject, data.p, (int)data.n);
  return s == NATS_OK ? 0 : s == NATS_MAX_PAYLOAD ? PML_ETOOBIG : PML_EIO;
}

void pml__link_flush(pml__link *l, uint32_t ms) {
  if (l->nc) l->nats.natsConnection_FlushTimeout(l->nc, ms ? ms : 1);
}

int pml__link_allowed(pml__link *l, uint32_t ms, char *text, size_t n) {
  pml__link_flush(l, ms);
  return l->nc && said_last(l, l->nc, text, n) == NATS_NOT_PERMITTED ? PML_EIO : 0;
}

size_t pml__link_max_payload(pml__link *l) {
  int64_t n = l->nc ? l->nats.natsConnection_GetMaxPayload(l->nc) : 0;
  return n > 0 ? (size_t)n : 0;
}

void pml__link_broker(pml__link *l, char *out, size_t n) {
  char url[512] = "";
  if (l->nc) l->nats.natsConnection_GetConnectedUrl(l->nc, url, sizeof url);
  char *secret = strstr(url, "://"), *at = strrchr(url, '@');
  if (secret && at && at > secret) memmove(secret + 3, at + 1, strlen(at + 1) + 1);
  snprintf(out, n, "%s", url);
}

uint32_t pml__link_life(const pml__link *l) { return l->life; }

/* 0 when nothing of the library calls c any more. */
static int over_wait(calls *c) {
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_sec += CLOSE_MS / 1000;
  int rc = 0;
  pthread_mutex_lock(&c->lock);
  while (c->pending && !rc) rc = pthread_cond_timedwait(&c->less, &c->lock, &until);
  rc = c->pending ? PML_ETIMEOUT : 0;
  pthread_mutex_unlock(&c->lock);
  return rc;
}

void pml__link_cut(pml__link *l) { pml__handshake_watch_cut(l->watch); }

void pml__link_disconnect(pml__link *l) {
  if (!l->nc) return;
  l->closing = 1;
  l->nats.natsConnection_Close(l->nc);
  if (over_wait(l->calls)) {
    l->stuck = 1; /* what it may still call stays */
  } else {
    for (size_t i = 0; i < l->nsubs; i++) l->nats.natsSubscription_Destroy(l->subs[i]);
    l->nats.natsConnection_Destroy(l->nc);
    calls_free(l->calls);
  }
  pml__handshake_watch_look(l->watch, 0);
  l->nsubs = 0;
  l->nc = NULL;
  l->calls = NULL;
  l->life++;
}
