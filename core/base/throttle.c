#include "base/throttle.h"

#include "base/hash.h"
#include "base/mem.h"

#include <pthread.h>
#include <string.h>

static const char others[] = "lines of other kinds";

/* Kinds with a long while come last: they, whose names may hold what a client chose, leave
 * these places to the others. */
#define SHORT_MS 1000
#define KEPT 32
#define PLACES (PML_THROTTLE_KINDS + 2) /* with one that is shared, of either sort */

typedef struct {
  uint64_t since; /* when its while began */
  uint32_t ms;    /* its while; 0: a free place */
  uint32_t told, held;
  uint32_t hash;
  uint16_t n;
  int level;
  char name[PML_THROTTLE_NAME];
} kind;

struct pml_throttle {
  pml_throttle_hooks hooks;
  pthread_mutex_t lock;
  uint64_t count;
  int waiting; /* kinds with lines that were left out and not reported */
  kind *kinds; /* PLACES, made when first asked for */
};

pml_throttle *pml_throttle_new(const pml_throttle_hooks *hooks) {
  pml_throttle *t = pml_alloc0(sizeof *t);
  t->hooks = *hooks;
  pthread_mutex_init(&t->lock, NULL);
  return t;
}

void pml_throttle_free(pml_throttle *t) {
  if (!t) return;
  pthread_mutex_destroy(&t->lock);
  pml_free(t->kinds);
  pml_free(t);
}

static int passed(const kind *k, uint64_t now) { return now - k->since >= k->ms; }

/* The kind's place, a free one, or the one that is shared. Who has something to tell keeps it. */
static kind *place(pml_throttle *t, const char *name, size_t n, uint32_t ms, uint64_t now) {
  int is_long = ms > SHORT_MS;
  kind *last = &t->kinds[PML_THROTTLE_KINDS], *shared = &last[is_long], *fresh = NULL;
  uint32_t hash = pml_hash_ours(name, n);
  for (kind *k = &t->kinds[is_long ? KEPT : 0]; k < last; k++) {
    if (k->ms && k->hash == hash && k->n == n && memcmp(k->name, name, n) == 0) return k;
    if (!fresh && (!k->ms || (!k->held && passed(k, now)))) fresh = k;
  }
  if (!fresh) {
    if (shared->ms) return shared;
    fresh = shared;
    name = others;
    n = sizeof others - 1;
  }
  memset(fresh, 0, sizeof *fresh);
  fresh->since = now;
  fresh->hash = hash;
  fresh->n = (uint16_t)n;
  memcpy(fresh->name, name, n);
  return fresh;
}

int pml_throttle_ask(pml_throttle *t, const char *name, size_t n, uint32_t lines, uint32_t ms,
                     int level) {
  uint64_t now = t->hooks.now(t->hooks.ud), due = 0;
  if (n >= PML_THROTTLE_NAME) n = PML_THROTTLE_NAME - 1;
  pthread_mutex_lock(&t->lock);
  if (!t->kinds) t->kinds = pml_alloc0(PLACES * sizeof *t->kinds);
  kind *k = place(t, name, n, ms, now);
  if (passed(k, now)) {
    k->since = now;
    k->told = 0;
  }
  if (!k->ms) k->ms = ms;
  k->level = level;
  int yes = k->told < lines;
  if (yes) {
    k->told++;
  } else {
    t->count++;
    if (!k->held++ && !t->waiting++) due = k->since + k->ms - now;
  }
  pthread_mutex_unlock(&t->lock);
  if (due && t->hooks.on_held) t->hooks.on_held(due, t->hooks.ud);
  return yes;
}

int pml_throttle_next(pml_throttle *t, int all, pml_throttled *out) {
  int found = 0;
  pthread_mutex_lock(&t->lock);
  uint64_t now = t->waiting ? t->hooks.now(t->hooks.ud) : 0;
  for (int i = 0; t->waiting && !found && i < PLACES; i++) {
    kind *k = &t->kinds[i];
    if (!k->held || !(all || passed(k, now))) continue;
    *out = (pml_throttled){.held = k->held, .level = k->level};
    memcpy(out->name, k->name, k->n);
    k->held = k->told = 0;
    k->since = now;
    t->waiting--;
    found = 1;
  }
  pthread_mutex_unlock(&t->lock);
  return found;
}

uint64_t pml_throttle_due(pml_throttle *t) {
  uint64_t due = 0;
  pthread_mutex_lock(&t->lock);
  uint64_t now = t->waiting ? t->hooks.now(t->hooks.ud) : 0;
  for (int i = 0; t->waiting && i < PLACES; i++) {
    const kind *k = &t->kinds[i];
    if (!k->held) continue;
    uint64_t left = passed(k, now) ? 1 : k->since + k->ms - now;
    if (!due || left < due) due = left;
  }
  pthread_mutex_unlock(&t->lock);
  return due;
}

uint64_t pml_throttle_count(pml_throttle *t) {
  pthread_mutex_lock(&t->lock);
  uint64_t n = t->count;
  pthread_mutex_unlock(&t->lock);
  return n;
}
