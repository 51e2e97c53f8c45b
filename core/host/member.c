#include "host/member_private.h"

#include "base/container.h"
#include "base/err.h"
#include "base/mem.h"
#include "bus/rpc.h"
#include "node/calls_in.h"
#include "node/frontend.h"
#include "node/state.h"
#include "node/requests.h"

#include <stdio.h>

#define POLL_MS 5
/* What a script may recurse through C, whatever `ulimit -s` says: bind/guard stops it before
 * the end. Of these bytes only those that were used take memory. */
#define THREAD_STACK (16u << 20)

/* --- words -------------------------------------------------------------------- */

void pml_member_tell(pml_mailbox *box, const pml_note *k, const char *text) {
  size_t n = strlen(text);
  pml_note *copy = pml_alloc(sizeof *copy + n + 1);
  *copy = *k;
  copy->mail = (pml_mail){NULL, sizeof *copy + n};
  memcpy(copy->text, text, n + 1);
  if (pml_mailbox_post(box, &copy->mail) != 0) pml_free(copy); /* the other side has ended */
}

void pml_member_drop_note(pml_mail *mail, void *ud) {
  (void)ud;
  pml_free(mail);
}

static void say(pml_member *m, pml_word what, uint64_t a, const char *text) {
  pml_note k = {.what = what, .a = a, .member = m};
  pml_member_tell(pml_program_box(m->program), &k, text);
}

void pml_member_loaded(pml_member *m) {
  const pml_config *c = pml_node_config(m->node);
  pml_note k = {.what = PML_LOADED, .a = c->stop_ms, .b = c->stop_grace_ms, .member = m};
  pml_member_tell(pml_program_box(m->program), &k, "");
}

void pml_member_notice(pml_member *m, const char *lines) { say(m, PML_NOTICE, 0, lines); }
void pml_member_failed(pml_member *m, const char *t) { say(m, PML_FAILED, 0, t); }
void pml_member_listening(pml_member *m, const char *l) { say(m, PML_LISTENING, 0, l); }
void pml_member_patient(pml_member *m) { say(m, PML_PATIENT, 0, ""); }
void pml_member_shutdown(pml_member *m, int status) { say(m, PML_SHUTDOWN, (uint64_t)status, ""); }

void pml_member_answer(pml_member *m, pml_id call, const char *text) {
  pml_note k = {.what = PML_TOLD, .call = call, .member = m};
  pml_member_tell(pml_program_box(m->program), &k, text);
}

void pml_member_set_stage(pml_member *m, const pml_stage *s) { m->stage = *s; }

/* --- a stop, step by step --------------------------------------------------------- */

static void done_with(pml_member *m, pml_id number, uint64_t open, uint64_t begun,
                      const char *text) {
  if (!number || m->phase != number) return; /* a late word */
  pml_note k = {.what = PML_DONE, .a = open, .b = begun, .call = number, .member = m};
  m->phase = 0;
  pml_timer_stop(m->loop, &m->poll);
  pml_member_tell(pml_program_box(m->program), &k, text);
}

static void done(pml_member *m, pml_id number) { done_with(m, number, 0, 0, ""); }

void pml_member_stopped(pml_member *m, pml_id number) { done(m, number); }

static void flushed(void *ud) {
  pml_member *m = ud;
  done(m, m->flushing);
}

static void parted(void *ud) {
  pml_member *m = ud;
  done(m, m->parting);
}

static void poll_requests(pml_timer *t) {
  pml_member *m = PML_CONTAINER(t, pml_member, poll);
  if (pml_node_open_requests(m->node) == 0 || pml_loop_now(m->loop) >= m->poll_end)
    done(m, m->phase);
  else pml_timer_start(m->loop, t, POLL_MS);
}

static void add_line(const char *text, void *ud) {
  pml_writer *w = ud;
  pml_writer_put(w, text, strlen(text));
  pml_writer_put(w, "\n", 1);
}

/* What clients, calls and ended sessions began and what has not ended. Of the others a stop of
 * one server wants to know only whether they wait for that. */
static void count(pml_member *m, pml_id number, const char *leaving) {
  pml_node *n = m->node;
  pml_writer w = {0};
  if (leaving[0]) {
    done_with(m, number, pml_node_calls_to(n, leaving), 0, "");
    return;
  }
  uint64_t open = pml_node_open_requests(n) + pml_backend_open(n);
  if (m->stage.pending) open += m->stage.pending(m->stage.ud, &w);
  if (!w.len) pml_requests_each(n, add_line, &w); /* their tasks have names */
  pml_writer_put(&w, "", 1);
  done_with(m, number, open, n->counts.begun, (const char *)pml_writer_at(&w, 0));
  pml_writer_drop(&w);
}

/* What other servers do for clients of this one is ended where they do it, when they stop as well;
 * otherwise it is given up here, and they go on with it. */
static void expire(pml_member *m, pml_id number, int alone) {
  pml_writer w = {0};
  pml_requests_expire(m->node, add_line, &w);
  if (alone) pml_forwards_expire(m->node, add_line, &w);
  pml_writer_put(&w, "", 1);
  done_with(m, number, 0, 0, (const char *)pml_writer_at(&w, 0));
  pml_writer_drop(&w);
}

static void ask_script(pml_member *m, pml_stop_step step, pml_id number) {
  if (m->stage.stop) m->stage.stop(m->stage.ud, step, number);
  else done(m, number);
}

