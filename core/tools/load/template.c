#include "tools/load/template.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The time of a request: that at which it was due, when requests have a rate. */
static int put_time(load *l, char *out, size_t left) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  if (l->due > 0) {
    t.tv_sec = (time_t)l->due;
    t.tv_nsec = (long)((l->due - (double)t.tv_sec) * 1e9);
  }
  int n = snprintf(out, left, "%010ld.%09ld", (long)t.tv_sec, t.tv_nsec);
  l->newest = strtod(out, NULL);
  return n;
}

pml_slice load_template(const client *c, const char *template) {
  load *l = c->load;
  char *out = (char *)l->body;
  size_t n = 0;
  for (const char *p = template; *p && n < LOAD_BODY_MAX;) {
    size_t left = LOAD_BODY_MAX - n;
    if (!strncmp(p, "{uid}", 5)) {
      n += (size_t)snprintf(out + n, left, "%d", c->id);
      p += 5;
    } else if (!strncmp(p, "{room}", 6)) {
      n += (size_t)snprintf(out + n, left, "%d", c->room);
      p += 6;
    } else if (!strncmp(p, "{now}", 5)) {
      n += (size_t)put_time(l, out + n, left);
      p += 5;
    } else if (!strncmp(p, "{fill}", 6)) {
      n += (size_t)snprintf(out + n, left, "%s", l->fill);
      p += 6;
    } else {
      out[n++] = *p++;
    }
  }
  return pml_slice_of(l->body, n < LOAD_BODY_MAX ? n : LOAD_BODY_MAX);
}
