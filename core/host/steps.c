#include "host/steps.h"

#include "base/container.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#define FLUSH_MS 2000 /* for what was said, before something that tells of it */
#define LEAVE_MS 6000 /* for the threads to end, when their servers have stopped */

/* --- all servers stop ------------------------------------------------------------------ */

static void end_all(pml_program *p) {
  if (p->ending) return;
  p->ending = 1;
  pml_timer_start(p->loop, &p->deadline, LEAVE_MS);
  pml__servers_post(&p->servers, PML__MSG_END);
}

/* Threads have not ended, because their scripts, or what these call, do not return. */
void pml__steps_too_late(pml_timer *t) {
  pml_program *p = PML_CONTAINER(t, pml_program, deadline);
  for (size_t i = 0; i < p->servers.count; i++)
    if (p->servers.list[i]->running)
      pml_log_write(&p->log, PML_ERROR, "server %s does not end: the program ends without it",
                    pml__server_id(p->servers.list[i]));
  if (p->o->embedded) fprintf(stderr, "pomelua: servers did not stop in time\n");
  pml__process_quit(&p->log, p->status ? p->status : 1);
}

static void say_cut(pml_program *p, const char *server, const char *text) {
  char *line = pml_alloc(strlen(server) + strlen(text) + 64);
  int n =
    sprintf(line, "%s%sstopped, but this had to be cut: %s", server, server[0] ? ": " : "", text);
  pml_log_text(&p->log, PML_ERROR, line, (size_t)n);
  pml_free(line);
}

static void all_stopped(pml__ladder *l, const char *text, void *ud) {
  pml_program *p = ud;
  (void)l;
  if (text) say_cut(p, "", text);
  if (text && !p->status) p->status = 1;
  end_all(p);
}

static pml__ladder *ladder(pml_program *p, pml__server *only,
                           void (*ended)(pml__ladder *l, const char *text, void *ud)) {
  pml__ladder_options o = {p->loop, &p->log, &p->servers, &p->phases, ended, p};
  pml__ladder_times t = {0};
  for (size_t i = 0; i < p->servers.count; i++) { /* the longest of the servers that stop */
    pml__server *m = p->servers.list[i];
    if (!m->running || (only && m != only)) continue;
    if (m->incarnation) pml__uplink_leaving(p->uplink, pml__server_id(m));
    if (m->stop_ms > t.stop) t.stop = m->stop_ms;
    if (m->grace_ms > t.grace) t.grace = m->grace_ms;
    if (m->drain_ms > t.drain) t.drain = m->drain_ms;
  }
  if (p->at_once && !only) t.drain = 0;
  return pml__ladder_begin(&o, only, &t);
}

static void set_stopping(pml_program *p, const char *why) {
  p->stopping = 1;
  pml__service_stopping(&p->service, why);
  if (p->web) pml_web_set_health(p->web, PML_WEB_STOPPING, 0, 0);
}

void pml__steps_stop(pml_program *p) {
  if (p->stopping) return;
  set_stopping(p, NULL);
  if (p->alone) pml__ladder_free(p->alone->ladder);
  if (p->alone) p->alone->ladder = NULL;
  p->alone = NULL;
  if (!pml__servers_running(&p->servers))
    pml_loop_stop(p->loop); /* the program waited for a server that failed */
  else p->ladder = ladder(p, NULL, all_stopped);
}

void pml__steps_notice(const char *server, const char *text, void *ud) {
  pml_program *p = ud;
  pml_log log = p->log;
  if (p->o->on_log) {
    p->o->on_log(server, PML_WARN, text, p->o->ud);
    return;
  }
  snprintf(log.server, sizeof log.server, "%s", server);
  pml_log_write(&log, PML_WARN, "%s", text);
}

/* Warnings of servers that start together are written when all have loaded, later ones at once. */
static void noticed(pml_program *p, pml__server *m, const char *lines) {
  pml__notices_add(&p->notices, pml__server_id(m), lines);
  if (p->up || m->alone) pml__notices_say(&p->notices, pml__steps_notice, p);
}

