#include "host/program.h"

#include "base/container.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "host/others.h"
#include "host/program_bus.h"
#include "host/program_private.h"
#include "host/steps.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <string.h>
#include <unistd.h>

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

void pml_program_set_health(pml_program *p, unsigned up, unsigned servers) {
  if (p->web && p->up && !p->stopping) pml_web_set_health(p->web, PML_WEB_RUNNING, up, servers);
}

void pml_program_reloading(pml_program *p, int begins) { pml__service_reload(&p->service, begins); }

int pml_program_renew(pml_program *p, char *err, size_t nerr) {
  int new = p->web ? pml_web_renew(p->web, err, nerr) : 0;
  if (!p->http || new == PML_EINVAL) return new;
  int other = pml_web_renew(p->http, err, nerr);
  return other ? other : new;
}

void pml_program_web_counts(pml_program *p, void (*fn)(const char *name, uint64_t n, void *ud),
                            void *ud) {
  if (p->web) pml_web_counts(p->web, fn, ud);
  if (p->http) pml_web_counts(p->http, fn, ud);
}

const pml_log *pml_program_log(const pml_program *p) { return &p->log; }

void pml_program_all_up(pml_program *p) { pml__steps_all_up(p); }

pml_bus *pml_program_bus(const pml_program *p) { return pml__uplink_bus(p->uplink); }

void pml_program_stop(pml_program *p) { pml__steps_stop(p); }

