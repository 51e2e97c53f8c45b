#include "host/member_web.h"

#include "base/container.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "bus/rpc.h"
#include "host/msg.h"
#include "node/calls_in.h"
#include "node/forward.h"
#include "node/requests.h"

#include <stdio.h>

#define POLL_MS 5
/* What a script may recurse through C, whatever `ulimit -s` says: bind/l_guard stops it before
 * the end. Of these bytes only those that were used take memory. */
#define THREAD_STACK (16u << 20)

/* --- reports to the main thread ----------------------------------------------------- */

static void report(pml_member *m, pml__msg_kind kind, uint64_t a, const char *text) {
  pml__msg msg = {.kind = kind, .from = m, .a = a};
  pml__msg_post(m->host->main, &msg, text);
}

void pml_member_loaded(pml_member *m) {
  const pml_config *c = pml_node_config(m->node);
  pml__msg msg = {.kind = PML__MSG_LOADED, .from = m, .a = c->stop_ms, .b = c->stop_grace_ms};
  msg.c = c->stuck_s;
  msg.id = c->drain_ms;
  pml__msg_post(m->host->main, &msg, "");
}

void pml_member_info(pml_member *m, const char *json) { report(m, PML__MSG_INFO, 0, json); }
void pml_member_notice(pml_member *m, const char *lines) { report(m, PML__MSG_NOTICE, 0, lines); }
void pml_member_failed(pml_member *m, const char *t) { report(m, PML__MSG_FAILED, 0, t); }
void pml_member_refused(pml_member *m, const char *t) {
  report(m, PML__MSG_FAILED, PML_EXIT_CONFIG, t);
}
void pml_member_listening(pml_member *m, const char *l) { report(m, PML__MSG_LISTENING, 0, l); }
void pml_member_patient(pml_member *m) { report(m, PML__MSG_PATIENT, 0, ""); }
void pml_member_shutdown(pml_member *m, int status) {
  report(m, PML__MSG_SHUTDOWN, (uint64_t)status, "");
}

void pml_member_answer(pml_member *m, pml_id call, const char *text) {
  pml__msg msg = {.kind = PML__MSG_ANSWER, .from = m, .id = call};
  pml__msg_post(m->host->main, &msg, text);
}

int pml_member_wish(pml_member *m, pml_id number, const char *text) {
  if (!m->host->wishes) return PML_ENOENT;
  pml__msg msg = {.kind = PML__MSG_WISH, .from = m, .id = number};
  pml__msg_post(m->host->main, &msg, text);
  return 0;
}

pml_dictionaries *pml_member_dictionaries(const pml_member *m) { return m->host->dictionaries; }
pml_tls_tickets *pml_member_tickets(const pml_member *m) { return m->host->tickets; }
pml_sqlite_files *pml_member_sqlite(const pml_member *m) { return m->host->sqlite; }

void pml_member_set_stage(pml_member *m, const pml_stage *s) { m->stage = *s; }

/* --- a stop, step by step --------------------------------------------------------- */

/* Drops a report that comes late, on a phase that is over. */
static void done_with(pml_member *m, pml_id number, uint64_t open, uint64_t begun,
                      const char *text) {
  if (!number || m->phase != number) return;
  pml__msg msg = {.kind = PML__MSG_DONE, .from = m, .id = number, .a = open, .b = begun};
  m->phase = 0;
  pml_timer_stop(m->loop, &m->poll);
  pml__msg_post(m->host->main, &msg, text);
}

static void done(pml_member *m, pml_id number) { done_with(m, number, 0, 0, ""); }

void pml_member_stopped(pml_member *m, pml_id number) { done(m, number); }

static void flushed(void *ud) {
  pml_member *m = ud;
  done(m, m->flushing);
}

static void moved(void *ud) {
  pml_member *m = ud;
  done(m, m->moving);
}

static void parted(void *ud) {
  pml_member *m = ud;
  done(m, m->parting);
}

static void poll_requests(pml_timer *t) {
  pml_member *m = PML_CONTAINER(t, pml_member, poll);
  size_t open = pml_node_open_requests(m->node) + pml__member_web_open(m);
  if (open == 0 || pml_loop_now(m->loop) >= m->poll_end) done(m, m->phase);
  else pml_timer_start(m->loop, t, POLL_MS);
}

static void add_line(const char *text, void *ud) {
  pml_writer *w = ud;
  pml_writer_put(w, text, strlen(text));
  pml_writer_put(w, "\n", 1);
}

/* Counts the work of clients, calls and ended sessions that has not ended. When one server stops,
 * the others count only their calls that wait for it. */
