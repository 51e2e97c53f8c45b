#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *must(void *p, size_t n) {
  if (p || !n) return p;
  fprintf(stderr, "pomelua: out of memory (%zu bytes asked for)\n", n);
  abort();
}

void *pml_alloc(size_t n) { return must(malloc(n), n); }
void *pml_alloc0(size_t n) { return must(calloc(1, n), n); }
void *pml_realloc(void *p, size_t n) { return must(realloc(p, n), n); }
void *pml_try_alloc(size_t n) { return malloc(n); }
char *pml_strdup(const char *s) { return pml_strndup(s, strlen(s)); }

char *pml_strndup(const char *s, size_t n) {
  char *p = pml_alloc(n + 1);
  memcpy(p, s, n);
  p[n] = '\0';
  return p;
}

void pml_free(void *p) { free(p); }
