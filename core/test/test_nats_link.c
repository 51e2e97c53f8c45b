#include "bus/nats_link.h"

#include "base/err.h"
#include "test/broker.h"
#include "test/certs.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* What the library's threads said. */
typedef struct {
  pthread_mutex_t lock;
  pthread_cond_t more;
  int messages, nobody, events[5];
  char last[64];
} heard;

static void on_message(const char *subject, pml_slice data, int nobody, void *ud) {
  heard *h = ud;
  pthread_mutex_lock(&h->lock);
  h->messages++;
  h->nobody += nobody;
  snprintf(h->last, sizeof h->last, "%s %.*s", subject, (int)data.n, (const char *)data.p);
  pthread_cond_signal(&h->more);
  pthread_mutex_unlock(&h->lock);
}

static void on_event(pml__link_event event, uint32_t life, const char *text, void *ud) {
  heard *h = ud;
  CHECK(life > 0 && text);
  pthread_mutex_lock(&h->lock);
  h->events[event]++;
  if (event == PML__LINK_REFUSED) snprintf(h->last, sizeof h->last, "%.63s", text);
  pthread_cond_signal(&h->more);
  pthread_mutex_unlock(&h->lock);
}

/* The runner ends a test that waits for ever. */
#define UNTIL(h, cond) \
  do { \
    pthread_mutex_lock(&(h)->lock); \
    while (!(cond)) pthread_cond_wait(&(h)->more, &(h)->lock); \
    pthread_mutex_unlock(&(h)->lock); \
  } while (0)

static pml__link *link_new_with(heard *h, const char *url, const char *user, const char *password,
                                const char *ca) {
  char err[256] = "";
  memset(h, 0, sizeof *h);
  pthread_mutex_init(&h->lock, NULL);
  pthread_cond_init(&h->more, NULL);
  pml__link_options o = {.urls = &url, .nurls = 1, .user = user, .password = password, .ca = ca};
  pml__link *l = pml__link_new(&o, &(pml__link_events){on_message, on_event, h}, err, sizeof err);
  CHECK_STR(err, "");
  return l;
}

static pml__link *link_new(heard *h, const char *url, const char *user, const char *password) {
  return link_new_with(h, url, user, password, NULL);
}

static void link_open(pml__link *l) {
  char err[256] = "";
  int rc = pml__link_connect(l, err, sizeof err);
  CHECK_STR(err, "");
  CHECK_EQ(rc, 0);
}

TEST(nats_link_brings_messages_and_says_that_nobody_is_there) {
  broker_need();
  broker b;
  heard h;
  char url[256];
  broker_start(&b);
  pml__link *l = link_new(&h, b.url, NULL, NULL);
  CHECK_EQ(pml__link_publish(l, "a", NULL, pml_slice_str("x")), PML_ECLOSED);
  link_open(l);
  CHECK_EQ(pml__link_subscribe(l, "a.>"), 0);
  CHECK_EQ(pml__link_publish(l, "a.b", NULL, pml_slice_str("text")), 0);
  UNTIL(&h, h.messages == 1);
  CHECK_STR(h.last, "a.b text");
  CHECK_EQ(pml__link_publish(l, "elsewhere", "a.nobody", pml_slice_str("text")), 0);
  UNTIL(&h, h.messages == 2);
  CHECK_EQ(h.nobody, 1);
  CHECK_STR(h.last, "a.nobody ");
  CHECK_EQ(pml__link_max_payload(l), 1 << 20);
  pml__link_broker(l, url, sizeof url);
  CHECK_STR(url, b.url);
  pml__link_disconnect(l);
  pml__link_disconnect(l);
  CHECK_EQ(pml__link_free(l), 0);
  broker_kill(&b);
}

TEST(nats_link_connects_again_and_is_subscribed_as_before) {
  broker_need();
  broker b;
  heard h;
  broker_start(&b);
  pml__link *l = link_new(&h, b.url, NULL, NULL);
  link_open(l);
  CHECK_EQ(pml__link_subscribe(l, "a.>"), 0);
  pml__link_flush(l, 1000);
  broker_kill(&b);
  UNTIL(&h, h.events[PML__LINK_LOST] == 1);
  broker_start_with(&b, b.port, NULL);
  UNTIL(&h, h.events[PML__LINK_AGAIN] == 1);
  CHECK_EQ(pml__link_publish(l, "a.b", NULL, pml_slice_str("text")), 0);
  UNTIL(&h, h.messages == 1);
  uint32_t life = pml__link_life(l);
  pml__link_disconnect(l);
  CHECK(pml__link_life(l) != life);
  CHECK_EQ(h.events[PML__LINK_CLOSED], 1);
  CHECK_EQ(pml__link_free(l), 0);
  broker_kill(&b);
}

/* A broker with this configuration. */
static void broker_of(broker *b, const char *text) {
  char config[] = "/tmp/pml-test-nats-XXXXXX";
  int fd = mkstemp(config);
  CHECK(fd >= 0);
  CHECK_EQ(write(fd, text, strlen(text)), (ssize_t)strlen(text));
  close(fd);
  broker_start_with(b, 0, config);
  unlink(config);
}

TEST(nats_link_wrong_user_is_refused_with_a_sentence) {
  broker_need();
  broker b;
  heard h;
  char err[256] = "";
  static const char text[] = "authorization { user: me, password: secret }\n";
  broker_of(&b, text);
  pml__link *l = link_new(&h, b.url, "me", "wrong");
  CHECK_EQ(pml__link_connect(l, err, sizeof err), PML_EIO);
  CHECK(strstr(err, "does not accept the user"));
  CHECK_EQ(pml__link_free(l), 0);
  l = link_new(&h, b.url, "me", "secret");
  link_open(l);
  pml__link_disconnect(l);
  CHECK_EQ(pml__link_free(l), 0);
  broker_kill(&b);
}

