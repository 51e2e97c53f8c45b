#include "host/steps.h"

#include "base/container.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#define FLUSH_MS 200  /* for the log, before "ready" is written */
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
  uint32_t timeout = 0, grace = 0;
  for (size_t i = 0; i < p->servers.count; i++) { /* the longest of the servers that stop */
    pml__server *m = p->servers.list[i];
    if (!m->running || (only && m != only)) continue;
    if (m->stop_ms > timeout) timeout = m->stop_ms;
    if (m->grace_ms > grace) grace = m->grace_ms;
  }
  return pml__ladder_begin(&o, only, timeout, grace);
}

void pml__steps_stop(pml_program *p) {
  if (p->stopping) return;
  p->stopping = 1;
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
  p->status = 1;
  p->stopping = 1;
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

static int open_web(pml_program *p) {
  const pml_program_options *o = p->o;
  char err[256], line[320];
  if (!o->web_root) return 0;
  if (pml_web_open(o->web_host, o->web_port, o->web_root, &p->log, &p->web, err, sizeof err) != 0) {
    pml__steps_fail(p, "config/web.json", err);
    return -1;
  }
  snprintf(line, sizeof line, "web page at http://%s:%d/", o->web_host ? o->web_host : "127.0.0.1",
           pml_web_port(p->web));
  o->say(line, o->ud);
  return 0;
}

/* All servers listen. 0; -1: the program has failed. */
static int begin_service(pml_program *p) {
  if (open_web(p) != 0) return -1;
  p->up = 1;
  /* A reader of "ready" finds in the log all that the start had to report, unless nobody reads
   * the log. */
  if (p->o->output) pml_output_flush(p->o->output, FLUSH_MS);
  p->o->say("ready", p->o->ud);
  return 0;
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

/* --- the steps of a start -------------------------------------------------------------- */

/* When a server has sent `from`, it is sent `to`: alone, or with all that start together with it,
 * when the last of these has. */
static const struct {
  pml__msg_kind from, to;
} steps[] = {
  {PML__MSG_LOADED, PML__MSG_JOIN},
  {PML__MSG_JOINED, PML__MSG_START},
  {PML__MSG_LISTENING, PML__MSG_ALL_UP},
};

static void step_together(pml_program *p, pml__msg_kind from, pml__msg_kind to) {
  if (!pml__servers_saw(&p->servers, from)) return;
  if (from == PML__MSG_LOADED) pml__notices_say(&p->notices, pml__steps_notice, p);
  if (from == PML__MSG_LISTENING && begin_service(p) != 0) return;
  pml__servers_post(&p->servers, to);
}

static void step(pml_program *p, pml__server *s, const pml__msg *msg) {
  if (msg->kind == PML__MSG_LISTENING) say_lines(p, msg->text);
  if (p->stopping) return;
  for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
    if (steps[i].from != msg->kind) continue;
    if (s->alone) pml__server_post(s, steps[i].to);
    else step_together(p, steps[i].from, steps[i].to);
  }
  if (msg->kind == PML__MSG_LISTENING && !p->stopping) server_changed(p, s, 1, NULL);
}

/* A server that starts or stops apart ends alone; any other one ends the program. */
static void failed(pml_program *p, pml__server *s, const char *text) {
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
    if (!again) step(p, s, msg);
    break;
  case PML__MSG_JOINED:
  case PML__MSG_LISTENING:
    if (!again) step(p, s, msg);
    break;
  case PML__MSG_FAILED: failed(p, s, msg->text); break;
  case PML__MSG_NOTICE: noticed(p, s, msg->text); break;
  case PML__MSG_DONE:
  case PML__MSG_PATIENT: of_ladder(p, s, msg); break;
  case PML__MSG_SHUTDOWN: stop_with(p, (int)msg->a); break;
  case PML__MSG_ANSWER: answered(p, s, msg->id, msg->text); break;
  case PML__MSG_ENDED: member_ended(p, s); break;
  default: break;
  }
  pml_free(msg);
}
