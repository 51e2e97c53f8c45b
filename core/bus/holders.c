#include "bus/holders.h"

#include "base/container.h"
#include "base/hash.h"
#include "base/err.h"
#include "base/mem.h"

#include <stdio.h>

typedef struct entry entry;

/* A server of another process. */
typedef struct {
  pml_list of_process;
  pml_list of_id;
  pml_holder *process;
  entry *id;
  uint64_t incarnation;
  int leaving;
  int beaten; /* another life had the id after this one */
  int heard;  /* since the last other life of the id came */
  int listed; /* it is in the list that is being read */
  char *info; /* owned */
} server;

struct entry {
  UT_hash_handle hh;
  pml_list servers;
  server *up;     /* the one of which on_server has said UP */
  int owned;      /* the id is this process's */
  int superseded; /* on_superseded has said so */
  uint64_t own;   /* incarnation of this process's server; 0: none yet */
  uint64_t highest;
  char text[PML_SERVER_ID_MAX + 1];
};

struct pml_holders {
  pml_holders_events ev;
  pml_hash_key key;
  entry *ids;
  char self[PML_PROCESS_NAME];
};

pml_holders *pml_holders_new(const char *self, const pml_holders_events *ev) {
  pml_holders *h = pml_alloc0(sizeof *h);
  snprintf(h->self, sizeof h->self, "%s", self);
  h->ev = *ev;
  pml_hash_key_init(&h->key);
  return h;
}

static void entry_free(pml_holders *h, entry *e) {
  HASH_DELETE(hh, h->ids, e);
  pml_free(e);
}

void pml_holders_free(pml_holders *h) {
  entry *e, *next;
  if (!h) return;
  HASH_ITER (hh, h->ids, e, next) entry_free(h, e);
  pml_free(h);
}

void pml_holder_init(pml_holder *p, const uint8_t process[PML_PROCESS_BYTES]) {
  *p = (pml_holder){0};
  pml_process_text(process, p->name);
  pml_list_init(&p->servers);
}

static entry *find(const pml_holders *h, pml_slice id) {
  entry *e;
  HASH_FIND_BYHASHVALUE(hh, h->ids, id.p, id.n, pml_hash(&h->key, id.p, id.n), e);
  return e;
}

static int unused(const entry *e) { return !e->owned && pml_list_empty(&e->servers); }

/* NULL: there are too many. Ids that nobody has are forgotten before that. */
static entry *find_or_add(pml_holders *h, pml_slice id) {
  entry *e = find(h, id), *next;
  if (e) return e;
  if (HASH_COUNT(h->ids) >= PML_HOLDERS_MAX)
    HASH_ITER (hh, h->ids, e, next)
      if (unused(e)) entry_free(h, e);
  if (HASH_COUNT(h->ids) >= PML_HOLDERS_MAX) return NULL;
  e = pml_alloc0(sizeof *e);
  pml_list_init(&e->servers);
  memcpy(e->text, id.p, id.n); /* PML_SERVER_ID_MAX at most */
  HASH_ADD_KEYPTR_BYHASHVALUE(hh, h->ids, e->text, id.n, pml_hash(&h->key, id.p, id.n), e);
  return e;
}

static pml_bus_server view(const server *s) {
  return (pml_bus_server){.id = s->id->text,
                          .incarnation = s->incarnation,
                          .process = s->process->name,
                          .host = s->process->host,
                          .pid = s->process->pid,
                          .info = s->info};
}

static void tell(pml_holders *h, const server *s, pml_bus_state state) {
  pml_bus_server v = view(s);
  h->ev.on_server(&v, state, h->ev.ud);
}

/* Whether a stays when both have the id. */
static int stays(uint64_t a, const char *a_process, uint64_t b, const char *b_process) {
  return a != b ? a > b : strcmp(a_process, b_process) > 0;
}

