#include "host/control.h"

#include "base/err.h"
#include "test/test.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct {
  pml_control *c;
  pml_loop *l;
  int lines, gone;
  pml_id client;
  char last[256];
} host;

static void on_line(pml_id client, pml_slice line, void *ud) {
  host *h = ud;
  h->lines++;
  h->client = client;
  snprintf(h->last, sizeof h->last, "%.*s", (int)line.n, (const char *)line.p);
  pml_control_write(h->c, client, line);
}

static void on_gone(pml_id client, void *ud) {
  (void)client;
  ((host *)ud)->gone++;
}

static char *folder(void) {
  static const char base[] = "/tmp/pml-control-XXXXXX";
  char *dir = strdup(base);
  CHECK(mkdtemp(dir) != NULL);
  return dir;
}

static void begin(host *h, const char *path) {
  char err[256];
  pml_control_events ev = {on_line, on_gone, h};
  memset(h, 0, sizeof *h);
  h->l = pml_loop_new();
  CHECK_EQ(pml_control_open(h->l, path, &ev, &h->c, err, sizeof err), 0);
}

static void finish(host *h) {
  pml_control_close(h->c);
  pml_loop_free(h->l);
}

#define UNTIL(expr) \
  while (!(expr)) uv_run(pml_loop_uv(h.l), UV_RUN_ONCE)

TEST(control_answers_line_by_line_however_they_are_cut) {
  host h;
  char *dir = folder(), path[64], got[64] = "";
  snprintf(path, sizeof path, "%s/sock", dir);
  begin(&h, path);
  int fd = pml_control_connect(path);
  CHECK(fd >= 0);
  CHECK_EQ(write(fd, "on", 2), 2);
  uv_run(pml_loop_uv(h.l), UV_RUN_NOWAIT);
  CHECK_EQ(h.lines, 0);
  CHECK_EQ(write(fd, "e\ntwo\n", 6), 6);
  UNTIL(h.lines == 2);
  CHECK(strcmp(h.last, "two") == 0);
  uv_run(pml_loop_uv(h.l), UV_RUN_NOWAIT);
  CHECK_EQ(read(fd, got, sizeof got), 8);
  CHECK(memcmp(got, "one\ntwo\n", 8) == 0);
  close(fd);
  UNTIL(h.gone == 1);
  finish(&h);
  CHECK_EQ(access(path, F_OK), -1);
  rmdir(dir);
  free(dir);
}

TEST(control_is_its_owners_alone) {
  host h;
  struct stat st;
  char *dir = folder(), path[64];
  snprintf(path, sizeof path, "%s/sock", dir);
  begin(&h, path);
  CHECK_EQ(stat(path, &st), 0);
  CHECK_EQ(st.st_mode & 0777, 0600);
  finish(&h);
  rmdir(dir);
  free(dir);
}

TEST(control_knows_who_asks) {
  host h;
  uint32_t uid = 0, pid = 0;
  char *dir = folder(), path[64];
  snprintf(path, sizeof path, "%s/sock", dir);
  begin(&h, path);
  int fd = pml_control_connect(path);
  CHECK(fd >= 0);
  CHECK_EQ(write(fd, "x\n", 2), 2);
  UNTIL(h.lines == 1);
  CHECK_EQ(pml_control_peer(h.c, h.client, &uid, &pid), 0);
  CHECK_EQ(uid, getuid());
  CHECK_EQ(pid, (uint32_t)getpid());
  close(fd);
  UNTIL(h.gone == 1);
  CHECK_EQ(pml_control_peer(h.c, h.client, &uid, &pid), PML_ENOENT);
  finish(&h);
  rmdir(dir);
  free(dir);
}

TEST(control_takes_the_place_of_a_dead_socket_not_of_a_living_one) {
  host h;
  pml_control *other;
  char *dir = folder(), path[64], err[256];
  snprintf(path, sizeof path, "%s/sock", dir);
  close(open(path, O_CREAT | O_WRONLY, 0600)); /* nobody listens */
  begin(&h, path);
  pml_control_events ev = {on_line, on_gone, &h};
  CHECK_EQ(pml_control_open(h.l, path, &ev, &other, err, sizeof err), PML_EEXIST);
  CHECK(strstr(err, "listens") != NULL);
  UNTIL(h.gone == 1); /* the one who looked */
  finish(&h);
  CHECK_EQ(pml_control_connect(path), PML_ENOENT);
  rmdir(dir);
  free(dir);
}

TEST(control_lies_as_deep_as_you_like) {
  host h;
  char *dir = folder(), path[400], deep[300];
  int n = snprintf(deep, sizeof deep, "%s/", dir);
  memset(deep + n, 'd', 200);
  deep[n + 200] = '\0';
  CHECK_EQ(mkdir(deep, 0700), 0);
  snprintf(path, sizeof path, "%s/sock", deep);
  begin(&h, path);
  int fd = pml_control_connect(path);
  CHECK(fd >= 0);
  CHECK_EQ(write(fd, "x\n", 2), 2);
  UNTIL(h.lines == 1);
  close(fd);
  finish(&h);
  rmdir(deep);
  rmdir(dir);
  free(dir);
}

TEST(control_tells_one_tool_too_many) {
  host h;
  char *dir = folder(), path[64], got[128] = "";
  int fd[PML_CONTROL_CLIENTS + 1];
  snprintf(path, sizeof path, "%s/sock", dir);
  begin(&h, path);
  for (unsigned i = 0; i <= PML_CONTROL_CLIENTS; i++) {
    fd[i] = pml_control_connect(path);
    CHECK(fd[i] >= 0);
    uv_run(pml_loop_uv(h.l), UV_RUN_NOWAIT);
  }
  CHECK(read(fd[PML_CONTROL_CLIENTS], got, sizeof got - 1) > 0);
  CHECK(strstr(got, "\"done\":true}\n") != NULL);
  for (unsigned i = 0; i <= PML_CONTROL_CLIENTS; i++) close(fd[i]);
  finish(&h);
  rmdir(dir);
  free(dir);
}

TEST(control_closes_who_sends_a_line_without_end) {
  host h;
  char *dir = folder(), path[64];
  static char big[PML_CONTROL_LINE];
  snprintf(path, sizeof path, "%s/sock", dir);
  begin(&h, path);
  int fd = pml_control_connect(path);
  CHECK(fd >= 0);
  memset(big, 'x', sizeof big);
  CHECK_EQ(write(fd, big, sizeof big), sizeof big);
  UNTIL(h.gone == 1);
  CHECK_EQ(h.lines, 0);
  close(fd);
  finish(&h);
  rmdir(dir);
  free(dir);
}