static void phase(pml_member *m, const pml_note *k) {
  pml_timer_stop(m->loop, &m->poll);
  m->phase = k->call;
  switch ((pml_phase)k->a) {
  case PML_PHASE_LEAVING:
    pml_node_leaving(m->node, k->text);
    done(m, k->call);
    break;
  case PML_PHASE_CLOSING:
    pml_node_close(m->node, k->b != 0);
    ask_script(m, PML_STOP_CLOSING, k->call);
    break;
  case PML_PHASE_GRACE:
    m->poll_end = pml_loop_now(m->loop) + k->b;
    poll_requests(&m->poll);
    break;
  case PML_PHASE_EXPIRE: expire(m, k->call, k->b != 0); break;
  case PML_PHASE_TELLING: ask_script(m, PML_STOP_TELLING, k->call); break;
  case PML_PHASE_FLUSH:
    m->flushing = k->call;
    pml_node_flush(m->node, k->text[0] ? k->text : NULL, flushed, m);
    break;
  case PML_PHASE_PARTING:
    m->parting = k->call;
    pml_node_drain(m->node, "shutdown", (uint32_t)k->b, parted, m);
    break;
  case PML_PHASE_COUNT: count(m, k->call, k->text); break;
  case PML_PHASE_SHUTDOWN: ask_script(m, PML_STOP_SHUTDOWN, k->call); break;
  }
}

/* --- the thread --------------------------------------------------------------------- */

static void on_line(pml_level level, const char *text, void *ud) {
  pml_member *m = ud;
  const pml_program_options *o = pml_program_settings(m->program);
  o->on_log(m->server.id, level, text, o->ud);
}

/* After this turn's mail, so that the servers that joined before are known. */
static void start_now(pml_task *t) {
  pml_member *m = PML_CONTAINER(t, pml_member, start);
  if (!m->ending && m->stage.start) m->stage.start(m->stage.ud);
}

static void member_shut(void *ud) { pml_loop_stop(((pml_member *)ud)->loop); }

static void on_mail(pml_mail *mail, void *ud) {
  pml_member *m = ud;
  pml_note *k = PML_CONTAINER(mail, pml_note, mail);
  switch (m->ending ? PML_END : k->what) {
  case PML_JOIN:
    if (pml_node_join(m->node, pml_program_hub(m->program)) == 0) say(m, PML_JOINED, 0, "");
    else pml_member_failed(m, "cannot join the bus: the server id is taken");
    break;
  case PML_START: pml_loop_defer(m->loop, &m->start); break;
  case PML_ALL_UP:
    if (m->stage.started) m->stage.started(m->stage.ud);
    break;
  case PML_TELL:
    if (m->stage.control) m->stage.control(m->stage.ud, k->call, pml_slice_str(k->text));
    else pml_member_answer(m, k->call, "");
    break;
  case PML_PHASE: phase(m, k); break;
  case PML_END: /* words that come later are too late */
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
  pml_member *m = ud;
  const pml_program_options *o = pml_program_settings(m->program);
  name_thread(m->server.id);
  pml_node_options no = {
    .id = m->server.id,
    .type = m->server.type,
    .frontend = m->server.frontend,
    .floor = pml_program_floor(m->program),
  };
  void *state = NULL;
  char *err = NULL;
  pml_log_init(&no.log, m->server.id, o->level, o->json);
  no.log.output = o->output;
  if (o->on_log) no.log.on_line = on_line;
  no.log.ud = m;
  pml_task_init(&m->start, start_now);
  pml_timer_init(&m->poll, poll_requests);
  m->node = pml_node_new(m->loop, &no);
  if (o->load(m->node, m, m->server.boot, &state, &err, o->ud) != 0) {
    pml_member_failed(m, err ? err : "cannot load");
    pml_free(err);
  }
  pml_loop_run(m->loop);
  pml_task_cancel(&m->start);
  pml_timer_stop(m->loop, &m->poll);
  if (state) o->unload(state, o->ud);
  pml_node_free(m->node);
  pml_mailbox_close(m->box, pml_member_drop_note, NULL);
  pml_loop_free(m->loop);
  say(m, PML_ENDED, 0, "");
  return NULL;
}

/* The thread blocks no signal: a program that a script starts would inherit the mask. The kernel
 * gives a signal of the process to the main thread, and libuv's handlers may run on any thread. */
int pml_member_start(pml_program *p, pml_member *m) {
  m->program = p;
  m->loop = pml_loop_new();
  m->box =
    m->loop ? pml_mailbox_new(m->loop, PML_MAILS_PER_TURN, PML_MAIL_LIMIT, on_mail, m) : NULL;
  pthread_attr_t attr;
  pthread_attr_init(&attr);
  pthread_attr_setstacksize(&attr, THREAD_STACK);
  int rc = m->box ? pthread_create(&m->thread, &attr, member_main, m) : -1;
  pthread_attr_destroy(&attr);
  m->running = rc == 0;
  return rc == 0 ? 0 : PML_EIO;
}

void pml_member_free(pml_member *m) {
  if (m->box) pml_mailbox_unref(m->box);
  pml_free(m->step.text);
  pml_free(m->why);
  pml_free((char *)(uintptr_t)m->server.id);
  pml_free((char *)(uintptr_t)m->server.type);
  pml_free((char *)(uintptr_t)m->server.boot);
  pml_free(m);
}