TEST(nats_link_tells_what_the_broker_does_not_allow) {
  broker_need();
  broker b;
  heard h;
  char said[256] = "";
  static const char text[] = "authorization { users: [ { user: me, password: secret,\n"
                             "  permissions: { publish: \"a.>\", subscribe: \"a.>\" } } ] }\n";
  broker_of(&b, text);
  pml__link *l = link_new(&h, b.url, "me", "secret");
  link_open(l);
  CHECK_EQ(pml__link_subscribe(l, "a.>"), 0);
  CHECK_EQ(pml__link_publish(l, "a.b", NULL, pml_slice_str("x")), 0);
  CHECK_EQ(pml__link_allowed(l, 10000, said, sizeof said), 0);
  UNTIL(&h, h.messages == 1); /* another thread than the refusal's says so, also in h.last */
  CHECK_EQ(pml__link_publish(l, "b.c", NULL, pml_slice_str("x")), 0);
  UNTIL(&h, h.events[PML__LINK_REFUSED] == 1);
  CHECK(strstr(h.last, "for Publish to \"b.c\""));
  CHECK_EQ(pml__link_subscribe(l, "b.>"), 0);
  CHECK_EQ(pml__link_allowed(l, 10000, said, sizeof said), PML_EIO);
  CHECK(strstr(said, "for Subscription to \"b.>\""));
  pml__link_disconnect(l);
  CHECK_EQ(pml__link_free(l), 0);
  broker_kill(&b);
}

TEST(nats_link_over_tls_knows_its_broker) {
  broker_need();
  broker b;
  heard h;
  certs c;
  char err[256] = "", text[512], config[80], ca[80], url[80];
  certs_begin(&c);
  certs_make(&c, "cert.pem", "key.pem", "localhost", -100, 100000, NULL);
  snprintf(text, sizeof text, "tls { cert_file: \"%s/cert.pem\", key_file: \"%s/key.pem\" }\n",
           c.dir, c.dir);
  certs_text(&c, "nats.conf", text);
  snprintf(config, sizeof config, "%s/nats.conf", c.dir);
  snprintf(ca, sizeof ca, "%s/cert.pem", c.dir);
  broker_start_with(&b, 0, config);
  snprintf(url, sizeof url, "tls://localhost:%d", b.port);
  pml__link *l = link_new_with(&h, url, NULL, NULL, ca);
  link_open(l);
  CHECK_EQ(pml__link_subscribe(l, "a"), 0);
  CHECK_EQ(pml__link_publish(l, "a", NULL, pml_slice_str("text")), 0);
  UNTIL(&h, h.messages == 1);
  pml__link_disconnect(l);
  CHECK_EQ(pml__link_free(l), 0);
  l = link_new(&h, url, NULL, NULL); /* nobody vouches for its certificate */
  CHECK_EQ(pml__link_connect(l, err, sizeof err), PML_EIO);
  CHECK(strstr(err, "certificate"));
  CHECK_EQ(pml__link_free(l), 0);
  snprintf(url, sizeof url, "nats://localhost:%d", b.port);
  l = link_new_with(&h, url, NULL, NULL, ca); /* TLS all the same: the broker wants it */
  link_open(l);
  pml__link_disconnect(l);
  CHECK_EQ(pml__link_free(l), 0);
  broker_kill(&b);
  certs_end(&c);
}

TEST(nats_link_file_that_is_not_there_is_named) {
  static const char *const url = "tls://localhost:1";
  char err[256] = "";
  pml__link_options o = {.urls = &url, .nurls = 1, .ca = "/nowhere/ca.pem"};
  CHECK(!pml__link_new(&o, &(pml__link_events){0}, err, sizeof err));
  CHECK(strstr(err, "/nowhere/ca.pem"));
  o = (pml__link_options){.urls = &url, .nurls = 1, .creds = "/nowhere/a.creds"};
  CHECK(!pml__link_new(&o, &(pml__link_events){0}, err, sizeof err));
  CHECK(strstr(err, "/nowhere/a.creds"));
}

/* A broker that takes a connection, asks for TLS, and then stands still. */
static void *stand_still(void *arg) {
  static const char info[] =
    "INFO {\"server_id\":\"x\",\"version\":\"2.9.10\",\"proto\":1,\"tls_required\":true,"
    "\"max_payload\":1048576}\r\n";
  int fd = accept(*(int *)arg, NULL, NULL);
  if (fd < 0 || send(fd, info, sizeof info - 1, 0) < 0) abort();
  return NULL;
}

TEST(nats_link_waits_for_no_tls_handshake_when_the_program_ends) {
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t n = sizeof a;
  char url[64], err[256] = "";
  pthread_t thread;
  heard h = {0};
  CHECK_EQ(bind(listener, (struct sockaddr *)&a, sizeof a), 0);
  CHECK_EQ(listen(listener, 4), 0);
  CHECK_EQ(getsockname(listener, (struct sockaddr *)&a, &n), 0);
  snprintf(url, sizeof url, "tls://127.0.0.1:%d", ntohs(a.sin_port));
  pml__link *l = link_new(&h, url, NULL, NULL);
  CHECK_EQ(pthread_create(&thread, NULL, stand_still, &listener), 0);
  pml__link_cut(l);
  CHECK_EQ(pml__link_connect(l, err, sizeof err), PML_EIO);
  CHECK(strstr(err, "does not finish its TLS handshake"));
  pthread_join(thread, NULL);
  CHECK_EQ(pml__link_free(l), 0);
  close(listener);
}
