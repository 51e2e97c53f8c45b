#include "bus/bus.h"

#include "base/container.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/mem.h"
#include "bus/asks.h"
#include "bus/bus_private.h"
#include "wire/bus_mail.h"

#include <stdio.h>

#define BUDGET 256           /* events of a turn */
#define ASK_MAX (512u << 10) /* bytes of a question */
#define QUESTIONS_MAX 1024   /* of others, that are not answered yet */

typedef struct {
  UT_hash_handle hh;
  pml_bus_server *is; /* owned */
} known;

/* Another program waits for an answer. */
typedef struct {
  uint64_t number;
  char process[PML_PROCESS_DIGITS + 1];
} asking;

struct pml_bus {
  pml_loop *l;
  pml_bus_events ev;
  pml_mailbox *events;
  pml__bus_thread *thread;
  pml__asks *asks;
  pml_slots *questions; /* of asking */
  known *servers;       /* by id */
  int up;
  char process[PML_PROCESS_DIGITS + 1];
};

/* --- what the bus's thread says --------------------------------------------------------------- */

static known *known_find(const pml_bus *b, const char *id) {
  known *k;
  size_t n = strlen(id);
  HASH_FIND_BYHASHVALUE(hh, b->servers, id, n, pml_hash_ours(id, n), k);
  return k;
}

static void known_remove(pml_bus *b, known *k) {
  HASH_DELETE(hh, b->servers, k);
  pml_free(k->is);
  pml_free(k);
}

/* Takes the server of m. */
static void known_put(pml_bus *b, pml__bus_msg *m) {
  known *k = pml_alloc0(sizeof *k);
  k->is = m->server;
  m->server = NULL;
  size_t n = strlen(k->is->id);
  HASH_ADD_KEYPTR_BYHASHVALUE(hh, b->servers, k->is->id, n, pml_hash_ours(k->is->id, n), k);
}

static void on_server(pml_bus *b, pml__bus_msg *m) {
  const pml_bus_server *s = m->server;
  known *k = known_find(b, s->id);
  if (k && (m->flag == PML_BUS_UP || k->is->incarnation == s->incarnation)) {
    if (m->flag != PML_BUS_LEAVING) known_remove(b, k);
  }
  if (m->flag == PML_BUS_UP) known_put(b, m);
  if (b->ev.on_server) b->ev.on_server(s, (pml_bus_state)m->flag, b->ev.ud);
}

static void on_question(pml_bus *b, const pml__bus_msg *m) {
  if (!b->ev.on_question || pml_slots_count(b->questions) >= QUESTIONS_MAX) {
    atomic_fetch_add_explicit(&pml__bus_thread_counts(b->thread)->full, 1, memory_order_relaxed);
    return;
  }
  asking *a = pml_alloc0(sizeof *a);
  a->number = m->number;
  memcpy(a->process, m->text, PML_PROCESS_DIGITS);
  pml_id id = pml_slots_put(b->questions, a);
  if (!id) {
    pml_free(a);
    return;
  }
  b->ev.on_question(id, m->text, pml_buf_slice(m->body), b->ev.ud);
}

static void on_process(pml_bus *b, const pml__bus_msg *m) {
  if (!m->flag) pml__asks_gone(b->asks, m->text);
}

/* The last thing of each case is an event, which may close b. */
static void on_event(pml_mail *mail, void *ud) {
  pml_bus *b = ud;
  pml__bus_msg *m = PML_CONTAINER(mail, pml__bus_msg, mail);
  switch (m->kind) {
  case PML__BUS_STATE:
    b->up = m->flag;
    if (b->ev.on_link) b->ev.on_link(m->flag, m->text, b->ev.ud);
    break;
  case PML__BUS_SERVER: on_server(b, m); break;
  case PML__BUS_PROCESS: on_process(b, m); break;
  case PML__BUS_CLAIMED:
    if (b->ev.on_claimed) b->ev.on_claimed(m->text, m->server, m->number, b->ev.ud);
    break;
  case PML__BUS_SUPERSEDED:
    if (b->ev.on_superseded) b->ev.on_superseded(m->text, m->server, b->ev.ud);
    break;
  case PML__BUS_REFUSED:
    if (b->ev.on_refused) b->ev.on_refused(m->text, b->ev.ud);
    break;
  case PML__BUS_ASKED: pml__asks_sent(b->asks, m->number, m->text, m->flag); break;
  case PML__BUS_ANSWERED:
    pml__asks_answer(b->asks, m->number, m->text, m->flag, pml_buf_slice(m->body));
    break;
  case PML__BUS_QUESTION: on_question(b, m); break;
  default: break; /* what is said to the bus's thread does not come here */
  }
  pml__bus_msg_free(m);
}

/* --- its life ------------------------------------------------------------------------------------
 */

static int name_make(char out[PML_PROCESS_DIGITS + 1]) {
  uint8_t bytes[PML_PROCESS_DIGITS / 2];
  if (pml_random(bytes, sizeof bytes)) return PML_EIO;
  for (size_t i = 0; i < sizeof bytes; i++) snprintf(out + 2 * i, 3, "%02x", bytes[i]);
  return 0;
}

