/* log_ways: where the lines of one server go: its own log's, and those of the categories that its
 * scripts have made (pomelua.log.category). Each category is a log of its own, with a level. */
#ifndef PML_SCRIPT_LOG_WAYS_H
#define PML_SCRIPT_LOG_WAYS_H

#include "base/log_files.h"
#include "script/handle.h"

#define PML_LOG_WAYS 256 /* categories of a server */

typedef struct pml_log_ways pml_log_ways;

/* Where lines shall go. */
typedef struct {
  const char *category; /* borrowed; "": the server's own log */
  pml_level level;
  int console;
  const char *file[PML_LOG_WAY_FILES]; /* paths, borrowed */
  unsigned files;
} pml_log_wish;

/* Sets the way of a category, or of the server's own log. Its number, from 1 on, 0 for the server's
 * own; or a negative code: PML_EFULL, or PML_EINVAL with *bad, the path that cannot be opened, and
 * errno. A virtual node opens no file. */
int pml_log_ways_set(pml_lua *lua, const pml_log_wish *wish, const char **bad);
/* The log of a category; NULL: there is none of that number. */
const pml_log *pml_log_ways_at(const pml_lua *lua, int number);
/* Frees them; the server's own log is as it was. */
void pml_log_ways_end(pml_lua *lua);

#endif
