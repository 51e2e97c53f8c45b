#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef PML_JEMALLOC
#include <jemalloc/jemalloc.h>
#else
#include <malloc.h>
#endif

static void *must(void *p, size_t n) {
  if (p || !n) return p;
  fprintf(stderr, "pomelua: out of memory (%zu bytes asked for)\n", n);
  abort();
}

void *pml_alloc(size_t n) { return must(malloc(n), n); }
void *pml_alloc0(size_t n) { return must(calloc(1, n), n); }
void *pml_realloc(void *p, size_t n) { return must(realloc(p, n), n); }
void *pml_try_alloc(size_t n) { return malloc(n); }
void *pml_try_realloc(void *p, size_t n) { return p ? realloc(p, n) : malloc(n); }
char *pml_strdup(const char *s) { return pml_strndup(s, strlen(s)); }

char *pml_strndup(const char *s, size_t n) {
  char *p = pml_alloc(n + 1);
  memcpy(p, s, n);
  p[n] = '\0';
  return p;
}

void pml_free(void *p) { free(p); }

void pml_free_sized(void *p, size_t n) {
#ifdef PML_JEMALLOC
  if (p && n) sdallocx(p, n, 0);
#else
  (void)n;
  free(p);
#endif
}

#ifdef PML_JEMALLOC
static void purge(unsigned arena) {
  char name[32];
  mallctl("thread.tcache.flush", NULL, NULL, NULL, 0);
  snprintf(name, sizeof name, "arena.%u.purge", arena);
  mallctl(name, NULL, NULL, NULL, 0);
}
#else
/* Where another allocator stands in front of glibc's (a sanitizer's, one that is preloaded), nobody
 * has set that up before the first malloc_trim, and two threads that do it at once end in a
 * segmentation fault: so it is done before there are threads. */
__attribute__((constructor)) static void set_up(void) { malloc_trim(0); }
#endif

void pml_mem_trim(void) {
#ifdef PML_JEMALLOC
  unsigned arena = 0;
  size_t n = sizeof arena;
  if (mallctl("thread.arena", &arena, &n, NULL, 0) == 0) purge(arena);
#else
  malloc_trim(0);
#endif
}

void pml_mem_trim_all(void) {
#ifdef PML_JEMALLOC
  purge(MALLCTL_ARENAS_ALL);
#else
  malloc_trim(0);
#endif
}
