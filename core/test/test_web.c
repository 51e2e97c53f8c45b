#include "net/web.h"

#include "base/err.h"
#include "test/test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* A folder with a few files, beside one that must not be reached. */
static char top[64], root[128];
static pml_web *web;
static char answer[65536];

static void put(const char *name, const char *text) {
  char path[256];
  snprintf(path, sizeof path, "%s/%s", top, name);
  FILE *f = fopen(path, "w");
  CHECK(f != NULL);
  fputs(text, f);
  fclose(f);
}
static void folder(const char *name) {
  char path[256];
  snprintf(path, sizeof path, "%s/%s", top, name);
  CHECK_EQ(mkdir(path, 0755), 0);
}
static void link_to(const char *name, const char *to) {
  char path[256];
  snprintf(path, sizeof path, "%s/%s", top, name);
  CHECK_EQ(symlink(to, path), 0);
}
static void begin(void) {
  strcpy(top, "/tmp/pml-web-XXXXXX");
  CHECK(mkdtemp(top) != NULL);
  folder("web");
  folder("web/sub");
  folder("web/.git");
  folder("web-secret");
  put("secret.txt", "secret");
  put("web-secret/a.txt", "secret");
  put("web/.git/config", "secret");
  put("web/.hidden", "secret");
  put("web/index.html", "<p>start</p>");
  put("web/sub/index.html", "<p>sub</p>");
  put("web/app.js", "run()");
  put("web/name with space.txt", "space");
  put("web/empty.json", "");
  folder("web/none");
  link_to("web/out.txt", "../secret.txt");
  link_to("web/outdir", "..");
  link_to("web/in.txt", "app.js");
  link_to("web/git", ".git");
  snprintf(root, sizeof root, "%s/web", top);
  char err[200] = "";
  CHECK_EQ(pml_web_open(NULL, 0, root, NULL, &web, err, sizeof err), 0);
  CHECK(pml_web_port(web) > 0);
}
static void finish(void) {
  pml_web_close(web);
  char cmd[128];
  snprintf(cmd, sizeof cmd, "rm -r %s", top);
  CHECK_EQ(system(cmd), 0);
}

/* One request, the whole answer. */
static void ask(const char *request) {
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)pml_web_port(web))};
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  CHECK_EQ(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
  CHECK_EQ(write(fd, request, strlen(request)), strlen(request));
  size_t n = 0;
  for (ssize_t k; (k = read(fd, answer + n, sizeof answer - 1 - n)) > 0;) n += (size_t)k;
  answer[n] = 0;
  close(fd);
}
static void get_with(const char *path, const char *headers) {
  char request[2048];
  snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n",
           path, headers);
  ask(request);
}
static void get(const char *path) { get_with(path, ""); }
static int status(void) {
  int n = 0;
  sscanf(answer, "HTTP/1.1 %d", &n);
  return n;
}
static const char *body(void) {
  const char *p = strstr(answer, "\r\n\r\n");
  return p ? p + 4 : "";
}
static const char *header(const char *name) {
  static char value[200];
  char start[64];
  snprintf(start, sizeof start, "\r\n%s: ", name);
  const char *p = strcasestr(answer, start);
  value[0] = 0;
  if (p) sscanf(p + strlen(start), "%199[^\r]", value);
  return value;
}
#define CHECK_STR(a, b) CHECK_BYTES(a, strlen(a), b)

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

TEST(web_head_has_no_body) {
  begin();
  ask("HEAD /app.js HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  CHECK_EQ(status(), 200);
  CHECK_STR(header("Content-Length"), "5");
  CHECK_STR(body(), "");
  finish();
}

TEST(web_answers_304_for_what_has_not_changed) {
  begin();
  get("/app.js");
  char headers[600], tag[200], date[200];
  snprintf(tag, sizeof tag, "%s", header("ETag"));
  snprintf(date, sizeof date, "%s", header("Last-Modified"));
  CHECK(tag[0] == '"' && strstr(date, "GMT"));
  snprintf(headers, sizeof headers, "If-None-Match: \"other\", W/%s\r\n", tag);
  get_with("/app.js", headers);
  CHECK_EQ(status(), 304);
  CHECK_STR(body(), "");
  CHECK_STR(header("ETag"), tag);
  snprintf(headers, sizeof headers, "If-Modified-Since: %s\r\n", date);
  get_with("/app.js", headers);
  CHECK_EQ(status(), 304);
  /* The tag decides when both are there. */
  snprintf(headers, sizeof headers, "If-None-Match: \"x\"\r\nIf-Modified-Since: %s\r\n", date);
  get_with("/app.js", headers);
  CHECK_EQ(status(), 200);
  put("web/app.js", "run(2)");
  snprintf(headers, sizeof headers, "If-None-Match: %s\r\n", tag);
  get_with("/app.js", headers);
  CHECK_EQ(status(), 200);
  CHECK_STR(body(), "run(2)");
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
