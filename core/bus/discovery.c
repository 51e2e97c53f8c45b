/* How two processes meet. Each gives the other a number that it has never used before: `mine`,
 * which the other one repeats as `theirs`. A greeting whose `theirs` is right comes from a process
 * that knows of this meeting, so its list counts from here on. A process that finds the other one
 * gone forgets it; when that one comes back, it gets a new number. By the new number the one that
 * came back learns that it was gone, and forgets the servers of the other one as well. Messages
 * from one process to another come in order, so none of an earlier meeting comes after that.
 *
 *   A → all   beat
 *   B → A     greet, mine 7, theirs 0, WANT                  B knows of A
 *   A → B     greet, mine 3, theirs 7, WANT, A's list        A's servers are UP at B
 *   B → A     greet, mine 7, theirs 3, B's list              B's servers are UP at A
 *
 * How silence counts. A process is gone when nothing was heard of it for timeout_ms, all of which
 * the bus was steady: the link is up, each own heartbeat comes back within a heartbeat's time, and
 * this process itself did not stand still. When the bus is not, the time of all begins anew. Of two
 * processes with different timeouts the longer one counts for both: `mine` tells it, because who
 * waits for longer sends heartbeats less often, too. */
#include "bus/discovery_private.h"

#include "base/err.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

/* The own list has changed: those that had the one before hear of it. */
static void list_send(pml_discovery *d) {
  pml_other *p, *next;
  uint32_t before = d->self.version;
  d->dirty = 0;
  if (++d->self.version == 0) d->self.version = 1; /* 0 stands for none */
  HASH_ITER (hh, d->others.all, p, next)
    if (p->told == before) p->told = d->self.version;
  pml_announce a = pml__discovery_message_of(d, PML_ANNOUNCE_LIST, 0);
  pml__discovery_send_all(d, &a);
}

/* want: it shall answer with its list. list: it gets ours, when it knows of this meeting. */
static void greet(pml_discovery *d, pml_other *p, int want, int list) {
  if (d->dirty) list_send(d);
  pml_announce a =
    pml__discovery_message_of(d, PML_ANNOUNCE_GREET, d->tool ? PML_ANNOUNCE_TOOL : 0);
  if (want) a.flags |= PML_ANNOUNCE_WANT;
  if (p->theirs && list) {
    uint32_t waiting;
    a.flags |= PML_ANNOUNCE_LISTED;
    a.met = pml_others_met(&d->others, p, &waiting);
    p->told = d->self.version;
  }
  a.mine = p->mine;
  a.theirs = p->theirs;
  pml__discovery_send_to(d, p->holder.name, &a);
}

static void beat_send(pml_discovery *d, uint64_t now) {
  pml_announce a = pml__discovery_message_of(d, PML_ANNOUNCE_BEAT, d->tool ? PML_ANNOUNCE_TOOL : 0);
  a.number = pml_steady_send(&d->steady, now);
  a.links = d->links;
  d->next_beat = now + d->steady.heartbeat;
  pml__discovery_send_all(d, &a);
}

/* Other processes. */

static void process_tell(const pml_discovery *d, const pml_other *p, pml_process_state state) {
  d->ev.on_process(p->holder.name, state, d->ev.ud);
}

/* The end of a meeting. */
static void part(pml_discovery *d, pml_other *p) {
  if (!p->met) return;
  p->met = 0;
  pml_holders_drop(d->holders, &p->holder);
  process_tell(d, p, PML_PROCESS_GONE);
}

static void forget(pml_discovery *d, pml_other *p) {
  part(d, p);
  pml_others_remove(&d->others, p);
}

