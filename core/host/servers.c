#include "host/servers.h"

#include "base/container.h"
#include "base/mem.h"

#include <string.h>

pml__server *pml__server_of(pml_member *m) { return PML_CONTAINER(m, pml__server, member); }

const char *pml__server_id(const pml__server *s) { return s->member.spec.id; }

void pml__server_post(pml__server *s, pml__msg_kind kind) {
  pml__msg msg = {.kind = kind};
  pml__msg_post(s->member.box, &msg, "");
}

int pml__server_saw(const pml__server *s, pml__msg_kind kind) { return s->seen >> kind & 1; }

void pml__server_see(pml__server *s, pml__msg_kind kind) { s->seen |= 1u << kind; }

pml__server *pml__servers_find(const pml__servers *all, const char *id) {
  for (size_t i = 0; i < all->count; i++)
    if (all->list[i]->running && strcmp(pml__server_id(all->list[i]), id) == 0) return all->list[i];
  return NULL;
}

size_t pml__servers_running(const pml__servers *all) {
  size_t n = 0;
  for (size_t i = 0; i < all->count; i++) n += all->list[i]->running != 0;
  return n;
}

int pml__servers_saw(const pml__servers *all, pml__msg_kind kind) {
  for (size_t i = 0; i < all->count; i++)
    if (all->list[i]->running && !pml__server_saw(all->list[i], kind)) return 0;
  return 1;
}

void pml__servers_post(const pml__servers *all, pml__msg_kind kind) {
  for (size_t i = 0; i < all->count; i++)
    if (all->list[i]->running) pml__server_post(all->list[i], kind);
}

static void free_server(pml__server *s) {
  pml__member_clear(&s->member);
  pml_free(s->step.text);
  pml_free(s->why);
  pml_free(s->info);
  pml_free(s);
}

void pml__servers_forget(pml__servers *all, pml__server *s) {
  size_t n = 0;
  for (size_t i = 0; i < all->count; i++)
    if (all->list[i] != s) all->list[n++] = all->list[i];
  all->count = n;
  free_server(s);
}

int pml__servers_start(pml__servers *all, const pml__member_host *host, const pml_member_spec *spec,
                       int alone) {
  pml__server *s = pml_alloc0(sizeof *s);
  pml_config standard;
  pml_config_defaults(&standard);
  all->list = pml_realloc(all->list, (all->count + 1) * sizeof *all->list);
  all->list[all->count++] = s;
  s->alone = alone;
  s->stop_ms = standard.stop_ms; /* until its settings are loaded */
  s->grace_ms = standard.stop_grace_ms;
  int rc = pml__member_start(&s->member, host, spec);
  s->running = rc == 0;
  if (rc != 0) pml__servers_forget(all, s);
  return rc;
}

void pml__servers_clear(pml__servers *all) {
  for (size_t i = 0; i < all->count; i++) free_server(all->list[i]);
  pml_free(all->list);
}
