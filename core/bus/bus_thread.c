/* bus_thread: the half of a bus that speaks to the broker, on a thread with a loop of its own. What
 * local servers send to remote ones comes by the mailbox `records`, what the program and the
 * library's threads say by `commands`. Records that come from the broker do not pass this thread:
 * the library's delivery thread hands them to the receiver. */
#include "base/clock.h"
#include "base/container.h"
#include "base/err.h"
#include "base/mem.h"
#include "bus/bus_thread_private.h"
#include "wire/bus_mail.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#define ALL (1u << 30) /* mail of a turn: all of it */

/* --- what discovery says ------------------------------------------------------------------------
 */

static void send_all(pml_slice message, void *ud) {
  pml__send_all(&((pml__bus_thread *)ud)->to, message);
}

static void send_to(const char *process, pml_slice message, void *ud) {
  pml__send_to(&((pml__bus_thread *)ud)->to, process, 'c', 1, message);
}

static void send_id(const char *id, pml_slice message, void *ud) {
  pml__send_id(&((pml__bus_thread *)ud)->to, id, message);
}

static void on_server(const pml_bus_server *of, pml_bus_state state, void *ud) {
  pml__bus_thread *t = ud;
  pml__remotes_server(t->remotes, of, state);
  pml__bus_msg *m = pml__bus_msg_new(PML__BUS_SERVER, "");
  m->server = pml__bus_server_copy(of);
  m->flag = (int)state;
  pml__bus_thread_tell(t, m);
}

static void on_process(const char *name, pml_process_state state, void *ud) {
  pml__bus_thread *t = ud;
  pml__remotes_process(t->remotes, name, state);
  pml__bus_msg *m = pml__bus_msg_new(PML__BUS_PROCESS, name);
  m->flag = state == PML_PROCESS_MET;
  pml__bus_thread_tell(t, m);
}

static void on_claimed(const char *id, const pml_bus_server *holder, uint64_t above, void *ud) {
  pml__bus_thread *t = ud;
  pml__bus_msg *m = pml__bus_msg_new(PML__BUS_CLAIMED, id);
  if (holder) m->server = pml__bus_server_copy(holder);
  m->number = above;
  if (!holder && t->hub) pml_hub_raise(t->hub, above);
  pml__bus_thread_tell(t, m);
}

static void on_superseded(const char *id, const pml_bus_server *by, void *ud) {
  pml__bus_msg *m = pml__bus_msg_new(PML__BUS_SUPERSEDED, id);
  m->server = pml__bus_server_copy(by);
  pml__bus_thread_tell(ud, m);
}

static void on_refused(const char *text, void *ud) {
  pml__bus_thread_tell(ud, pml__bus_msg_new(PML__BUS_REFUSED, text));
}

/* --- records out -------------------------------------------------------------------------------
 */

static int on_batch(const char *process, pml_slice message, int asks, void *ud) {
  pml__bus_thread *t = ud;
  int rc = pml_discovery_reach(t->d, process);
  pml__sender_lists(&t->to, pml__remotes_lists(t->remotes));
  return rc ? rc : pml__send_to(&t->to, process, 'r', asks, message);
}

static void forget(const char *id, uint64_t incarnation, void *ud) {
  pml__receiver_forget(((const pml__bus_thread *)ud)->in, id, incarnation);
}

static void on_record(pml_mail *mail, void *ud) {
  pml__bus_thread *t = ud;
  pml__remotes_put(t->remotes, PML_CONTAINER(mail, pml_hub_record, mail));
  pml_loop_defer(t->l, &t->flush);
}

static void on_record_drop(pml_mail *mail, void *ud) {
  pml__bus_thread *t = ud;
  pml__count(&t->to.counts->unsent, 1);
  pml_hub_record_free(PML_CONTAINER(mail, pml_hub_record, mail));
}

