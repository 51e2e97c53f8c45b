#include "script/log_ways.h"

#include "base/err.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

struct pml_log_ways {
  int count;
  struct {
    pml_log log; /* not used of the first one, which is the server's own */
    pml_log_way way;
  } at[PML_LOG_WAYS + 1];
};

static int find(const pml_log_ways *w, const char *category) {
  for (int i = 0; i < w->count; i++)
    if (strcmp(w->at[i].way.category, category) == 0) return i;
  return -1;
}

/* Opens the files before anything is changed. */
static int open_all(pml_lua *lua, const pml_log_wish *wish, pml_log_way *way, const char **bad) {
  for (unsigned i = 0; lua->log_files && i < wish->files; i++) {
    pml_output *out = pml_log_files_open(lua->log_files, wish->file[i]);
    if (!out) {
      *bad = wish->file[i];
      return PML_EINVAL;
    }
    way->file[way->files++] = out;
  }
  return 0;
}

int pml_log_ways_set(pml_lua *lua, const pml_log_wish *wish, const char **bad) {
  pml_log_way way = {.no_console = !wish->console};
  pml_log *own = pml_node_log(lua->node);
  int rc = open_all(lua, wish, &way, bad);
  if (rc != 0) return rc;
  snprintf(way.category, sizeof way.category, "%s", wish->category);
  if (!lua->log_ways) {
    lua->log_ways = pml_alloc0(sizeof *lua->log_ways);
    lua->log_ways->count = 1;
    lua->log_ways->at[0].log = *own;
  }
  pml_log_ways *w = lua->log_ways;
  int number = way.category[0] ? find(w, way.category) : 0;
  if (number < 0 && w->count > PML_LOG_WAYS) return PML_EFULL;
  if (number < 0) number = w->count++;
  w->at[number].way = way;
  pml_log *log = number ? &w->at[number].log : own;
  if (number) *log = *own;
  log->way = &w->at[number].way;
  log->level = wish->level;
  return number;
}

const pml_log *pml_log_ways_at(const pml_lua *lua, int number) {
  const pml_log_ways *w = lua->log_ways;
  if (number == 0) return pml_node_log(lua->node);
  return w && number > 0 && number < w->count ? &w->at[number].log : NULL;
}

void pml_log_ways_end(pml_lua *lua) {
  if (!lua->log_ways) return;
  pml_log *own = pml_node_log(lua->node);
  own->way = lua->log_ways->at[0].log.way;
  own->level = lua->log_ways->at[0].log.level;
  pml_free(lua->log_ways);
  lua->log_ways = NULL;
}
