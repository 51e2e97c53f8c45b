/* web: a page server over a folder with a few files, and one request at a time to it. */
#ifndef PML_TEST_WEB_H
#define PML_TEST_WEB_H

#include "host/web.h"
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

static inline void put(const char *name, const char *text) {
  char path[256];
  snprintf(path, sizeof path, "%s/%s", top, name);
  FILE *f = fopen(path, "w");
  CHECK(f != NULL);
  fputs(text, f);
  fclose(f);
}
static inline void folder(const char *name) {
  char path[256];
  snprintf(path, sizeof path, "%s/%s", top, name);
  CHECK_EQ(mkdir(path, 0755), 0);
}
static inline void link_to(const char *name, const char *to) {
  char path[256];
  snprintf(path, sizeof path, "%s/%s", top, name);
  CHECK_EQ(symlink(to, path), 0);
}
static const pml_log *log_of_web;   /* NULL: none */
static pml_web_options web_options; /* begin sets the root */

static inline void begin(void) {
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
  web_options.root = root;
  CHECK_EQ(pml_web_open(&web_options, log_of_web, &web, err, sizeof err), 0);
  CHECK(pml_web_port(web) > 0);
}
static inline void finish(void) {
  pml_web_close(web);
  char cmd[128];
  snprintf(cmd, sizeof cmd, "rm -r %s", top);
  CHECK_EQ(system(cmd), 0);
}

static inline int join_web(void) {
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)pml_web_port(web))};
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  CHECK_EQ(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
  return fd;
}

/* One request, the whole answer. */
static inline void ask(const char *request) {
  int fd = join_web();
  ssize_t sent = send(fd, request, strlen(request), MSG_NOSIGNAL);
  CHECK(sent < 0 || (size_t)sent == strlen(request)); /* a refused one may have been closed */
  size_t n = 0;
  for (ssize_t k; (k = read(fd, answer + n, sizeof answer - 1 - n)) > 0;) n += (size_t)k;
  answer[n] = 0;
  close(fd);
}
static inline void get_with(const char *path, const char *headers) {
  char request[2048];
  snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n",
           path, headers);
  ask(request);
}
static inline void get(const char *path) { get_with(path, ""); }
static inline int status(void) {
  int n = 0;
  sscanf(answer, "HTTP/1.1 %d", &n);
  return n;
}
static inline const char *body(void) {
  const char *p = strstr(answer, "\r\n\r\n");
  return p ? p + 4 : "";
}
static inline const char *header(const char *name) {
  static char value[200];
  char start[64];
  snprintf(start, sizeof start, "\r\n%s: ", name);
  const char *p = strcasestr(answer, start);
  value[0] = 0;
  if (p) sscanf(p + strlen(start), "%199[^\r]", value);
  return value;
}

#endif
