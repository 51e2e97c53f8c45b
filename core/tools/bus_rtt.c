/* bus_rtt: how long a call between two processes takes, and a request and its reply over libnats
 * alone, in turns of the same run.
 *
 *   build/bus-rtt nats://127.0.0.1:4222 [CALLS]
 *
 * Prints a line for each: name, calls, p50 and p99 in microseconds; then the ratio of the p50s, and
 * how many bytes a call and its answer take on the bus. */
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "bus/bus.h"
#include "bus/nats_library.h"
#include "bus/rpc.h"
#include "tools/yardstick.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS 10

/* One process of the two. */
typedef struct {
  pml_loop *l;
  pml_hub *hub;
  pml_bus *bus;
  pml_rpc *rpc;
  pml_transport *t;
  pml_buf *body;
  int met;
  uint64_t began;
  size_t left, done;
  double *us;
} side;

static void fail(const char *what, const char *why) {
  fprintf(stderr, "bus-rtt: %s: %s\n", what, why);
  exit(1);
}

static double say(const char *name, double *us, size_t n) {
  yard_sort(us, n);
  printf("%-8s %zu calls  p50 %.0f us  p99 %.0f us\n", name, n, us[n / 2], us[n * 99 / 100]);
  return us[n / 2];
}

/* --- the bus ------------------------------------------------------------------------------- */

static void on_request(const pml_envelope *env, pml_buf *body, pml_buf *extra, void *ud) {
  side *s = ud;
  (void)extra;
  pml_rpc_answer_record(s->rpc, env, 0, body);
}

static void on_peer(const char *id, uint64_t incarnation, int up, void *ud) {
  side *s = ud;
  (void)id, (void)incarnation;
  s->met += up ? 1 : -1;
  if (!up) s->left = 0;
  pml_loop_stop(s->l);
}

static void call(side *s);

static void on_answer(int status, pml_buf *body, void *ud) {
  side *s = ud;
  (void)body;
  if (status) fail("a call failed", pml_err_name(status));
  s->us[s->done++] = (double)(pml_clock_us() - s->began);
  if (--s->left) call(s);
  else pml_loop_stop(s->l);
}

static void call(side *s) {
  pml_envelope env = {.kind = PML_ENV_CALL, .route = pml_slice_str("echo.echo")};
  s->began = pml_clock_us();
  int rc = pml_rpc_call(s->rpc, "server", &env, s->body, NULL, 5000, on_answer, s, NULL);
  if (rc) fail("a call was refused", pml_err_name(rc));
}

static void side_open(side *s, const char *url, const char *id, const char *cluster) {
  static pml_log log;
  char err[512];
  pml_log_init(&log, id, PML_WARN, 0);
  s->l = pml_loop_new();
  s->hub = pml_hub_new();
  pml_bus_options o = {.urls = &url,
                       .nurls = 1,
                       .cluster = cluster,
                       .host = "localhost",
                       .heartbeat_ms = 1000,
                       .timeout_ms = 5000,
                       .log = &log};
  pml_bus_events ev = {0};
  if (pml_bus_open(s->l, s->hub, &o, &ev, &s->bus, err, sizeof err)) fail("no bus", err);
  pml_rpc_events rev = {.on_request = on_request, .on_peer = on_peer, .ud = s};
  s->rpc = pml_rpc_new(s->l, id, 1000, NULL, &rev);
  pml_transport_events tev = pml_rpc_transport_events(s->rpc);
  if (pml_transport_local_join(s->hub, s->l, id, &tev, &s->t)) fail("no server", id);
  pml_rpc_use(s->rpc, s->t);
  pml_bus_serve(s->bus, id, s->t->incarnation, "{\"serverType\":\"test\"}");
}

/* --- libnats alone --------------------------------------------------------------------------- */

static pml__nats nats;

static natsConnection *connect_to(const char *url) {
  natsOptions *o;
  natsConnection *nc = NULL;
  const char *urls[] = {url};
  if (nats.natsOptions_Create(&o) || nats.natsOptions_SetServers(o, urls, 1) ||
      nats.natsOptions_SetSendAsap(o, true) || nats.natsConnection_Connect(&nc, o))
    fail("libnats", "no connection");
  nats.natsOptions_Destroy(o);
  return nc;
}

static void on_message(natsConnection *nc, natsSubscription *sub, natsMsg *msg, void *ud) {
  (void)sub, (void)ud;
  nats.natsConnection_Publish(nc, nats.natsMsg_GetReply(msg), nats.natsMsg_GetData(msg),
                              nats.natsMsg_GetDataLength(msg));
  nats.natsMsg_Destroy(msg);
}

/* --- the two processes ------------------------------------------------------------------------ */

static void serve(const char *url, const char *cluster) {
  natsSubscription *sub;
  side s = {0};
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  natsConnection *nc = connect_to(url);
  if (nats.natsConnection_Subscribe(&sub, nc, cluster, on_message, NULL)) fail("libnats", url);
  nats.natsConnection_FlushTimeout(nc, 1000);
  side_open(&s, url, "server", cluster);
  for (;;) pml_loop_run(s.l);
}

int main(int argc, char **argv) {
  if (argc < 2) fail("usage", "bus-rtt URL [CALLS]");
  size_t calls = argc > 2 ? (size_t)atol(argv[2]) : 5000;
  char err[256], cluster[32], body[64];
  if (pml__nats_load(&nats, err, sizeof err)) fail("libnats", err);
  if (calls < ROUNDS) calls = ROUNDS;
  snprintf(cluster, sizeof cluster, "rtt-%d", (int)getpid());
  memset(body, 'x', sizeof body);
  pid_t child = fork();
  if (child == 0) serve(argv[1], cluster);
  side s = {.body = pml_buf_from(body, sizeof body), .us = pml_alloc(calls * sizeof(double))};
  double *bare = pml_alloc(calls * sizeof *bare);
  natsConnection *nc = connect_to(argv[1]);
  side_open(&s, argv[1], "client", cluster);
  while (!s.met) pml_loop_run(s.l);
  size_t done = 0, each = calls / ROUNDS;
  pml_bus_counts before, after;
  pml_bus_counts_get(s.bus, &before);
  for (int r = 0; r < ROUNDS; r++) {
    for (size_t i = 0; i < each; i++) {
      natsMsg *msg;
      uint64_t began = pml_clock_us();
      if (nats.natsConnection_Request(&msg, nc, cluster, body, sizeof body, 5000))
        fail("libnats", "a request failed");
      bare[done++] = (double)(pml_clock_us() - began);
      nats.natsMsg_Destroy(msg);
    }
    s.left = each;
    call(&s);
    while (s.left) pml_loop_run(s.l);
  }
  pml_bus_counts_get(s.bus, &after);
  double one = say("libnats", bare, done), two = say("bus", s.us, s.done);
  printf("ratio    %.2f\n", two / one);
  printf("bytes    %.0f a call, %.0f an answer\n",
         (double)(after.bytes_sent - before.bytes_sent) / (double)s.done,
         (double)(after.bytes_received - before.bytes_received) / (double)s.done);
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
  return 0;
}
