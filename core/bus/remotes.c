#include "bus/remotes.h"

#include "base/err.h"
#include "base/hash.h"
#include "base/mem.h"
#include "wire/bus_mail.h"

typedef struct {
  UT_hash_handle hh;
  pml__route *route;
  int absent; /* the broker, or its silence, says that it is not there just now */
  char name[PML_PROCESS_DIGITS + 1];
} process;

typedef struct {
  UT_hash_handle hh;
  pml_hub_member *m;   /* NULL while a server of this process has the id */
  pml__target *target; /* NULL likewise */
  process *at;
  uint64_t incarnation;
  char id[PML_SERVER_ID_MAX + 1];
} server;

struct pml__remotes {
  pml_hub *hub;
  pml_mailbox *records;
  pml__remotes_hooks hooks;
  pml__outbox *out;
  process *processes;
  server *servers;
  int up;
};

static int on_batch(void *route_ud, pml_slice message, int asks, void *ud) {
  pml__remotes *r = ud;
  const process *p = route_ud;
  if (p->absent || !r->up) return PML_ENOENT;
  return r->hooks.publish(p->name, message, asks, r->hooks.ud);
}

pml__remotes *pml__remotes_new(pml_hub *hub, pml_mailbox *records,
                               const pml__remotes_hooks *hooks) {
  pml__remotes *r = pml_alloc0(sizeof *r);
  r->hub = hub;
  r->records = records;
  r->hooks = *hooks;
  r->out = pml__outbox_new(on_batch, r, hooks->list_bytes);
  return r;
}

static process *process_find(const pml__remotes *r, const char *name) {
  process *p;
  HASH_FIND_BYHASHVALUE(hh, r->processes, name, PML_PROCESS_DIGITS,
                        pml_hash_ours(name, PML_PROCESS_DIGITS), p);
  return p;
}

static process *process_get(pml__remotes *r, const char *name) {
  process *p = process_find(r, name);
  if (p) return p;
  p = pml_alloc0(sizeof *p);
  memcpy(p->name, name, PML_PROCESS_DIGITS);
  p->route = pml__route_new(r->out, p);
  HASH_ADD_KEYPTR_BYHASHVALUE(hh, r->processes, p->name, PML_PROCESS_DIGITS,
                              pml_hash_ours(name, PML_PROCESS_DIGITS), p);
  return p;
}

static server *server_find(const pml__remotes *r, const char *id) {
  server *s;
  size_t n = strlen(id);
  HASH_FIND_BYHASHVALUE(hh, r->servers, id, n, pml_hash_ours(id, n), s);
  return s;
}

/* It joins the hub; not yet while one of this process has its id. */
static void server_join(pml__remotes *r, server *s) {
  if (!r->hub || s->m) return;
  s->m = pml_hub_remote_up(r->hub, s->id, s->incarnation, r->records);
  if (!s->m) return;
  s->target = pml__target_new(s->at->route, s->m);
  if (s->at->absent || !r->up) pml_hub_remote_away(r->hub, s->m, 1);
}

static void server_add(pml__remotes *r, const pml_bus_server *of) {
  server *s = pml_alloc0(sizeof *s);
  size_t n = strlen(of->id);
  memcpy(s->id, of->id, n);
  s->incarnation = of->incarnation;
  s->at = process_get(r, of->process);
  HASH_ADD_KEYPTR_BYHASHVALUE(hh, r->servers, s->id, n, pml_hash_ours(s->id, n), s);
  server_join(r, s);
}

static void server_remove(pml__remotes *r, server *s) {
  HASH_DELETE(hh, r->servers, s);
  if (s->m) {
    pml_hub_remote_down(r->hub, s->m);
    pml__target_free(s->target);
    pml_hub_member_unref(s->m);
  }
  r->hooks.forget(s->id, s->incarnation, r->hooks.ud);
  pml_free(s);
}

void pml__remotes_server(pml__remotes *r, const pml_bus_server *of, pml_bus_state state) {
  server *s = server_find(r, of->id);
  if (s && s->incarnation != of->incarnation && state == PML_BUS_UP) {
    server_remove(r, s);
    s = NULL;
  }
  if (state == PML_BUS_UP && !s && strlen(of->id) <= PML_SERVER_ID_MAX) server_add(r, of);
  if (state == PML_BUS_DOWN && s && s->incarnation == of->incarnation) server_remove(r, s);
}

/* Whether sends to the servers of a process are refused. */
static void away_set(pml__remotes *r, process *p) {
  int away = p->absent || !r->up;
  if (away) pml__route_drop(p->route);
  for (server *s = r->servers; s; s = s->hh.next)
    if (s->at == p && s->m) pml_hub_remote_away(r->hub, s->m, away);
}

static void process_remove(pml__remotes *r, process *p) {
  for (server *s = r->servers, *next; s; s = next) {
    next = s->hh.next;
    if (s->at == p) server_remove(r, s);
  }
  HASH_DELETE(hh, r->processes, p);
  pml__route_free(p->route);
  pml_free(p);
}

void pml__remotes_process(pml__remotes *r, const char *name, pml_process_state state) {
  process *p = state == PML_PROCESS_GONE ? process_find(r, name) : process_get(r, name);
  if (!p) return;
  if (state == PML_PROCESS_GONE) {
    process_remove(r, p);
    return;
  }
  p->absent = state == PML_PROCESS_UNREACHABLE;
  away_set(r, p);
}

void pml__remotes_link(pml__remotes *r, int up) {
  r->up = up;
  for (process *p = r->processes; p; p = p->hh.next) away_set(r, p);
}

void pml__remotes_left(pml__remotes *r, const char *id) {
  pml__outbox_forget(r->out, id);
  server *s = server_find(r, id);
  if (s) server_join(r, s);
}

void pml__remotes_free(pml__remotes *r) {
  if (!r) return;
  while (r->processes) process_remove(r, r->processes);
  pml__outbox_free(r->out);
  pml_free(r);
}

void pml__remotes_put(pml__remotes *r, pml_hub_record *record) { pml__outbox_put(r->out, record); }

int pml__remotes_turn(pml__remotes *r, size_t max_payload) {
  return pml__outbox_turn(r->out, max_payload);
}

const pml__outbox_counts *pml__remotes_counters(const pml__remotes *r) {
  return pml__outbox_counters(r->out);
}

const pml_lists_counts *pml__remotes_lists(const pml__remotes *r) {
  return pml__outbox_lists(r->out);
}
