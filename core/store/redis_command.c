#include "store/redis_command.h"

#include "base/err.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define FEW 16 /* words for which the stack has room */
#define NUMBER_ROOM 32

/* Commands that would change what other calls get on the same connection, or hold them up. */
static const struct {
  const char *word, *second; /* NULL: whatever the second word is */
  const char *why;
} refused[] = {
#define WAITS "would hold up all calls behind it: ask without waiting, or use redis:subscribe"
  {"BLPOP", NULL, WAITS},
  {"BRPOP", NULL, WAITS},
  {"BRPOPLPUSH", NULL, WAITS},
  {"BLMOVE", NULL, WAITS},
  {"BLMPOP", NULL, WAITS},
  {"BZPOPMIN", NULL, WAITS},
  {"BZPOPMAX", NULL, WAITS},
  {"BZMPOP", NULL, WAITS},
  {"WAIT", NULL, WAITS},
  {"WAITAOF", NULL, WAITS},
#define LISTENS "would take the connection away from all other calls: use redis:subscribe"
  {"SUBSCRIBE", NULL, LISTENS},
  {"PSUBSCRIBE", NULL, LISTENS},
  {"SSUBSCRIBE", NULL, LISTENS},
  {"UNSUBSCRIBE", NULL, LISTENS},
  {"PUNSUBSCRIBE", NULL, LISTENS},
  {"SUNSUBSCRIBE", NULL, LISTENS},
  {"MONITOR", NULL, "has no end: run redis-cli monitor"},
  {"SYNC", NULL, "has no end"},
  {"PSYNC", NULL, "has no end"},
  {"MULTI", NULL, "would take in calls of others: use redis:multi"},
  {"EXEC", NULL, "would take in calls of others: use redis:multi"},
  {"DISCARD", NULL, "would take in calls of others: use redis:multi"},
  {"WATCH", NULL, "is about a connection, which all calls share: use a script (EVAL)"},
  {"UNWATCH", NULL, "is about a connection, which all calls share: use a script (EVAL)"},
  {"SELECT", NULL, "would change the database of all other calls: name it in the URL"},
  {"AUTH", NULL, "would change the user of all other calls: name it in the URL"},
#define SHARED "is about a connection, which all calls share"
  {"HELLO", NULL, SHARED},
  {"RESET", NULL, SHARED},
  {"QUIT", NULL, SHARED},
  {"ASKING", NULL, SHARED},
  {"READONLY", NULL, SHARED},
  {"READWRITE", NULL, SHARED},
  {"REPLCONF", NULL, SHARED},
  {"CLIENT", "REPLY", SHARED},
  {"CLIENT", "TRACKING", SHARED},
  {"CLIENT", "CACHING", SHARED},
  {"CLIENT", "SETNAME", SHARED},
  {"CLIENT", "NO-EVICT", SHARED},
  {"CLIENT", "NO-TOUCH", SHARED},
  {"SCRIPT", "DEBUG", SHARED},
#undef WAITS
#undef LISTENS
#undef SHARED
};

/* The words of one command, ready for hiredis. */
typedef struct {
  const char *few[FEW];
  size_t few_len[FEW];
  char numbers[FEW][NUMBER_ROOM];
  const char **word;
  size_t *len;
  char (*number)[NUMBER_ROOM];
} argv;

static void argv_begin(argv *a, size_t n) {
  a->word = n <= FEW ? a->few : pml_alloc(n * sizeof *a->word);
  a->len = n <= FEW ? a->few_len : pml_alloc(n * sizeof *a->len);
  a->number = n <= FEW ? a->numbers : pml_alloc(n * sizeof *a->number);
}

static void argv_end(argv *a) {
  if (a->word == a->few) return;
  pml_free(a->word);
  pml_free(a->len);
  pml_free(a->number);
}

static int same(const argv *a, size_t i, const char *word) {
  /* Most words differ in their first letter. */
  return a->len[i] && (*a->word[i] | 0x20) == (*word | 0x20) && a->len[i] == strlen(word) &&
         !strncasecmp(a->word[i], word, a->len[i]);
}