int pml_program_stop_server(pml_program *p, const char *server, int now) {
  return pml__steps_stop_server(p, server, now);
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
    if (mkdir(dir, 0700) != 0 && errno != EEXIST) {
      pml_log_write(&p->log, PML_WARN,
                    "no control socket: the folder %s cannot be made: %s; pomelua list, stop, "
                    "reload and the like do not find this program, and bans cannot be kept: start "
                    "it with --state and a folder that it may write",
                    dir, strerror(errno));
      pml_free(dir);
      return;
    }
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

static void not_reopened(const char *path, const char *why, void *ud) {
  const pml_program *p = ud;
  pml_log_write(&p->log, PML_ERROR, "SIGUSR1: %s: %s; its lines go on into the file that was open",
                path, why);
}

/* A tool has moved the log files away. */
static void on_usr1(pml_program *p) {
  size_t n = p->o->log_files ? pml_log_files_reopen(p->o->log_files, not_reopened, p) : 0;
  if (n) {
    pml_log_write(&p->log, PML_INFO, "SIGUSR1: %zu log file%s opened anew", n, n == 1 ? "" : "s");
  } else {
    pml_log_write(&p->log, PML_INFO,
                  "SIGUSR1: nothing to do: there are no log files, see config/log.json");
  }
}

static void on_signal(int signum, void *ud) {
  pml_program *p = ud;
  if (signum == SIGHUP) {
    on_hup(p);
  } else if (signum == SIGUSR1) {
    on_usr1(p);
  } else if (signum == SIGUSR2) {
    pml_log_write(&p->log, PML_INFO,
                  "SIGUSR2: nothing to do: SIGHUP loads changed scripts, SIGUSR1 opens log files "
                  "anew");
  } else if (p->stopping) {
    pml__process_quit(&p->log, 128 + signum);
  } else {
    pml_log_write(&p->log, PML_INFO, "%s: stopping", signum == SIGINT ? "SIGINT" : "SIGTERM");
    p->at_once = signum == SIGINT;
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
  p->at_once = o->embedded;
  pml_log_init(&p->log, "", o->level, o->json);
  p->log.output = o->output;
  p->log.way = o->way;
  if (o->on_log) p->log.on_line = on_main_line;
  p->log.ud = p;
  pml__questions_init(&p->questions);
  pml_list_init(&p->calls);
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
    .dictionaries = pml_dictionaries_new(),
    .tickets = pml_tls_tickets_new(),
    .sqlite = pml_sqlite_files_new(),
    .floor = &p->floor,
    .client_memory = &p->client_memory,
    .level = o->level,
    .json = o->json,
    .wishes = o->control.on_wish != NULL,
    .output = o->output,
    .way = o->way,
    .load = o->load,
    .unload = o->unload,
    .on_log = o->on_log,
    .ud = o->ud,
  };
  return 0;
}

static int open_one(pml_program *p, const pml_web_options *given, pml_web **out) {
  char err[640];
  pml_web_options o = *given;
  o.socket = pml__handed_take(p->host.handed, NULL, o.host ? o.host : "127.0.0.1", o.port);
  o.has_socket = o.socket >= 0;
  int rc = pml_web_open(&o, &p->log, out, err, sizeof err);
  if (o.has_socket) close(o.socket);
  if (rc == 0) return 0;
  pml__steps_fail(p, "config/web.json", err);
  return -1;
}

/* Before the servers, so that /health can say that they start. 0, or -1: the program has failed. */
static int open_web(pml_program *p) {
  if (!p->o->web) return 0;
  pml_web_options o = *p->o->web;
  if (o.http.on) p->host.calls = p->web_calls = pml_web_calls_new(&o.http.limits);
  if (!o.http.own_port) o.calls = p->web_calls;
  if (open_one(p, &o, &p->web) != 0 || !o.http.own_port) return p->web ? 0 : -1;
  o.calls = p->web_calls;
  o.root = NULL;
  o.no_health = 1;
  o.host = o.http.host;
  o.port = o.http.port;
  return open_one(p, &o, &p->http);
}

/* Before anything else that listens. 0, or -1: the program has failed. */
static int take_sockets(pml_program *p) {
  char err[256];
  if (p->o->embedded || pml__handed_new(&p->host.handed, err, sizeof err) == 0) return 0;
  p->failed_with = PML_EXIT_CONFIG;
  pml__steps_fail(p, "", err);
  return -1;
}

static void close_web(pml_program *p) {
  if (p->web_calls) pml_web_calls_end(p->web_calls);
  pml_web_close(p->http);
  pml_web_close(p->web);
  pml_web_calls_free(p->web_calls);
}

static void say_news(pml_program *p, const char *lines) {
  for (const char *stop; lines && *lines; lines = *stop ? stop + 1 : stop) {
    stop = strchrnul(lines, '\n');
    if (stop > lines) pml_log_text(&p->log, PML_INFO, lines, (size_t)(stop - lines));
  }
}

static void start(pml_program *p) {
  const pml_program_options *o = p->o;
  char text[200];
  if (!o->embedded) pml__process_raise_files(&p->log);
  pml__service_open(&p->service, p->loop, &p->log, &p->servers, o->embedded);
  if (!o->embedded) pml__signals_watch(&p->signals, p->loop, on_signal, p);
  open_control(p);
  say_news(p, o->news);
  if (o->notices) {
    pml__notices_add(&p->notices, "", o->notices);
    pml__notices_say(&p->notices, pml__steps_notice, p);
  }
  if (o->on_run) o->on_run(p, o->ud);
  if (take_sockets(p) != 0 || open_web(p) != 0 || pml__others_open(p) != 0) return;
  if (!o->embedded && !pml__process_has_files(o->count, text, sizeof text))
    pml__steps_fail(p, "", text);
  else if (start_threads(p) != 0) pml__steps_fail(p, "", "cannot start a server's thread");
}

static void end(pml_program *p) {
  const pml_program_options *o = p->o;
  close_web(p);
  if (o->control.on_end) o->control.on_end(p, p->status, o->ud);
  pml__uplink_close(p->uplink);
  if (p->control) pml_control_close(p->control);
  pml_timer_stop(p->loop, &p->deadline);
  pml_timer_stop(p->loop, &p->wake);
  pml__service_close(&p->service);
  pml__ladder_free(p->ladder);
  if (o->on_run) o->on_run(NULL, o->ud);
  if (!o->embedded) pml__signals_end(&p->signals);
  pml_mailbox_close(p->box, pml__msg_drop, NULL);
  pml_mailbox_unref(p->box);
  pml_loop_free(p->loop);
  pml_hub_unref(p->host.hub);
  pml_dictionaries_free(p->host.dictionaries);
  pml_tls_tickets_unref(p->host.tickets);
  pml__questions_clear(&p->questions);
  pml__program_calls_clear(p);
  pml__servers_clear(&p->servers);
  pml__handed_free(p->host.handed);
  pml_sqlite_files_free(p->host.sqlite); /* behind the servers' threads */
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
