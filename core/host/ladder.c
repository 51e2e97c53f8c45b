#include "host/ladder.h"

#include "base/container.h"
#include "base/mem.h"
#include "host/member_private.h"

#include <stdio.h>

#define NAMES 64     /* different things that are named when they are cut */
#define LEAST_MS 200 /* for a look */

enum { ALL, OTHERS };

typedef struct {
  pml_phase phase;
  int who; /* on a ladder of one server: it, or the others */
} stage;

static const stage stages[] = {
  {PML_PHASE_LEAVING, OTHERS}, /* only when one server goes */
  {PML_PHASE_FLUSH, OTHERS},   {PML_PHASE_CLOSING, ALL}, {PML_PHASE_GRACE, ALL},
  {PML_PHASE_EXPIRE, ALL},     {PML_PHASE_TELLING, ALL}, {PML_PHASE_FLUSH, ALL},
  {PML_PHASE_PARTING, ALL},    {PML_PHASE_COUNT, ALL},   {PML_PHASE_SHUTDOWN, ALL},
  {PML_PHASE_COUNT, ALL},
};
#define STAGES (int)(sizeof stages / sizeof *stages)
#define FIRST_OF_ALL 2

/* A stage that waits until all is quiet goes through these, again and again. */
enum { LOOK, FLUSH, LOOK_AGAIN };

typedef struct {
  char *text;
  unsigned n;
} name;

struct pml_ladder {
  pml_ladder_options o;
  pml_member *only;
  uint32_t timeout, grace;
  uint64_t began, end, asked; /* times of the loop */
  int stage, look, waiting;
  pml_id number; /* of the phase that is asked for */
  pml_timer deadline, pause;
  name names[NAMES];
  unsigned nnames, more;
};

/* --- what is cut ------------------------------------------------------------------ */

