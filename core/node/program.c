#include "node/program.h"

#include "base/err.h"
#include "base/mem.h"
#include "loop/mailbox.h"
#include "loop/timer.h"
#include "net/web.h"
#include "node/inside.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#define STOP_MS 10000 /* from the signal to the end */
#define DRAIN_MS 3000 /* of it, for the clients to go */
#define MAILS_PER_TURN 256
#define MAIL_LIMIT (16u << 20)

/* What main and the servers' threads tell each other. */
typedef enum {
  LOADED,
  FAILED,
  JOINED,
  LISTENING,
  STOPPED,
  SHUTDOWN,
  ENDED, /* to main */
  JOIN,
  START,
  ALL_UP,
  STOP,
  END /* to a server */
} word;

typedef struct {
  pml_mail mail;
  word what;
  int number; /* SHUTDOWN: status */
  pml_program_member *member;
  char text[];
} note;

struct pml_program_member {
  pml_program *program;
  const pml_program_server *server;
  pthread_t thread;
  int running;         /* main's */
  int seen[ENDED + 1]; /* main's: which words came */
  pml_mailbox *box;    /* set before the thread runs on */
  /* the thread's own */
  pml_loop *loop;
  pml_node *node;
  pml_task start;
  int ending;
};

struct pml_program {
  const pml_program_options *o;
  pml_program_member *m;
  pml_loop *loop;
  pml_mailbox *box;
  pml_hub *hub;
  pml_log log;
  pml_timer deadline;
  uv_signal_t term, interrupt;
  pml_web *web;
  int stopping, ending, status, failed;
};

/* --- words -------------------------------------------------------------------- */

static void tell(pml_mailbox *box, pml_program_member *m, word what, int number, const char *text) {
  size_t n = strlen(text);
  note *k = pml_alloc(sizeof *k + n + 1);
  *k = (note){.mail = {NULL, sizeof *k + n}, .what = what, .number = number, .member = m};
  memcpy(k->text, text, n + 1);
  if (pml_mailbox_post(box, &k->mail) != 0) pml_free(k); /* the other side has ended */
}

static void drop_note(pml_mail *mail, void *ud) {
  (void)ud;
  pml_free(mail);
}

void pml_program_loaded(pml_program_member *m) { tell(m->program->box, m, LOADED, 0, ""); }
void pml_program_failed(pml_program_member *m, const char *t) {
  tell(m->program->box, m, FAILED, 0, t);
}
void pml_program_listening(pml_program_member *m, const char *l) {
  tell(m->program->box, m, LISTENING, 0, l);
}
void pml_program_stopped(pml_program_member *m) { tell(m->program->box, m, STOPPED, 0, ""); }
void pml_program_shutdown(pml_program_member *m, int s) {
  tell(m->program->box, m, SHUTDOWN, s, "");
}

/* --- a server's thread ----------------------------------------------------------- */

/* After this turn's mail, so that the servers that joined before are known. */
static void start_now(pml_task *t) {
  pml_program_member *m = PML_LIST_OBJ(t, pml_program_member, start);
  if (!m->ending && m->node->script.on_start) m->node->script.on_start(m->node->script.ud);
}

static void member_shut(void *ud) { pml_loop_stop(((pml_program_member *)ud)->loop); }

/* The clients are gone, and whoever listened for that was told: the scripts' own end. */
static void stop_script(void *ud) {
  pml_program_member *m = ud;
  if (m->node->script.on_stop) m->node->script.on_stop(m->node->script.ud, "shutdown");
  else pml_program_stopped(m);
}

static void member_mail(pml_mail *mail, void *ud) {
  pml_program_member *m = ud;
  note *k = (note *)(void *)mail;
  switch (m->ending ? END : k->what) {
  case JOIN:
    if (pml_node_join(m->node, m->program->hub) == 0) tell(m->program->box, m, JOINED, 0, "");
    else pml_program_failed(m, "cannot join the bus: the server id is taken");
    break;
  case START: pml_loop_defer(m->loop, &m->start); break;
  case ALL_UP:
    if (m->node->script.on_started) m->node->script.on_started(m->node->script.ud);
    break;
  case STOP: pml_node_drain(m->node, k->text, DRAIN_MS, stop_script, m); break;
  case END: /* words that come later are too late */
    if (!m->ending) pml_node_shut(m->node, member_shut, m);
    m->ending = 1;
    break;
  default: break;
  }
  pml_free(k);
}

