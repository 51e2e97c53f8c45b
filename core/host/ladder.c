#include "host/ladder.h"

#include "base/container.h"
#include "base/mem.h"

#include <stdio.h>

#define NAMES 64     /* at most so many different things are named when they are cut */
#define LEAST_MS 200 /* least time for one look */

static const pml__phase stages[] = {
  PML__PHASE_DRAINING, PML__PHASE_LEAVING, PML__PHASE_MOVING,   PML__PHASE_CLOSING,
  PML__PHASE_GRACE,    PML__PHASE_EXPIRE,  PML__PHASE_TELLING,  PML__PHASE_FLUSH,
  PML__PHASE_PARTING,  PML__PHASE_COUNT,   PML__PHASE_SHUTDOWN, PML__PHASE_COUNT,
};
#define STAGES (int)(sizeof stages / sizeof *stages)

/* A stage that waits until all is quiet goes through these, again and again. */
enum { LOOK, FLUSH, LOOK_AGAIN };

typedef struct {
  char *text;
  unsigned n;
} name;

struct pml__ladder {
  pml__ladder_options o;
  pml__server *only;
  uint32_t timeout, grace, drain; /* timeout: of what is behind the drain, once that is over */
  uint64_t began, end, asked;     /* times of the loop */
  int stage, look, waiting;
  pml_id number; /* of the phase that is asked for */
  pml_timer deadline, pause;
  name names[NAMES];
  unsigned nnames, more;
};

/* --- what is cut ------------------------------------------------------------------ */

static void cut(pml__ladder *l, const char *server, const char *what, size_t n) {
  char text[320];
  snprintf(text, sizeof text, "%s: %.*s", server, (int)n, what);
  for (unsigned i = 0; i < l->nnames; i++) {
    if (strcmp(l->names[i].text, text) != 0) continue;
    l->names[i].n++;
    return;
  }
  if (l->nnames < NAMES) l->names[l->nnames++] = (name){pml_strdup(text), 1};
  else l->more++;
}

/* One name per line. */
static void cut_lines(pml__ladder *l, const pml__server *m, const char *text) {
  while (text && *text) {
    size_t n = strcspn(text, "\n");
    if (n) cut(l, pml__server_id(m), text, n);
    text += n + (text[n] == '\n');
  }
}

static void put_text(pml_writer *w, const char *text) { pml_writer_put(w, text, strlen(text)); }

static void finish(pml__ladder *l) {
  pml_writer w = {0};
  char times[32];
  pml_timer_stop(l->o.loop, &l->deadline);
  pml_timer_stop(l->o.loop, &l->pause);
  for (unsigned i = 0; i < l->nnames; i++) {
    if (i) put_text(&w, "; ");
    put_text(&w, l->names[i].text);
    if (l->names[i].n == 1) continue;
    snprintf(times, sizeof times, " (%u times)", l->names[i].n);
    put_text(&w, times);
  }
  if (l->more) {
    snprintf(times, sizeof times, "; and %u more", l->more);
    put_text(&w, times);
  }
  pml_writer_put(&w, "", 1);
  l->stage = STAGES;
  l->o.ended(l, l->nnames ? (const char *)pml_writer_at(&w, 0) : NULL, l->o.ud);
  pml_writer_drop(&w);
}

/* --- asking ------------------------------------------------------------------------- */

/* Whether a server is asked for a phase. When one server stops, the others are asked only to
 * count. */
static int is_asked(const pml__ladder *l, const pml__server *m, pml__phase phase) {
  if (!m->running) return 0;
  if (!l->only) return 1;
  return m == l->only || stages[l->stage] == PML__PHASE_COUNT || phase == PML__PHASE_COUNT;
}

static int all_done(pml__ladder *l) {
  pml__server **m = l->o.servers->list;
  for (size_t i = 0; i < l->o.servers->count; i++)
    if (m[i]->running && m[i]->step.asked && !m[i]->step.done) return 0;
  return 1;
}

static uint64_t left_until(const pml__ladder *l, uint64_t when) {
  uint64_t now = pml_loop_now(l->o.loop);
  return when > now ? when - now : 0;
}

/* Milliseconds that go with a phase to the servers. */
static uint64_t measure(const pml__ladder *l, pml__phase phase) {
  switch (phase) {
  case PML__PHASE_CLOSING:
  case PML__PHASE_EXPIRE: return l->only != NULL;
  case PML__PHASE_LEAVING: return l->timeout / 10 + 1;
  case PML__PHASE_MOVING: return l->drain;
  case PML__PHASE_GRACE: return l->grace;
  case PML__PHASE_PARTING: return left_until(l, l->began + l->timeout / 10 * 6);
  default: return 0;
  }
}

/* What goes with a phase to one server; "together": those that stop. */
static const char *text_for(const pml__ladder *l, const pml__server *m, pml__phase phase,
                            const char *together) {
  if (phase == PML__PHASE_LEAVING) return together;
  return l->only && m != l->only ? pml__server_id(l->only) : "";
}

