#include "bus/own_servers.h"

#include "base/container.h"
#include "base/err.h"
#include "base/mem.h"

#define OTHERS 512u /* bytes of a message that are not servers: at least what announce.c draws */
#define INCARNATION_MAX (1ull << 53)

typedef struct {
  pml_list link;
  pml_announce_server s; /* its texts are owned */
  size_t size;           /* in a message */
  char *id, *info;
} own;

void pml_own_servers_init(pml_own_servers *o) {
  pml_list_init(&o->all);
  o->size = 0;
}

static own *at(const pml_list *n) { return PML_CONTAINER((pml_list *)(uintptr_t)n, own, link); }

static own *find(const pml_own_servers *o, const char *id) {
  for (const pml_list *n = o->all.next; n != &o->all; n = n->next)
    if (strcmp(at(n)->id, id) == 0) return at(n);
  return NULL;
}

static void drop(pml_own_servers *o, own *s) {
  o->size -= s->size;
  pml_list_remove(&s->link);
  pml_free(s->id);
  pml_free(s->info);
  pml_free(s);
}

void pml_own_servers_fini(pml_own_servers *o) {
  while (!pml_list_empty(&o->all)) drop(o, at(o->all.next));
}

int pml_own_servers_put(pml_own_servers *o, const char *id, uint64_t incarnation,
                        const char *info) {
  own *old = find(o, id);
  size_t nid = strlen(id), ninfo = strlen(info);
  size_t size = 8 + 1 + 1 + nid + 2 + ninfo; /* announce.c has the drawing */
  if (ninfo > PML_ANNOUNCE_INFO_MAX) return PML_ETOOBIG;
  if (!pml_announce_id_ok(pml_slice_of(id, nid)) ||
      !pml_announce_info_ok(pml_slice_of(info, ninfo)) || incarnation < 1 ||
      incarnation > INCARNATION_MAX)
    return PML_EINVAL;
  if (OTHERS + o->size - (old ? old->size : 0) + size > PML_ANNOUNCE_MAX) return PML_ETOOBIG;
  own *s = pml_alloc0(sizeof *s);
  s->id = pml_strdup(id);
  s->info = pml_strdup(info);
  s->s = (pml_announce_server){.id = pml_slice_of(s->id, nid),
                               .incarnation = incarnation,
                               .info = pml_slice_of(s->info, ninfo)};
  if (old && old->s.incarnation == incarnation) s->s.leaving = old->s.leaving;
  if (old) drop(o, old);
  s->size = size;
  o->size += size;
  pml_list_append(&o->all, &s->link);
  return 0;
}

int pml_own_servers_leaving(pml_own_servers *o, const char *id) {
  own *s = find(o, id);
  if (!s || s->s.leaving) return 0;
  s->s.leaving = 1;
  return 1;
}

int pml_own_servers_remove(pml_own_servers *o, const char *id) {
  own *s = find(o, id);
  if (!s) return 0;
  drop(o, s);
  return 1;
}

void pml_own_servers_write(const pml_own_servers *o, pml_writer *w) {
  for (const pml_list *n = o->all.next; n != &o->all; n = n->next)
    pml_announce_put_server(w, &at(n)->s);
}