/* XREAD and XREADGROUP wait when BLOCK stands before STREAMS. */
static int blocks(const argv *a, size_t n) {
  if (!same(a, 0, "XREAD") && !same(a, 0, "XREADGROUP")) return 0;
  for (size_t i = 1; i < n && !same(a, i, "STREAMS"); i++)
    if (same(a, i, "BLOCK")) return 1;
  return 0;
}

static int allowed(const argv *a, size_t n, char *err, size_t nerr) {
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
    const char *second = refused[i].second;
    if (!same(a, 0, refused[i].word)) continue;
    if (second && (n < 2 || !same(a, 1, second))) continue;
    snprintf(err, nerr, "%s%s%s %s", refused[i].word, second ? " " : "", second ? second : "",
             refused[i].why);
    return 0;
  }
  if (!blocks(a, n)) return 1;
  snprintf(err, nerr, "%.*s with BLOCK would hold up all calls behind it: ask without it",
           (int)a->len[0], a->word[0]);
  return 0;
}

static int set_word(argv *a, size_t i, pml_data *words, const pml_datum *v) {
  pml_slice s;
  switch (v->kind) {
  case PML_DATUM_TEXT:
  case PML_DATUM_BYTES:
    s = pml_data_slice(words, v);
    a->word[i] = (const char *)s.p;
    a->len[i] = s.n;
    return 1;
  case PML_DATUM_INT:
    a->len[i] = (size_t)snprintf(a->number[i], NUMBER_ROOM, "%lld", (long long)v->i);
    a->word[i] = a->number[i];
    return 1;
  case PML_DATUM_REAL:
    a->len[i] = (size_t)snprintf(a->number[i], NUMBER_ROOM, "%.17g", v->d);
    a->word[i] = a->number[i];
    return 1;
  default: return 0;
  }
}

static void append(const pml__redis_library *lib, const argv *a, size_t n, pml_writer *out) {
  char *text = NULL;
  long long len = lib->redisFormatCommandArgv(&text, (int)n, (const char **)a->word, a->len);
  if (len < 0) abort(); /* no memory, which pml_alloc does not survive either */
  pml_writer_put(out, text, (size_t)len);
  lib->redisFreeCommand(text);
}

/* Fills a, which argv_end ends. */
static int read_words(argv *a, pml_data *words, size_t first, size_t n, char *err, size_t nerr) {
  for (size_t i = 0; i < n; i++) {
    if (set_word(a, i, words, &words->v[first + i])) continue;
    snprintf(err, nerr, "word %zu of the command must be a string or a number", i + 1);
    return PML_EINVAL;
  }
  return allowed(a, n, err, nerr) ? 0 : PML_EINVAL;
}

/* out: NULL: only looks. */
static int command(const pml__redis_library *lib, pml_data *words, size_t first, size_t n,
                   pml_writer *out, char *err, size_t nerr) {
  argv a;
  if (n == 0 || n > PML__REDIS_WORDS_MAX) {
    snprintf(err, nerr, "a command has from 1 to %d words, not %zu", PML__REDIS_WORDS_MAX, n);
    return PML_EINVAL;
  }
  argv_begin(&a, n);
  int rc = read_words(&a, words, first, n, err, nerr);
  if (!rc && out) append(lib, &a, n, out);
  argv_end(&a);
  return rc;
}

int pml__redis_command_check(pml_data *words, size_t first, size_t n, char *err, size_t nerr) {
  return command(NULL, words, first, n, NULL, err, nerr);
}

int pml__redis_command_write(const pml__redis_library *lib, pml_data *words, size_t first, size_t n,
                             pml_writer *out, char *err, size_t nerr) {
  return command(lib, words, first, n, out, err, nerr);
}

void pml__redis_command_plain(const pml__redis_library *lib, const pml_slice *words, size_t n,
                              pml_writer *out) {
  argv a;
  argv_begin(&a, n);
  for (size_t i = 0; i < n; i++) {
    a.word[i] = (const char *)words[i].p;
    a.len[i] = words[i].n;
  }
  append(lib, &a, n, out);
  argv_end(&a);
}