/* Somebody lives. NULL: it is not known, and there is no room for it. */
static pml_other *hear(pml_discovery *d, const pml_announce *a, uint64_t now) {
  pml_other *p = pml_others_find(&d->others, a->process);
  if (!p) p = pml_others_add(&d->others, a->process, now);
  if (!p) {
    d->counts.full++;
    return NULL;
  }
  if (d->next_look > now + d->timeout) d->next_look = now + d->timeout;
  p->heard = now;
  if (a->flags & PML_ANNOUNCE_TOOL) p->tool = 1;
  if (!p->reachable) {
    p->reachable = 1;
    if (p->met) process_tell(d, p, PML_PROCESS_MET);
  }
  return p;
}

static int knows_own(const pml_discovery *d, const pml_other *p) {
  return p->told == d->self.version && !d->dirty;
}

/* The list of a process counts. */
static void list_take(pml_discovery *d, pml_other *p, const pml_announce *a) {
  if (p->met && p->version == a->version) {
    pml_holders_live(d->holders, &p->holder);
    return;
  }
  p->version = a->version;
  if (!p->met) {
    p->met = d->settled = 1;
    memcpy(p->holder.host, a->host.p, a->host.n); /* PML_ANNOUNCE_HOST_MAX at most */
    p->holder.host[a->host.n] = 0;
    p->holder.pid = a->pid;
    process_tell(d, p, PML_PROCESS_MET);
  }
  d->counts.full += pml_holders_set(d->holders, &p->holder, a);
}

/* Silence. */

static void beat_returned(pml_discovery *d, const pml_announce *a, uint64_t now) {
  if (pml_steady_return(&d->steady, a->number, now)) d->next_look = now + d->timeout;
}

static uint64_t gone_at(const pml_discovery *d, const pml_other *p) {
  uint32_t timeout = p->timeout > d->timeout ? p->timeout : d->timeout;
  return (p->heard > d->steady.since ? p->heard : d->steady.since) + timeout;
}

static void look_for_gone(pml_discovery *d, uint64_t now) {
  pml_other *p, *next;
  if (!pml_steady_check(&d->steady, now) || now < d->next_look) return;
  d->next_look = PML__NEVER;
  HASH_ITER (hh, d->others.all, p, next) {
    uint64_t at = gone_at(d, p);
    if (now >= at) {
      if (p->met) d->counts.gone++;
      forget(d, p);
    } else if (at < d->next_look) {
      d->next_look = at;
    }
  }
}

/* Messages of others. */

static void on_beat(pml_discovery *d, const pml_announce *a, uint64_t now) {
  pml_other *p = hear(d, a, now);
  if (!p) return;
  if (p->links != a->links) p->told = 0; /* what was sent to it meanwhile may be lost */
  p->links = a->links;
  if (!p->met || p->version != a->version) {
    greet(d, p, 1, !knows_own(d, p));
  } else {
    pml_holders_live(d->holders, &p->holder);
    pml_holders_remind(d->holders, &p->holder);
  }
}

static void on_greet(pml_discovery *d, const pml_announce *a, uint64_t now) {
  pml_other *p = hear(d, a, now);
  if (!p) return;
  p->timeout = pml_announce_timeout(a);
  if (p->theirs != a->mine) {
    part(d, p); /* it had forgotten this process, which therefore forgets it */
    p->theirs = a->mine;
    p->told = 0;
  }
  int counts = a->theirs == p->mine && a->flags & PML_ANNOUNCE_LISTED;
  int ask = !p->met && !counts;
  if (a->flags & PML_ANNOUNCE_WANT || ask || (!p->met && !knows_own(d, p))) greet(d, p, ask, 1);
  if (!counts) return;
  if (!p->tool && d->there < a->met + 1) d->there = a->met + 1;
  list_take(d, p, a);
  pml__discovery_claims_tick(d, now); /* some may wait for this process */
}

static void on_list(pml_discovery *d, const pml_announce *a, uint64_t now) {
  pml_other *p = hear(d, a, now);
  if (p && p->met) list_take(d, p, a);
}

static void on_bye(pml_discovery *d, const pml_announce *a) {
  pml_other *p = pml_others_find(&d->others, a->process);
  if (p) forget(d, p);
}

/* Two protocols meet: who came later is refused, and of two that came together, the one with the
 * lesser name. */
