#include "host/program.h"

#include "base/err.h"
#include "test/fake_script.h"
#include "test/net.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* A server's scripts, in C. What it does is said by the words of its boot text:
 *   fail        does not load          listen=PORT  opens that port (0: any)
 *   mute        never says that it is up             slow  never says that it has stopped
 *   term        sends SIGTERM when all are up        shutdown=N  ends the program then
 *   early=N     ends the program when it starts
 *   twice       sends SIGTERM when it is to stop
 *   again       says everything twice               crash  fails when all are up
 *   wish        asks its program for something when all are up, and ends it at the answer
 *   ask=ID      calls server ID when it starts, and waits for the answer to be up */
typedef struct {
  pml_member *m;
  pml_node *node;
  const char *boot;
} server;

/* What all threads and main have told: lines, by whoever comes first. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char heard[4096];
static int loaded, unloaded;
static int takes_wishes; /* the program does */

static void note(const char *who, const char *what) {
  pthread_mutex_lock(&lock);
  size_t n = strlen(heard);
  snprintf(heard + n, sizeof heard - n, "%s %s\n", who, what);
  pthread_mutex_unlock(&lock);
}

static int said(const char *text) {
  pthread_mutex_lock(&lock);
  int yes = strstr(heard, text) != NULL;
  pthread_mutex_unlock(&lock);
  return yes;
}

static int times(const char *text) {
  int n = 0;
  for (const char *s = heard; (s = strstr(s, text)); s++) n++;
  return n;
}

static const char *word(const server *s, const char *name) {
  const char *at = strstr(s->boot, name);
  return at ? at + strlen(name) : NULL;
}

static void up(server *s, const char *line) {
  pml_member_listening(s->m, line);
  if (word(s, "again")) pml_member_listening(s->m, "");
}

static void start(void *ud) {
  server *s = ud;
  char err[256], line[300] = "";
  int port = 0;
  pml_id call;
  note(pml_node_id(s->node), "start");
  if (word(s, "early=")) pml_member_shutdown(s->m, atoi(word(s, "early=")));
  if (word(s, "mute")) return;
  if (word(s, "listen=")) {
    if (pml_node_listen(s->node, "127.0.0.1", atoi(word(s, "listen=")), &port, err, sizeof err)) {
      pml_member_failed(s->m, err);
      return;
    }
    snprintf(line, sizeof line, "%s listens on %d\n", pml_node_id(s->node), port);
  }
  if (word(s, "ask=")) {
    pml_buf *args = pml_buf_from("[]", 2);
    CHECK_EQ(pml_node_call(s->node, word(s, "ask="), pml_slice_str("r.a"), args, 4000, &call), 0);
    pml_buf_unref(args);
    return;
  }
  up(s, line);
}

static void started(void *ud) {
  server *s = ud;
  note(pml_node_id(s->node), "started");
  if (word(s, "term")) kill(getpid(), SIGTERM);
  if (word(s, "wish") && pml_member_wish(s->m, 7, "please") == PML_ENOENT) {
    note(pml_node_id(s->node), "has no wishes");
    pml_member_shutdown(s->m, 0);
  }
  if (word(s, "crash")) pml_member_failed(s->m, "crashed");
  if (word(s, "shutdown=")) pml_member_shutdown(s->m, atoi(word(s, "shutdown=")));
}

static void stop(void *ud, pml_stop_step step, pml_id number) {
  static const char *const steps[] = {"draining", "closing", "telling", "shutdown"};
  server *s = ud;
  note(pml_node_id(s->node), steps[step]);
  if (step == PML_STOP_SHUTDOWN && word(s, "twice")) kill(getpid(), SIGTERM);
  if (step == PML_STOP_SHUTDOWN && word(s, "slow")) return;
  pml_member_stopped(s->m, number);
  if (word(s, "again")) pml_member_stopped(s->m, number);
}

static void control(void *ud, pml_id call, pml_slice text) {
  server *s = ud;
  CHECK_BYTES(text.p, text.n, "granted");
  note(pml_node_id(s->node), "was granted it");
  pml_member_answer(s->m, call, "");
  pml_member_shutdown(s->m, 0);
}

static void on_wish(pml_program *p, const char *id, pml_id number, const char *text, void *ud) {
  (void)ud;
  CHECK_EQ(number, 7);
  note(id, text);
  CHECK_EQ(pml_program_tell(p, id, number, "granted"), 0);
}

static void on_call(void *ud, pml_id call, const pml_envelope *env, pml_slice args) {
  server *s = ud;
  pml_buf *b = pml_buf_from(args.p, args.n);
  CHECK_BYTES(env->route.p, env->route.n, "r.a");
  CHECK_EQ(pml_node_reply(s->node, call, 0, b), 0);
  pml_buf_unref(b);
}

static void on_answered(void *ud, pml_id call, int status, pml_slice text) {
  (void)call;
  (void)text;
  CHECK_EQ(status, 0);
  up(ud, "");
}

static int load(pml_node *n, pml_member *m, const char *boot, void **state, char **err, void *ud) {
  (void)ud;
  server *s = pml_alloc0(sizeof *s);
  s->m = m;
  s->node = n;
  s->boot = boot;
  pml_script script = {
    .on_call = on_call,
    .on_answered = on_answered,
    .ud = s,
  };
  *state = s;
  pthread_mutex_lock(&lock);
  loaded++;
  pthread_mutex_unlock(&lock);
  if (word(s, "fail")) {
    *err = pml_strdup("does not load");
    return -1;
  }
  const pml_stage stage = {
    .start = start, .started = started, .stop = stop, .control = control, .ud = s};
  pml_node_set_script(n, &script);
  pml_member_set_stage(m, &stage);
  pml_member_loaded(m);
  if (word(s, "again")) pml_member_loaded(m);
  return 0;
}