static server *best_of(const entry *e) {
  server *best = NULL;
  for (pml_list *n = e->servers.next; n != &e->servers; n = n->next) {
    server *s = PML_CONTAINER(n, server, of_id);
    if (s->beaten) continue;
    if (!best || stays(s->incarnation, s->process->name, best->incarnation, best->process->name))
      best = s;
  }
  return best;
}

/* All but the winner have lost for good. */
static void beat_others(entry *e, const server *winner) {
  for (pml_list *n = e->servers.next; n != &e->servers; n = n->next) {
    server *s = PML_CONTAINER(n, server, of_id);
    if (s != winner) s->beaten = 1;
  }
}

static void superseded(pml_holders *h, entry *e, const pml_bus_server *by) {
  if (e->superseded) return;
  e->superseded = 1;
  h->ev.on_superseded(e->text, by, h->ev.ud);
}

/* A life of s begins: whether the others live will show. */
static void doubt_others(const server *s) {
  const entry *e = s->id;
  for (pml_list *n = e->servers.next; n != &e->servers; n = n->next)
    PML_CONTAINER(n, server, of_id)->heard = 0;
}

/* The server with the id is UP, and no other one. */
static void settle(pml_holders *h, entry *e) {
  server *best = best_of(e), *want = e->owned ? NULL : best;
  if (e->up && e->up != want) {
    server *s = e->up;
    e->up = NULL;
    tell(h, s, PML_BUS_DOWN);
  }
  if (e->owned && e->own && best) {
    if (stays(e->own, h->self, best->incarnation, best->process->name)) {
      beat_others(e, NULL);
    } else {
      pml_bus_server by = view(best);
      beat_others(e, best);
      superseded(h, e, &by);
    }
  }
  if (want && want->heard) beat_others(e, want);
  if (!want || e->up) return;
  e->up = want;
  tell(h, want, PML_BUS_UP);
  if (want->leaving) tell(h, want, PML_BUS_LEAVING);
}

static server *server_of(const entry *e, const pml_holder *p) {
  for (pml_list *n = e->servers.next; n != &e->servers; n = n->next) {
    server *s = PML_CONTAINER(n, server, of_id);
    if (s->process == p) return s;
  }
  return NULL;
}

static void down(pml_holders *h, server *s) {
  if (s->id->up != s) return;
  s->id->up = NULL;
  tell(h, s, PML_BUS_DOWN);
}

static void server_free(server *s) {
  pml_list_remove(&s->of_process);
  pml_list_remove(&s->of_id);
  pml_free(s->info);
  pml_free(s);
}

static void server_remove(pml_holders *h, server *s) {
  entry *e = s->id;
  down(h, s);
  server_free(s);
  settle(h, e);
}

/* Those that are not in the list any more go. */
static void sweep(pml_holders *h, pml_holder *p) {
  for (pml_list *n = p->servers.next, *next; n != &p->servers; n = next) {
    server *s = PML_CONTAINER(n, server, of_process);
    next = n->next;
    if (!s->listed) server_remove(h, s);
    else s->listed = 0;
  }
}

static void mark(pml_holders *h, const pml_holder *p, pml_announce list) {
  pml_announce_server in;
  while (pml_announce_next(&list, &in)) {
    entry *e = find(h, in.id);
    server *s = e ? server_of(e, p) : NULL;
    if (s) s->listed = 1;
  }
}

static server *server_new(entry *e, pml_holder *p) {
  server *s = pml_alloc0(sizeof *s);
  s->process = p;
  s->id = e;
  s->info = pml_strdup("{}");
  pml_list_append(&p->servers, &s->of_process);
  pml_list_append(&e->servers, &s->of_id);
  return s;
}

