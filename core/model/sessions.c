#include "model/sessions.h"

#include "base/container.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/table.h"

#include <assert.h>

/* One block per session. Of the sessions that share a uid only the newest is in
 * the table, under its own copy of the uid; the others hang behind it. */
typedef struct entry {
  pml_session s;
  union {
    struct entry *newer; /* s.behind */
    pml_link link;       /* else, while it has a uid: in by_uid */
  };
} entry;

_Static_assert(sizeof(void *) > 8 || sizeof(entry) == 112, "a session's size class");

struct pml_sessions {
  pml_slots *slots;
  pml_table by_uid;
  size_t bound;
  uint64_t epoch;
  pml_hash_key key;
  void (*lost)(pml_session *s, void *ud);
  void *ud;
};

static entry *entry_of(pml_session *s) { return PML_CONTAINER(s, entry, s); }
static entry *older_of(entry *e) { return e->s.uid_next ? entry_of(e->s.uid_next) : NULL; }

pml_sessions *pml_sessions_new(pml_slot_floor *floor) {
  pml_sessions *t = pml_alloc0(sizeof *t);
  t->slots = pml_slots_new(floor);
  pml_hash_key_init(&t->key);
  return t;
}

static int close_one(pml_session *s, void *ud) {
  pml_sessions_close(ud, s);
  return 0;
}

void pml_sessions_free(pml_sessions *t) {
  if (!t) return;
  pml_sessions_each(t, close_one, t);
  pml_slots_free(t->slots);
  pml_table_fini(&t->by_uid);
  pml_free(t);
}

pml_session *pml_sessions_open(pml_sessions *t, pml_sink *sink) {
  entry *e = pml_alloc0(sizeof *e);
  e->s.id = pml_slots_put(t->slots, &e->s);
  if (!e->s.id) {
    pml_free(e);
    return NULL;
  }
  e->s.sink = sink;
  return &e->s;
}

pml_session_rest *pml_session_aside(pml_session *s) {
  if (!s->rest) s->rest = pml_alloc0(sizeof *s->rest);
  return s->rest;
}

static void index_add(pml_sessions *t, entry *e) {
  pml_table_add(&t->by_uid, &e->link, pml_hash(&t->key, e->s.uid.s, e->s.uid.n));
}

static void index_remove(pml_sessions *t, entry *e) { pml_table_remove(&t->by_uid, &e->link); }

static entry *newest(const pml_sessions *t, pml_uid uid) {
  if (!uid.s) return NULL;
  pml_link *l = pml_table_first(&t->by_uid, pml_hash(&t->key, uid.s, uid.n));
  for (; l; l = pml_table_next(l)) {
    entry *e = PML_CONTAINER(l, entry, link);
    if (pml_uid_eq(e->s.uid, uid)) return e;
  }
  return NULL;
}

static void unlink_uid(pml_sessions *t, entry *e) {
  entry *older = older_of(e);
  if (e->s.behind) {
    e->newer->s.uid_next = e->s.uid_next;
    if (older) older->newer = e->newer;
  } else {
    index_remove(t, e);
    if (older) {
      older->s.behind = 0;
      index_add(t, older);
    }
  }
  e->s.behind = 0;
  e->s.uid_next = NULL;
  t->bound--;
  t->epoch++;
}

static void forget_uid(pml_session *s) {
  pml_free((char *)(uintptr_t)s->uid.s);
  s->uid = (pml_uid){NULL, 0, 0};
}

void pml_sessions_watch(pml_sessions *t, void (*fn)(pml_session *s, void *ud), void *ud) {
  t->lost = fn;
  t->ud = ud;
}

/* Before a session that has a uid is without it. */
static void lose_uid(pml_sessions *t, pml_session *s) {
  if (t->lost) t->lost(s, t->ud);
  unlink_uid(t, entry_of(s));
}

void pml_sessions_leave(pml_sessions *t, pml_session *s) {
  if (s->left) return;
  if (s->uid.s) lose_uid(t, s);
  s->left = 1;
  void *taken = pml_slots_take(t->slots, s->id);
  assert(taken == s); /* ours: a session leaves once, its own table */
  (void)taken;
}

void pml_sessions_close(pml_sessions *t, pml_session *s) {
  pml_sessions_leave(t, s);
  forget_uid(s);
  pml_buf_unref(s->settings);
  pml_free(s->rest);
  pml_free(entry_of(s));
}

pml_session *pml_sessions_get(const pml_sessions *t, pml_id id) {
  return pml_slots_get(t->slots, id);
}

pml_session *pml_sessions_by_uid(const pml_sessions *t, pml_uid uid) {
  entry *e = newest(t, uid);
  return e ? &e->s : NULL;
}

int pml_sessions_bind(pml_sessions *t, pml_session *s, pml_uid uid) {
  if (!uid.s || uid.n == 0 || uid.n > PML_UID_MAX) return PML_EINVAL;
  if (s->left) return PML_ENOENT;
  if (s->uid.s) return pml_uid_eq(s->uid, uid) ? 0 : PML_EBOUND;
  entry *e = entry_of(s), *older = newest(t, uid);
  s->uid = (pml_uid){pml_strndup(uid.s, uid.n), uid.n, uid.is_number != 0};
  if (older) {
    index_remove(t, older);
    older->newer = e;
    older->s.behind = 1;
    s->uid_next = &older->s;
  }
  index_add(t, e);
  t->bound++;
  t->epoch++;
  return 0;
}

int pml_sessions_unbind(pml_sessions *t, pml_session *s, pml_uid uid) {
  if (s->left || !s->uid.s || !pml_uid_eq(s->uid, uid)) return PML_ENOENT;
  lose_uid(t, s);
  forget_uid(s);
  return 0;
}

size_t pml_sessions_count(const pml_sessions *t) { return pml_slots_count(t->slots); }
size_t pml_sessions_bound(const pml_sessions *t) { return t->bound; }

void pml_sessions_each(pml_sessions *t, int (*fn)(pml_session *s, void *ud), void *ud) {
  uint32_t at = 0;
  pml_id id;
  for (pml_session *s; (s = pml_slots_next(t->slots, &at, &id));)
    if (fn(s, ud)) return;
}

uint64_t pml_sessions_epoch(const pml_sessions *t) { return t->epoch; }