static void *member_main(void *ud) {
  pml_program_member *m = ud;
  const pml_program_options *o = m->program->o;
  pml_node_options no = {
    .id = m->server->id, .type = m->server->type, .frontend = m->server->frontend};
  void *state = NULL;
  char *err = NULL;
  pml_log_init(&no.log, m->server->id, o->level, o->json);
  pml_task_init(&m->start, start_now);
  m->node = pml_node_new(m->loop, &no);
  if (o->load(m->node, m, m->server->boot, &state, &err, o->ud) != 0) {
    pml_program_failed(m, err ? err : "cannot load");
    pml_free(err);
  }
  pml_loop_run(m->loop);
  pml_task_cancel(&m->start);
  if (state) o->unload(state, o->ud);
  pml_node_free(m->node);
  pml_mailbox_close(m->box, drop_note, NULL);
  pml_loop_free(m->loop);
  tell(m->program->box, m, ENDED, 0, "");
  return NULL;
}

/* --- main's thread ------------------------------------------------------------------ */

static int all(pml_program *p, word what) {
  for (size_t i = 0; i < p->o->count; i++)
    if (p->m[i].running && !p->m[i].seen[what]) return 0;
  return 1;
}

static void tell_all(pml_program *p, word what, const char *text) {
  for (size_t i = 0; i < p->o->count; i++)
    if (p->m[i].running) tell(p->m[i].box, &p->m[i], what, 0, text);
}

static void end_all(pml_program *p) {
  if (p->ending) return;
  p->ending = 1;
  tell_all(p, END, "");
}

static void stop_all(pml_program *p, const char *reason) {
  if (p->stopping) return;
  p->stopping = 1;
  pml_timer_start(p->loop, &p->deadline, STOP_MS);
  tell_all(p, STOP, reason);
}

static void fail(pml_program *p, const char *server, const char *text) {
  if (!p->failed) fprintf(stderr, "pomelua: %s%s%s\n", server, server[0] ? ": " : "", text);
  p->failed = 1;
  p->status = 1;
  p->stopping = 1;
  pml_timer_start(p->loop, &p->deadline, STOP_MS);
  end_all(p);
}

static void too_late(pml_timer *t) {
  pml_program *p = PML_LIST_OBJ(t, pml_program, deadline);
  pml_log_write(&p->log, PML_WARN, "not stopped within %d ms: ending at once", STOP_MS);
  _exit(p->status);
}

static void say_lines(pml_program *p, const char *text) {
  while (*text) {
    size_t n = strcspn(text, "\n");
    char *line = pml_strndup(text, n);
    if (n) p->o->say(line, p->o->ud);
    pml_free(line);
    text += n + (text[n] == '\n');
  }
}

static int open_web(pml_program *p) {
  const pml_program_options *o = p->o;
  char err[256], line[320];
  if (!o->web_root) return 0;
  if (pml_web_open(o->web_host, o->web_port, o->web_root, &p->log, &p->web, err, sizeof err) != 0) {
    fail(p, "config/web.json", err);
    return -1;
  }
  snprintf(line, sizeof line, "web page at http://%s:%d/", o->web_host ? o->web_host : "127.0.0.1",
           pml_web_port(p->web));
  o->say(line, o->ud);
  return 0;
}

static void all_up(pml_program *p) {
  if (open_web(p) != 0) return;
  p->o->say("ready", p->o->ud);
  tell_all(p, ALL_UP, "");
}

static void main_mail(pml_mail *mail, void *ud) {
  pml_program *p = ud;
  note *k = (note *)(void *)mail;
  pml_program_member *m = k->member;
  int again = m->seen[k->what]; /* a step is taken once, whatever scripts say */
  m->seen[k->what] = 1;
  switch (k->what) {
  case LOADED:
    if (!again && !p->stopping && all(p, LOADED)) tell_all(p, JOIN, "");
    break;
  case JOINED:
    if (!p->stopping && all(p, JOINED)) tell_all(p, START, "");
    break;
  case LISTENING:
    say_lines(p, k->text);
    if (!again && !p->stopping && all(p, LISTENING)) all_up(p);
    break;
  case FAILED: fail(p, m->server->id, k->text); break;
  case SHUTDOWN:
    if (!p->failed) p->status = k->number;
    stop_all(p, "shutdown");
    break;
  case STOPPED:
    if (p->stopping && all(p, STOPPED)) end_all(p);
    break;
  case ENDED:
    pthread_join(m->thread, NULL);
    m->running = 0;
    if (p->stopping && !p->ending && all(p, STOPPED)) end_all(p);
    if (all(p, ENDED)) pml_loop_stop(p->loop);
    break;
  default: break;
  }
  pml_free(k);
}

