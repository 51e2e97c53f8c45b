#include "node/program.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/signals.h"
#include "loop/mailbox.h"
#include "loop/timer.h"
#include "net/control.h"
#include "net/web.h"
#include "node/inside.h"
#include "node/notices.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define STOP_MS 10000 /* from the signal to the end */
#define DRAIN_MS 3000 /* of it, for the clients to go */
#define MAILS_PER_TURN 256
/* What a script may recurse through C, whatever `ulimit -s` says: bind/guard stops it before
 * the end. Of these bytes only those that were used take memory. */
#define THREAD_STACK (16u << 20)
#define MAIL_LIMIT (16u << 20)
#define SIGNALS 5 /* that are taken, see signals */

/* What main and the servers' threads tell each other. */
typedef enum {
  LOADED,
  FAILED,
  JOINED,
  LISTENING,
  STOPPED,
  SHUTDOWN,
  ENDED,
  NOTICE,
  TOLD, /* to main */
  JOIN,
  START,
  ALL_UP,
  STOP,
  TELL,
  END /* to a server */
} word;

typedef struct {
  pml_mail mail;
  word what;
  int number;  /* SHUTDOWN: status */
  pml_id call; /* TELL, TOLD */
  pml_program_member *member;
  char text[];
} note;

struct pml_program_member {
  pml_program *program;
  pml_program_server server; /* strings owned */
  pthread_t thread;
  int running;        /* main's */
  int alone;          /* main's: started or stopped apart from the others */
  int failed;         /* main's */
  char *why;          /* main's, owned: why it failed; told when its thread is gone */
  int seen[TOLD + 1]; /* main's: which words came */
  pml_mailbox *box;   /* set before the thread runs on */
  /* the thread's own */
  pml_loop *loop;
  pml_node *node;
  pml_task start;
  int ending;
};

/* A question that a server has not answered yet. */
typedef struct {
  pml_list node;
  pml_id call;
  pml_program_member *member;
} question;

struct pml_program {
  const pml_program_options *o;
  pml_program_member **m;
  size_t count;
  pml_loop *loop;
  pml_mailbox *box;
  pml_hub *hub;
  pml_slot_floor floor; /* of the ids of all servers' tables */
  pml_log log;
  pml_timer deadline, wake;
  uv_signal_t signals[SIGNALS];
  pml_web *web;
  pml_control *control;
  pml_list questions;
  pml_notices notices; /* of servers that start together, until they have loaded */
  int up, stopping, ending, status, failed;
};

/* --- words -------------------------------------------------------------------- */

static void tell_call(pml_mailbox *box, pml_program_member *m, word what, pml_id call, int number,
                      const char *text) {
  size_t n = strlen(text);
  note *k = pml_alloc(sizeof *k + n + 1);
  *k = (note){
    .mail = {NULL, sizeof *k + n}, .what = what, .number = number, .call = call, .member = m};
  memcpy(k->text, text, n + 1);
  if (pml_mailbox_post(box, &k->mail) != 0) pml_free(k); /* the other side has ended */
}

static void tell(pml_mailbox *box, pml_program_member *m, word what, int number, const char *text) {
  tell_call(box, m, what, 0, number, text);
}

static void drop_note(pml_mail *mail, void *ud) {
  (void)ud;
  pml_free(mail);
}

void pml_program_loaded(pml_program_member *m) { tell(m->program->box, m, LOADED, 0, ""); }
void pml_program_notice(pml_program_member *m, const char *lines) {
  tell(m->program->box, m, NOTICE, 0, lines);
}
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

void pml_program_answer(pml_program_member *m, pml_id call, const char *text) {
  tell_call(m->program->box, m, TOLD, call, 0, text);
}

void pml_program_ask_stop(pml_program *p) { tell(p->box, NULL, STOP, 0, ""); }

static void on_member_line(pml_level level, const char *text, void *ud) {
  pml_program_member *m = ud;
  m->program->o->on_log(m->server.id, level, text, m->program->o->ud);
}

