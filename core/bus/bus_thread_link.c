/* bus_thread_link: the link of a bus's thread to its broker: made, tried again, lost, and what is
 * said of it; and when discovery, which speaks over it, is asked again. */
#include "base/clock.h"
#include "base/container.h"
#include "base/err.h"
#include "bus/bus_thread_private.h"

#include <stdio.h>

#define RETRY_MS 500     /* between two attempts to connect, and up to so much more */
#define REFUSED_MS 60000 /* the same, where the link is up and is refused again and again */
#define ALLOWED_MS 1000  /* for a broker to refuse what the bus says first */

static void tick_arm(pml__bus_thread *t) {
  uint64_t due = pml_discovery_due(t->d), now = pml_clock_ms();
  if (due == UINT64_MAX) {
    pml_timer_stop(t->l, &t->tick);
    return;
  }
  uint64_t ms = due > now ? due - now : 1;
  pml_timer_start(t->l, &t->tick, ms < 60000 ? ms : 60000);
}

void pml__bus_thread_ticked(pml__bus_thread *t) {
  pml_discovery_tick(t->d, pml_clock_ms());
  tick_arm(t);
}

static void state_say(pml__bus_thread *t, int up, const char *text) {
  if (strcmp(t->why, text) == 0) return;
  snprintf(t->why, sizeof t->why, "%s", text);
  pml__bus_msg *m = pml__bus_msg_new(PML__BUS_STATE, text);
  m->flag = up;
  pml__bus_thread_tell(t, m);
}

static void link_set(pml__bus_thread *t, int up) {
  if (t->to.up == up) return;
  t->to.up = up;
  if (!up) pml__count(&t->to.counts->lost_links, 1);
  pml_discovery_link(t->d, up, pml_clock_ms());
  pml__remotes_link(t->remotes, up);
  pml__bus_thread_ticked(t);
}

static void retry_start(pml__bus_thread *t) {
  pml_timer_start(t->l, &t->retry, RETRY_MS + pml_clock_us() % RETRY_MS);
}

/* The user of the bus may not do all that a bus does, so the bus is not there: half a one would be
 * worse, since nobody hears that it is half. */
static void refused(pml__bus_thread *t, const char *said) {
  char text[sizeof t->why];
  snprintf(text, sizeof text,
           "the broker refuses it: %.250s; its user in config/bus.json must be allowed to publish "
           "and to subscribe %.310s>, or the cluster there has another name",
           said, t->to.subjects.prefix);
  pml__bus_thread_drop(t);
  state_say(t, 0, text);
  retry_start(t);
}

/* It is said to be there when the broker has taken the subscriptions and the first heartbeat. */
static void link_is_up(pml__bus_thread *t) {
  char broker[512], said[256];
  t->to.max_payload = pml__link_max_payload(t->to.link);
  pml__link_broker(t->to.link, broker, sizeof broker);
  link_set(t, 1);
  if (pml__link_allowed(t->to.link, ALLOWED_MS, said, sizeof said)) refused(t, said);
  else state_say(t, 1, broker);
}

/* Of a link that is up. The first time it is looked at again soon; where that helps for a moment
 * alone, once a minute, or the log would be full of it. */
static void refused_later(pml__bus_thread *t, const char *said) {
  uint64_t now = pml_clock_ms(), before = t->refused;
  t->refused = now;
  refused(t, said);
  if (before && now < before + 2 * REFUSED_MS) pml_timer_start(t->l, &t->retry, REFUSED_MS);
}

int pml__bus_thread_subscribe(const char *id, void *ud) {
  pml__bus_thread *t = ud;
  pml__subject subject;
  pml__subject_id(&t->to.subjects, id, subject);
  return pml__link_subscribe(t->to.link, subject);
}

static int subscribe_all(pml__bus_thread *t) {
  pml__subject subject;
  pml__subject_all(&t->to.subjects, subject);
  int rc = pml__link_subscribe(t->to.link, subject);
  pml__subject_process(&t->to.subjects, t->to.subjects.process, '>', subject);
  if (!rc) rc = pml__link_subscribe(t->to.link, subject);
  return rc ? rc : pml__claimed_each(&t->own, pml__bus_thread_subscribe, t);
}

/* The delivery thread may wait for this one, which waits for it here. */
void pml__bus_thread_drop(pml__bus_thread *t) {
  link_set(t, 0);
  pml__receiver_release(t->in, 1);
  pml__link_disconnect(t->to.link);
  pml__receiver_release(t->in, 0);
}

void pml__bus_thread_connect(pml__bus_thread *t) {
  char err[sizeof t->why];
  int rc = pml__link_connect(t->to.link, err, sizeof err);
  if (!rc && pml__link_max_payload(t->to.link) < PML__PAYLOAD_LEAST) {
    snprintf(err, sizeof err,
             "the broker takes messages of %zu bytes, which is too little for a bus",
             pml__link_max_payload(t->to.link));
    rc = PML_EIO;
  }
  if (!rc && (rc = subscribe_all(t)) != 0)
    snprintf(err, sizeof err, "the broker was lost before the bus was there");
  if (!rc) {
    link_is_up(t);
    return;
  }
  pml__bus_thread_drop(t);
  state_say(t, 0, err);
  retry_start(t);
}

void pml__bus_thread_retry(pml_timer *timer) {
  pml__bus_thread_connect(PML_CONTAINER(timer, pml__bus_thread, retry));
}

void pml__bus_thread_link(pml__bus_thread *t, const pml__bus_msg *m) {
  switch ((pml__link_event)m->flag) {
  case PML__LINK_LOST:
    link_set(t, 0);
    state_say(t, 0, "the connection to the broker is lost");
    break;
  case PML__LINK_AGAIN: link_is_up(t); break;
  case PML__LINK_CLOSED:
    pml__bus_thread_drop(t);
    state_say(t, 0, "the broker has closed the connection");
    retry_start(t);
    break;
  case PML__LINK_REFUSED: refused_later(t, m->text); break;
  case PML__LINK_SLOW: pml__count(&t->to.counts->full, 1); break;
  }
}