static void cut(pml_ladder *l, const char *server, const char *what, size_t n) {
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
static void cut_lines(pml_ladder *l, const pml_member *m, const char *text) {
  while (text && *text) {
    size_t n = strcspn(text, "\n");
    if (n) cut(l, m->server.id, text, n);
    text += n + (text[n] == '\n');
  }
}

static void put_text(pml_writer *w, const char *text) { pml_writer_put(w, text, strlen(text)); }

static void finish(pml_ladder *l) {
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

/* Whether a server is asked for a phase. One server that goes needs the others only for the
 * count. */
static int is_asked(const pml_ladder *l, const pml_member *m, pml_phase phase) {
  if (!m->running) return 0;
  if (!l->only) return 1;
  if (stages[l->stage].who == OTHERS) return m != l->only;
  return m == l->only || stages[l->stage].phase == PML_PHASE_COUNT || phase == PML_PHASE_COUNT;
}

static int all_done(pml_ladder *l) {
  size_t n;
  pml_member **m = l->o.members(l->o.ud, &n);
  for (size_t i = 0; i < n; i++)
    if (m[i]->running && m[i]->step.asked && !m[i]->step.done) return 0;
  return 1;
}

static uint64_t left_until(const pml_ladder *l, uint64_t when) {
  uint64_t now = pml_loop_now(l->o.loop);
  return when > now ? when - now : 0;
}

/* Milliseconds that go with a phase to the servers. */
static uint64_t measure(const pml_ladder *l, pml_phase phase) {
  switch (phase) {
  case PML_PHASE_CLOSING:
  case PML_PHASE_EXPIRE: return l->only != NULL;
  case PML_PHASE_GRACE: return l->grace;
  case PML_PHASE_PARTING: return left_until(l, l->began + l->timeout / 10 * 6);
  default: return 0;
  }
}

static void ask(pml_ladder *l, pml_phase phase) {
  size_t n;
  pml_member **m = l->o.members(l->o.ud, &n);
  pml_note k = {.what = PML_PHASE, .a = phase, .b = measure(l, phase)};
  k.call = l->number = l->o.number(l->o.ud);
  l->waiting = 1;
  l->asked = pml_loop_now(l->o.loop);
  for (size_t i = 0; i < n; i++) {
    pml_step *s = &m[i]->step;
    s->asked = is_asked(l, m[i], phase);
    s->done = s->named; /* who was silent before is not waited for until it says something */
    if (!s->asked) continue;
    k.member = m[i];
    pml_member_tell(m[i]->box, &k, l->only && m[i] != l->only ? l->only->server.id : "");
  }
}

/* How long a stage may take: a share of the whole. */
static uint64_t deadline_of(const pml_ladder *l) {
  uint64_t ms, share = l->timeout / 5, slack = l->timeout / 20;
  switch (stages[l->stage].phase) {
  case PML_PHASE_GRACE: ms = l->grace + slack; break;
  case PML_PHASE_TELLING: ms = l->grace; break;
  case PML_PHASE_PARTING: ms = measure(l, PML_PHASE_PARTING) + slack; break;
  case PML_PHASE_SHUTDOWN: ms = left_until(l, l->end); break;
  case PML_PHASE_COUNT:
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

static void enter(pml_ladder *l);

static void next_stage(pml_ladder *l) {
  l->stage++;
  if (l->stage == STAGES) finish(l);
  else enter(l);
}

/* --- whether all is quiet ------------------------------------------------------------- */

static int is_quiet(pml_ladder *l, int again) {
  size_t n;
  int quiet = 1;
  pml_member **m = l->o.members(l->o.ud, &n);
  for (size_t i = 0; i < n; i++) {
    pml_step *s = &m[i]->step;
    if (!m[i]->running || !s->asked) continue;
    if (s->open || (again && s->began != s->before)) quiet = 0;
    s->before = s->began;
  }
  return quiet;
}

static void looked(pml_ladder *l) {
  if (l->look == FLUSH) {
    l->look = LOOK_AGAIN;
    ask(l, PML_PHASE_COUNT);
    return;
  }
  int again = l->look == LOOK_AGAIN, quiet = is_quiet(l, again);
  if (quiet && again) {
    next_stage(l);
  } else if (quiet) {
    l->look = FLUSH;
    ask(l, PML_PHASE_FLUSH);
  } else {
    l->look = LOOK;
    pml_timer_start(l->o.loop, &l->pause, again ? 1 : 5);
  }
}

static void look_again(pml_timer *t) { ask(PML_CONTAINER(t, pml_ladder, pause), PML_PHASE_COUNT); }

/* --- on to the next ---------------------------------------------------------------------- */

/* What servers said about the phase that has ended. */
static void take_notes(pml_ladder *l) {
  size_t n;
  pml_member **m = l->o.members(l->o.ud, &n);
  for (size_t i = 0; i < n; i++)
    if (m[i]->step.asked && stages[l->stage].phase == PML_PHASE_EXPIRE)
      cut_lines(l, m[i], m[i]->step.text);
}

/* Goes on when nobody is waited for. */
static void go_on(pml_ladder *l) {
  while (l->waiting && l->stage < STAGES && all_done(l)) {
    l->waiting = 0;
    if (stages[l->stage].phase == PML_PHASE_COUNT) {
      looked(l);
      continue;
    }
    take_notes(l);
    /* Whoever took its time has used up that of what it began. */
    uint64_t least = pml_loop_now(l->o.loop) + l->timeout / 4;
    if (stages[l->stage].phase == PML_PHASE_SHUTDOWN && !pml_timer_running(&l->deadline) &&
        l->end < least)
      l->end = least;
    next_stage(l);
  }
}

static void enter(pml_ladder *l) {
  uint64_t ms = deadline_of(l);
  pml_timer_stop(l->o.loop, &l->pause);
  pml_timer_start(l->o.loop, &l->deadline, ms);
  l->look = LOOK;
  ask(l, stages[l->stage].phase);
}

/* A server that has not said anything. The time of listeners of stop_server, and the way of
 * records, are not its own. */
static void name_silent(pml_ladder *l, pml_member *m) {
  pml_phase phase = stages[l->stage].phase;
  static const char shutdown[] = "beforeShutdown", silent[] = "it does not answer";
  if (phase == PML_PHASE_SHUTDOWN) {
    cut(l, m->server.id, shutdown, sizeof shutdown - 1);
  } else if (phase != PML_PHASE_TELLING && phase != PML_PHASE_FLUSH &&
             !(phase == PML_PHASE_COUNT && l->look == FLUSH) && !m->step.named) {
    m->step.named = 1;
    cut(l, m->server.id, silent, sizeof silent - 1);
    pml_log_write(l->o.log, PML_WARN, "server %s does not answer while it is to stop",
                  m->server.id);
  }
}

/* The last look: what is open still is cut. */
static void cut_open(pml_ladder *l, pml_member *m) {
  static const char calls[] = "calls of others", mail[] = "calls that were on their way";
  if (!m->step.done) name_silent(l, m);
  else if (m->step.text && m->step.text[0]) cut_lines(l, m, m->step.text);
  else if (m->step.open && l->only && m != l->only)
    cut(l, l->only->server.id, calls, sizeof calls - 1);
  else if (m->step.open) cut(l, m->server.id, mail, sizeof mail - 1);
}

static void late(pml_timer *t) {
  pml_ladder *l = PML_CONTAINER(t, pml_ladder, deadline);
  size_t n;
  int last = l->stage == STAGES - 1;
  /* A look comes many times; nobody is silent who has answered all but the newest. */
  int just_asked =
    stages[l->stage].phase == PML_PHASE_COUNT && pml_loop_now(l->o.loop) < l->asked + LEAST_MS;
  pml_member **m = l->o.members(l->o.ud, &n);
  for (size_t i = 0; i < n; i++) {
    pml_step *s = &m[i]->step;
    if (!m[i]->running || !s->asked) continue;
    if (just_asked && !s->named) s->done = 1; /* its last answer counts */
    if (last) cut_open(l, m[i]);
    if (s->done || (s->patient && stages[l->stage].phase == PML_PHASE_SHUTDOWN)) continue;
    if (!last) name_silent(l, m[i]);
    s->done = 1;
  }
  if (stages[l->stage].phase == PML_PHASE_COUNT) {
    l->waiting = 0;
    next_stage(l);
  }
  go_on(l);
}

/* --- from outside ------------------------------------------------------------------------- */

pml_ladder *pml_ladder_begin(const pml_ladder_options *o, pml_member *only, uint32_t timeout,
                             uint32_t grace) {
  size_t n;
  pml_ladder *l = pml_alloc0(sizeof *l);
  pml_member **m = o->members(o->ud, &n);
  l->o = *o;
  l->only = only;
  l->timeout = timeout;
  l->grace = grace < timeout ? grace : timeout;
  l->began = pml_loop_now(o->loop);
  l->end = l->began + timeout;
  pml_timer_init(&l->deadline, late);
  pml_timer_init(&l->pause, look_again);
  for (size_t i = 0; i < n; i++) {
    pml_free(m[i]->step.text);
    m[i]->step = (pml_step){0};
  }
  l->stage = only ? 0 : FIRST_OF_ALL;
  enter(l);
  go_on(l);
  return l;
}

void pml_ladder_free(pml_ladder *l) {
  if (!l) return;
  pml_timer_stop(l->o.loop, &l->deadline);
  pml_timer_stop(l->o.loop, &l->pause);
  for (unsigned i = 0; i < l->nnames; i++) pml_free(l->names[i].text);
  pml_free(l);
}

void pml_ladder_done(pml_ladder *l, pml_member *m, pml_id number, uint64_t open, uint64_t began,
                     const char *text) {
  pml_step *s = &m->step;
  s->named = 0;
  if (number != l->number || !s->asked) return;
  s->done = 1;
  s->open = open;
  s->began = began;
  pml_free(s->text);
  s->text = pml_strdup(text);
  go_on(l);
}

void pml_ladder_patient(pml_ladder *l, pml_member *m) {
  (void)l;
  m->step.patient = 1;
}

void pml_ladder_gone(pml_ladder *l, pml_member *m) {
  m->step.done = 1;
  go_on(l);
}