/* The ids of all that stop, a line each. They are not told of each other: for a while every server
 * of a type would seem to be leaving, and then none is left to send anything to. */
static void put_stopping(const pml__ladder *l, pml_writer *w) {
  pml__server **m = l->o.servers->list;
  for (size_t i = 0; i < l->o.servers->count && !l->only; i++) {
    if (!m[i]->running) continue;
    put_text(w, pml__server_id(m[i]));
    put_text(w, "\n");
  }
  pml_writer_put(w, "", 1);
}

static void ask(pml__ladder *l, pml__phase phase) {
  pml__server **m = l->o.servers->list;
  pml_writer together = {0};
  if (phase == PML__PHASE_LEAVING) put_stopping(l, &together);
  pml__msg msg = {.kind = PML__MSG_PHASE, .a = phase, .b = measure(l, phase)};
  msg.id = l->number = ++*l->o.numbers;
  l->waiting = 1;
  l->asked = pml_loop_now(l->o.loop);
  for (size_t i = 0; i < l->o.servers->count; i++) {
    pml__step *s = &m[i]->step;
    s->asked = is_asked(l, m[i], phase);
    s->done = s->named; /* a server that was silent before is not waited for until it reports */
    if (!s->asked) continue;
    const char *lines = together.len ? (const char *)pml_writer_at(&together, 0) : "";
    pml__msg_post(m[i]->member.box, &msg, text_for(l, m[i], phase, lines));
  }
  pml_writer_drop(&together);
}

/* How long a stage may take: a share of the whole. */
static uint64_t deadline_of(const pml__ladder *l) {
  uint64_t ms, share = l->timeout / 5, slack = l->timeout / 10;
  switch (stages[l->stage]) {
  case PML__PHASE_GRACE: ms = l->grace + slack; break;
  case PML__PHASE_DRAINING:
  case PML__PHASE_TELLING: ms = l->grace; break;
  case PML__PHASE_MOVING: ms = l->drain + slack; break;
  case PML__PHASE_PARTING: ms = measure(l, PML__PHASE_PARTING) + slack; break;
  case PML__PHASE_SHUTDOWN: ms = left_until(l, l->end); break;
  case PML__PHASE_COUNT:
    if (l->stage < STAGES - 1) {
      ms = left_until(l, l->began + l->timeout / 4 * 3);
      break;
    }
    ms = left_until(l, l->end);
    return ms > LEAST_MS ? ms : LEAST_MS;
  default: ms = share; break;
  }
  uint64_t left = left_until(l, l->end);
  return ms < left ? ms : left;
}

static void enter(pml__ladder *l);

static void next_stage(pml__ladder *l) {
  if (stages[l->stage] == PML__PHASE_MOVING) { /* the shares are those of what is left */
    l->began = pml_loop_now(l->o.loop);
    l->timeout = (uint32_t)left_until(l, l->end);
  }
  l->stage++;
  if (l->stage == STAGES) finish(l);
  else enter(l);
}

/* --- whether all is quiet ------------------------------------------------------------- */

static int is_quiet(pml__ladder *l, int again) {
  int quiet = 1;
  pml__server **m = l->o.servers->list;
  for (size_t i = 0; i < l->o.servers->count; i++) {
    pml__step *s = &m[i]->step;
    if (!m[i]->running || !s->asked) continue;
    if (s->open || (again && s->began != s->before)) quiet = 0;
    s->before = s->began;
  }
  return quiet;
}

static void looked(pml__ladder *l) {
  if (l->look == FLUSH) {
    l->look = LOOK_AGAIN;
    ask(l, PML__PHASE_COUNT);
    return;
  }
  int again = l->look == LOOK_AGAIN, quiet = is_quiet(l, again);
  if (quiet && again) {
    next_stage(l);
  } else if (quiet) {
    l->look = FLUSH;
    ask(l, PML__PHASE_FLUSH);
  } else {
    l->look = LOOK;
    pml_timer_start(l->o.loop, &l->pause, again ? 1 : 5);
  }
}

static void look_again(pml_timer *t) {
  ask(PML_CONTAINER(t, pml__ladder, pause), PML__PHASE_COUNT);
}

/* --- on to the next ---------------------------------------------------------------------- */

/* Keeps what the servers reported about the phase that has ended. */
static void take_notes(pml__ladder *l) {
  pml__server **m = l->o.servers->list;
  for (size_t i = 0; i < l->o.servers->count; i++)
    if (m[i]->step.asked && stages[l->stage] == PML__PHASE_EXPIRE)
      cut_lines(l, m[i], m[i]->step.text);
}

/* Goes on when no server is waited for. */
static void go_on(pml__ladder *l) {
  while (l->waiting && l->stage < STAGES && all_done(l)) {
    l->waiting = 0;
    if (stages[l->stage] == PML__PHASE_COUNT) {
      looked(l);
      continue;
    }
    take_notes(l);
    /* A beforeShutdown without a deadline has used the time of the work that it began. */
    uint64_t least = pml_loop_now(l->o.loop) + l->timeout / 4;
    if (stages[l->stage] == PML__PHASE_SHUTDOWN && !pml_timer_running(&l->deadline) &&
        l->end < least)
      l->end = least;
    next_stage(l);
  }
}