static void counts_publish(pml__bus_thread *t) {
  const pml__outbox_counts *c = pml__remotes_counters(t->remotes);
  pml__count(&t->to.counts->sent, c->sent - t->counted.sent);
  pml__count(&t->to.counts->unsent, c->unsent - t->counted.unsent);
  t->counted = *c;
}

static void flush_run(pml_task *task) {
  pml__bus_thread *t = PML_CONTAINER(task, pml__bus_thread, flush);
  if (pml__remotes_turn(t->remotes, t->to.max_payload)) pml_loop_defer(t->l, task);
  counts_publish(t);
}

/* --- time ---------------------------------------------------------------------------------------
 */

static void missed_log(const pml__bus_thread *t) {
  char pair[2 * PML_SERVER_ID_MAX + 8];
  uint64_t n = pml__receiver_missed(t->in, pair);
  if (n)
    pml_log_write(t->to.log, PML_WARN,
                  "%llu record%s of other servers did not come, the last from %s",
                  (unsigned long long)n, n == 1 ? "" : "s", pair);
}

/* By mail, so that what came while this thread waited for the broker is taken in before. */
static void on_tick(pml_timer *timer) {
  pml__bus_thread *t = PML_CONTAINER(timer, pml__bus_thread, tick);
  pml__bus_msg_post(t->commands, pml__bus_msg_new(PML__BUS_TICK, ""));
}

/* --- what the library's threads say ----------------------------------------------------------- */

static void on_link(pml__link_event event, uint32_t life, const char *text, void *ud) {
  pml__bus_thread *t = ud;
  pml__bus_msg *m = pml__bus_msg_new(PML__BUS_LINK, text);
  m->flag = (int)event;
  m->number = life;
  pml__bus_msg_post(t->commands, m);
}

static void on_message(const char *subject, pml_slice data, int nobody, void *ud) {
  const pml__bus_thread *t = ud;
  pml__receiver_message(t->in, subject, data, nobody);
}

/* --- what the program and the library's threads say, on this thread --------------------------- */

static void serve(pml__bus_thread *t, const pml__bus_msg *m) {
  /* Also while the library looks for the broker: it repeats its subscriptions when it is back. */
  if (pml__claimed_put(&t->own, m->text, m->number)) pml__bus_thread_subscribe(m->text, t);
  int rc = pml_discovery_serve(t->d, m->text, m->number, (const char *)m->body->data);
  if (rc)
    pml_log_write(t->to.log, PML_ERROR, "the server %s cannot be announced to other processes: %s",
                  m->text, pml_err_name(rc));
  else if (t->hub) pml_hub_announce(t->hub, m->text, m->number);
}

/* Also what waits in the other mailbox. */
static void all_send(pml__bus_thread *t) {
  pml_mailbox_run(t->records);
  while (pml__remotes_turn(t->remotes, t->to.max_payload)) continue;
}

/* What it sent goes before the news that it is gone. */
static void leave(pml__bus_thread *t, const pml__bus_msg *m) {
  all_send(t);
  pml_discovery_leave(t->d, m->text);
  pml__remotes_left(t->remotes, m->text);
  forget(m->text, pml__claimed_life(&t->own, m->text), t);
}

static void control(pml__bus_thread *t, pml__bus_msg *m) {
  const pml_discovery_counts *now = pml_discovery_counters(t->d), before = *now;
  pml_discovery_message(t->d, pml_buf_slice(m->body), pml_clock_ms());
  pml__count(&t->to.counts->strangers, now->strangers - before.strangers);
  pml__count(&t->to.counts->full, now->full - before.full);
  if (m->flag) pml__receiver_taken(t->in);
}

static void nobody(pml__bus_thread *t, const pml__bus_msg *m) {
  (m->flag ? pml_discovery_no_holder : pml_discovery_no_process)(t->d, m->text, pml_clock_ms());
}

typedef struct {
  pml__bus_thread *t;
  const pml__bus_msg *m;
} asking;

