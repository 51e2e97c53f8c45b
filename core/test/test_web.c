#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "test/web.h"

TEST(web_serves_files_and_indexes) {
  begin();
  get("/");
  CHECK_EQ(status(), 200);
  CHECK_STR(body(), "<p>start</p>");
  CHECK_STR(header("Content-Type"), "text/html; charset=utf-8");
  CHECK_STR(header("Cache-Control"), "no-cache");
  get("/app.js?v=3");
  CHECK_STR(body(), "run()");
  CHECK_STR(header("Content-Type"), "text/javascript; charset=utf-8");
  get("/sub/");
  CHECK_STR(body(), "<p>sub</p>");
  get("/name%20with%20space.txt");
  CHECK_STR(body(), "space");
  get("/empty.json");
  CHECK_EQ(status(), 200);
  CHECK_STR(header("Content-Length"), "0");
  get("/in.txt");
  CHECK_STR(body(), "run()");
  get("/sub");
  CHECK_EQ(status(), 301);
  CHECK_STR(header("Location"), "/sub/");
  finish();
}

static void count_line(pml_level level, const char *text, void *ud) {
  (void)level;
  if (strstr(text, "web: no file for")) __atomic_add_fetch(&((int *)ud)[0], 1, __ATOMIC_RELAXED);
  if (strstr(text, "more: web: no file")) __atomic_add_fetch(&((int *)ud)[1], 1, __ATOMIC_RELAXED);
}

TEST(web_clients_cannot_fill_the_log) {
  test_has_bounds_of_time();
  static int lines[2]; /* those of files, those that tell how many were left out */
  pml_log log;
  pml_log_init(&log, "web", PML_DEBUG, 0);
  log.on_line = count_line;
  log.ud = lines;
  log_of_web = &log;
  uint64_t before = pml_clock_ms();
  begin();
  for (int i = 0; i < 50; i++) get("/missing");
  finish();
  uint64_t seconds = (pml_clock_ms() - before) / 1000 + 1;
  CHECK(lines[0] >= PML_LOG_LINES);
  CHECK(lines[0] <= (int)seconds * PML_LOG_LINES);
  CHECK(seconds > 4 || lines[1] >= 1);
}

TEST(web_head_has_no_body) {
  begin();
  ask("HEAD /app.js HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  CHECK_EQ(status(), 200);
  CHECK_STR(header("Content-Length"), "5");
  CHECK_STR(body(), "");
  finish();
}

TEST(web_hands_out_nothing_else) {
  begin();
  const char *bad[] = {
    "/../secret.txt",
    "/%2e%2e/secret.txt",
    "/sub/../../secret.txt",
    "/..%2fsecret.txt",
    "/out.txt",
    "/outdir/secret.txt",
    "/outdir/",
    "/../web-secret/a.txt",
    "/.hidden",
    "/.git/config",
    "/git/config",
    "/%2egit/config",
    "//etc/passwd",
    "/sub//index.html",
    "/app.js/",
    "/app.js%00.html",
    "/none/",
    "/missing",
    "/index.html/x",
    "/.",
    "/./app.js",
    "app.js",
    "*",
    "/%",
    "/%zz",
    "/%ff%fe",
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    get(bad[i]);
    if (status() != 404 && status() != 400) printf("%s gave %d\n", bad[i], status());
    CHECK(status() == 404 || status() == 400);
    CHECK(!strstr(answer, "secret"));
  }
  char path[6000];
  memset(path, 'a', sizeof path - 1);
  path[0] = '/';
  path[sizeof path - 1] = 0;
  static char request[7000];
  snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
           path);
  ask(request);
  CHECK_EQ(status(), 404);
  finish();
}

TEST(web_does_not_let_a_path_write_headers) {
  begin();
  char cmd[200];
  snprintf(cmd, sizeof cmd, "mkdir \"$(printf '%s/a\\r\\nX-Bad: 1')\"", root);
  CHECK_EQ(system(cmd), 0);
  get("/a%0d%0aX-Bad:%201");
  CHECK_EQ(status(), 301);
  CHECK_STR(header("X-Bad"), "");
  CHECK_STR(header("Location"), "/a%0D%0AX-Bad%3A%201/");
  finish();
}

