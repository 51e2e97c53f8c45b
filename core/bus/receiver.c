#include "bus/receiver.h"

#include "base/clock.h"
#include "base/mem.h"
#include "bus/inbox.h"
#include "wire/announce.h"

#include <pthread.h>
#include <stdlib.h>

#define INCOMPLETE ((size_t)128 << 20) /* bytes of records that lack parts */

struct pml__receiver {
  const pml__subjects *subjects;
  pml_hub *hub;
  pml_mailbox *commands;
  pml__bus_counters *counts;
  pthread_mutex_t lock; /* guards all below */
  pthread_cond_t taken;
  uint64_t handed, handled; /* control messages that the delivery thread waits for */
  int released;             /* it waits for none of them */
  pml__inbox *in;
  uint64_t missed; /* records that nobody has been told of */
  char pair[2 * PML_SERVER_ID_MAX + 8];
};

static int knows(const pml_batch_pair *p, void *ud) {
  const pml__receiver *r = ud;
  return r->hub && pml_hub_knows(r->hub, p);
}

static int deliver(const pml_batch_pair *p, int flags, pml_slice head, pml_buf *body,
                   pml_buf *extra, void *ud) {
  const pml__receiver *r = ud;
  return pml_hub_deliver(r->hub, p, flags, head, body, extra);
}

static void gap(const pml_batch_pair *p, void *ud) {
  const pml__receiver *r = ud;
  pml_hub_gap(r->hub, p);
}

static void back(const pml_batch_pair *p, pml_slice head, void *ud) {
  const pml__receiver *r = ud;
  pml_hub_back(r->hub, p, head);
}

pml__receiver *pml__receiver_new(const pml__subjects *subjects, pml_hub *hub, pml_mailbox *commands,
                                 pml__bus_counters *counts, size_t list_bytes) {
  pml__receiver *r = pml_alloc0(sizeof *r);
  if (pthread_mutex_init(&r->lock, NULL) || pthread_cond_init(&r->taken, NULL)) abort();
  r->subjects = subjects;
  r->hub = hub;
  r->commands = commands;
  r->counts = counts;
  r->in = pml__inbox_new(&(pml__inbox_hooks){knows, deliver, gap, r, back, list_bytes}, INCOMPLETE);
  return r;
}

void pml__receiver_free(pml__receiver *r) {
  if (!r) return;
  pml__inbox_free(r->in);
  pthread_cond_destroy(&r->taken);
  pthread_mutex_destroy(&r->lock);
  pml_free(r);
}

static void command_post(pml__receiver *r, pml__bus_kind kind, const char *text, int flag,
                         pml_slice body) {
  pml__bus_msg *m = pml__bus_msg_new(kind, text);
  m->flag = flag;
  m->body = pml_buf_from(body.p, body.n);
  pml__bus_msg_post(r->commands, m);
}

static void control_in_order(pml__receiver *r, pml_slice data) {
  pthread_mutex_lock(&r->lock);
  uint64_t mine = ++r->handed;
  pthread_mutex_unlock(&r->lock);
  command_post(r, PML__BUS_CONTROL, "", 1, data);
  pthread_mutex_lock(&r->lock);
  while (r->handled < mine && !r->released) pthread_cond_wait(&r->taken, &r->lock);
  pthread_mutex_unlock(&r->lock);
}

/* Records, or NULL; what has waited for too long is given up. */
static void records_take(pml__receiver *r, const pml_slice *data) {
  char pair[sizeof r->pair] = "";
  pthread_mutex_lock(&r->lock);
  pml__inbox_counts before = *pml__inbox_counters(r->in);
  pml_lists_counts had = *pml__inbox_lists(r->in);
  uint64_t missing = pml__inbox_tick(r->in, pml_clock_ms(), pair);
  if (data) missing += pml__inbox_take(r->in, *data, pair);
  const pml__inbox_counts *now = pml__inbox_counters(r->in);
  pml__count(&r->counts->received, now->received - before.received);
  pml__count(&r->counts->gaps, missing);
  pml__count(&r->counts->strangers, now->strangers - before.strangers);
  pml__count(&r->counts->full, now->full - before.full);
  const pml_lists_counts *has = pml__inbox_lists(r->in);
  pml__count(&r->counts->lists_missed, has->missed - had.missed);
  pml__count(&r->counts->lists_forgotten, has->forgotten - had.forgotten);
  r->missed += missing;
  if (missing) memcpy(r->pair, pair, sizeof pair);
  pthread_mutex_unlock(&r->lock);
}

/* The records behind it may be of a server that is new in it. */
static int is_list(pml_slice data) {
  pml_announce a;
  return pml_announce_read(data, PML_BUS_PROTOCOL, &a) == 0 && a.kind == PML_ANNOUNCE_LIST;
}

void pml__receiver_message(pml__receiver *r, const char *subject, pml_slice data, int nobody) {
  char who[PML_SERVER_ID_MAX + 1];
  pml__count(&r->counts->messages_received, 1);
  pml__count(&r->counts->bytes_received, data.n);
  switch (pml__subject_read(r->subjects, subject, who)) {
  case PML__ON_ALL: /* own heartbeats among it: once a second at least */
    records_take(r, NULL);
    if (is_list(data)) control_in_order(r, data);
    else command_post(r, PML__BUS_CONTROL, "", 0, data);
    break;
  case PML__ON_ID: command_post(r, PML__BUS_CONTROL, "", 0, data); break;
  case PML__ON_RECORDS: records_take(r, &data); break;
  case PML__ON_CONTROL: control_in_order(r, data); break;
  case PML__ON_QUESTION: command_post(r, PML__BUS_MAIL, "", 0, data); break;
  case PML__ON_ANSWER: command_post(r, PML__BUS_MAIL, "", 1, data); break;
  case PML__ON_NO_PROCESS:
    if (nobody) command_post(r, PML__BUS_NOBODY, who, 0, data);
    break;
  case PML__ON_NO_HOLDER:
    if (nobody) command_post(r, PML__BUS_NOBODY, who, 1, data);
    break;
  case PML__ON_NOTHING: pml__count(&r->counts->strangers, 1); break;
  }
}

void pml__receiver_taken(pml__receiver *r) {
  pthread_mutex_lock(&r->lock);
  r->handled++;
  pthread_cond_broadcast(&r->taken);
  pthread_mutex_unlock(&r->lock);
}

void pml__receiver_release(pml__receiver *r, int on) {
  pthread_mutex_lock(&r->lock);
  r->released = on;
  pthread_cond_broadcast(&r->taken);
  pthread_mutex_unlock(&r->lock);
}

void pml__receiver_forget(pml__receiver *r, const char *id, uint64_t incarnation) {
  pthread_mutex_lock(&r->lock);
  pml__inbox_forget(r->in, id, incarnation);
  pthread_mutex_unlock(&r->lock);
}

uint64_t pml__receiver_missed(pml__receiver *r, char pair[2 * PML_SERVER_ID_MAX + 8]) {
  pthread_mutex_lock(&r->lock);
  uint64_t n = r->missed;
  r->missed = 0;
  memcpy(pair, r->pair, sizeof r->pair);
  pthread_mutex_unlock(&r->lock);
  return n;
}