static void on_signal(uv_signal_t *h, int signum) {
  pml_program *p = h->data;
  if (p->stopping) _exit(128 + signum);
  pml_log_write(&p->log, PML_INFO, "%s: stopping", signum == SIGINT ? "SIGINT" : "SIGTERM");
  stop_all(p, "shutdown");
}

/* As many descriptors as the system allows; root may go beyond the hard limit. */
static void raise_file_limit(pml_program *p) {
  struct rlimit rl, want;
  const rlim_t good = 65536;
  if (getrlimit(RLIMIT_NOFILE, &rl) != 0) return;
  want = rl;
  if (want.rlim_max < good) want.rlim_max = good;
  want.rlim_cur = want.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &want) == 0) return;
  want.rlim_cur = want.rlim_max = rl.rlim_max;
  if (rl.rlim_cur < rl.rlim_max && setrlimit(RLIMIT_NOFILE, &want) != 0)
    want.rlim_cur = rl.rlim_cur;
  if (want.rlim_cur < good)
    pml_log_write(&p->log, PML_WARN,
                  "the open-file limit is %llu and cannot be raised: fewer clients fit (ulimit -n, "
                  "LimitNOFILE=)",
                  (unsigned long long)want.rlim_cur);
}

/* Threads start with every signal blocked: signals are main's. */
static int start_threads(pml_program *p) {
  sigset_t every, before;
  int rc = 0;
  sigfillset(&every);
  pthread_sigmask(SIG_BLOCK, &every, &before);
  for (size_t i = 0; i < p->o->count && rc == 0; i++) {
    pml_program_member *m = &p->m[i];
    m->program = p;
    m->server = &p->o->servers[i];
    m->loop = pml_loop_new();
    m->box = m->loop ? pml_mailbox_new(m->loop, MAILS_PER_TURN, MAIL_LIMIT, member_mail, m) : NULL;
    rc = m->box ? pthread_create(&m->thread, NULL, member_main, m) : -1;
    m->running = rc == 0;
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return rc;
}

static void watch_signals(pml_program *p) {
  signal(SIGPIPE, SIG_IGN);
  uv_signal_init(pml_loop_uv(p->loop), &p->term);
  uv_signal_init(pml_loop_uv(p->loop), &p->interrupt);
  p->term.data = p->interrupt.data = p;
  uv_signal_start(&p->term, on_signal, SIGTERM);
  uv_signal_start(&p->interrupt, on_signal, SIGINT);
}

int pml_program_run(const pml_program_options *o) {
  pml_program p = {.o = o};
  pml_log_init(&p.log, "", o->level, o->json);
  p.m = pml_alloc0((o->count + 1) * sizeof *p.m);
  p.loop = pml_loop_new();
  p.hub = pml_hub_new();
  p.box = p.loop ? pml_mailbox_new(p.loop, MAILS_PER_TURN, MAIL_LIMIT, main_mail, &p) : NULL;
  if (!p.box) {
    fprintf(stderr, "pomelua: cannot make an event loop\n");
    return 1;
  }
  raise_file_limit(&p);
  pml_timer_init(&p.deadline, too_late);
  watch_signals(&p);
  if (start_threads(&p) != 0) fail(&p, "", "cannot start a server's thread");
  if (!all(&p, ENDED)) pml_loop_run(p.loop);
  if (p.web) pml_web_close(p.web);
  pml_timer_stop(p.loop, &p.deadline);
  uv_close((uv_handle_t *)&p.term, NULL);
  uv_close((uv_handle_t *)&p.interrupt, NULL);
  pml_mailbox_close(p.box, drop_note, NULL);
  pml_mailbox_unref(p.box);
  pml_loop_free(p.loop);
  pml_hub_unref(p.hub);
  for (size_t i = 0; i < o->count; i++)
    if (p.m[i].box) pml_mailbox_unref(p.m[i].box);
  pml_free(p.m);
  return p.status;
}