static void asking_free(void *obj, void *ud) {
  (void)ud;
  pml_free(obj);
}

static void bus_free(pml_bus *b) {
  known *k, *next;
  if (b->events) pml_mailbox_close(b->events, pml__bus_msg_drop, NULL);
  pml_mailbox_unref(b->events);
  pml__asks_free(b->asks);
  if (b->questions) {
    pml_slots_drain(b->questions, asking_free, NULL);
    pml_slots_free(b->questions);
  }
  HASH_ITER (hh, b->servers, k, next) known_remove(b, k);
  pml_free(b);
}

int pml_bus_open(pml_loop *l, pml_hub *hub, const pml_bus_options *o, const pml_bus_events *ev,
                 pml_bus **out, char *err, size_t nerr) {
  pml_bus *b = pml_alloc0(sizeof *b);
  b->l = l;
  b->ev = *ev;
  b->asks = pml__asks_new(l);
  b->questions = pml_slots_new(NULL);
  b->events = pml_mailbox_new(l, BUDGET, 0, on_event, b);
  if (!b->events || !b->questions || name_make(b->process)) {
    snprintf(err, nerr, "the system has no room for a bus");
  } else {
    pml__bus_thread_options to = {.o = o, .process = b->process, .hub = hub, .events = b->events};
    b->thread = pml__bus_thread_start(&to, err, nerr);
  }
  if (!b->thread) {
    bus_free(b);
    return PML_EINVAL;
  }
  *out = b;
  return 0;
}

void pml_bus_close(pml_bus *b, uint32_t ms) {
  if (!b) return;
  pml__bus_thread_stop(b->thread, ms);
  bus_free(b);
}

/* --- what the program says ---------------------------------------------------------------------
 */

static pml__bus_msg *say(pml__bus_kind kind, const char *text, uint64_t number) {
  pml__bus_msg *m = pml__bus_msg_new(kind, text);
  m->number = number;
  return m;
}

static void post(pml_bus *b, pml__bus_msg *m) {
  pml__bus_msg_post(pml__bus_thread_box(b->thread), m);
}

void pml_bus_claim(pml_bus *b, const char *id) { post(b, say(PML__BUS_CLAIM, id, 0)); }

void pml_bus_serve(pml_bus *b, const char *id, uint64_t incarnation, const char *info) {
  pml__bus_msg *m = say(PML__BUS_SERVE, id, incarnation);
  m->body = pml_buf_from(info, strlen(info) + 1);
  post(b, m);
}

void pml_bus_leaving(pml_bus *b, const char *id) { post(b, say(PML__BUS_LEAVING, id, 0)); }
void pml_bus_leave(pml_bus *b, const char *id) { post(b, say(PML__BUS_LEAVE, id, 0)); }

void pml_bus_each(pml_bus *b, void (*fn)(const pml_bus_server *s, void *ud), void *ud) {
  known *k, *next;
  HASH_ITER (hh, b->servers, k, next) fn(k->is, ud);
}

const char *pml_bus_process(const pml_bus *b) { return b->process; }
int pml_bus_is_up(const pml_bus *b) { return b->up; }

int pml_bus_ask(pml_bus *b, const char *process, pml_slice text, uint32_t ms,
                pml_bus_on_answer_fn on_answer, void *ud) {
  if (!b->up || (process && !pml_bus_is_process(process))) return PML_ENOENT;
  if (text.n > ASK_MAX) return PML_ETOOBIG;
  pml__bus_msg *m =
    say(PML__BUS_ASK, process ? process : "", pml__asks_begin(b->asks, ms, on_answer, ud));
  m->body = pml_buf_from(text.p, text.n);
  post(b, m);
  return 0;
}

void pml_bus_answer(pml_bus *b, pml_id question, pml_slice text, int last) {
  asking *a = pml_slots_get(b->questions, question);
  if (!a) return;
  pml__bus_msg *m = say(PML__BUS_ANSWER, a->process, a->number);
  m->flag = last;
  m->body = pml_buf_from(text.p, text.n);
  post(b, m);
  if (last) pml_free(pml_slots_take(b->questions, question));
}

void pml_bus_counts_get(const pml_bus *b, pml_bus_counts *out) {
  const pml__bus_counters *c = pml__bus_thread_counts(b->thread);
#define GET(name) .name = atomic_load_explicit(&c->name, memory_order_relaxed)
  *out = (pml_bus_counts){GET(sent),           GET(received),      GET(bytes_sent),
                          GET(bytes_received), GET(messages_sent), GET(messages_received),
                          GET(gaps),           GET(strangers),     GET(full),
                          GET(unsent),         GET(lost_links),    GET(lists_whole),
                          GET(lists_changed),  GET(lists_same),    GET(lists_missed),
                          GET(lists_forgotten)};
#undef GET
}