static void on_main_line(pml_level level, const char *text, void *ud) {
  pml_program *p = ud;
  p->o->on_log("", level, text, p->o->ud);
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
  case TELL:
    if (m->node->script.on_control)
      m->node->script.on_control(m->node->script.ud, k->call, pml_slice_str(k->text));
    else pml_program_answer(m, k->call, "");
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

/* What `top -H` and debuggers show of a server. */
static void name_thread(const char *id) {
  char name[16]; /* all that the kernel keeps */
  snprintf(name, sizeof name, "%.15s", id);
  pthread_setname_np(pthread_self(), name);
}

static void *member_main(void *ud) {
  pml_program_member *m = ud;
  const pml_program_options *o = m->program->o;
  name_thread(m->server.id);
  pml_node_options no = {
    .id = m->server.id,
    .type = m->server.type,
    .frontend = m->server.frontend,
    .floor = &m->program->floor,
  };
  void *state = NULL;
  char *err = NULL;
  pml_log_init(&no.log, m->server.id, o->level, o->json);
  no.log.output = o->output;
  if (o->on_log) no.log.on_line = on_member_line;
  no.log.ud = m;
  pml_task_init(&m->start, start_now);
  m->node = pml_node_new(m->loop, &no);
  if (o->load(m->node, m, m->server.boot, &state, &err, o->ud) != 0) {
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
  for (size_t i = 0; i < p->count; i++)
    if (p->m[i]->running && !p->m[i]->seen[what]) return 0;
  return 1;
}

static void tell_all(pml_program *p, word what, const char *text) {
  for (size_t i = 0; i < p->count; i++)
    if (p->m[i]->running) tell(p->m[i]->box, p->m[i], what, 0, text);
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
  if (all(p, ENDED)) pml_loop_stop(p->loop); /* one that failed had been waited for */
}

static void say_notice(const char *server, const char *text, void *ud) {
  pml_program *p = ud;
  pml_log log = p->log;
  if (p->o->on_log) {
    p->o->on_log(server, PML_WARN, text, p->o->ud);
    return;
  }
  snprintf(log.server, sizeof log.server, "%s", server);
  pml_log_write(&log, PML_WARN, "%s", text);
}

/* Those that start together are heard when all have loaded; later ones at once. */
static void noticed(pml_program *p, pml_program_member *m, const char *lines) {
  pml_notices_add(&p->notices, m->server.id, lines);
  if (p->up || m->alone) pml_notices_say(&p->notices, say_notice, p);
}

static void fail(pml_program *p, const char *server, const char *text) {
  pml_notices_say(&p->notices, say_notice, p);
  pml_log last;
  pml_log_init(&last, server, PML_ERROR, 1);
  if (!p->failed && p->o->on_log) p->o->on_log(server, PML_ERROR, text, p->o->ud);
  else if (!p->failed && p->o->json) pml_log_text(&last, PML_ERROR, text, strlen(text));
  else if (!p->failed) fprintf(stderr, "pomelua: %s%s%s\n", server, server[0] ? ": " : "", text);
  p->failed = 1;
  p->status = 1;
  p->stopping = 1;
  pml_timer_start(p->loop, &p->deadline, STOP_MS);
  end_all(p);
}

static void too_late(pml_timer *t) {
  pml_program *p = PML_LIST_OBJ(t, pml_program, deadline);
  pml_log_write(&p->log, PML_WARN, "not stopped within %d ms: ending at once", STOP_MS);
  if (p->o->embedded) fprintf(stderr, "pomelua: servers did not stop within %d ms\n", STOP_MS);
  pml_log_flush(&p->log);
  _exit(p->o->embedded ? 1 : p->status);
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
  p->up = 1;
  p->o->say("ready", p->o->ud);
  tell_all(p, ALL_UP, "");
}

/* A server is up, or has ended. Whether the program goes on without any. */
static int server_changed(pml_program *p, pml_program_member *m, int up, const char *text) {
  if (!p->o->control.on_server) return 0;
  return p->o->control.on_server(p, m->server.id, up, text, p->o->ud);
}

/* The steps of a server that is started or stopped apart from the others. */
static void step_alone(pml_program *p, pml_program_member *m, note *k) {
  switch (k->what) {
  case LOADED: tell(m->box, m, JOIN, 0, ""); break;
  case JOINED: tell(m->box, m, START, 0, ""); break;
  case LISTENING:
    say_lines(p, k->text);
    tell(m->box, m, ALL_UP, 0, "");
    server_changed(p, m, 1, NULL);
    break;
  case FAILED:
    if (!m->failed) m->why = pml_strdup(k->text);
    m->failed = 1;
    tell(m->box, m, END, 0, "");
    break;
  case STOPPED: tell(m->box, m, END, 0, ""); break;
  default: break;
  }
}

static void step(pml_program *p, pml_program_member *m, note *k, int again) {
  switch (k->what) {
  case LOADED:
    if (again || p->stopping || !all(p, LOADED)) break;
    pml_notices_say(&p->notices, say_notice, p);
    tell_all(p, JOIN, "");
    break;
  case JOINED:
    if (!p->stopping && all(p, JOINED)) tell_all(p, START, "");
    break;
  case LISTENING:
    say_lines(p, k->text);
    if (!again && !p->stopping) server_changed(p, m, 1, NULL);
    if (!again && !p->stopping && all(p, LISTENING)) all_up(p);
    break;
  case FAILED: fail(p, m->server.id, k->text); break;
  case STOPPED:
    if (p->stopping && all(p, STOPPED)) end_all(p);
    break;
  default: break;
  }
}

static void told(pml_program *p, question *q, const char *text) {
  pml_id call = q->call;
  pml_list_remove(&q->node);
  pml_free(q);
  if (p->o->control.on_told) p->o->control.on_told(p, call, text, p->o->ud);
}

static void answered(pml_program *p, pml_program_member *m, pml_id call, const char *text) {
  for (pml_list *i = p->questions.next; i != &p->questions; i = i->next) {
    question *q = PML_LIST_OBJ(i, question, node);
    if (q->call != call || q->member != m) continue;
    told(p, q, text);
    return;
  }
}

/* Who asked a server that has ended hears of it; what they ask anew is for others. */
static void end_questions(pml_program *p, pml_program_member *m) {
  pml_list all_of_them;
  pml_list_move(&all_of_them, &p->questions);
  for (pml_list *i; (i = pml_list_pop(&all_of_them));) {
    question *q = PML_LIST_OBJ(i, question, node);
    if (q->member == m) told(p, q, NULL);
    else pml_list_append(&p->questions, i);
  }
}

static void free_member(pml_program_member *m) {
  if (m->box) pml_mailbox_unref(m->box);
  pml_free((char *)(uintptr_t)m->server.id);
  pml_free((char *)(uintptr_t)m->server.type);
  pml_free((char *)(uintptr_t)m->server.boot);
  pml_free(m->why);
  pml_free(m);
}

/* Its thread is gone: nobody names it any more. */
static void forget(pml_program *p, pml_program_member *m) {
  size_t n = 0;
  for (size_t i = 0; i < p->count; i++)
    if (p->m[i] != m) p->m[n++] = p->m[i];
  p->count = n;
  free_member(m);
}

static void member_ended(pml_program *p, pml_program_member *m) {
  pthread_join(m->thread, NULL);
  m->running = 0;
  end_questions(p, m);
  int stays = p->stopping ? 0 : server_changed(p, m, 0, m->why);
  if (p->stopping && !p->ending && all(p, STOPPED)) end_all(p);
  if (all(p, ENDED) && !(stays && !p->stopping)) pml_loop_stop(p->loop);
  forget(p, m);
}

static void main_mail(pml_mail *mail, void *ud) {
  pml_program *p = ud;
  note *k = (note *)(void *)mail;
  pml_program_member *m = k->member;
  if (!m) { /* from outside */
    stop_all(p, "shutdown");
    pml_free(k);
    return;
  }
  int again = m->seen[k->what]; /* a step is taken once, whatever scripts say */
  m->seen[k->what] = 1;
  if (k->what == NOTICE) {
    noticed(p, m, k->text);
  } else if (k->what == TOLD) {
    answered(p, m, k->call, k->text);
  } else if (k->what == SHUTDOWN) {
    if (!p->failed) p->status = k->number;
    stop_all(p, "shutdown");
  } else if (k->what == ENDED) {
    member_ended(p, m);
  } else if (m->alone && !p->stopping) {
    if (!again || k->what == FAILED) step_alone(p, m, k);
  } else {
    step(p, m, k, again);
  }
  pml_free(k);
}

/* --- the operator ---------------------------------------------------------------------- */

static pml_program_member *find(pml_program *p, const char *id) {
  for (size_t i = 0; i < p->count; i++)
    if (p->m[i]->running && strcmp(p->m[i]->server.id, id) == 0) return p->m[i];
  return NULL;
}

int pml_program_tell(pml_program *p, const char *server, pml_id call, const char *text) {
  pml_program_member *m = find(p, server);
  if (!m) return PML_ENOENT;
  question *q = pml_alloc(sizeof *q);
  *q = (question){.call = call, .member = m};
  pml_list_append(&p->questions, &q->node);
  tell_call(m->box, m, TELL, call, 0, text);
  return 0;
}

void pml_program_write(pml_program *p, pml_id client, pml_slice text) {
  if (p->control) pml_control_write(p->control, client, text);
}

int pml_program_peer(pml_program *p, pml_id client, uint32_t *uid, uint32_t *pid) {
  return p->control ? pml_control_peer(p->control, client, uid, pid) : PML_ENOENT;
}

static void on_wake(pml_timer *t) {
  pml_program *p = PML_LIST_OBJ(t, pml_program, wake);
  if (p->o->control.on_wake) p->o->control.on_wake(p, p->o->ud);
}

void pml_program_wake(pml_program *p, uint32_t ms) { pml_timer_start(p->loop, &p->wake, ms); }

const pml_log *pml_program_log(const pml_program *p) { return &p->log; }

void pml_program_stop(pml_program *p) { stop_all(p, "shutdown"); }

int pml_program_stop_server(pml_program *p, const char *server, int now) {
  pml_program_member *m = find(p, server);
  if (!m || p->stopping) return PML_ENOENT;
  m->alone = 1;
  m->seen[STOPPED] = 0;
  tell(m->box, m, now ? END : STOP, 0, "shutdown");
  return 0;
}

static void on_control_line(pml_id client, pml_slice line, void *ud) {
  pml_program *p = ud;
  if (p->o->control.on_line) p->o->control.on_line(p, client, line, p->o->ud);
}

static void on_control_gone(pml_id client, void *ud) {
  pml_program *p = ud;
  if (p->o->control.on_gone) p->o->control.on_gone(p, client, p->o->ud);
}

static void open_control(pml_program *p) {
  pml_control_events ev = {on_control_line, on_control_gone, p};
  char err[512];
  if (!p->o->control_path) return;
  const char *slash = strrchr(p->o->control_path, '/');
  if (slash) { /* the folder is ours: the app's own may be read by others */
    char *dir = pml_strndup(p->o->control_path, (size_t)(slash - p->o->control_path));
    mkdir(dir, 0700);
    pml_free(dir);
  }
  if (pml_control_open(p->loop, p->o->control_path, &ev, &p->control, err, sizeof err) != 0)
    pml_log_write(&p->log, PML_WARN, "no control socket: %s", err);
}

static void on_hup(pml_program *p) {
  if (p->stopping) return;
  if (p->o->control.on_hup) p->o->control.on_hup(p, p->o->ud);
  else pml_log_write(&p->log, PML_INFO, "SIGHUP: there is nothing to reload");
}

static void on_signal(uv_signal_t *h, int signum) {
  pml_program *p = h->data;
  if (signum == SIGHUP) {
    on_hup(p);
  } else if (signum == SIGUSR1 || signum == SIGUSR2) {
    pml_log_write(&p->log, PML_INFO,
                  "%s: nothing to do: the log goes to standard error, SIGHUP "
                  "loads changed scripts",
                  signum == SIGUSR1 ? "SIGUSR1" : "SIGUSR2");
  } else if (p->stopping) {
    pml_log_flush(&p->log);
    _exit(128 + signum);
  } else {
    pml_log_write(&p->log, PML_INFO, "%s: stopping", signum == SIGINT ? "SIGINT" : "SIGTERM");
    stop_all(p, "shutdown");
  }
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

/* A server takes about 8 files: a loop, its wake-ups, a listener, a script that is read. */
static int enough_files(const pml_program *p, char *text, size_t size) {
  struct rlimit rl;
  unsigned long long need = 16 + 8 * (unsigned long long)p->o->count;
  if (p->o->embedded || getrlimit(RLIMIT_NOFILE, &rl) != 0 || rl.rlim_cur >= need) return 1;
  snprintf(text, size,
           "the open-file limit is %llu, and %zu servers need %llu before the first client comes "
           "(ulimit -n, LimitNOFILE=)",
           (unsigned long long)rl.rlim_cur, p->o->count, need);
  return 0;
}

/* The thread blocks no signal: a program that a script starts would inherit the mask. The kernel
 * gives a signal of the process to the main thread, and libuv's handlers may run on any thread. */
static int start_thread(pml_program *p, const pml_program_server *server, int alone) {
  pml_program_member *m = pml_alloc0(sizeof *m);
  p->m = pml_realloc(p->m, (p->count + 1) * sizeof *p->m);
  p->m[p->count++] = m;
  m->program = p;
  m->alone = alone;
  m->server = *server;
  m->server.id = pml_strdup(server->id);
  m->server.type = pml_strdup(server->type);
  m->server.boot = pml_strdup(server->boot);
  m->loop = pml_loop_new();
  m->box = m->loop ? pml_mailbox_new(m->loop, MAILS_PER_TURN, MAIL_LIMIT, member_mail, m) : NULL;
  pthread_attr_t attr;
  pthread_attr_init(&attr);
  pthread_attr_setstacksize(&attr, THREAD_STACK);
  int rc = m->box ? pthread_create(&m->thread, &attr, member_main, m) : -1;
  pthread_attr_destroy(&attr);
  m->running = rc == 0;
  return rc == 0 ? 0 : PML_EIO;
}

int pml_program_start_server(pml_program *p, const pml_program_server *server) {
  if (p->stopping) return PML_ECLOSED;
  return find(p, server->id) ? PML_EEXIST : start_thread(p, server, 1);
}

static int start_threads(pml_program *p) {
  for (size_t i = 0; i < p->o->count; i++) {
    int rc = start_thread(p, &p->o->servers[i], 0);
    if (rc != 0) return rc;
  }
  return 0;
}

static void free_members(pml_program *p) {
  for (pml_list *i; (i = pml_list_pop(&p->questions));) pml_free(PML_LIST_OBJ(i, question, node));
  for (size_t i = 0; i < p->count; i++) free_member(p->m[i]);
  pml_free(p->m);
}

static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2};

static void watch_signals(pml_program *p) {
  pml_signal_disarm(SIGPIPE);
  pml_signal_disarm(SIGXFSZ);
  for (size_t i = 0; i < SIGNALS; i++) {
    uv_signal_init(pml_loop_uv(p->loop), &p->signals[i]);
    p->signals[i].data = p;
    uv_signal_start(&p->signals[i], on_signal, signals[i]);
  }
}

static void forget_signals(pml_program *p) {
  for (size_t i = 0; i < SIGNALS; i++) uv_close((uv_handle_t *)&p->signals[i], NULL);
}

int pml_program_run(const pml_program_options *o) {
  char text[200];
  pml_program p = {.o = o};
  pml_log_init(&p.log, "", o->level, o->json);
  p.log.output = o->output;
  pml_list_init(&p.questions);
  pml_notices_init(&p.notices);
  p.loop = pml_loop_new();
  p.hub = pml_hub_new();
  p.box = p.loop ? pml_mailbox_new(p.loop, MAILS_PER_TURN, MAIL_LIMIT, main_mail, &p) : NULL;
  if (!p.box) {
    fprintf(stderr, "pomelua: cannot make an event loop: %s\n",
            errno == EMFILE || errno == ENFILE ? "too many open files (ulimit -n, LimitNOFILE=)"
                                               : strerror(errno));
    return 1;
  }
  if (o->on_log) p.log.on_line = on_main_line;
  p.log.ud = &p;
  if (!o->embedded) raise_file_limit(&p);
  pml_timer_init(&p.deadline, too_late);
  pml_timer_init(&p.wake, on_wake);
  if (!o->embedded) watch_signals(&p);
  open_control(&p);
  if (o->notices) {
    pml_notices_add(&p.notices, "", o->notices);
    pml_notices_say(&p.notices, say_notice, &p);
  }
  if (o->on_run) o->on_run(&p, o->ud);
  if (!enough_files(&p, text, sizeof text)) fail(&p, "", text);
  else if (start_threads(&p) != 0) fail(&p, "", "cannot start a server's thread");
  if (!all(&p, ENDED)) pml_loop_run(p.loop);
  if (p.web) pml_web_close(p.web);
  if (o->control.on_end) o->control.on_end(&p, p.status, o->ud);
  if (p.control) pml_control_close(p.control);
  pml_timer_stop(p.loop, &p.deadline);
  pml_timer_stop(p.loop, &p.wake);
  if (o->on_run) o->on_run(NULL, o->ud);
  if (!o->embedded) forget_signals(&p);
  pml_mailbox_close(p.box, drop_note, NULL);
  pml_mailbox_unref(p.box);
  pml_loop_free(p.loop);
  pml_hub_unref(p.hub);
  free_members(&p);
  pml_notices_clear(&p.notices);
  return p.status;
}