static void ask_one(const char *process, void *ud) {
  const asking *a = ud;
  int rc = pml__send_mail(&a->t->to, process, 'q', a->m->number, 0, pml_buf_slice(a->m->body));
  pml__bus_msg *asked = pml__bus_msg_new(PML__BUS_ASKED, process);
  asked->number = a->m->number;
  asked->flag = rc == 0;
  pml__bus_thread_tell(a->t, asked);
}

static void ask(pml__bus_thread *t, const pml__bus_msg *m) {
  asking a = {t, m};
  if (*m->text) ask_one(m->text, &a);
  else pml_discovery_each_process(t->d, ask_one, &a);
  pml__bus_msg *all = pml__bus_msg_new(PML__BUS_ASKED, "");
  all->number = m->number;
  pml__bus_thread_tell(t, all);
}

static void mail(pml__bus_thread *t, const pml__bus_msg *m) {
  pml_bus_mail in;
  if (pml_bus_mail_read(pml_buf_slice(m->body), &in)) {
    pml__count(&t->to.counts->strangers, 1);
    return;
  }
  pml__bus_msg *out = pml__bus_msg_new(m->flag ? PML__BUS_ANSWERED : PML__BUS_QUESTION, in.process);
  out->number = in.number;
  out->flag = in.flags;
  out->body = pml_buf_from(in.text.p, in.text.n);
  pml__bus_thread_tell(t, out);
}

static void end(pml__bus_thread *t, uint32_t ms) {
  if (t->to.up) {
    all_send(t);
    pml_discovery_goodbye(t->d);
    pml__link_flush(t->to.link, ms);
  }
  pml_timer_stop(t->l, &t->retry);
  pml__bus_thread_drop(t);
  pml_timer_stop(t->l, &t->tick);
  pml_task_cancel(&t->flush);
  pml_loop_stop(t->l);
}

static void on_command(pml_mail *raw, void *ud) {
  pml__bus_thread *t = ud;
  pml__bus_msg *m = PML_CONTAINER(raw, pml__bus_msg, mail);
  uint64_t now = pml_clock_ms();
  switch (m->kind) {
  case PML__BUS_CLAIM: pml_discovery_claim(t->d, m->text, now); break;
  case PML__BUS_SERVE: serve(t, m); break;
  case PML__BUS_LEAVING: pml_discovery_leaving(t->d, m->text); break;
  case PML__BUS_LEAVE: leave(t, m); break;
  case PML__BUS_ASK: ask(t, m); break;
  case PML__BUS_ANSWER:
    pml__send_mail(&t->to, m->text, 'a', m->number, m->flag, pml_buf_slice(m->body));
    break;
  case PML__BUS_LINK:
    if (m->number == pml__link_life(t->to.link)) pml__bus_thread_link(t, m);
    break;
  case PML__BUS_CONTROL: control(t, m); break;
  case PML__BUS_NOBODY: nobody(t, m); break;
  case PML__BUS_MAIL: mail(t, m); break;
  case PML__BUS_TICK: missed_log(t); break;
  case PML__BUS_CLOSE: end(t, (uint32_t)m->number); break;
  default: break; /* what is said to the program is not said here */
  }
  if (m->kind != PML__BUS_CLOSE) pml__bus_thread_ticked(t);
  pml__bus_msg_free(m);
}

/* --- the thread's life --------------------------------------------------------------------- */

static void *run(void *ud) {
  pml__bus_thread *t = ud;
  pml__bus_thread_connect(t);
  pml_loop_run(t->l);
  return NULL;
}

/* The thread, and those that the library starts from it, take no signals: these are the
 * program's, and the library takes an interrupted call for a lost connection. */
static int thread_start(pml__bus_thread *t) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int rc = pthread_create(&t->thread, NULL, run, t);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return rc;
}

