#include "net/addresses.h"

#include "base/container.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/table.h"

#define SECOND_US 1000000u

struct pml__place {
  pml_link link;
  pml_list idle; /* in the list while there are no connections */
  pml_address at;
  uint64_t due_us; /* when its share of a second is whole again */
  uint32_t open, unfinished, waiting;
};

struct pml__addresses {
  pml_table table;
  pml_hash_key key; /* the peers choose their addresses, of IPv6 a great many */
  pml_list idle;    /* the oldest first */
  uint32_t nidle;
};

pml__addresses *pml__addresses_new(void) {
  pml__addresses *t = pml_alloc0(sizeof *t);
  pml_hash_key_init(&t->key);
  pml_list_init(&t->idle);
  return t;
}

static void forget(pml__addresses *t, pml__place *p) {
  t->nidle--;
  pml_list_remove(&p->idle);
  pml_table_remove(&t->table, &p->link);
  pml_free(p);
}

void pml__addresses_free(pml__addresses *t) {
  if (!t) return;
  while (!pml_list_empty(&t->idle)) forget(t, PML_CONTAINER(t->idle.next, pml__place, idle));
  pml_table_fini(&t->table);
  pml_free(t);
}

static pml__place *find(const pml__addresses *t, const pml_address *a, uint32_t hash) {
  for (pml_link *l = pml_table_first(&t->table, hash); l; l = pml_table_next(l)) {
    pml__place *p = PML_CONTAINER(l, pml__place, link);
    if (pml_address_eq(&p->at, a)) return p;
  }
  return NULL;
}

/* Without connections, and clients that wait, p waits to be forgotten. */
static void rest(pml__addresses *t, pml__place *p) {
  if (p->open || p->waiting) return;
  pml_list_append(&t->idle, &p->idle);
  if (++t->nidle > PML__ADDRESSES_IDLE) forget(t, PML_CONTAINER(t->idle.next, pml__place, idle));
}

/* Each call forgets more than one call can add. */
static void reap(pml__addresses *t, uint64_t now_us) {
  for (int i = 0; i < 3 && !pml_list_empty(&t->idle); i++) {
    pml__place *p = PML_CONTAINER(t->idle.next, pml__place, idle);
    if (p->due_us > now_us) return;
    forget(t, p);
  }
}

static pml__place *place(pml__addresses *t, const pml_address *a) {
  uint32_t hash = pml_hash(&t->key, a->b, sizeof a->b);
  pml__place *p = find(t, a, hash);
  if (!p) {
    p = pml_alloc0(sizeof *p);
    p->at = *a;
    pml_list_init(&p->idle);
    pml_table_add(&t->table, &p->link, hash);
  } else if (!p->open && !p->waiting) {
    pml_list_remove(&p->idle);
    t->nidle--;
  }
  return p;
}

/* Whether one more may come in this second: each takes a part of it, which is whole again after
 * that part. */
static int in_time(pml__place *p, uint32_t per_second, uint64_t now_us) {
  uint64_t from = p->due_us > now_us ? p->due_us : now_us, part = SECOND_US / per_second;
  if (from + part > now_us + SECOND_US) return 0;
  p->due_us = from + part;
  return 1;
}

pml__address_answer pml__address_enter(pml__addresses *t, const pml_address_limits *limits,
                                       const pml_address *a, uint64_t now, pml__place **out) {
  pml_address at = pml_address_place(a);
  pml__address_answer answer = PML__ADDRESS_GOOD;
  uint64_t now_us = now * 1000;
  reap(t, now_us);
  pml__place *p = place(t, &at);
  if (limits->connections && p->open >= limits->connections) answer = PML__ADDRESS_CONNECTIONS;
  else if (limits->handshakes && p->unfinished >= limits->handshakes)
    answer = PML__ADDRESS_HANDSHAKES;
  else if (limits->per_second && !in_time(p, limits->per_second, now_us))
    answer = PML__ADDRESS_PER_SECOND;
  if (answer != PML__ADDRESS_GOOD) {
    rest(t, p);
    return answer;
  }
  p->open++;
  p->unfinished++;
  *out = p;
  return answer;
}

void pml__address_waits(pml__addresses *t, pml__place *p, int on) {
  if (on) {
    p->waiting++;
    return;
  }
  p->waiting--;
  rest(t, p);
}

int pml__address_has_room(const pml__place *p, const pml_address_limits *limits) {
  return !limits->connections || p->open + p->waiting <= limits->connections;
}

void pml__address_finished(pml__place *p) { p->unfinished--; }

void pml__address_left(pml__addresses *t, pml__place *p, int finished, uint64_t now) {
  reap(t, now * 1000);
  p->open--;
  if (!finished) p->unfinished--;
  rest(t, p);
}

uint32_t pml__address_handshakes(const pml__place *p) { return p->unfinished; }
size_t pml__addresses_count(const pml__addresses *t) { return t->table.count; }
