#include "store/mysql_text.h"

#include "base/err.h"
#include "base/mem.h"

#include <string.h>
#include <strings.h>

/* Whether a letter may stand in a name without quotation marks. */
static int in_name(uint8_t c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         c == '$' || c >= 0x80;
}

static size_t skip_quoted(pml_slice t, size_t i, pml__mysql_mode mode) {
  uint8_t quote = t.p[i++];
  int name = quote == '`' || (quote == '"' && mode.ansi_quotes);
  int backslash = !name && !mode.no_backslash;
  while (i < t.n) {
    uint8_t c = t.p[i++];
    if (backslash && c == '\\') i++;
    else if (c == quote && i < t.n && t.p[i] == quote) i++;
    else if (c == quote) break;
  }
  return i < t.n ? i : t.n;
}

static size_t skip_line(pml_slice t, size_t i) {
  while (i < t.n && t.p[i] != '\n') i++;
  return i;
}

static size_t skip_comment(pml_slice t, size_t i) {
  for (i += 2; i + 1 < t.n; i++)
    if (t.p[i] == '*' && t.p[i + 1] == '/') return i + 2;
  return t.n;
}

/* Behind the string, the name with quotation marks or the comment that begins at i; i when none
 * does. */
static size_t skip(pml_slice t, size_t i, pml__mysql_mode mode) {
  uint8_t next = i + 1 < t.n ? t.p[i + 1] : 0, third = i + 2 < t.n ? t.p[i + 2] : ' ';
  switch (t.p[i]) {
  case '\'':
  case '"':
  case '`': return skip_quoted(t, i, mode);
  case '#': return skip_line(t, i);
  case '-': return next == '-' && third <= ' ' ? skip_line(t, i) : i;
  case '/': /* what MySQL reads in spite of being a comment stays text */
    return next == '*' && third != '!' && third != 'M' ? skip_comment(t, i) : i;
  default: return i;
  }
}

/* Behind the digits of $n at i, and n; i: there is no such thing. */
static size_t number_at(pml_slice t, size_t i, uint32_t *n) {
  size_t end = i + 1;
  if (i && in_name(t.p[i - 1])) return i;
  for (*n = 0; end < t.n && t.p[end] >= '0' && t.p[end] <= '9'; end++)
    if (*n <= PML__MYSQL_PLACES) *n = *n * 10 + (uint32_t)(t.p[end] - '0');
  return end == i + 1 || (end < t.n && in_name(t.p[end])) ? i : end;
}

int pml__mysql_places(pml_slice text, pml__mysql_mode mode, pml_writer *out, uint16_t **order,
                      size_t *places) {
  pml_writer w = {0}, list = {0};
  size_t from = 0, n = 0, marks = 0;
  int wrong = 0;
  for (size_t i = 0; i < text.n && !wrong;) {
    uint32_t value;
    size_t end = skip(text, i, mode);
    if (end == i && text.p[i] == '?') marks++;
    if (end == i && text.p[i] == '$' && (end = number_at(text, i, &value)) > i) {
      uint16_t at = (uint16_t)(value - 1);
      wrong = value == 0 || value > PML__MYSQL_PLACES || ++n > PML__MYSQL_PLACES;
      pml_writer_put(&w, text.p + from, i - from);
      pml_writer_byte(&w, '?');
      pml_writer_put(&list, &at, sizeof at);
      from = end;
    }
    i = end > i ? end : i + 1;
  }
  if (wrong || (n && marks)) {
    pml_writer_drop(&w);
    pml_writer_drop(&list);
    return PML_EINVAL;
  }
  if (!n) return 0;
  pml_writer_put(&w, text.p + from, text.n - from);
  *out = w;
  *places = n;
  *order = pml_alloc(n * sizeof **order);
  memcpy(*order, pml_writer_at(&list, 0), n * sizeof **order);
  pml_writer_drop(&list);
  return 0;
}

uint32_t pml__mysql_line(pml_slice text, pml__mysql_mode mode, uint32_t n) {
  uint32_t line = 1, found = 1;
  int begun = 0; /* a statement: something that is no comment, space or ; */
  for (size_t i = 0; i < text.n;) {
    size_t end = skip(text, i, mode);
    uint8_t c = text.p[i];
    int comment = end > i && c != '\'' && c != '"' && c != '`';
    if (c == ';') {
      n -= begun;
      begun = 0;
    } else if (!begun && !comment && c > ' ') {
      begun = 1;
      found = line;
    }
    if (begun && n <= 1) return found;
    for (end = end > i ? end : i + 1; i < end; i++) line += text.p[i] == '\n';
  }
  return found;
}

/* The word at *i or behind the space and the comments there; its length is 0 when there is none. */
static pml_slice word_at(pml_slice t, size_t *i, pml__mysql_mode mode) {
  while (*i < t.n) {
    uint8_t c = t.p[*i];
    size_t end = c == '#' || c == '-' || c == '/' ? skip(t, *i, mode) : *i;
    if (end == *i && c > ' ' && c != ';') break;
    *i = end > *i ? end : *i + 1;
  }
  size_t from = *i;
  while (*i < t.n && in_name(t.p[*i])) ++*i;
  return pml_slice_of(*i > from ? t.p + from : NULL, *i - from);
}

static const char *one_of(const char *const *words, pml_slice w) {
  for (; *words; words++)
    if (strlen(*words) == w.n && !strncasecmp(*words, (const char *)w.p, w.n)) return *words;
  return NULL;
}

const char *pml__mysql_lasting(pml_slice text, pml__mysql_mode mode) {
  static const char *const lasting[] = {"SET", "LOCK", "USE", NULL};
  static const char *const ends[] = {"STATEMENT", NULL};
  size_t i = 0;
  const char *word = one_of(lasting, word_at(text, &i, mode));
  if (!word || strcmp(word, "SET") != 0) return word;
  if (one_of(ends, word_at(text, &i, mode))) return NULL;
  int variable = i < text.n && text.p[i] == '@' && !(i + 1 < text.n && text.p[i + 1] == '@');
  return variable ? NULL : word;
}

int pml__mysql_changes(pml_slice text, pml__mysql_mode mode) {
  static const char *const changing[] = {"INSERT", "REPLACE", "DELETE", "UPDATE", NULL};
  size_t i = 0;
  return one_of(changing, word_at(text, &i, mode)) != NULL;
}
