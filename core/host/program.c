#include "host/program.h"

#include "base/container.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/signals.h"
#include "host/control.h"
#include "host/web.h"
#include "host/member_private.h"
#include "host/notices.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define FLUSH_MS 200  /* for the log, before it is said that all is up */
#define LEAVE_MS 6000 /* for the threads, when their servers have stopped; connections linger */
#define SIGNALS 5     /* that are taken, see signals */

/* A question that a server has not answered yet. */
typedef struct {
  pml_list node;
  pml_id call;
  pml_member *member;
} question;

struct pml_program {
  const pml_program_options *o;
  pml_member **m;
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
  pml_ladder *ladder;  /* of all, once the program stops */
  pml_member *alone;   /* the one server that is on a ladder */
  pml_id phases;       /* numbers given */
  int up, stopping, ending, status, failed;
};

/* --- what its files lend each other --------------------------------------------- */

pml_mailbox *pml_program_box(pml_program *p) { return p->box; }
pml_hub *pml_program_hub(pml_program *p) { return p->hub; }
pml_slot_floor *pml_program_floor(pml_program *p) { return &p->floor; }
const pml_program_options *pml_program_settings(const pml_program *p) { return p->o; }

static void tell(pml_member *m, pml_word what) {
  pml_note k = {.what = what, .member = m};
  pml_member_tell(m->box, &k, "");
}

void pml_program_ask_stop(pml_program *p) {
  pml_note k = {.what = PML_SHUTDOWN};
  pml_member_tell(p->box, &k, "");
}

static void on_main_line(pml_level level, const char *text, void *ud) {
  pml_program *p = ud;
  p->o->on_log("", level, text, p->o->ud);
}

/* --- main's thread ------------------------------------------------------------------ */

static int all(pml_program *p, pml_word what) {
  for (size_t i = 0; i < p->count; i++)
    if (p->m[i]->running && !p->m[i]->seen[what]) return 0;
  return 1;
}

static void tell_all(pml_program *p, pml_word what) {
  for (size_t i = 0; i < p->count; i++)
    if (p->m[i]->running) tell(p->m[i], what);
}

static void end_all(pml_program *p) {
  if (p->ending) return;
  p->ending = 1;
  pml_timer_start(p->loop, &p->deadline, LEAVE_MS);
  tell_all(p, PML_END);
}

/* The threads have not ended: their scripts, or what those call, do not come back. */
static void too_late(pml_timer *t) {
  pml_program *p = PML_CONTAINER(t, pml_program, deadline);
  for (size_t i = 0; i < p->count; i++)
    if (p->m[i]->running)
      pml_log_write(&p->log, PML_ERROR, "server %s does not end: the program ends without it",
                    p->m[i]->server.id);
  if (p->o->embedded) fprintf(stderr, "pomelua: servers did not stop in time\n");
  pml_log_flush(&p->log);
  _exit(p->status ? p->status : 1);
}

static pml_member **members(void *ud, size_t *n) {
  pml_program *p = ud;
  *n = p->count;
  return p->m;
}

static pml_id new_number(void *ud) { return ++((pml_program *)ud)->phases; }

static void say_cut(pml_program *p, const char *server, const char *text) {
  char *line = pml_alloc(strlen(server) + strlen(text) + 64);
  int n =
    sprintf(line, "%s%sstopped, but this had to be cut: %s", server, server[0] ? ": " : "", text);
  pml_log_text(&p->log, PML_ERROR, line, (size_t)n);
  pml_free(line);
}

static void all_stopped(pml_ladder *l, const char *text, void *ud) {
  pml_program *p = ud;
  (void)l;
  if (text) say_cut(p, "", text);
  if (text && !p->status) p->status = 1;
  end_all(p);
}

static pml_ladder *ladder(pml_program *p, pml_member *only,
                          void (*ended)(pml_ladder *l, const char *text, void *ud)) {
  pml_ladder_options o = {p->loop, &p->log, members, new_number, ended, p};
  uint32_t timeout = 0, grace = 0;
  for (size_t i = 0; i < p->count; i++) { /* of those that go, the most that one asks for */
    pml_member *m = p->m[i];
    if (!m->running || (only && m != only)) continue;
    if (m->stop_ms > timeout) timeout = m->stop_ms;
    if (m->grace_ms > grace) grace = m->grace_ms;
  }
  return pml_ladder_begin(&o, only, timeout, grace);
}