static void on_foreign(pml_discovery *d, const pml_announce *a) {
  char name[PML_PROCESS_NAME];
  d->counts.foreign++;
  d->counts.strangers++;
  if (a->kind != PML_ANNOUNCE_BEAT) return;
  pml_announce answer =
    pml__discovery_message_of(d, PML_ANNOUNCE_REFUSE, d->settled ? PML_ANNOUNCE_SETTLED : 0);
  pml_process_text(a->process, name);
  pml__discovery_send_to(d, name, &answer);
}

static void on_refuse(pml_discovery *d, const pml_announce *a) {
  char text[512];
  if (d->settled || d->refused) return;
  if (!(a->flags & PML_ANNOUNCE_SETTLED) &&
      memcmp(a->process, d->self.process, PML_PROCESS_BYTES) < 0)
    return;
  d->refused = 1;
  snprintf(text, sizeof text,
           "a process on %.*s speaks protocol %d of the bus, this one speaks %d: run releases of "
           "Pomelua with the same protocol, or give this app another cluster name",
           (int)a->host.n, (const char *)a->host.p, a->protocol, PML_BUS_PROTOCOL);
  d->ev.on_refused(text, d->ev.ud);
}

void pml_discovery_message(pml_discovery *d, pml_slice message, uint64_t now) {
  pml_announce a;
  pml_steady_touch(&d->steady, now);
  if (pml_announce_read(message, PML_BUS_PROTOCOL, &a)) {
    d->counts.strangers++;
  } else if (memcmp(a.process, d->self.process, PML_PROCESS_BYTES) == 0) {
    if (a.kind == PML_ANNOUNCE_BEAT && a.protocol == PML_BUS_PROTOCOL) beat_returned(d, &a, now);
  } else if (a.protocol != PML_BUS_PROTOCOL) {
    if (a.kind == PML_ANNOUNCE_REFUSE) on_refuse(d, &a);
    else on_foreign(d, &a);
  } else {
    switch (a.kind) {
    case PML_ANNOUNCE_BEAT: on_beat(d, &a, now); break;
    case PML_ANNOUNCE_GREET: on_greet(d, &a, now); break;
    case PML_ANNOUNCE_LIST: on_list(d, &a, now); break;
    case PML_ANNOUNCE_BYE: on_bye(d, &a); break;
    case PML_ANNOUNCE_CLAIM: pml__discovery_on_claim(d, &a); break;
    case PML_ANNOUNCE_HELD: pml__discovery_on_held(d, &a); break;
    }
  }
}

void pml_discovery_link(pml_discovery *d, int up, uint64_t now) {
  pml_other *p, *next;
  if (d->up == up) return;
  d->up = up;
  pml_steady_link(&d->steady, up, now);
  if (up) {
    d->links++;
    d->next_beat = now;
    if (d->first_up == PML__NEVER) d->first_up = now;
    HASH_ITER (hh, d->others.all, p, next) p->told = 0;
  } else {
    pml__discovery_claims_end(d);
  }
}

void pml_discovery_no_process(pml_discovery *d, const char *process, uint64_t now) {
  pml_other *p = pml_others_named(&d->others, process);
  pml_steady_touch(&d->steady, now);
  if (!p || !p->met || !p->reachable) return;
  p->reachable = 0;
  p->told = 0;
  process_tell(d, p, PML_PROCESS_UNREACHABLE);
}

void pml_discovery_tick(pml_discovery *d, uint64_t now) {
  pml_steady_touch(&d->steady, now);
  if (!d->up) return;
  if (d->dirty) list_send(d);
  if (now >= d->next_beat) beat_send(d, now);
  pml__discovery_claims_tick(d, now);
  look_for_gone(d, now);
  if (now >= d->first_up + d->timeout) d->settled = 1;
}