static void enter(pml__ladder *l) {
  uint64_t ms = deadline_of(l);
  pml_timer_stop(l->o.loop, &l->pause);
  pml_timer_start(l->o.loop, &l->deadline, ms);
  l->look = LOOK;
  ask(l, stages[l->stage]);
}

/* Names a server that has not reported. It is not to blame for slow listeners of drain and
 * stop_server, and for records that are on their way. */
static void name_silent(pml__ladder *l, pml__server *m) {
  pml__phase phase = stages[l->stage];
  static const char shutdown[] = "beforeShutdown, or the stop of a component";
  static const char silent[] = "it does not answer";
  if (phase == PML__PHASE_SHUTDOWN) {
    cut(l, pml__server_id(m), shutdown, sizeof shutdown - 1);
  } else if (phase != PML__PHASE_DRAINING && phase != PML__PHASE_TELLING &&
             phase != PML__PHASE_FLUSH && !(phase == PML__PHASE_COUNT && l->look == FLUSH) &&
             !m->step.named) {
    m->step.named = 1;
    cut(l, pml__server_id(m), silent, sizeof silent - 1);
    pml_log_write(l->o.log, PML_WARN, "server %s does not answer while it is to stop",
                  pml__server_id(m));
  }
}

/* The last look: work that is still open is cut. */
static void cut_open(pml__ladder *l, pml__server *m) {
  static const char calls[] = "calls of others", mail[] = "calls that were on their way";
  if (!m->step.done) name_silent(l, m);
  else if (m->step.text && m->step.text[0]) cut_lines(l, m, m->step.text);
  else if (m->step.open && l->only && m != l->only)
    cut(l, l->only->member.spec.id, calls, sizeof calls - 1);
  else if (m->step.open) cut(l, pml__server_id(m), mail, sizeof mail - 1);
}

static void late(pml_timer *t) {
  pml__ladder *l = PML_CONTAINER(t, pml__ladder, deadline);
  int last = l->stage == STAGES - 1;
  /* A look comes many times: a server that has answered all but the newest is not silent. */
  int just_asked =
    stages[l->stage] == PML__PHASE_COUNT && pml_loop_now(l->o.loop) < l->asked + LEAST_MS;
  pml__server **m = l->o.servers->list;
  for (size_t i = 0; i < l->o.servers->count; i++) {
    pml__step *s = &m[i]->step;
    if (!m[i]->running || !s->asked) continue;
    if (just_asked && !s->named) s->done = 1; /* its last answer counts */
    if (last) cut_open(l, m[i]);
    if (s->done || (s->patient && stages[l->stage] == PML__PHASE_SHUTDOWN)) continue;
    if (!last) name_silent(l, m[i]);
    s->done = 1;
  }
  if (stages[l->stage] == PML__PHASE_COUNT) {
    l->waiting = 0;
    next_stage(l);
  }
  go_on(l);
}

/* --- from outside ------------------------------------------------------------------------- */

pml__ladder *pml__ladder_begin(const pml__ladder_options *o, pml__server *only,
                               const pml__ladder_times *t) {
  pml__ladder *l = pml_alloc0(sizeof *l);
  pml__server **m = o->servers->list;
  l->o = *o;
  l->only = only;
  l->timeout = t->stop;
  l->grace = t->grace < t->stop ? t->grace : t->stop;
  l->drain = t->drain < t->stop - l->grace ? t->drain : t->stop - l->grace;
  l->began = pml_loop_now(o->loop);
  l->end = l->began + t->stop;
  pml_timer_init(&l->deadline, late);
  pml_timer_init(&l->pause, look_again);
  for (size_t i = 0; i < l->o.servers->count; i++) {
    pml_free(m[i]->step.text);
    m[i]->step = (pml__step){0};
  }
  enter(l);
  go_on(l);
  return l;
}

void pml__ladder_free(pml__ladder *l) {
  if (!l) return;
  pml_timer_stop(l->o.loop, &l->deadline);
  pml_timer_stop(l->o.loop, &l->pause);
  for (unsigned i = 0; i < l->nnames; i++) pml_free(l->names[i].text);
  pml_free(l);
}

void pml__ladder_done(pml__ladder *l, pml__server *m, pml_id number, uint64_t open, uint64_t began,
                      const char *text) {
  pml__step *s = &m->step;
  s->named = 0;
  if (number != l->number || !s->asked) return;
  s->done = 1;
  s->open = open;
  s->began = began;
  pml_free(s->text);
  s->text = pml_strdup(text);
  go_on(l);
}

void pml__ladder_patient(pml__ladder *l, pml__server *m) {
  (void)l;
  m->step.patient = 1;
}

void pml__ladder_gone(pml__ladder *l, pml__server *m) {
  m->step.done = 1;
  go_on(l);
}