static void stop_all(pml_program *p) {
  if (p->stopping) return;
  p->stopping = 1;
  if (p->alone) pml_ladder_free(p->alone->ladder);
  if (p->alone) p->alone->ladder = NULL;
  p->alone = NULL;
  if (all(p, PML_ENDED)) pml_loop_stop(p->loop); /* one that failed had been waited for */
  else p->ladder = ladder(p, NULL, all_stopped);
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
static void noticed(pml_program *p, pml_member *m, const char *lines) {
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
  pml_ladder_free(p->ladder);
  p->ladder = NULL;
  end_all(p);
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
  /* Whoever reads that it is ready finds what the start had to say, unless nobody reads that. */
  if (p->o->output) pml_output_flush(p->o->output, FLUSH_MS);
  p->o->say("ready", p->o->ud);
  tell_all(p, PML_ALL_UP);
}

/* A server is up, or has ended. Whether the program goes on without any. */
static int server_changed(pml_program *p, pml_member *m, int up, const char *text) {
  if (!p->o->control.on_server) return 0;
  return p->o->control.on_server(p, m->server.id, up, text, p->o->ud);
}

/* --- one server stops ---------------------------------------------------------------- */

static void one_stopped(pml_ladder *l, const char *text, void *ud) {
  pml_program *p = ud;
  pml_member *m = p->alone;
  (void)l;
  if (text) say_cut(p, m->server.id, text);
  if (text && !m->why) m->why = pml_strdup(text);
  tell(m, PML_END);
}

/* One after the other, so that each server is asked for one thing at a time. */
static void next_alone(pml_program *p) {
  for (size_t i = 0; i < p->count && !p->alone && !p->stopping; i++) {
    pml_member *m = p->m[i];
    if (!m->running || !m->wants_stop || m->ladder) continue;
    p->alone = m;
    m->ladder = ladder(p, m, one_stopped);
  }
}

/* The steps of a server that is started apart from the others. */
static void step_alone(pml_program *p, pml_member *m, pml_note *k) {
  switch (k->what) {
  case PML_LOADED: tell(m, PML_JOIN); break;
  case PML_JOINED: tell(m, PML_START); break;
  case PML_LISTENING:
    say_lines(p, k->text);
    tell(m, PML_ALL_UP);
    server_changed(p, m, 1, NULL);
    break;
  case PML_FAILED:
    if (!m->failed) m->why = pml_strdup(k->text);
    m->failed = 1;
    tell(m, PML_END);
    break;
  default: break;
  }
}

static void step(pml_program *p, pml_member *m, pml_note *k, int again) {
  switch (k->what) {
  case PML_LOADED:
    if (again || p->stopping || !all(p, PML_LOADED)) break;
    pml_notices_say(&p->notices, say_notice, p);
    tell_all(p, PML_JOIN);
    break;
  case PML_JOINED:
    if (!p->stopping && all(p, PML_JOINED)) tell_all(p, PML_START);
    break;
  case PML_LISTENING:
    say_lines(p, k->text);
    if (!again && !p->stopping) server_changed(p, m, 1, NULL);
    if (!again && !p->stopping && all(p, PML_LISTENING)) all_up(p);
    break;
  case PML_FAILED: fail(p, m->server.id, k->text); break;
  default: break;
  }
}

/* The ladder that a server is on, or is asked for. */
static pml_ladder *ladder_now(const pml_program *p) {
  return p->ladder ? p->ladder : p->alone ? p->alone->ladder : NULL;
}

static void told(pml_program *p, question *q, const char *text) {
  pml_id call = q->call;
  pml_list_remove(&q->node);
  pml_free(q);
  if (p->o->control.on_told) p->o->control.on_told(p, call, text, p->o->ud);
}

static void answered(pml_program *p, pml_member *m, pml_id call, const char *text) {
  for (pml_list *i = p->questions.next; i != &p->questions; i = i->next) {
    question *q = PML_CONTAINER(i, question, node);
    if (q->call != call || q->member != m) continue;
    told(p, q, text);
    return;
  }
}

/* Who asked a server that has ended hears of it; what they ask anew is for others. */
static void end_questions(pml_program *p, pml_member *m) {
  pml_list all_of_them;
  pml_list_move(&all_of_them, &p->questions);
  for (pml_list *i; (i = pml_list_pop(&all_of_them));) {
    question *q = PML_CONTAINER(i, question, node);
    if (q->member == m) told(p, q, NULL);
    else pml_list_append(&p->questions, i);
  }
}

/* Its thread is gone: nobody names it any more. */
static void forget(pml_program *p, pml_member *m) {
  size_t n = 0;
  for (size_t i = 0; i < p->count; i++)
    if (p->m[i] != m) p->m[n++] = p->m[i];
  p->count = n;
  pml_member_free(m);
}

static void member_ended(pml_program *p, pml_member *m) {
  pthread_join(m->thread, NULL);
  m->running = 0;
  pml_ladder_free(m->ladder);
  m->ladder = NULL;
  if (p->alone == m) p->alone = NULL;
  else if (!p->ending && ladder_now(p)) pml_ladder_gone(ladder_now(p), m);
  end_questions(p, m);
  int stays = p->stopping ? 0 : server_changed(p, m, 0, m->why);
  forget(p, m);
  if (all(p, PML_ENDED) && !(stays && !p->stopping)) pml_loop_stop(p->loop);
  else next_alone(p);
}

static void of_ladder(pml_program *p, pml_member *m, const pml_note *k) {
  pml_ladder *l = ladder_now(p);
  if (!l || p->ending) return;
  if (k->what == PML_PATIENT) pml_ladder_patient(l, m);
  else pml_ladder_done(l, m, k->call, k->a, k->b, k->text);
}

static void main_mail(pml_mail *mail, void *ud) {
  pml_program *p = ud;
  pml_note *k = PML_CONTAINER(mail, pml_note, mail);
  pml_member *m = k->member;
  if (!m) { /* from outside */
    stop_all(p);
    pml_free(k);
    return;
  }
  int again = m->seen[k->what]; /* a step is taken once, whatever scripts say */
  m->seen[k->what] = 1;
  if (k->what == PML_LOADED) {
    m->stop_ms = (uint32_t)k->a;
    m->grace_ms = (uint32_t)k->b;
  }
  if (k->what == PML_NOTICE) {
    noticed(p, m, k->text);
  } else if (k->what == PML_TOLD) {
    answered(p, m, k->call, k->text);
  } else if (k->what == PML_DONE || k->what == PML_PATIENT) {
    of_ladder(p, m, k);
  } else if (k->what == PML_SHUTDOWN) {
    if (!p->failed && !p->ending) p->status = (int)k->a;
    stop_all(p);
  } else if (k->what == PML_ENDED) {
    member_ended(p, m);
  } else if (m->alone && !p->stopping) {
    if (!again || k->what == PML_FAILED) step_alone(p, m, k);
  } else {
    step(p, m, k, again);
  }
  pml_free(k);
}

/* --- the operator ---------------------------------------------------------------------- */

static pml_member *find(pml_program *p, const char *id) {
  for (size_t i = 0; i < p->count; i++)
    if (p->m[i]->running && strcmp(p->m[i]->server.id, id) == 0) return p->m[i];
  return NULL;
}

int pml_program_tell(pml_program *p, const char *server, pml_id call, const char *text) {
  pml_member *m = find(p, server);
  if (!m) return PML_ENOENT;
  question *q = pml_alloc(sizeof *q);
  *q = (question){.call = call, .member = m};
  pml_list_append(&p->questions, &q->node);
  pml_note k = {.what = PML_TELL, .call = call, .member = m};
  pml_member_tell(m->box, &k, text);
  return 0;
}

void pml_program_write(pml_program *p, pml_id client, pml_slice text) {
  if (p->control) pml_control_write(p->control, client, text);
}

int pml_program_peer(pml_program *p, pml_id client, uint32_t *uid, uint32_t *pid) {
  return p->control ? pml_control_peer(p->control, client, uid, pid) : PML_ENOENT;
}

static void on_wake(pml_timer *t) {
  pml_program *p = PML_CONTAINER(t, pml_program, wake);
  if (p->o->control.on_wake) p->o->control.on_wake(p, p->o->ud);
}

void pml_program_wake(pml_program *p, uint32_t ms) { pml_timer_start(p->loop, &p->wake, ms); }

const pml_log *pml_program_log(const pml_program *p) { return &p->log; }

void pml_program_stop(pml_program *p) { stop_all(p); }

int pml_program_stop_server(pml_program *p, const char *server, int now) {
  pml_member *m = find(p, server);
  if (!m || p->stopping) return PML_ENOENT;
  m->alone = 1;
  if (now) {
    tell(m, PML_END);
  } else {
    m->wants_stop = 1;
    next_alone(p);
  }
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
    stop_all(p);
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

static int start_thread(pml_program *p, const pml_program_server *server, int alone) {
  pml_member *m = pml_alloc0(sizeof *m);
  pml_config standard;
  pml_config_defaults(&standard);
  p->m = pml_realloc(p->m, (p->count + 1) * sizeof *p->m);
  p->m[p->count++] = m;
  m->alone = alone;
  m->stop_ms = standard.stop_ms; /* until it has told its own */
  m->grace_ms = standard.stop_grace_ms;
  m->server = *server;
  m->server.id = pml_strdup(server->id);
  m->server.type = pml_strdup(server->type);
  m->server.boot = pml_strdup(server->boot);
  return pml_member_start(p, m);
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
  for (pml_list *i; (i = pml_list_pop(&p->questions));) pml_free(PML_CONTAINER(i, question, node));
  for (size_t i = 0; i < p->count; i++) pml_member_free(p->m[i]);
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
  p.box =
    p.loop ? pml_mailbox_new(p.loop, PML_MAILS_PER_TURN, PML_MAIL_LIMIT, main_mail, &p) : NULL;
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
  if (!all(&p, PML_ENDED)) pml_loop_run(p.loop);
  if (p.web) pml_web_close(p.web);
  if (o->control.on_end) o->control.on_end(&p, p.status, o->ud);
  if (p.control) pml_control_close(p.control);
  pml_timer_stop(p.loop, &p.deadline);
  pml_timer_stop(p.loop, &p.wake);
  pml_ladder_free(p.ladder);
  if (o->on_run) o->on_run(NULL, o->ud);
  if (!o->embedded) forget_signals(&p);
  pml_mailbox_close(p.box, pml_member_drop_note, NULL);
  pml_mailbox_unref(p.box);
  pml_loop_free(p.loop);
  pml_hub_unref(p.hub);
  free_members(&p);
  pml_notices_clear(&p.notices);
  return p.status;
}
