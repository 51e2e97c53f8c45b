#include "host/program.h"

#include "base/container.h"
#include "base/err.h"
#include "base/mem.h"
#include "host/program_private.h"
#include "host/steps.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>

/* --- the operator ---------------------------------------------------------------------- */

void pml_program_ask_stop(pml_program *p) {
  pml__msg msg = {.kind = PML__MSG_SHUTDOWN};
  pml__msg_post(p->box, &msg, "");
}

int pml_program_tell(pml_program *p, const char *server, pml_id call, const char *text) {
  pml__server *m = pml__servers_find(&p->servers, server);
  if (!m) return PML_ENOENT;
  pml__questions_add(&p->questions, call, m);
  pml__msg msg = {.kind = PML__MSG_QUESTION, .id = call};
  pml__msg_post(m->member.box, &msg, text);
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

void pml_program_stop(pml_program *p) { pml__steps_stop(p); }

int pml_program_stop_server(pml_program *p, const char *server, int now) {
  pml__server *m = pml__servers_find(&p->servers, server);
  if (!m || p->stopping) return PML_ENOENT;
  m->alone = 1;
  if (now) {
    pml__server_post(m, PML__MSG_END);
  } else {
    m->wants_stop = 1;
    pml__steps_stop_servers(p);
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
  if (slash) { /* a folder that only this user may open, unlike the app's */
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

static void on_signal(int signum, void *ud) {
  pml_program *p = ud;
  if (signum == SIGHUP) {
    on_hup(p);
  } else if (signum == SIGUSR1 || signum == SIGUSR2) {
    pml_log_write(&p->log, PML_INFO,
                  "%s: nothing to do: the log goes to standard error, SIGHUP "
                  "loads changed scripts",
                  signum == SIGUSR1 ? "SIGUSR1" : "SIGUSR2");
  } else if (p->stopping) {
    pml__process_quit(&p->log, 128 + signum);
  } else {
    pml_log_write(&p->log, PML_INFO, "%s: stopping", signum == SIGINT ? "SIGINT" : "SIGTERM");
    pml__steps_stop(p);
  }
}

static int start_thread(pml_program *p, const pml_member_spec *server, int alone) {
  return pml__servers_start(&p->servers, &p->host, server, alone);
}

int pml_program_start_server(pml_program *p, const pml_member_spec *server) {
  if (p->stopping) return PML_ECLOSED;
  return pml__servers_find(&p->servers, server->id) ? PML_EEXIST : start_thread(p, server, 1);
}

static int start_threads(pml_program *p) {
  for (size_t i = 0; i < p->o->count; i++) {
    int rc = start_thread(p, &p->o->servers[i], 0);
    if (rc != 0) return rc;
  }
  return 0;
}

/* --- the run --------------------------------------------------------------------------- */

static void on_main_line(pml_level level, const char *text, void *ud) {
  pml_program *p = ud;
  p->o->on_log("", level, text, p->o->ud);
}

/* Fills in what servers need, and makes the loop. 0, or -1: an event loop cannot be made. */
static int prepare(pml_program *p, const pml_program_options *o) {
  p->o = o;
  pml_log_init(&p->log, "", o->level, o->json);
  p->log.output = o->output;
  if (o->on_log) p->log.on_line = on_main_line;
  p->log.ud = p;
  pml__questions_init(&p->questions);
  pml__notices_init(&p->notices);
  pml_timer_init(&p->deadline, pml__steps_too_late);
  pml_timer_init(&p->wake, on_wake);
  p->loop = pml_loop_new();
  if (p->loop)
    p->box = pml_mailbox_new(p->loop, PML__MSGS_PER_TURN, PML__MSG_LIMIT, pml__steps_mail, p);
  if (!p->box) return -1;
  p->host = (pml__member_host){
    .main = p->box,
    .hub = pml_hub_new(),
    .floor = &p->floor,
    .level = o->level,
    .json = o->json,
    .output = o->output,
    .load = o->load,
    .unload = o->unload,
    .on_log = o->on_log,
    .ud = o->ud,
  };
  return 0;
}

static void start(pml_program *p) {
  const pml_program_options *o = p->o;
  char text[200];
  if (!o->embedded) pml__process_raise_files(&p->log);
  if (!o->embedded) pml__signals_watch(&p->signals, p->loop, on_signal, p);
  open_control(p);
  if (o->notices) {
    pml__notices_add(&p->notices, "", o->notices);
    pml__notices_say(&p->notices, pml__steps_notice, p);
  }
  if (o->on_run) o->on_run(p, o->ud);
  if (!o->embedded && !pml__process_has_files(o->count, text, sizeof text))
    pml__steps_fail(p, "", text);
  else if (start_threads(p) != 0) pml__steps_fail(p, "", "cannot start a server's thread");
}

static void end(pml_program *p) {
  const pml_program_options *o = p->o;
  if (p->web) pml_web_close(p->web);
  if (o->control.on_end) o->control.on_end(p, p->status, o->ud);
  if (p->control) pml_control_close(p->control);
  pml_timer_stop(p->loop, &p->deadline);
  pml_timer_stop(p->loop, &p->wake);
  pml__ladder_free(p->ladder);
  if (o->on_run) o->on_run(NULL, o->ud);
  if (!o->embedded) pml__signals_end(&p->signals);
  pml_mailbox_close(p->box, pml__msg_drop, NULL);
  pml_mailbox_unref(p->box);
  pml_loop_free(p->loop);
  pml_hub_unref(p->host.hub);
  pml__questions_clear(&p->questions);
  pml__servers_clear(&p->servers);
  pml__notices_clear(&p->notices);
}

int pml_program_run(const pml_program_options *o) {
  pml_program p = {0};
  if (prepare(&p, o) != 0) {
    fprintf(stderr, "pomelua: cannot make an event loop: %s\n",
            errno == EMFILE || errno == ENFILE ? "too many open files (ulimit -n, LimitNOFILE=)"
                                               : strerror(errno));
    return 1;
  }
  start(&p);
  if (pml__servers_running(&p.servers)) pml_loop_run(p.loop);
  end(&p);
  return p.status;
}