static void count(pml_member *m, pml_id number, const char *leaving) {
  pml_node *n = m->node;
  pml_writer w = {0};
  if (leaving[0]) {
    done_with(m, number, pml_node_calls_to(n, leaving), 0, "");
    return;
  }
  uint64_t open = pml_node_open_requests(n) + pml_calls_in_open(n);
  if (m->stage.pending) open += m->stage.pending(m->stage.ud, &w);
  if (!w.len) pml_requests_each(n, add_line, &w); /* their tasks have names */
  pml_writer_put(&w, "", 1);
  done_with(m, number, open, pml_node_begun(n), (const char *)pml_writer_at(&w, 0));
  pml_writer_drop(&w);
}

/* Requests that other servers work on are ended by these servers when they stop as well. When this
 * server stops alone, it gives such requests up, and the other servers finish them. */
static void expire(pml_member *m, pml_id number, int alone) {
  char line[40];
  pml_writer w = {0};
  pml_requests_expire(m->node, add_line, &w);
  size_t web = pml__member_web_expire(m);
  if (web) snprintf(line, sizeof line, "%zu HTTP request%s", web, web == 1 ? "" : "s");
  if (web) add_line(line, &w);
  if (alone) pml_forward_expire(m->node, add_line, &w);
  pml_writer_put(&w, "", 1);
  done_with(m, number, 0, 0, (const char *)pml_writer_at(&w, 0));
  pml_writer_drop(&w);
}

static void ask_script(pml_member *m, pml_stop_step step, pml_id number) {
  if (m->stage.stop) m->stage.stop(m->stage.ud, step, number);
  else done(m, number);
}

static void phase(pml_member *m, const pml__msg *msg) {
  pml_timer_stop(m->loop, &m->poll);
  m->phase = msg->id;
  switch ((pml__phase)msg->a) {
  case PML__PHASE_DRAINING: ask_script(m, PML_STOP_DRAINING, msg->id); break;
  case PML__PHASE_LEAVING:
    m->flushing = msg->id;
    pml_node_leave(m->node, msg->text, (uint32_t)msg->b, flushed, m);
    break;
  case PML__PHASE_MOVING:
    m->moving = msg->id;
    pml_node_move(m->node, "shutdown", (uint32_t)msg->b, moved, m);
    break;
  case PML__PHASE_CLOSING:
    pml_node_close(m->node, msg->b != 0);
    pml__member_web_refuse(m);
    ask_script(m, PML_STOP_CLOSING, msg->id);
    break;
  case PML__PHASE_GRACE:
    m->poll_end = pml_loop_now(m->loop) + msg->b;
    poll_requests(&m->poll);
    break;
  case PML__PHASE_EXPIRE: expire(m, msg->id, msg->b != 0); break;
  case PML__PHASE_TELLING: ask_script(m, PML_STOP_TELLING, msg->id); break;
  case PML__PHASE_FLUSH:
    m->flushing = msg->id;
    pml_node_flush(m->node, msg->text[0] ? msg->text : NULL, flushed, m);
    break;
  case PML__PHASE_PARTING:
    m->parting = msg->id;
    pml_node_drain(m->node, "shutdown", (uint32_t)msg->b, parted, m);
    break;
  case PML__PHASE_COUNT: count(m, msg->id, msg->text); break;
  case PML__PHASE_SHUTDOWN: ask_script(m, PML_STOP_SHUTDOWN, msg->id); break;
  }
}

/* --- the thread --------------------------------------------------------------------- */

static void on_line(pml_level level, const char *text, void *ud) {
  pml_member *m = ud;
  const pml__member_host *o = m->host;
  o->on_log(m->spec.id, level, text, o->ud);
}

/* Runs after the mail of this turn, so that servers that joined earlier are known. */
static void start_now(pml_task *t) {
  pml_member *m = PML_CONTAINER(t, pml_member, start);
  if (!m->ending && m->stage.start) m->stage.start(m->stage.ud);
}

static void member_shut(void *ud) { pml_loop_stop(((pml_member *)ud)->loop); }

static void join(pml_member *m) {
  char text[96];
  int rc = pml_node_join(m->node, m->host->hub);
  if (rc == 0) {
    report(m, PML__MSG_JOINED, pml_node_incarnation(m->node, m->spec.id), "");
    return;
  }
  snprintf(text, sizeof text, "cannot join the bus: %s",
           rc == PML_EEXIST   ? "the server id is taken"
           : rc == PML_EINVAL ? "a server id has 1 to " PML_TEXT_OF(PML_SERVER_ID_MAX) " bytes"
                              : pml_err_name(rc));
  pml_member_failed(m, text);
}