TEST(web_takes_no_other_method) {
  begin();
  ask("POST /app.js HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc");
  CHECK_EQ(status(), 405);
  CHECK_STR(header("Allow"), "GET, HEAD");
  ask("DELETE /app.js HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  CHECK_EQ(status(), 405);
  get("/app.js");
  CHECK_EQ(status(), 200);
  finish();
}

TEST(web_says_why_it_does_not_open) {
  begin();
  pml_web *second = NULL;
  char err[300] = "";
  pml_web_options o = {.host = "127.0.0.1", .port = pml_web_port(web), .root = root};
  CHECK(pml_web_open(&o, NULL, &second, err, sizeof err) < 0);
  CHECK(strstr(err, "port: 127.0.0.1:") == err);
  o = (pml_web_options){.root = "/no/such/folder"};
  CHECK_EQ(pml_web_open(&o, NULL, &second, err, sizeof err), PML_ENOENT);
  CHECK(strstr(err, "root: /no/such/folder: ") == err);
  char file[200];
  snprintf(file, sizeof file, "%s/app.js", root);
  o.root = file;
  CHECK_EQ(pml_web_open(&o, NULL, &second, err, sizeof err), PML_EINVAL);
  CHECK(second == NULL);
  finish();
}

TEST(web_keeps_a_connection_for_the_next_request) {
  begin();
  int fd = join_web();
  const char request[] = "GET /app.js HTTP/1.1\r\nHost: x\r\n\r\n";
  for (int i = 0; i < 3; i++) {
    size_t n = 0;
    CHECK_EQ(write(fd, request, sizeof request - 1), sizeof request - 1);
    answer[0] = 0;
    while (!strstr(answer, "run()")) {
      ssize_t k = read(fd, answer + n, sizeof answer - 1 - n);
      CHECK(k > 0);
      answer[n += (size_t)k] = 0;
    }
    CHECK_EQ(status(), 200);
  }
  close(fd);
  finish();
}

TEST(web_health_says_whether_all_servers_are_up) {
  begin();
  put("web/health", "a file");
  get("/health");
  CHECK_EQ(status(), 503);
  CHECK_STR(body(), "{\"status\":\"starting\",\"up\":0,\"servers\":0}\n");
  CHECK_STR(header("Content-Type"), "application/json");
  CHECK_STR(header("Cache-Control"), "no-store");
  pml_web_set_health(web, PML_WEB_RUNNING, 3, 3);
  get("/health?x=1");
  CHECK_EQ(status(), 200);
  CHECK_STR(body(), "{\"status\":\"up\",\"up\":3,\"servers\":3}\n");
  ask("HEAD /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  CHECK_EQ(status(), 200);
  CHECK_STR(body(), "");
  pml_web_set_health(web, PML_WEB_RUNNING, 2, 3);
  get("/health");
  CHECK_EQ(status(), 503);
  CHECK_STR(body(), "{\"status\":\"degraded\",\"up\":2,\"servers\":3}\n");
  pml_web_set_health(web, PML_WEB_STOPPING, 0, 0);
  get("/health");
  CHECK_EQ(status(), 503);
  CHECK_STR(body(), "{\"status\":\"stopping\",\"up\":0,\"servers\":0}\n");
  pml_web_set_health(web, PML_WEB_RUNNING, 3, 3);
  pml_web_set_bus(web, 0);
  get("/health");
  CHECK_EQ(status(), 200);
  CHECK_STR(body(), "{\"status\":\"up\",\"up\":3,\"servers\":3,\"bus\":\"down\"}\n");
  pml_web_set_bus(web, 1);
  get("/health");
  CHECK_STR(body(), "{\"status\":\"up\",\"up\":3,\"servers\":3,\"bus\":\"up\"}\n");
  ask("POST /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
  CHECK_EQ(status(), 405);
  finish();
}

TEST(web_health_may_be_a_file_of_the_page) {
  web_options.no_health = 1;
  begin();
  put("web/health", "a file");
  get("/health");
  CHECK_EQ(status(), 200);
  CHECK_STR(body(), "a file");
  finish();
}

/* Where the body ends decides where the next request begins: nothing behind a body is one. */
TEST(web_takes_nothing_behind_a_body_for_a_request) {
  begin();
  const char *heads[] = {
    "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "Content-Length: 3\r\n\r\nabc",
    "Content-Length: 100000\r\n\r\n",
  };
  for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
    char request[400];
    snprintf(request, sizeof request,
             "GET /app.js HTTP/1.1\r\nHost: x\r\n%sGET /sub/ HTTP/1.1\r\nHost: x\r\n\r\n",
             heads[i]);
    ask(request);
    CHECK(status() == 200 || status() == 400);
    CHECK(!strstr(answer, "<p>sub</p>"));
  }
  finish();
}
