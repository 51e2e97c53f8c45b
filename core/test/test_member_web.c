#include "base/err.h"
#include "host/program.h"
#include "test/test.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

/* A program of one server with the routes GET /a, which it answers, and GET /wait, which it does
 * not. A thread is the client. */
static pml_member *member;
static _Atomic int port, taken;
static pml_program *_Atomic program;
static char got[2][1024];

static void started(void *ud) {
  const pml_http_route list[] = {{pml_slice_str("GET"), pml_slice_str("/a")},
                                 {pml_slice_str("GET"), pml_slice_str("/wait")}};
  char why[PML_HTTP_ROUTES_WHY];
  pml_http_routes *r = pml_http_routes_new(list, 2, why);
  (void)ud;
  CHECK_EQ(pml_member_serve_web(member, r), 0);
  pml_http_routes_unref(r);
}
static void start(void *ud) {
  (void)ud;
  pml_member_listening(member, "");
}
static void stop(void *ud, pml_stop_step step, pml_id number) {
  (void)ud, (void)step;
  pml_member_stopped(member, number);
}
static void on_web(void *ud, const pml_web_call *c) {
  (void)ud;
  taken++;
  CHECK(pml_member_waits_web(member, c->id));
  if (c->pattern.n != 2) return;
  pml_web_answer a = {.status = 202, .whole = 1};
  CHECK_EQ(pml_member_answer_web(member, c->id, &a), 0);
  CHECK(!pml_member_waits_web(member, c->id));
}

static int load(pml_node *n, pml_member *m, const char *boot, void **state, char **err, void *ud) {
  const pml_script none = {0};
  const pml_stage stage = {.start = start, .started = started, .stop = stop, .web = on_web};
  (void)boot, (void)err, (void)ud;
  pml_node_set_script(n, &none);
  *state = NULL;
  member = m;
  pml_member_set_stage(m, &stage);
  pml_member_loaded(m);
  return 0;
}

static void unload(void *state, void *ud) { (void)state, (void)ud; }

static void say(const char *line, void *ud) {
  int n = 0;
  (void)ud;
  if (sscanf(line, "http at http://127.0.0.1:%d/", &n) == 1) port = n;
}
static void on_run(pml_program *p, void *ud) {
  (void)ud;
  program = p;
}

static void ask(const char *path, char *answer, size_t size) {
  char text[200];
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int n =
    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", path);
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  CHECK_EQ(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
  CHECK_EQ(write(fd, text, (size_t)n), n);
  if (strcmp(path, "/wait") == 0) {
    while (taken < 2) usleep(1000);
    pml_program_ask_stop(program);
  }
  size_t len = 0;
  for (ssize_t k; (k = read(fd, answer + len, size - 1 - len)) > 0;) len += (size_t)k;
  answer[len] = 0;
  close(fd);
}

/* Until the server has told its routes its paths are answered with 503. */
static void *client(void *ud) {
  while (!port) usleep(1000);
  do ask("/a", got[0], sizeof got[0]);
  while (strstr(got[0], " 503 "));
  ask("/wait", got[1], sizeof got[1]);
  return ud;
}

TEST(member_web_answers_and_stops) {
  const pml_member_spec server = {"s0", "t", 0, ""};
  const pml_web_options web = {.host = "127.0.0.1", .http.on = 1};
  pml_program_options o = {.servers = &server,
                           .count = 1,
                           .level = PML_SILENT,
                           .load = load,
                           .unload = unload,
                           .say = say,
                           .web = &web,
                           .embedded = 1,
                           .on_run = on_run};
  pthread_t thread;
  CHECK_EQ(pthread_create(&thread, NULL, client, NULL), 0);
  CHECK_EQ(pml_program_run(&o), 1); /* a request was cut */
  pthread_join(thread, NULL);
  CHECK(strstr(got[0], "HTTP/1.1 202 "));
  CHECK(strstr(got[1], "HTTP/1.1 503 "));
  CHECK_EQ(taken, 2);
}