void pml__steps_fail(pml_program *p, const char *server, const char *text) {
  pml__notices_say(&p->notices, pml__steps_notice, p);
  if (!p->failed && p->o->on_log) p->o->on_log(server, PML_ERROR, text, p->o->ud);
  else if (!p->failed) pml__process_complain(server, text, p->o->json);
  p->failed = 1;
  p->status = p->failed_with ? p->failed_with : 1;
  set_stopping(p, text);
  pml__ladder_free(p->ladder);
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

static void say_port(pml_program *p, const pml_web *web, const char *what, const char *host) {
  char line[320];
  int v6 = host && strchr(host, ':') != NULL; /* brackets, as in every address of a page */
  snprintf(line, sizeof line, "%s at http%s://%s%s%s:%d/", what, pml_web_is_secure(web) ? "s" : "",
           v6 ? "[" : "", host ? host : "127.0.0.1", v6 ? "]" : "", pml_web_port(web));
  p->o->say(line, p->o->ud);
}

/* Somebody has opened a socket for this program, and clients would wait there for ever. */
static int has_strange_socket(pml_program *p) {
  char which[160], text[400];
  if (!pml__handed_left(p->host.handed, which, sizeof which)) return 0;
  snprintf(text, sizeof text,
           "LISTEN_FDS: nobody listens on the socket %s that was handed over: give a frontend of "
           "config/servers.json (clientPort; host with distinctHost) or config/web.json its "
           "address and port, or name the socket after a server (FileDescriptorName=)",
           which);
  p->failed_with = PML_EXIT_CONFIG;
  pml__steps_fail(p, "", text);
  return 1;
}

/* All servers listen. */
static void begin_service(pml_program *p) {
  if (has_strange_socket(p)) return;
  const pml_program_options *o = p->o;
  unsigned n = (unsigned)pml__servers_running(&p->servers);
  p->up = 1;
  if (p->web) {
    pml_web_set_health(p->web, PML_WEB_RUNNING, n, n);
    say_port(p, p->web, o->web->root ? "web page" : "http", o->web->host);
  }
  if (p->http) say_port(p, p->http, "http", o->web->http.host);
  /* A reader of "ready" finds in the log all that the start had to report, unless nobody reads
   * the log. */
  if (o->output) pml_output_flush(o->output, FLUSH_MS);
  o->say("ready", o->ud);
  pml__service_ready(&p->service);
}

/* Reports that a server is up, or has ended. Whether the program goes on without servers. */
static int server_changed(pml_program *p, pml__server *m, int up, const char *text) {
  if (!p->o->control.on_server) return 0;
  return p->o->control.on_server(p, pml__server_id(m), up, text, p->o->ud);
}

/* --- one server stops ---------------------------------------------------------------- */

static void one_stopped(pml__ladder *l, const char *text, void *ud) {
  pml_program *p = ud;
  pml__server *m = p->alone;
  (void)l;
  if (text) say_cut(p, pml__server_id(m), text);
  if (text && !m->why) m->why = pml_strdup(text);
  pml__server_post(m, PML__MSG_END);
}

/* Servers stop one after the other, so that each server is asked for one thing at a time. */
void pml__steps_stop_servers(pml_program *p) {
  for (size_t i = 0; i < p->servers.count && !p->alone && !p->stopping; i++) {
    pml__server *m = p->servers.list[i];
    if (!m->running || !m->wants_stop || m->ladder) continue;
    p->alone = m;
    m->ladder = ladder(p, m, one_stopped);
  }
}

int pml__steps_stop_server(pml_program *p, const char *server, int now) {
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

/* --- the steps of a start -------------------------------------------------------------- */

/* When a server has sent `from`, it is sent `to`: alone, or with all that start together with it,
 * when the last of these has. */
static const struct {
  pml__msg_kind from, to;
} steps[] = {
  {PML__MSG_CLAIMED, PML__MSG_JOIN},
  {PML__MSG_JOINED, PML__MSG_START},
  {PML__MSG_LISTENING, PML__MSG_ALL_UP},
};

/* With other processes only p->o->control knows when all servers of the app are up. */
static int is_due(const pml_program *p, pml__msg_kind to) {
  return to != PML__MSG_ALL_UP || !p->uplink || p->all_up;
}

static void step_together(pml_program *p, pml__msg_kind from, pml__msg_kind to) {
  if (!pml__servers_saw(&p->servers, from)) return;
  if (from == PML__MSG_CLAIMED) pml__notices_say(&p->notices, pml__steps_notice, p);
  if (from == PML__MSG_LISTENING) begin_service(p);
  if (!p->stopping && is_due(p, to)) pml__servers_post(&p->servers, to);
}

static void step(pml_program *p, pml__server *s, pml__msg_kind kind) {
  if (p->stopping) return;
  for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
    if (steps[i].from != kind) continue;
    if (!s->alone) step_together(p, steps[i].from, steps[i].to);
    else if (is_due(p, steps[i].to)) pml__server_post(s, steps[i].to);
  }
  if (kind != PML__MSG_LISTENING || p->stopping) return;
  /* Who hears that a server is up again finds the line with its port. */
  if (s->alone && p->o->said) pml_output_flush(p->o->said, FLUSH_MS);
  server_changed(p, s, 1, NULL);
}

void pml__steps_all_up(pml_program *p) {
  if (!p->uplink || p->all_up || p->stopping) return;
  p->all_up = 1;
  for (size_t i = 0; i < p->servers.count; i++) {
    pml__server *s = p->servers.list[i];
    if (s->running && pml__server_saw(s, PML__MSG_LISTENING)) pml__server_post(s, PML__MSG_ALL_UP);
  }
}

void pml__steps_claimed(pml_program *p, pml__server *s) {
  if (!pml__server_saw(s, PML__MSG_LOADED) || pml__server_saw(s, PML__MSG_CLAIMED)) return;
  pml__server_see(s, PML__MSG_CLAIMED);
  step(p, s, PML__MSG_CLAIMED);
}

static void loaded(pml_program *p, pml__server *s) {
  if (p->uplink) pml__uplink_claim(p->uplink, pml__server_id(s));
  else pml__steps_claimed(p, s);
}

/* Other processes hear of the server, or of what has changed of it. */
static void serve(const pml_program *p, const pml__server *s) {
  if (s->incarnation)
    pml__uplink_serve(p->uplink, pml__server_id(s), s->incarnation, s->info ? s->info : "{}");
}

void pml__steps_failed(pml_program *p, pml__server *s, const char *text) {
  if (!s->alone || p->stopping) {
    pml__steps_fail(p, pml__server_id(s), text);
    return;
  }
  if (!s->failed) s->why = pml_strdup(text);
  s->failed = 1;
  pml__server_post(s, PML__MSG_END);
}

/* The ladder that a server is on, or is asked for. */
static pml__ladder *ladder_now(const pml_program *p) {
  return p->ladder ? p->ladder : p->alone ? p->alone->ladder : NULL;
}

static void end_question(pml_id id, void *ud) {
  pml_program *p = ud;
  if (p->o->control.on_told) p->o->control.on_told(p, id, NULL, p->o->ud);
}

static void answered(pml_program *p, pml__server *s, pml_id id, const char *text) {
  if (pml__questions_answered(&p->questions, id, s) && p->o->control.on_told)
    p->o->control.on_told(p, id, text, p->o->ud);
}

static void member_ended(pml_program *p, pml__server *m) {
  pthread_join(m->member.thread, NULL);
  m->running = 0;
  if (pml__server_saw(m, PML__MSG_CLAIMED)) pml__uplink_leave(p->uplink, pml__server_id(m));
  pml__ladder_free(m->ladder);
  m->ladder = NULL;
  if (p->alone == m) p->alone = NULL;
  else if (!p->ending && ladder_now(p)) pml__ladder_gone(ladder_now(p), m);
  pml__questions_end(&p->questions, m, end_question, p);
  int stays = p->stopping ? 0 : server_changed(p, m, 0, m->why);
  pml__servers_forget(&p->servers, m);
  if (!pml__servers_running(&p->servers) && !(stays && !p->stopping)) pml_loop_stop(p->loop);
  else pml__steps_stop_servers(p);
}

static void of_ladder(pml_program *p, pml__server *s, const pml__msg *msg) {
  pml__ladder *l = ladder_now(p);
  if (!l || p->ending) return;
  if (msg->kind == PML__MSG_PATIENT) pml__ladder_patient(l, s);
  else pml__ladder_done(l, s, msg->id, msg->a, msg->b, msg->text);
}

static void stop_with(pml_program *p, int status) {
  if (!p->failed && !p->ending) p->status = status;
  pml__steps_stop(p);
}

void pml__steps_mail(pml_mail *mail, void *ud) {
  pml_program *p = ud;
  pml__msg *msg = PML_CONTAINER(mail, pml__msg, mail);
  if (!msg->from) { /* pml_program_ask_stop */
    pml__steps_stop(p);
    pml_free(msg);
    return;
  }
  pml__server *s = pml__server_of(msg->from);
  int again = pml__server_saw(s, msg->kind); /* a step is taken once, whatever scripts report */
  pml__server_see(s, msg->kind);
  switch (msg->kind) {
  case PML__MSG_LOADED:
    s->stop_ms = (uint32_t)msg->a;
    s->grace_ms = (uint32_t)msg->b;
    s->drain_ms = (uint32_t)msg->id;
    s->stuck_s = (uint32_t)msg->c;
    pml__service_loaded(&p->service);
    if (!again) loaded(p, s);
    break;
  case PML__MSG_INFO:
    pml_free(s->info);
    s->info = pml_strdup(msg->text);
    serve(p, s);
    if (p->o->control.on_info) p->o->control.on_info(p, pml__server_id(s), s->info, p->o->ud);
    break;
  case PML__MSG_JOINED:
    s->incarnation = msg->a;
    serve(p, s);
    if (!again) step(p, s, PML__MSG_JOINED);
    break;
  case PML__MSG_LISTENING:
    if (again) break;
    say_lines(p, msg->text);
    step(p, s, PML__MSG_LISTENING);
    break;
  case PML__MSG_FAILED:
    if (!p->failed && !p->up) p->failed_with = (int)msg->a;
    pml__steps_failed(p, s, msg->text);
    break;
  case PML__MSG_NOTICE: noticed(p, s, msg->text); break;
  case PML__MSG_DONE:
  case PML__MSG_PATIENT: of_ladder(p, s, msg); break;
  case PML__MSG_SHUTDOWN: stop_with(p, (int)msg->a); break;
  case PML__MSG_ANSWER: answered(p, s, msg->id, msg->text); break;
  case PML__MSG_WISH:
    if (p->o->control.on_wish)
      p->o->control.on_wish(p, pml__server_id(s), msg->id, msg->text, p->o->ud);
    break;
  case PML__MSG_PULSED: pml__service_pulse(&p->service, s, msg->a); break;
  case PML__MSG_ENDED: member_ended(p, s); break;
  default: break;
  }
  pml_free(msg);
}