static void unload(void *state, void *ud) {
  (void)ud;
  pthread_mutex_lock(&lock);
  unloaded++;
  pthread_mutex_unlock(&lock);
  pml_free(state);
}

static void say(const char *line, void *ud) {
  (void)ud;
  note("said", line);
}

/* Runs servers of these boot texts, named s0 s1 …; their stderr goes to out. */
static int run(char *out, size_t nout, int n, const char *const *boots) {
  pml_member_spec v[8];
  char ids[8][16], name[] = "/tmp/pomelua-test-program-XXXXXX";
  pml_program_options o = {.servers = v, .count = (size_t)n, .level = PML_ERROR};
  o.load = load;
  o.unload = unload;
  o.say = say;
  if (takes_wishes) o.control.on_wish = on_wish;
  for (int i = 0; i < n; i++) {
    snprintf(ids[i], sizeof ids[i], "s%d", i);
    v[i] = (pml_member_spec){ids[i], "t", strstr(boots[i], "listen") != NULL, boots[i]};
  }
  int kept = dup(2), file = mkstemp(name);
  CHECK(kept >= 0 && file >= 0);
  unlink(name);
  dup2(file, 2);
  int status = pml_program_run(&o);
  dup2(kept, 2);
  ssize_t k = pread(file, out, nout - 1, 0);
  CHECK(k >= 0);
  out[k] = '\0';
  close(kept);
  close(file);
  CHECK_EQ(loaded, n);
  CHECK_EQ(unloaded, n);
  return status;
}

#define RUN(out, ...) \
  run(out, sizeof out, (int)(sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)), \
      (const char *const[]){__VA_ARGS__})

TEST(program_starts_in_step_and_ends_on_sigterm) {
  char err[512];
  CHECK_EQ(RUN(err, "listen=0", "term", "ask=s1"), 0);
  CHECK_BYTES(err, strlen(err), "");
  CHECK(said("said s0 listens on "));
  CHECK_EQ(times("said ready"), 1);
  const char *ready = strstr(heard, "said ready");
  CHECK(strstr(ready, " start\n") == NULL); /* all of them before */
  CHECK_EQ(times(" start\n"), 3);
  CHECK(strstr(ready, "s1 started\n") != NULL);
  CHECK_EQ(times(" shutdown\n"), 3);
}

TEST(program_ends_with_the_status_it_is_given) {
  char err[512];
  CHECK_EQ(RUN(err, "shutdown=7", ""), 7);
  CHECK_BYTES(err, strlen(err), "");
  CHECK_EQ(times(" shutdown\n"), 2);
}

TEST(program_that_does_not_load_is_one_line_and_status_78) {
  char err[512];
  CHECK_EQ(RUN(err, "", "fail", "fail"), PML_EXIT_CONFIG);
  CHECK(strcmp(err, "pomelua: s1: does not load\n") == 0 ||
        strcmp(err, "pomelua: s2: does not load\n") == 0);
  CHECK(!said("start") && !said("said"));
}

TEST(program_whose_port_is_in_use_is_one_line_and_status_1) {
  char err[512], boot[32];
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t n = sizeof a;
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  CHECK(bind(fd, (struct sockaddr *)&a, n) == 0 && listen(fd, 1) == 0);
  CHECK(getsockname(fd, (struct sockaddr *)&a, &n) == 0);
  snprintf(boot, sizeof boot, "listen=%d", ntohs(a.sin_port));
  CHECK_EQ(RUN(err, "", boot, "mute"), 1);
  CHECK(strncmp(err, "pomelua: s1: cannot listen on 127.0.0.1:", 40) == 0);
  CHECK(strchr(err, '\n') == err + strlen(err) - 1);
  CHECK(!said("said ready"));
  close(fd);
}

TEST(program_that_fails_later_ends_with_status_1) {
  char err[512];
  CHECK_EQ(RUN(err, "crash", "shutdown=0"), 1);
  CHECK_BYTES(err, strlen(err), "pomelua: s0: crashed\n");
}

TEST(program_takes_each_step_once) {
  char err[512];
  CHECK_EQ(RUN(err, "again", "again term", "again"), 0);
  CHECK_EQ(times("said ready"), 1);
  CHECK_EQ(times(" start\n"), 3);
  CHECK_EQ(times(" shutdown\n"), 3);
}

/* The first of them ends the program while the other has not said that it is up. */
TEST(program_stops_before_it_was_ready) {
  char err[512];
  CHECK_EQ(RUN(err, "mute", "early=4"), 4);
  CHECK_BYTES(err, strlen(err), "");
  CHECK(!said("said ready"));
  CHECK_EQ(times(" shutdown\n"), 2);
}

TEST(program_that_hangs_ends_at_once_on_a_second_signal) {
  pid_t pid = fork();
  if (pid == 0) {
    char err[512];
    RUN(err, "slow term twice");
    _exit(0);
  }
  int status = 0;
  CHECK(waitpid(pid, &status, 0) == pid);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 128 + SIGTERM);
}

TEST(program_answers_what_a_server_asks_it_for) {
  char err[512];
  takes_wishes = 1;
  CHECK_EQ(RUN(err, "", "wish"), 0);
  CHECK_EQ(times("s1 please\n"), 1);
  CHECK_EQ(times("s1 was granted it\n"), 1);
}

TEST(program_that_takes_no_wishes_says_so) {
  char err[512];
  CHECK_EQ(RUN(err, "wish"), 0);
  CHECK_EQ(times("s0 has no wishes\n"), 1);
}

TEST(program_without_servers_ends) {
  pml_program_options o = {.load = load, .unload = unload, .say = say, .level = PML_SILENT};
  CHECK_EQ(pml_program_run(&o), 0);
}