static void on_mail(pml_mail *mail, void *ud) {
  pml_member *m = ud;
  pml__msg *msg = PML_CONTAINER(mail, pml__msg, mail);
  switch (m->ending ? PML__MSG_TO_MAIN : msg->kind) { /* after END no message counts */
  case PML__MSG_JOIN: join(m); break;
  case PML__MSG_START: pml_loop_defer(m->loop, &m->start); break;
  case PML__MSG_ALL_UP:
    if (m->stage.started) m->stage.started(m->stage.ud);
    break;
  case PML__MSG_QUESTION:
    if (m->stage.control) m->stage.control(m->stage.ud, msg->id, pml_slice_str(msg->text));
    else pml_member_answer(m, msg->id, "");
    break;
  case PML__MSG_PULSE:
    report(m, PML__MSG_PULSED, pml_sessions_count(pml_node_sessions(m->node)), "");
    break;
  case PML__MSG_PHASE: phase(m, msg); break;
  case PML__MSG_END:
    m->ending = 1;
    pml_node_shut(m->node, member_shut, m);
    break;
  default: break;
  }
  pml_free(msg);
}

/* The name that `top -H` and debuggers show. */
static void name_thread(const char *id) {
  char name[16]; /* all that the kernel keeps */
  snprintf(name, sizeof name, "%.15s", id);
  pthread_setname_np(pthread_self(), name);
}

static int socket_for(void *ud, const char *id, const char *host, int port) {
  return pml__handed_take(ud, id, host, port);
}

static void *member_main(void *ud) {
  pml_member *m = ud;
  const pml__member_host *o = m->host;
  name_thread(m->spec.id);
  pml_node_options no = {
    .id = m->spec.id,
    .type = m->spec.type,
    .frontend = m->spec.frontend,
    .floor = m->host->floor,
    .client_memory = m->host->client_memory,
    .socket = m->host->handed ? socket_for : NULL,
    .socket_ud = m->host->handed,
  };
  void *state = NULL;
  char *err = NULL;
  pml_log_init(&no.log, m->spec.id, o->level, o->json);
  no.log.output = o->output;
  no.log.way = o->way;
  if (o->on_log) no.log.on_line = on_line;
  no.log.ud = m;
  pml_task_init(&m->start, start_now);
  pml_timer_init(&m->poll, poll_requests);
  m->node = pml_node_new(m->loop, &no);
  if (o->load(m->node, m, m->spec.boot, &state, &err, o->ud) != 0) {
    pml_member_refused(m, err ? err : "cannot load");
    pml_free(err);
  }
  pml_loop_run(m->loop);
  pml_task_cancel(&m->start);
  pml_timer_stop(m->loop, &m->poll);
  pml__member_web_end(m);
  if (state) o->unload(state, o->ud);
  pml_node_free(m->node);
  pml_mailbox_close(m->box, pml__msg_drop, NULL);
  pml_loop_free(m->loop);
  report(m, PML__MSG_ENDED, 0, "");
  return NULL;
}

static void drop_loop(pml_member *m) {
  if (m->box) {
    pml_mailbox_close(m->box, pml__msg_drop, NULL);
    pml_mailbox_unref(m->box);
    m->box = NULL;
  }
  if (m->loop) pml_loop_free(m->loop);
  m->loop = NULL;
}

/* The thread blocks no signal, because a program that a script starts would inherit the mask. The
 * kernel gives a signal of the process to the main thread, and libuv's handlers may run on any. */
int pml__member_start(pml_member *m, const pml__member_host *host, const pml_member_spec *spec) {
  m->host = host;
  m->spec = *spec;
  m->spec.id = pml_strdup(spec->id);
  m->spec.type = pml_strdup(spec->type);
  m->spec.boot = pml_strdup(spec->boot);
  m->loop = pml_loop_new();
  m->box =
    m->loop ? pml_mailbox_new(m->loop, PML__MSGS_PER_TURN, PML__MSG_LIMIT, on_mail, m) : NULL;
  pthread_attr_t attr;
  pthread_attr_init(&attr);
  pthread_attr_setstacksize(&attr, THREAD_STACK);
  int rc = m->box ? pthread_create(&m->thread, &attr, member_main, m) : -1;
  pthread_attr_destroy(&attr);
  if (rc != 0) drop_loop(m);
  return rc == 0 ? 0 : PML_EIO;
}

void pml__member_clear(pml_member *m) {
  if (m->box) pml_mailbox_unref(m->box);
  pml_free((char *)(uintptr_t)m->spec.id);
  pml_free((char *)(uintptr_t)m->spec.type);
  pml_free((char *)(uintptr_t)m->spec.boot);
}
