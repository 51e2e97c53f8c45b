#include "base/container.h"
#include "base/err.h"
#include "base/mem.h"
#include "test/web.h"

#include <pthread.h>

/* A page server with routes, and a server that answers them on a thread of its own: with what
 * `reply` says, or not at all. */
static pml_web_calls *calls;
static pml_mailbox *box;
static pml_loop *loop;
static pthread_t thread;
static _Atomic int silent, heard;
static char seen[4096];
static pml_timer quit;
static _Atomic int quitting;

static void on_call(pml_mail *mail, void *ud) {
  pml_web_call *c = PML_CONTAINER(mail, pml_web_call, mail);
  char text[4000];
  (void)ud;
  int n = snprintf(text, sizeof text, "%.*s %.*s %.*s?%.*s from %.*s: %.*s", (int)c->asked.n,
                   (const char *)c->asked.p, (int)c->pattern.n, (const char *)c->pattern.p,
                   (int)c->path.n, (const char *)c->path.p, (int)c->query.n,
                   (const char *)c->query.p, (int)c->address.n, (const char *)c->address.p,
                   (int)c->body.n, (const char *)c->body.p);
  memcpy(seen, text, sizeof text);
  heard++;
  pml_web_answer a = {.status = 200, .whole = 1, .body = pml_strdup(text), .size = (size_t)n};
  pml_web_answer_add(&a, pml_slice_str("X-Mine"), pml_slice_str("yes"));
  if (silent) pml_web_answer_clear(&a);
  else pml_web_calls_answer(calls, c->id, &a);
  pml_free(c);
}
static void drop(pml_mail *mail, void *ud) {
  (void)ud;
  pml_free(PML_CONTAINER(mail, pml_web_call, mail));
}
static void look(pml_timer *t) {
  if (quitting) pml_loop_stop(loop);
  else pml_timer_start(loop, t, 5);
}
static void *run(void *ud) {
  pml_loop_run(loop);
  return ud;
}

static void serve(void) {
  static const char *const list[][2] = {{"GET", "/a/:id"}, {"POST", "/pay"}, {"OPTIONS", "/own"}};
  pml_http_route routes[3];
  char why[PML_HTTP_ROUTES_WHY];
  for (int i = 0; i < 3; i++)
    routes[i] = (pml_http_route){pml_slice_str(list[i][0]), pml_slice_str(list[i][1])};
  pml_http_routes *r = pml_http_routes_new(routes, 3, why);
  CHECK_EQ(pml_web_calls_serve(calls, box, r), 0);
  pml_http_routes_unref(r);
}

static void start(pml_web_call_limits limits) {
  calls = web_options.calls = pml_web_calls_new(&limits);
  begin();
  loop = pml_loop_new();
  box = pml_mailbox_new(loop, 64, 1u << 20, on_call, NULL);
  pml_timer_init(&quit, look);
  pml_timer_start(loop, &quit, 5);
  CHECK_EQ(pthread_create(&thread, NULL, run, NULL), 0);
}

static void stop(void) {
  quitting = 1;
  pthread_join(thread, NULL);
  pml_web_calls_leave(calls, box);
  pml_mailbox_close(box, drop, NULL);
  pml_mailbox_unref(box);
  pml_timer_stop(loop, &quit);
  pml_loop_free(loop);
  pml_web_calls_end(calls);
  finish();
  pml_web_calls_free(calls);
}

static void post_with(const char *path, const char *headers, const char *text) {
  static char request[8192];
  snprintf(request, sizeof request,
           "POST %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%sContent-Length: %zu\r\n\r\n%s",
           path, headers, strlen(text), text);
  ask(request);
}