/* The thread does not run, or not any more. */
static void thread_free(pml__bus_thread *t) {
  pml__remotes_free(t->remotes);
  pml_discovery_free(t->d);
  if (t->commands) pml_mailbox_close(t->commands, pml__bus_msg_drop, NULL);
  if (t->records) pml_mailbox_close(t->records, on_record_drop, t);
  pml_loop_free(t->l);
  if (pml__link_free(t->to.link)) return; /* the library may still call what is here */
  pml__claimed_fini(&t->own);
  pml__receiver_free(t->in);
  pml_mailbox_unref(t->commands);
  pml_mailbox_unref(t->records);
  pml_hub_unref(t->hub);
  pml_mailbox_unref(t->events);
  pml_free(t);
}

static void parts_make(pml__bus_thread *t, const pml__bus_thread_options *o) {
  t->remotes = pml__remotes_new(t->hub, t->records,
                                &(pml__remotes_hooks){on_batch, forget, t, o->o->list_bytes});
  t->in = pml__receiver_new(&t->to.subjects, t->hub, t->commands, t->to.counts, o->o->list_bytes);
  t->d = pml_discovery_new(&(pml_discovery_options){.process = o->process,
                                                    .host = o->o->host,
                                                    .pid = (uint32_t)getpid(),
                                                    .heartbeat_ms = o->o->heartbeat_ms,
                                                    .timeout_ms = o->o->timeout_ms,
                                                    .tool = o->o->tool},
                           &(pml_discovery_events){.send_all = send_all,
                                                   .send_to = send_to,
                                                   .send_id = send_id,
                                                   .on_server = on_server,
                                                   .on_process = on_process,
                                                   .on_claimed = on_claimed,
                                                   .on_superseded = on_superseded,
                                                   .on_refused = on_refused,
                                                   .ud = t});
  pml_timer_init(&t->retry, pml__bus_thread_retry);
  pml_timer_init(&t->tick, on_tick);
  pml_task_init(&t->flush, flush_run);
}

pml__bus_thread *pml__bus_thread_start(const pml__bus_thread_options *o, char *err, size_t nerr) {
  pml__bus_thread *t = pml_alloc0(sizeof *t);
  char name[PML_SERVER_ID_MAX + 32];
  snprintf(name, sizeof name, "pomelua %.40s", o->o->host);
  pml__link_options link = {.urls = o->o->urls,
                            .nurls = o->o->nurls,
                            .name = name,
                            .user = o->o->user,
                            .password = o->o->password,
                            .creds = o->o->creds,
                            .ca = o->o->ca};
  if (pml__subjects_init(&t->to.subjects, o->o->cluster, o->process)) {
    snprintf(err, nerr, "the name of a cluster has 1 to %d bytes", PML__CLUSTER_MAX);
    pml_free(t);
    return NULL;
  }
  t->to.link = pml__link_new(&link, &(pml__link_events){on_message, on_link, t}, err, nerr);
  if (!t->to.link) {
    pml_free(t);
    return NULL;
  }
  t->to.counts = &t->counts;
  t->to.log = o->o->log;
  t->hub = o->hub ? pml_hub_ref(o->hub) : NULL;
  t->events = pml_mailbox_ref(o->events);
  t->l = pml_loop_new();
  if (t->l) t->commands = pml_mailbox_new(t->l, ALL, 0, on_command, t);
  if (t->l) t->records = pml_mailbox_new(t->l, ALL, 0, on_record, t);
  if (t->commands && t->records) {
    parts_make(t, o);
    if (thread_start(t) == 0) return t;
  }
  snprintf(err, nerr, "the system has no room for the thread of the bus");
  thread_free(t);
  return NULL;
}

pml_mailbox *pml__bus_thread_box(pml__bus_thread *t) { return t->commands; }
pml__bus_counters *pml__bus_thread_counts(pml__bus_thread *t) { return &t->counts; }

void pml__bus_thread_stop(pml__bus_thread *t, uint32_t ms) {
  pml__bus_msg *m = pml__bus_msg_new(PML__BUS_CLOSE, "");
  m->number = ms;
  pml__bus_msg_post(t->commands, m);
  pml__link_cut(t->to.link);
  pthread_join(t->thread, NULL);
  thread_free(t);
}
