/* log: one line per event on stderr, from any thread. A program's lines go through a writer thread
 * (base/output), so that no server waits for the reader of stderr; without a writer they are
 * written at once. A log object belongs to one server and is passed to the functions that write.
 *
 *   2026-11-23T18:17:46.123Z info  chat-1 listening on 127.0.0.1:3050
 *   {"time":"…","level":"info","server":"chat-1","msg":"…"}      with json
 *
 * A log may have a way: a category, which its lines name, and files that get them, too.
 *
 * Control characters (C0, C1, and the ones that turn the direction of text), and bytes that are
 * not UTF-8, are escaped (a line break of a traceback is kept, indented, in text form). A text is
 * cut after PML_LOG_TEXT_MAX bytes, and says so. The format never comes from outside. */
#ifndef PML_BASE_LOG_H
#define PML_BASE_LOG_H

#include <stdarg.h>
#include "base/limits.h"
#include "base/output.h"

#include <stddef.h>
#include <stdint.h>

#define PML_LOG_TEXT_MAX 65536

typedef enum { PML_DEBUG, PML_INFO, PML_WARN, PML_ERROR, PML_SILENT } pml_level;

typedef void (*pml_log_on_line_fn)(pml_level level, const char *text, void *ud);

struct pml_throttle;

#define PML_LOG_WAY_FILES 8
#define PML_LOG_CATEGORY_MAX 64

typedef struct {
  char category[PML_LOG_CATEGORY_MAX + 1]; /* "": lines name none */
  uint8_t no_console;                      /* lines do not go to standard error */
  unsigned files;
  pml_output *file[PML_LOG_WAY_FILES]; /* borrowed */
} pml_log_way;

typedef struct {
  char server[PML_SERVER_ID_MAX + 1]; /* server id, "" for the program itself */
  pml_level level;                    /* lines below it are not written */
  int json;
  pml_log_on_line_fn on_line; /* when set, gets the bare text instead of stderr */
  void *ud;
  pml_output *output;            /* borrowed; NULL: lines are written at once */
  const pml_log_way *way;        /* borrowed; NULL: standard error alone */
  struct pml_throttle *throttle; /* borrowed; NULL: pml_log_may always agrees */
} pml_log;

void pml_log_init(pml_log *log, const char *server, pml_level level, int json);
void pml_log_write(const pml_log *log, pml_level level, const char *format, ...)
  __attribute__((format(printf, 3, 4)));
/* The same for a text that is not a format: borrows text. */
void pml_log_text(const pml_log *log, pml_level level, const char *text, size_t n);
/* The line before the process ends by itself. It is written, with all lines before it, unless the
 * reader stands still for a second. pml_log_flush only waits for the lines that are queued. */
void pml_log_last(const pml_log *log, pml_level level, const char *format, ...)
  __attribute__((format(printf, 3, 4)));
void pml_log_flush(const pml_log *log);
/* How many lines its writers have lost so far, whosever they were. */
uint64_t pml_log_lost(const pml_log *log);

#define PML_LOG_QUEUE ((size_t)4 << 20) /* bytes of lines that wait, unless log.json says more */

/* A writer for lines of a log, or, when it cannot have a thread, NULL. Borrows fd. */
pml_output *pml_log_output(int fd, size_t limit, int json);

/* Lines that others can cause, above all clients, are written only when this agrees: at most
 * `lines` of a kind in ms milliseconds, and then one that says how many more there were. */
int pml_log_may(const pml_log *log, pml_level level, const char *kind, size_t n, uint32_t lines,
                uint32_t ms);
/* A line of a kind of which PML_LOG_LINES a second are written. */
#define PML_LOG_LINES 10
void pml_log_some(const pml_log *log, pml_level level, const char *kind, const char *format, ...)
  __attribute__((format(printf, 4, 5)));
/* Writes how many lines were left out, of the kinds whose time has passed, or of all. */
void pml_log_left_out(const pml_log *log, int all);

#endif