uint64_t pml_discovery_due(const pml_discovery *d) {
  if (!d->up) return PML__NEVER;
  if (d->dirty) return 0;
  uint64_t due = pml_claims_due(&d->claims);
  if (d->next_beat < due) due = d->next_beat;
  if (d->steady.steady && d->next_look < due) due = d->next_look;
  return due;
}

int pml_discovery_serve(pml_discovery *d, const char *id, uint64_t incarnation, const char *info) {
  int rc = pml_own_servers_put(&d->own, id, incarnation, info);
  if (rc) return rc;
  rc = pml_holders_own(d->holders, pml_slice_str(id), incarnation);
  if (rc) pml_own_servers_remove(&d->own, id);
  d->dirty = 1;
  return rc;
}

void pml_discovery_leaving(pml_discovery *d, const char *id) {
  if (pml_own_servers_leaving(&d->own, id)) d->dirty = 1;
}

void pml_discovery_leave(pml_discovery *d, const char *id) {
  if (pml_own_servers_remove(&d->own, id)) d->dirty = 1;
  pml_holders_disown(d->holders, pml_slice_str(id));
}

void pml_discovery_goodbye(pml_discovery *d) {
  if (!d->up) return;
  pml_announce a = pml__discovery_message_of(d, PML_ANNOUNCE_BYE, 0);
  pml__discovery_send_all(d, &a);
}

int pml_discovery_reach(pml_discovery *d, const char *process) {
  pml_other *p = d->up ? pml_others_named(&d->others, process) : NULL;
  if (!p || !p->met || !p->reachable) return PML_ENOENT;
  if (!knows_own(d, p)) greet(d, p, 0, 1);
  return 0;
}

void pml_discovery_each(pml_discovery *d, void (*fn)(const pml_bus_server *s, void *ud), void *ud) {
  pml_holders_each(d->holders, fn, ud);
}

void pml_discovery_each_process(pml_discovery *d, void (*fn)(const char *process, void *ud),
                                void *ud) {
  pml_other *p, *next;
  HASH_ITER (hh, d->others.all, p, next)
    if (p->met && !p->tool) fn(p->holder.name, ud);
}

const pml_discovery_counts *pml_discovery_counters(const pml_discovery *d) { return &d->counts; }

static void server_tell(const pml_bus_server *s, pml_bus_state state, void *ud) {
  const pml_discovery *d = ud;
  d->ev.on_server(s, state, d->ev.ud);
}
static void superseded_tell(const char *id, const pml_bus_server *by, void *ud) {
  const pml_discovery *d = ud;
  d->ev.on_superseded(id, by, d->ev.ud);
}
static void lost(const pml_holder *p, const char *id, uint64_t above, void *ud) {
  pml__discovery_held_send(ud, p->name, 0, pml_slice_str(id), above, 0);
}

pml_discovery *pml_discovery_new(const pml_discovery_options *o, const pml_discovery_events *ev) {
  pml_discovery *d = pml_alloc0(sizeof *d);
  const pml_holders_events events = {server_tell, superseded_tell, lost, d};
  d->ev = *ev;
  snprintf(d->host, sizeof d->host, "%s", o->host);
  d->self = (pml_announce){.protocol = PML_BUS_PROTOCOL, .pid = o->pid, .version = 1};
  d->self.host = pml_slice_str(d->host);
  if (pml_process_read(o->process, d->self.process)) abort(); /* ours: the bus made it */
  d->timeout = o->timeout_ms;
  d->tool = o->tool;
  d->first_up = PML__NEVER;
  d->steady.heartbeat = o->heartbeat_ms;
  pml_own_servers_init(&d->own);
  pml_others_init(&d->others, d->timeout);
  d->holders = pml_holders_new(o->process, &events);
  pml_claims_init(&d->claims);
  return d;
}

void pml_discovery_free(pml_discovery *d) {
  if (!d) return;
  pml_others_fini(&d->others);
  pml_holders_free(d->holders);
  pml_claims_fini(&d->claims);
  pml_own_servers_fini(&d->own);
  pml_free(d);
}
