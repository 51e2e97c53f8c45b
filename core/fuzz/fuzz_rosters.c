/* Commands from the fuzzer against a plain array as the truth: two bytes are one command, the first
 * says what and with which session, the second in which channel. What rosters tell of channels is
 * handed on to an interest, as a frontend's list is to another server. */
#include "base/err.h"
#include "model/interest.h"
#include "model/rosters.h"
#include "model/sessions.h"

#include <stdlib.h>

#define SESSIONS 12
#define NAMES 6
#define UIDS 4
#define CHANNELS 4 /* at most, of NAMES */
#define EACH 3     /* channels of a session */
#define MUST(x) \
  do { \
    if (!(x)) abort(); \
  } while (0)

typedef struct {
  pml_sessions *sessions;
  pml_rosters *t;
  pml_interest *interest;
  pml_place *place;
  pml_session *s[SESSIONS];
  int in[SESSIONS][NAMES];
} world;

static const char *const names[NAMES] = {"", "a", "hall", "hall2", "x", "a longer name"};
static const char *const uids[UIDS] = {"ann", "bob", "7", "z"};

static pml_slice name_of(int i) { return pml_slice_str(names[i]); }

static const pml_session *newest(const world *w, int i) {
  return pml_sessions_by_uid(w->sessions, w->s[i]->uid);
}

static void told(pml_slice name, int there, void *ud) {
  world *w = ud;
  pml_interest_set(w->interest, w->place, name, there);
}

static void lost(pml_session *s, void *ud) {
  world *w = ud;
  pml_rosters_forget(w->t, s, pml_sessions_by_uid(w->sessions, s->uid));
}

static int count(const world *w, int name, int session) {
  int n = 0;
  for (int i = 0; i < SESSIONS; i++)
    for (int k = 0; k < NAMES; k++)
      n += w->in[i][k] && (name < 0 || k == name) && (session < 0 || i == session);
  return n;
}

static int channels(const world *w) {
  int n = 0;
  for (int k = 0; k < NAMES; k++) n += count(w, k, -1) > 0;
  return n;
}

static size_t users(const world *w, int name) {
  size_t n = 0;
  for (int u = 0; u < UIDS; u++) {
    int found = 0;
    for (int i = u; i < SESSIONS; i += UIDS) found |= w->in[i][name];
    n += found != 0;
  }
  return n;
}

static void note(pml_place *p, void *ud) {
  (void)p;
  ++*(int *)ud;
}

static void check(const world *w) {
  MUST(pml_rosters_members(w->t) == (size_t)count(w, -1, -1));
  MUST(pml_rosters_count(w->t) == (size_t)channels(w));
  MUST(pml_interest_count(w->interest) == (size_t)channels(w));
  for (int k = 0; k < NAMES; k++) {
    const pml_roster *r = pml_rosters_find(w->t, name_of(k));
    int places = 0;
    pml_interest_each(w->interest, name_of(k), note, &places);
    MUST(places == (r != NULL) && (r != NULL) == (count(w, k, -1) > 0));
    if (!r) continue;
    MUST(pml_roster_count(r) == (size_t)count(w, k, -1));
    MUST(pml_roster_users(r) == users(w, k));
    for (int i = 0; i < SESSIONS; i++) MUST(pml_roster_has(r, w->s[i]) == w->in[i][k]);
    for (size_t m = 0; m < pml_roster_count(r); m++)
      MUST(pml_roster_has(r, pml_roster_sessions(r)[m]));
  }
}

static void come(world *w, int i) {
  const char *u = uids[i % UIDS];
  w->s[i] = pml_sessions_open(w->sessions, NULL);
  MUST(w->s[i]);
  MUST(pml_sessions_bind(w->sessions, w->s[i], (pml_uid){u, (uint32_t)strlen(u), 0}) == 0);
}

static void join(world *w, int i, int k) {
  int rc = pml_rosters_join(w->t, name_of(k), w->s[i], newest(w, i), CHANNELS, EACH);
  if (w->in[i][k]) MUST(rc == 0);
  else if (count(w, -1, i) >= EACH) MUST(rc == PML_ETOOBIG);
  else if (!count(w, k, -1) && channels(w) >= CHANNELS) MUST(rc == PML_EFULL);
  else MUST(rc == 1);
  if (rc == 1) w->in[i][k] = 1;
}

static void run(world *w, int what, int i, int k) {
  switch (what) {
  case 0:
  case 1:
  case 2: join(w, i, k); break;
  case 3:
    MUST(pml_rosters_leave(w->t, name_of(k), w->s[i], newest(w, i)) == w->in[i][k]);
    w->in[i][k] = 0;
    break;
  case 4: /* it ends, and comes again */
    pml_sessions_close(w->sessions, w->s[i]);
    memset(w->in[i], 0, sizeof w->in[i]);
    come(w, i);
    break;
  case 5: /* another login of the same user */
    MUST(pml_sessions_unbind(w->sessions, w->s[i], w->s[i]->uid) == 0);
    memset(w->in[i], 0, sizeof w->in[i]);
    pml_sessions_close(w->sessions, w->s[i]);
    come(w, i);
    break;
  default:
    MUST(pml_rosters_clear(w->t, name_of(k)) == (size_t)count(w, k, -1));
    for (int s = 0; s < SESSIONS; s++) w->in[s][k] = 0;
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  world w = {.sessions = pml_sessions_new(NULL), .interest = pml_interest_new()};
  w.t = pml_rosters_new(told, &w);
  w.place = pml_interest_add(w.interest, "f1", 1);
  pml_interest_know(w.interest, w.place, 1);
  pml_sessions_watch(w.sessions, lost, &w);
  for (int i = 0; i < SESSIONS; i++) come(&w, i);
  for (; size >= 2; data += 2, size -= 2) {
    run(&w, data[0] % 7, data[0] / 7 % SESSIONS, data[1] % NAMES);
    check(&w);
  }
  pml_sessions_watch(w.sessions, NULL, NULL);
  pml_rosters_free(w.t);
  pml_interest_free(w.interest);
  pml_sessions_free(w.sessions);
  return 0;
}