/* What the list says of a server. */
static void update(pml_holders *h, server *s, const pml_announce_server *in) {
  if (s->incarnation != in->incarnation) { /* restarted within its process, or new */
    down(h, s);
    s->incarnation = in->incarnation;
    s->beaten = s->leaving = 0;
    doubt_others(s);
    if (s->id->highest < in->incarnation) s->id->highest = in->incarnation;
  }
  s->heard = 1;
  int informed = strlen(s->info) == in->info.n && memcmp(s->info, in->info.p, in->info.n) == 0;
  if (!informed) {
    pml_free(s->info);
    s->info = pml_strndup((const char *)in->info.p, in->info.n);
    if (s->id->up == s) tell(h, s, PML_BUS_UP);
  }
  if (in->leaving && !s->leaving) {
    s->leaving = 1;
    if (s->id->up == s) tell(h, s, PML_BUS_LEAVING);
  }
  settle(h, s->id);
}

void pml_holder_fini(pml_holder *p) {
  while (!pml_list_empty(&p->servers))
    server_free(PML_CONTAINER(p->servers.next, server, of_process));
}

size_t pml_holders_set(pml_holders *h, pml_holder *p, const pml_announce *list) {
  pml_announce rest = *list;
  pml_announce_server in;
  size_t left_out = 0;
  mark(h, p, *list);
  sweep(h, p);
  while (pml_announce_next(&rest, &in)) {
    entry *e = find_or_add(h, in.id);
    if (!e) {
      left_out++;
      continue;
    }
    server *s = server_of(e, p);
    update(h, s ? s : server_new(e, p), &in);
  }
  return left_out;
}

void pml_holders_drop(pml_holders *h, pml_holder *p) {
  while (!pml_list_empty(&p->servers))
    server_remove(h, PML_CONTAINER(p->servers.next, server, of_process));
}

void pml_holders_live(pml_holders *h, const pml_holder *p) {
  for (const pml_list *n = p->servers.next; n != &p->servers; n = n->next) {
    server *s = PML_CONTAINER((pml_list *)(uintptr_t)n, server, of_process);
    if (s->heard) continue;
    s->heard = 1;
    settle(h, s->id);
  }
}

void pml_holders_remind(pml_holders *h, const pml_holder *p) {
  for (const pml_list *n = p->servers.next; n != &p->servers; n = n->next) {
    const server *s = PML_CONTAINER((pml_list *)(uintptr_t)n, server, of_process);
    if (s->beaten) h->ev.on_lost(p, s->id->text, s->id->highest, h->ev.ud);
  }
}

int pml_holders_own(pml_holders *h, pml_slice id, uint64_t incarnation) {
  entry *e = find_or_add(h, id);
  if (!e) return PML_EFULL;
  if (e->owned && !incarnation) return 0; /* it has it already */
  if (!e->owned || e->own != incarnation) e->superseded = 0;
  e->owned = 1;
  e->own = incarnation;
  if (e->highest < incarnation) e->highest = incarnation;
  settle(h, e);
  return 0;
}

void pml_holders_disown(pml_holders *h, pml_slice id) {
  entry *e = find(h, id);
  if (!e || !e->owned) return;
  e->owned = e->superseded = 0;
  e->own = 0;
  settle(h, e);
}

uint64_t pml_holders_owned(const pml_holders *h, pml_slice id) {
  const entry *e = find(h, id);
  return e && e->owned && !e->superseded ? e->own : 0;
}

void pml_holders_above(pml_holders *h, pml_slice id, uint64_t incarnation) {
  entry *e = find(h, id);
  if (!e) return;
  if (e->highest < incarnation) e->highest = incarnation;
  if (!e->owned || !e->own || e->own >= incarnation) return;
  pml_bus_server by = {
    .id = e->text, .incarnation = incarnation, .process = "", .host = "", .info = "{}"};
  superseded(h, e, &by);
}

uint64_t pml_holders_highest(const pml_holders *h, pml_slice id) {
  const entry *e = find(h, id);
  return e ? e->highest : 0;
}

void pml_holders_each(pml_holders *h, void (*fn)(const pml_bus_server *s, void *ud), void *ud) {
  entry *e, *next;
  HASH_ITER (hh, h->ids, e, next)
    if (e->up) {
      pml_bus_server v = view(e->up);
      fn(&v, ud);
    }
}
