#include "model/rosters.h"

#include "base/err.h"
#include "base/hash.h"

/* One member: in the list of its session, and at a place of its channel. */
typedef struct pml_roster_member {
  struct pml_roster_member *next; /* another channel of the same session */
  pml_roster *roster;
  size_t at;
} member;

/* The sessions stand alone in one array, so that a push walks nothing else. */
struct pml_roster {
  pml_session **sessions;
  member **members; /* the same places */
  size_t n, cap, users;
  UT_hash_handle hh;
  uint32_t name_len;
  char name[];
};

struct pml_rosters {
  pml_roster *by_name;
  size_t members;
  pml_hash_key key;
  pml_rosters_seen fn;
  void *ud;
};

#define LEAST 4u /* places of a roster */

pml_rosters *pml_rosters_new(pml_rosters_seen fn, void *ud) {
  pml_rosters *t = pml_alloc0(sizeof *t);
  pml_hash_key_init(&t->key);
  t->fn = fn;
  t->ud = ud;
  return t;
}

static pml_roster *find(const pml_rosters *t, pml_slice name, uint32_t h) {
  pml_roster *r;
  const uint8_t *p = name.n ? name.p : (const uint8_t *)"";
  HASH_FIND_BYHASHVALUE(hh, t->by_name, p, name.n, h, r);
  return r;
}

static uint32_t hash_of(const pml_rosters *t, pml_slice name) {
  return pml_hash(&t->key, name.p, name.n);
}

static member *member_of(const pml_roster *r, const pml_session *s) {
  member *m = pml_session_rosters(s);
  while (m && m->roster != r) m = m->next;
  return m;
}

/* Whether another session of the same uid is a member. */
static int has_another(const pml_roster *r, const pml_session *s, const pml_session *newest) {
  for (; newest; newest = newest->uid_next)
    if (newest != s && member_of(r, newest)) return 1;
  return 0;
}

static void resize(pml_roster *r, size_t cap) {
  r->sessions = pml_realloc(r->sessions, cap * sizeof *r->sessions);
  r->members = pml_realloc(r->members, cap * sizeof *r->members);
  r->cap = cap;
}

static pml_roster *make(pml_rosters *t, pml_slice name, uint32_t h) {
  pml_roster *r = pml_alloc0(sizeof *r + name.n);
  r->name_len = (uint32_t)name.n;
  if (name.n) memcpy(r->name, name.p, name.n);
  HASH_ADD_KEYPTR_BYHASHVALUE(hh, t->by_name, r->name, r->name_len, h, r);
  return r;
}

static void roster_free(pml_roster *r) {
  pml_free(r->sessions);
  pml_free(r->members);
  pml_free(r);
}

int pml_rosters_join(pml_rosters *t, pml_slice name, pml_session *s, const pml_session *newest,
                     size_t channels, size_t most) {
  uint32_t h = hash_of(t, name);
  pml_roster *r = find(t, name, h);
  size_t of_session = 0;
  for (const member *m = pml_session_rosters(s); m; m = m->next, of_session++)
    if (m->roster == r) return 0;
  if (of_session >= most) return PML_ETOOBIG;
  if (!r && HASH_COUNT(t->by_name) >= channels) return PML_EFULL;
  int is_new = !r;
  if (is_new) r = make(t, name, h);
  if (r->n == r->cap) resize(r, r->cap ? 2 * r->cap : LEAST);
  r->users += !has_another(r, s, newest);
  member *m = pml_alloc(sizeof *m);
  pml_session_rest *rest = pml_session_aside(s);
  *m = (member){rest->rosters, r, r->n};
  rest->rosters = m;
  r->sessions[r->n] = s;
  r->members[r->n++] = m;
  t->members++;
  if (is_new) t->fn(name, 1, t->ud);
  return 1;
}

/* Takes out a member that is out of its session's list already, and frees it. */
static void take_out(pml_rosters *t, member *m, int was_last_of_user) {
  pml_roster *r = m->roster;
  size_t last = --r->n;
  r->sessions[m->at] = r->sessions[last];
  r->members[m->at] = r->members[last];
  r->members[m->at]->at = m->at;
  r->users -= was_last_of_user;
  t->members--;
  pml_free(m);
  if (r->n == 0) {
    HASH_DELETE(hh, t->by_name, r);
    t->fn(pml_roster_name(r), 0, t->ud);
    roster_free(r);
  } else if (r->cap > LEAST && r->n <= r->cap / 4) {
    resize(r, r->cap / 2);
  }
}

static void leave(pml_rosters *t, pml_roster *r, pml_session *s, const pml_session *newest) {
  member **at = &pml_session_aside(s)->rosters;
  while ((*at)->roster != r) at = &(*at)->next;
  member *m = *at;
  *at = m->next;
  take_out(t, m, !has_another(r, s, newest));
}

int pml_rosters_leave(pml_rosters *t, pml_slice name, pml_session *s, const pml_session *newest) {
  pml_roster *r = find(t, name, hash_of(t, name));
  if (!r || !member_of(r, s)) return 0;
  leave(t, r, s, newest);
  return 1;
}

size_t pml_rosters_forget(pml_rosters *t, pml_session *s, const pml_session *newest) {
  size_t n = 0;
  for (member *m; (m = pml_session_rosters(s)); n++) leave(t, m->roster, s, newest);
  return n;
}

size_t pml_rosters_clear(pml_rosters *t, pml_slice name) {
  pml_roster *r = find(t, name, hash_of(t, name));
  size_t n = r ? r->n : 0;
  for (size_t i = n; i-- > 0;) { /* the roster goes with its last member */
    r->users = 1;                /* what it counts is of no use any more */
    leave(t, r, r->sessions[i], NULL);
  }
  return n;
}

void pml_rosters_free(pml_rosters *t) {
  pml_roster *r, *next;
  HASH_ITER (hh, t->by_name, r, next) {
    HASH_DELETE(hh, t->by_name, r);
    for (size_t i = 0; i < r->n; i++) {
      pml_session_aside(r->sessions[i])->rosters = NULL;
      pml_free(r->members[i]);
    }
    roster_free(r);
  }
  pml_free(t);
}

const pml_roster *pml_rosters_find(const pml_rosters *t, pml_slice name) {
  return find(t, name, hash_of(t, name));
}

size_t pml_rosters_count(const pml_rosters *t) { return HASH_COUNT(t->by_name); }
size_t pml_rosters_members(const pml_rosters *t) { return t->members; }

void pml_rosters_each(const pml_rosters *t, void (*fn)(const pml_roster *r, void *ud), void *ud) {
  for (const pml_roster *r = t->by_name; r; r = r->hh.next) fn(r, ud);
}

pml_slice pml_roster_name(const pml_roster *r) { return pml_slice_of(r->name, r->name_len); }
size_t pml_roster_count(const pml_roster *r) { return r->n; }
size_t pml_roster_users(const pml_roster *r) { return r->users; }
pml_session *const *pml_roster_sessions(const pml_roster *r) { return r->sessions; }
int pml_roster_has(const pml_roster *r, const pml_session *s) { return member_of(r, s) != NULL; }
