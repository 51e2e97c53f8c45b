/* Whether an id is free, for this process and for others. */
#include "bus/discovery_private.h"

#include <stdio.h>

/* For a process that has just come, until it takes itself for the only one; until it takes those
 * that it has met for all. */
#define ALONE_MS 200u
#define MEET_MS 1000u

static void claim_finish(pml_discovery *d, pml_claim *c, pml_bus_server *holder) {
  char id[PML_SERVER_ID_MAX + 1];
  memcpy(id, c->id, sizeof id);
  if (holder) holder->id = id;
  uint64_t above = pml_holders_highest(d->holders, pml_slice_str(id));
  if (above < c->above) above = c->above;
  pml_claims_end(c);
  if (!holder) pml_holders_own(d->holders, pml_slice_str(id), 0);
  d->ev.on_claimed(id, holder, above, d->ev.ud);
}

static pml_announce claim_message(const pml_discovery *d, const pml_claim *c) {
  pml_announce a = pml__discovery_message_of(d, PML_ANNOUNCE_CLAIM, 0);
  a.number = c->number;
  a.id = pml_slice_str(c->id);
  return a;
}

static void ask_all(const pml_discovery *d, pml_claim *c, uint64_t now) {
  c->wide = 1;
  c->wider = now;
  pml_announce a = claim_message(d, c);
  pml__discovery_send_all(d, &a);
}

/* When all processes that are there are met, as far as this one can know: now, or when to look
 * again. A server that begins before that would have requests of some frontends, and no way to push
 * to the others. */
static uint64_t met_at(const pml_discovery *d, uint64_t now) {
  uint32_t waiting, met = pml_others_met(&d->others, NULL, &waiting);
  uint64_t alone = d->first_up + ALONE_MS, latest = d->first_up + MEET_MS;
  if (now >= latest) return now;
  if (!waiting && (met ? met >= d->there : now >= alone)) return now;
  return now < alone ? alone : latest;
}

/* When those that are there have said which incarnation the id had: a server that died a moment ago
 * is known to them, and its clock may have been ahead of this one's. */
static uint64_t told_at(const pml_discovery *d, const pml_claim *c, uint64_t now) {
  uint32_t waiting, met = pml_others_met(&d->others, NULL, &waiting);
  return met + waiting ? c->wider + PML_CLAIM_WIDE_MS : now;
}

/* Nobody has the id. */
static void claim_free(pml_discovery *d, pml_claim *c, uint64_t now) {
  c->free = 1;
  if (!c->wide) ask_all(d, c, now);
  uint64_t met = met_at(d, now), told = told_at(d, c, now);
  c->until = met > told ? met : told;
  if (now >= c->until) claim_finish(d, c, NULL);
}

void pml__discovery_claims_tick(pml_discovery *d, uint64_t now) {
  for (pml_claim *c = pml_claims_first(&d->claims), *next; c; c = next) {
    next = pml_claims_next(&d->claims, c);
    if (c->free) {
      claim_free(d, c, now);
    } else if (now >= c->asked + PML_CLAIM_MS) {
      claim_finish(d, c, NULL);
    } else if (!c->wide && now >= c->asked + PML_CLAIM_WIDE_MS) {
      ask_all(d, c, now);
    }
  }
}

void pml__discovery_held_send(const pml_discovery *d, const char *process, uint32_t number,
                              pml_slice id, uint64_t incarnation, uint8_t flags) {
  pml_announce a = pml__discovery_message_of(d, PML_ANNOUNCE_HELD, flags);
  a.number = number;
  a.id = id;
  a.incarnation = incarnation;
  pml__discovery_send_to(d, process, &a);
}

void pml__discovery_on_claim(const pml_discovery *d, const pml_announce *a) {
  char name[PML_PROCESS_NAME];
  uint64_t owned = pml_holders_owned(d->holders, a->id);
  uint64_t highest = pml_holders_highest(d->holders, a->id);
  pml_process_text(a->process, name);
  if (owned) pml__discovery_held_send(d, name, a->number, a->id, owned, PML_ANNOUNCE_LIVES);
  else if (highest) pml__discovery_held_send(d, name, a->number, a->id, highest, 0);
}

void pml__discovery_on_held(pml_discovery *d, const pml_announce *a) {
  pml_claim *c = pml_claims_find(&d->claims, a->number);
  if (a->number == 0) { /* unasked: what this process has lost, see lost */
    pml_holders_above(d->holders, a->id, a->incarnation);
  } else if (c && pml_slice_eq(pml_slice_str(c->id), a->id)) {
    if (c->above < a->incarnation) c->above = a->incarnation;
    if (!(a->flags & PML_ANNOUNCE_LIVES)) return;
    char name[PML_PROCESS_NAME], host[PML_ANNOUNCE_HOST_MAX + 1];
    pml_process_text(a->process, name);
    snprintf(host, sizeof host, "%.*s", (int)a->host.n, (const char *)a->host.p);
    pml_bus_server holder = {NULL, a->incarnation, name, host, a->pid, "{}"};
    claim_finish(d, c, &holder);
  }
}

void pml__discovery_claims_end(pml_discovery *d) {
  for (pml_claim *c; (c = pml_claims_first(&d->claims));) claim_finish(d, c, NULL);
}

void pml_discovery_no_holder(pml_discovery *d, const char *id, uint64_t now) {
  pml_steady_touch(&d->steady, now);
  for (pml_claim *c = pml_claims_first(&d->claims), *next; c; c = next) {
    next = pml_claims_next(&d->claims, c);
    if (pml_slice_eq(pml_slice_str(c->id), pml_slice_str(id))) claim_free(d, c, now);
  }
}

void pml_discovery_claim(pml_discovery *d, const char *id, uint64_t now) {
  pml_steady_touch(&d->steady, now);
  if (!pml_announce_id_ok(
        pml_slice_str(id))) { /* nobody can have it: pml_discovery_serve says so */
    d->ev.on_claimed(id, NULL, 0, d->ev.ud);
    return;
  }
  pml_claim *c = pml_claims_begin(&d->claims, pml_slice_str(id), now);
  if (!d->up) {
    claim_finish(d, c, NULL);
  } else {
    pml_announce a = claim_message(d, c);
    pml_buf *m = pml__discovery_write(d, &a);
    d->ev.send_id(id, pml_buf_slice(m), d->ev.ud);
    pml_buf_unref(m);
  }
}
