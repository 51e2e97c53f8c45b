#include "store/postgres_lines.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

typedef struct {
  const uint8_t *p, *end;
} scan;

static int at(const scan *s, size_t n) { return (size_t)(s->end - s->p) > n ? s->p[n] : 0; }

static int is_word(int c) { return isalnum(c) || c == '_' || c >= 0x80; }

/* Behind the closing mark; a mark that stands twice closes nothing. */
static void skip_quoted(scan *s, int mark, int backslashes) {
  for (s->p++; s->p < s->end; s->p++) {
    if (backslashes && *s->p == '\\' && s->end - s->p > 1) s->p++;
    else if (*s->p == mark && at(s, 1) == mark) s->p++;
    else if (*s->p == mark) break;
  }
  if (s->p < s->end) s->p++;
}

/* $tag$ ... $tag$; 0: it is something else, as $1. */
static int skip_dollars(scan *s) {
  size_t n = 1;
  if (isdigit(at(s, 1))) return 0;
  while (is_word(at(s, n))) n++;
  if (at(s, n++) != '$') return 0;
  const uint8_t *body = s->p + n;
  const uint8_t *close = memmem(body, (size_t)(s->end - body), s->p, n);
  s->p = close ? close + n : s->end;
  return 1;
}

static void skip_line(scan *s) {
  while (s->p < s->end && *s->p != '\n') s->p++;
}

/* Comments of this form stand in each other. */
static void skip_comment(scan *s) {
  int depth = 0;
  while (s->p < s->end) {
    int opens = at(s, 0) == '/' && at(s, 1) == '*', closes = at(s, 0) == '*' && at(s, 1) == '/';
    s->p += opens || closes ? 2 : 1;
    depth += opens - closes;
    if (!depth) return;
  }
}

static void skip_word(scan *s) {
  int escapes = at(s, 0) == 'e' || at(s, 0) == 'E';
  if (escapes && at(s, 1) == '\'') {
    s->p++;
    skip_quoted(s, '\'', 1);
    return;
  }
  while (is_word(at(s, 0)) || at(s, 0) == '$') s->p++;
}

/* Past a blank or a comment; 0: there is none. */
static int skip_blank(scan *s) {
  if (isspace(at(s, 0))) s->p++;
  else if (at(s, 0) == '-' && at(s, 1) == '-') skip_line(s);
  else if (at(s, 0) == '/' && at(s, 1) == '*') skip_comment(s);
  else return 0;
  return 1;
}

static void skip_token(scan *s) {
  int c = at(s, 0);
  if (c == '\'' || c == '"') skip_quoted(s, c, 0);
  else if (is_word(c)) skip_word(s);
  else if (c != '$' || !skip_dollars(s)) s->p++;
}

static uint32_t lines_to(pml_slice text, const uint8_t *p) {
  uint32_t line = 1;
  for (const uint8_t *q = text.p; q < p; q++) line += *q == '\n';
  return line;
}

uint32_t pml__pg_line_at(pml_slice text, uint64_t character) {
  const uint8_t *p = text.p, *end = pml_slice_end(text);
  for (; p < end; p++) {
    if ((*p & 0xc0) == 0x80) continue;
    if (character-- <= 1) break;
  }
  return lines_to(text, p);
}

uint32_t pml__pg_line_of(pml_slice text, uint64_t n) {
  scan s = {text.p, pml_slice_end(text)};
  const uint8_t *begin = NULL;
  while (s.p < s.end) {
    if (skip_blank(&s)) continue;
    if (*s.p == ';') {
      if (begin && !n--) break;
      begin = NULL;
      s.p++;
      continue;
    }
    if (!begin) begin = s.p;
    skip_token(&s);
  }
  return lines_to(text, begin ? begin : s.p);
}

/* The next word; its length is 0 when there is none. */
static pml_slice next_word(scan *s) {
  while (s->p < s->end && skip_blank(s)) {}
  const uint8_t *begin = s->p;
  while (is_word(at(s, 0))) s->p++;
  return pml_slice_of(begin, (size_t)(s->p - begin));
}

static const char *one_of(const char *const *words, pml_slice w) {
  for (; *words; words++)
    if (strlen(*words) == w.n && !strncasecmp(*words, (const char *)w.p, w.n)) return *words;
  return NULL;
}

const char *pml__pg_lasting(pml_slice text) {
  static const char *const lasting[] = {"SET",     "RESET",      "DISCARD", "LISTEN", "UNLISTEN",
                                        "PREPARE", "DEALLOCATE", "LOAD",    NULL};
  static const char *const ends[] = {"LOCAL", "TRANSACTION", "CONSTRAINTS", NULL};
  scan s = {text.p, pml_slice_end(text)};
  while (s.p < s.end && (skip_blank(&s) || *s.p == ';')) s.p += at(&s, 0) == ';';
  const char *word = one_of(lasting, next_word(&s));
  if (!word || strcmp(word, "SET") != 0) return word;
  return one_of(ends, next_word(&s)) ? NULL : word;
}
