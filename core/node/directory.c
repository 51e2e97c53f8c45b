#include "node/directory.h"

#include "base/mem.h"

void pml_directory_init(pml_directory *d) { *d = (pml_directory){0}; }

void pml_directory_clear(pml_directory *d) {
  pml_directory_changed(d);
  for (size_t i = 0; i < d->n; i++) {
    pml_free(d->v[i].id);
    pml_free(d->v[i].type);
  }
  d->n = 0;
}

void pml_directory_fini(pml_directory *d) {
  pml_directory_clear(d);
  pml_free(d->v);
  d->v = NULL;
}

pml_server_info *pml_directory_add(pml_directory *d, const char *id, const char *type,
                                   int frontend) {
  pml_directory_changed(d); /* its list is about to move */
  d->v = pml_realloc(d->v, (d->n + 1) * sizeof *d->v);
  d->v[d->n] = (pml_server_info){pml_strdup(id), pml_strdup(type), frontend, 1};
  return &d->v[d->n++];
}

const pml_server_info *pml_directory_find(const pml_directory *d, const char *id) {
  for (size_t i = 0; i < d->n; i++)
    if (strcmp(d->v[i].id, id) == 0) return &d->v[i];
  return NULL;
}

static pml_server_type *type_find(const pml_directory *d, pml_slice type) {
  for (size_t i = 0; i < d->ntypes; i++)
    if (pml_slice_eq(pml_slice_str(d->types[i].type), type)) return &d->types[i];
  return NULL;
}

void pml_directory_changed(pml_directory *d) {
  for (size_t i = 0; i < d->ntypes; i++) {
    pml_free(d->types[i].v);
    pml_free(d->types[i].credit);
  }
  pml_free(d->types);
  d->types = NULL;
  d->ntypes = 0;
  d->known = 0;
  d->version++;
}

static void look(pml_directory *d, int (*alive)(const char *id, void *ud), void *ud) {
  d->types = pml_alloc((d->n + 1) * sizeof *d->types);
  for (size_t i = 0; i < d->n; i++) {
    const pml_server_info *s = &d->v[i];
    if (!alive(s->id, ud)) continue;
    pml_server_type *t = type_find(d, pml_slice_str(s->type));
    if (!t) {
      t = &d->types[d->ntypes++];
      *t = (pml_server_type){.type = s->type,
                             .v = pml_alloc(d->n * sizeof *t->v),
                             .credit = pml_alloc0(d->n * sizeof *t->credit)};
    }
    t->v[t->n++] = s;
  }
  d->known = 1;
}

pml_server_type *pml_directory_type(pml_directory *d, pml_slice type,
                                    int (*alive)(const char *id, void *ud), void *ud) {
  if (!d->known) look(d, alive, ud);
  return type_find(d, type);
}
