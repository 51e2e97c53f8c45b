#include "model/interest.h"

#include "base/hash.h"

/* One channel, and the frontends that have members of it. */
typedef struct topic {
  pml_place **v;
  uint32_t n, cap;
  UT_hash_handle hh;
  uint32_t name_len;
  char name[];
} topic;

struct pml_interest {
  pml_place *places;
  size_t unknown; /* places whose list is not known */
  topic *by_name;
  pml_hash_key key;
};

pml_interest *pml_interest_new(void) {
  pml_interest *t = pml_alloc0(sizeof *t);
  pml_hash_key_init(&t->key);
  return t;
}

pml_place *pml_interest_find(const pml_interest *t, const char *id) {
  pml_place *p = t->places;
  while (p && strcmp(p->id, id) != 0) p = p->next;
  return p;
}

pml_place *pml_interest_first(const pml_interest *t) { return t->places; }

pml_place *pml_interest_add(pml_interest *t, const char *id, uint64_t incarnation) {
  size_t n = strlen(id) + 1;
  pml_place *p = pml_alloc0(sizeof *p + n);
  memcpy(p->id, id, n);
  p->incarnation = incarnation;
  pml_place **at = &t->places;
  while (*at) at = &(*at)->next;
  *at = p;
  t->unknown++;
  return p;
}

void pml_interest_know(pml_interest *t, pml_place *p, int is_known) {
  if (p->is_known == is_known) return;
  p->is_known = is_known != 0;
  if (is_known) t->unknown--;
  else t->unknown++;
}

static void topic_free(pml_interest *t, topic *c) {
  HASH_DELETE(hh, t->by_name, c);
  pml_free(c->v);
  pml_free(c);
}

static uint32_t at_of(const topic *c, const pml_place *p) {
  uint32_t i = 0;
  while (i < c->n && c->v[i] != p) i++;
  return i;
}

static void take_out(pml_interest *t, topic *c, const pml_place *p) {
  uint32_t i = at_of(c, p);
  if (i == c->n) return;
  c->v[i] = c->v[--c->n];
  if (c->n == 0) topic_free(t, c);
}

void pml_interest_clear(pml_interest *t, pml_place *p) {
  topic *c, *next;
  HASH_ITER (hh, t->by_name, c, next) take_out(t, c, p);
}

void pml_interest_remove(pml_interest *t, pml_place *p) {
  pml_interest_clear(t, p);
  pml_interest_know(t, p, 1);
  pml_place **at = &t->places;
  while (*at != p) at = &(*at)->next;
  *at = p->next;
  pml_free(p);
}

void pml_interest_free(pml_interest *t) {
  if (!t) return;
  while (t->places) pml_interest_remove(t, t->places);
  pml_free(t);
}

static topic *find(const pml_interest *t, pml_slice name, uint32_t h) {
  topic *c;
  const uint8_t *p = name.n ? name.p : (const uint8_t *)"";
  HASH_FIND_BYHASHVALUE(hh, t->by_name, p, name.n, h, c);
  return c;
}

static topic *make(pml_interest *t, pml_slice name, uint32_t h) {
  topic *c = pml_alloc0(sizeof *c + name.n);
  c->name_len = (uint32_t)name.n;
  if (name.n) memcpy(c->name, name.p, name.n);
  HASH_ADD_KEYPTR_BYHASHVALUE(hh, t->by_name, c->name, c->name_len, h, c);
  return c;
}

void pml_interest_set(pml_interest *t, pml_place *p, pml_slice name, int there) {
  uint32_t h = pml_hash(&t->key, name.p, name.n);
  topic *c = find(t, name, h);
  if (!there) {
    if (c) take_out(t, c, p);
    return;
  }
  if (!c) c = make(t, name, h);
  if (at_of(c, p) < c->n) return;
  if (c->n == c->cap) {
    c->cap = c->cap ? 2 * c->cap : 1;
    c->v = pml_realloc(c->v, c->cap * sizeof(pml_place *));
  }
  c->v[c->n++] = p;
}

void pml_interest_each(const pml_interest *t, pml_slice name, void (*fn)(pml_place *p, void *ud),
                       void *ud) {
  const topic *c = find(t, name, pml_hash(&t->key, name.p, name.n));
  for (uint32_t i = 0; c && i < c->n; i++) fn(c->v[i], ud);
  if (!t->unknown) return;
  for (pml_place *p = t->places; p; p = p->next)
    if (!p->is_known && !(c && at_of(c, p) < c->n)) fn(p, ud);
}

size_t pml_interest_count(const pml_interest *t) { return HASH_COUNT(t->by_name); }