TEST(web_request_goes_to_its_route) {
  start((pml_web_call_limits){0});
  serve();
  post_with("/pay?a=1", "", "{}");
  CHECK_EQ(status(), 200);
  CHECK_STR(body(), "POST /pay /pay?a=1 from 127.0.0.1: {}");
  CHECK_STR(header("X-Mine"), "yes");
  CHECK_STR(header("Cache-Control"), "no-store");
  CHECK_STR(header("X-Content-Type-Options"), "nosniff");
  get("/a/x%20y");
  CHECK_STR(body(), "GET /a/:id /a/x%20y? from 127.0.0.1: ");
  ask("HEAD /a/1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  CHECK_EQ(status(), 200);
  CHECK_STR(body(), "");
  CHECK_STR(seen, "HEAD /a/:id /a/1? from 127.0.0.1: ");
  ask("OPTIONS /own HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  CHECK_STR(body(), "OPTIONS /own /own? from 127.0.0.1: ");
  get("/app.js");
  CHECK_STR(body(), "run()");
  get("/health");
  CHECK_EQ(status(), 503);
  get("/nothing");
  CHECK_EQ(status(), 404);
  post_with("/app.js", "", "{}");
  CHECK_EQ(status(), 405);
  CHECK_STR(header("Allow"), "GET, HEAD");
  CHECK_EQ(heard, 4);
  stop();
}

TEST(web_request_answers_what_no_function_gets) {
  start((pml_web_call_limits){.body = 10});
  post_with("/pay", "", "{}");
  CHECK_EQ(status(), 503);
  CHECK_STR(body(), "{\"code\":503}");
  CHECK_STR(header("Retry-After"), "1");
  get("/app.js");
  CHECK_EQ(status(), 200);
  serve();
  get("/pay");
  CHECK_EQ(status(), 405);
  CHECK_STR(header("Allow"), "POST, OPTIONS");
  ask("OPTIONS /pay HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  CHECK_EQ(status(), 204);
  CHECK_STR(header("Allow"), "POST, OPTIONS");
  get("/a/%zz");
  CHECK_EQ(status(), 400);
  post_with("/pay", "", "12345678901");
  CHECK_EQ(status(), 413);
  post_with("/pay", "Transfer-Encoding: gzip\r\n", "{}");
  CHECK(status() == 400 || status() == 501);
  post_with("/pay", "Content-Length: 1\r\n", "{}");
  CHECK_EQ(status(), 400);
  ask("BREW /pay HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  CHECK_EQ(status(), 405);
  CHECK_EQ(heard, 0);
  stop();
}

TEST(web_request_whose_head_is_bad_behind_its_line) {
  start((pml_web_call_limits){0});
  serve();
  ask("POST /pay HTTP/1.1\r\nHost x\r\nno header\r\n\r\n");
  ask("POST /pay HTTP/1.1\r\nContent-Length: a\r\n\r\n");
  ask("GET /a/1 HTTP/1.1\r\nConnection: close\r\n\r\n"); /* no Host */
  int fd = join_web();
  CHECK(write(fd, "POST /pay HTTP/1.1\r\nHo", 22) == 22);
  close(fd);
  post_with("/pay", "", "{}");
  CHECK_EQ(status(), 200);
  stop();
}

TEST(web_request_is_answered_in_time) {
  start((pml_web_call_limits){.timeout_ms = 50, .waiting = 1});
  silent = 1;
  serve();
  post_with("/pay", "", "{}");
  CHECK_EQ(status(), 504);
  CHECK_STR(body(), "{\"code\":504}");
  stop();
}

TEST(web_request_is_answered_when_its_server_goes) {
  start((pml_web_call_limits){0});
  silent = 1;
  serve();
  int fd = join_web();
  static const char text[] =
    "GET /a/1 HTTP/1.1\r\nHost: x\r\n\r\nGET /app.js HTTP/1.1\r\nHost: x\r\n"
    "Connection: close\r\n\r\n";
  CHECK_EQ(write(fd, text, sizeof text - 1), sizeof text - 1);
  for (int i = 0; i < 3000 && !heard; i++) usleep(1000);
  CHECK_EQ(heard, 1);
  get("/app.js"); /* the page server waits for nobody */
  CHECK_STR(body(), "run()");
  CHECK_EQ(pml_web_calls_open(calls, box), 1);
  pml_web_calls_leave(calls, box);
  size_t n = 0;
  for (ssize_t k; (k = read(fd, answer + n, sizeof answer - 1 - n)) > 0;) n += (size_t)k;
  answer[n] = 0;
  close(fd);
  CHECK_EQ(status(), 503);
  CHECK(strstr(answer, "run()")); /* what the client had sent behind it */
  stop();
}
