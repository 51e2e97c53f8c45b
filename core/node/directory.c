#include "node/directory.h"

#include "base/crc32.h"
#include "base/mem.h"

void pml_directory_init(pml_directory *d) { *d = (pml_directory){0}; }

void pml_directory_clear(pml_directory *d) {
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

void pml_directory_add(pml_directory *d, const char *id, const char *type, int frontend) {
  d->v = pml_realloc(d->v, (d->n + 1) * sizeof *d->v);
  d->v[d->n++] = (pml_server_info){pml_strdup(id), pml_strdup(type), frontend};
}

const pml_server_info *pml_directory_find(const pml_directory *d, const char *id) {
  for (size_t i = 0; i < d->n; i++)
    if (strcmp(d->v[i].id, id) == 0) return &d->v[i];
  return NULL;
}

/* The n-th living server of the type; n past the end gives NULL and *count. */
static const pml_server_info *nth(const pml_directory *d, pml_slice type, size_t n, size_t *count,
                                  int (*alive)(const char *id, void *ud), void *ud) {
  *count = 0;
  for (size_t i = 0; i < d->n; i++) {
    if (!pml_slice_eq(pml_slice_str(d->v[i].type), type) || !alive(d->v[i].id, ud)) continue;
    if ((*count)++ == n) return &d->v[i];
  }
  return NULL;
}

const pml_server_info *pml_directory_route(const pml_directory *d, pml_slice type, pml_slice uid,
                                           int (*alive)(const char *id, void *ud), void *ud) {
  size_t count;
  nth(d, type, SIZE_MAX, &count, alive, ud);
  if (count == 0) return NULL;
  int32_t crc = (int32_t)pml_crc32(uid.p, uid.n);
  uint64_t place = (uint64_t)(crc < 0 ? -(int64_t)crc : (int64_t)crc) % count;
  return nth(d, type, (size_t)place, &count, alive, ud);
}
