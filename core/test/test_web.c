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
  CHECK(pml_web_open("127.0.0.1", pml_web_port(web), root, NULL, &second, err, sizeof err) < 0);
  CHECK(strstr(err, "127.0.0.1") != NULL);
  CHECK_EQ(pml_web_open(NULL, 0, "/no/such/folder", NULL, &second, err, sizeof err), PML_ENOENT);
  CHECK(strstr(err, "/no/such/folder") != NULL);
  char file[200];
  snprintf(file, sizeof file, "%s/app.js", root);
  CHECK_EQ(pml_web_open(NULL, 0, file, NULL, &second, err, sizeof err), PML_EINVAL);
  CHECK(second == NULL);
  finish();
}
