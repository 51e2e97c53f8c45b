/* Input: two patterns and a path, a line each. A set that was taken finds its own patterns, and
 * what it finds has as many values as names, which lie in the path. */
#include "fuzz/chunks.h"
#include "wire/http_routes.h"

static pml_slice line(const uint8_t **d, size_t *n) {
  const uint8_t *end = *n ? memchr(*d, '\n', *n) : NULL;
  pml_slice s = pml_slice_of(*d, end ? (size_t)(end - *d) : *n);
  *d += s.n + (end != NULL);
  *n -= s.n + (end != NULL);
  return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n) {
  pml_http_route v[2] = {{.method = pml_slice_str("GET")}, {.method = pml_slice_str("POST")}};
  char why[PML_HTTP_ROUTES_WHY];
  v[0].pattern = line(&d, &n);
  v[1].pattern = line(&d, &n);
  uint8_t *path = malloc(n ? n : 1);
  memcpy(path, d, n);
  pml_http_routes *r = pml_http_routes_new(v, 2, why);
  pml_http_match m;
  if (r && pml_http_routes_find(r, pml_slice_of(path, n), &m) == 0) {
    MUST(pml_slice_eq(m.pattern, v[0].pattern) || pml_slice_eq(m.pattern, v[1].pattern));
    for (uint32_t i = 0; i < m.count; i++)
      MUST(m.name[i].n && m.value[i].n && m.value[i].p > path &&
           m.value[i].p + m.value[i].n <= path + n);
  }
  if (r) MUST(pml_http_routes_find(r, v[0].pattern, &m) == 0);
  pml_http_routes_unref(r);
  free(path);
  return 0;
}
