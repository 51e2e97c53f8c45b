/* Commands from the fuzzer against a plain array as the truth: two bytes are one
 * command, the first says what and with which session, the second which uid. */
#include "base/err.h"
#include "model/sessions.h"

#include <stdlib.h>

#define N 16 /* more than the places of a test build */
#define UIDS 5
#define MUST(x) \
  do { \
    if (!(x)) abort(); \
  } while (0)

typedef struct {
  pml_session *s;
  pml_id id, last_id;
  int uid; /* -1: none */
  unsigned bound_at;
} truth;

static const char *const texts[UIDS] = {"a", "b", "7", "", "a longer uid than the others"};

static pml_uid uid_of(int i) { return (pml_uid){texts[i], (uint32_t)strlen(texts[i]), i == 2}; }

static void check(pml_sessions *t, const truth v[N]) {
  size_t open = 0, bound = 0;
  for (int i = 0; i < N; i++) {
    open += v[i].s != NULL;
    bound += v[i].s && v[i].uid >= 0;
    MUST(pml_sessions_get(t, v[i].last_id) == v[i].s);
    if (v[i].s) MUST((v[i].s->uid.s != NULL) == (v[i].uid >= 0));
  }
  MUST(pml_sessions_count(t) == open && pml_sessions_bound(t) == bound);
  for (int u = 0; u < UIDS; u++) {
    unsigned before = ~0u;
    size_t n = 0, want = 0;
    for (int i = 0; i < N; i++) want += v[i].s && v[i].uid == u;
    for (pml_session *s = pml_sessions_by_uid(t, uid_of(u)); s; s = s->uid_next) {
      int i = 0;
      while (i < N && v[i].s != s) i++;
      MUST(i < N && v[i].uid == u && v[i].bound_at < before);
      MUST(pml_uid_eq(s->uid, uid_of(u)));
      before = v[i].bound_at;
      n++;
    }
    MUST(n == want);
  }
}

typedef struct {
  pml_sessions *t;
  truth *v;
  unsigned mask, at;
} walk;

static int close_masked(pml_session *s, void *ud) {
  walk *w = ud;
  int i = 0;
  while (i < N && w->v[i].s != s) i++;
  MUST(i < N);
  if (w->mask >> (w->at++ & 7) & 1) {
    pml_sessions_close(w->t, s);
    w->v[i].s = NULL;
    w->v[i].uid = -1;
  }
  return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n) {
  pml_sessions *t = pml_sessions_new(NULL);
  truth v[N];
  memset(v, 0, sizeof v);
  for (int i = 0; i < N; i++) v[i].uid = -1;
  unsigned clock = 0;
  for (size_t i = 0; i + 1 < n && i < 4096; i += 2) {
    truth *x = &v[d[i] >> 4];
    int u = d[i + 1] % UIDS;
    uint64_t epoch = pml_sessions_epoch(t);
    int moved = 0;
    switch (d[i] & 7) {
    case 0:
    case 1:
      if (x->s) break;
      x->s = pml_sessions_open(t, NULL);
      if (x->s) {
        MUST(x->s->id != x->last_id && x->s->id >> 53 == 0);
        x->last_id = x->s->id;
      }
      break;
    case 2:
      if (!x->s) break;
      moved = x->uid >= 0;
      if (d[i + 1] & 1) { /* kicked first */
        pml_sessions_leave(t, x->s);
        MUST(pml_sessions_bind(t, x->s, uid_of(1)) == PML_ENOENT);
        MUST(pml_sessions_get(t, x->last_id) == NULL);
      }
      pml_sessions_close(t, x->s);
      x->s = NULL;
      x->uid = -1;
      break;
    case 3:
    case 4:
    case 5: {
      if (!x->s) break;
      int want = !texts[u][0] ? PML_EINVAL : x->uid >= 0 && x->uid != u ? PML_EBOUND : 0;
      MUST(pml_sessions_bind(t, x->s, uid_of(u)) == want);
      if (want == 0 && x->uid < 0) {
        x->uid = u;
        x->bound_at = clock++;
        moved = 1;
      }
      break;
    }
    case 6: {
      if (!x->s) break;
      int want = x->uid == u ? 0 : PML_ENOENT;
      MUST(pml_sessions_unbind(t, x->s, uid_of(u)) == want);
      if (want == 0) {
        x->uid = -1;
        moved = 1;
      }
      break;
    }
    default: {
      walk w = {t, v, d[i + 1], 0};
      pml_sessions_each(t, close_masked, &w);
      epoch = pml_sessions_epoch(t);
    }
    }
    MUST((pml_sessions_epoch(t) != epoch) == moved);
    check(t, v);
  }
  pml_sessions_free(t);
  return 0;
}
