#include "bus/subjects.h"

#include "base/err.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Cut where out ends. */
static void token_write(const char *s, char *out, size_t n) {
  char *end = out + n - 4; /* room for one more and the NUL */
  for (; *s && out <= end; s++) {
    unsigned char c = (unsigned char)*s;
    int plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                c == '-' || c == '_';
    if (plain) *out++ = (char)c;
    else out += snprintf(out, 4, "=%02X", c);
  }
  *out = '\0';
}

/* 0 when token is none, or longer than an id. */
static int token_read(const char *token, char out[PML_SERVER_ID_MAX + 1]) {
  size_t n = 0;
  while (*token && n < PML_SERVER_ID_MAX) {
    unsigned c = (unsigned char)*token++;
    if (c == '=' && (sscanf(token, "%2X", &c) != 1 || !token[0] || !token[1])) return 0;
    if (token[-1] == '=') token += 2;
    out[n++] = (char)c;
  }
  out[n] = '\0';
  return n > 0 && !*token;
}

int pml__subjects_init(pml__subjects *s, const char *cluster, const char *process) {
  char token[3 * PML__CLUSTER_MAX + 1];
  if (!*cluster || strlen(cluster) > PML__CLUSTER_MAX) return PML_EINVAL;
  token_write(cluster, token, sizeof token);
  snprintf(s->prefix, sizeof s->prefix, "pml.%s.", token);
  snprintf(s->process, sizeof s->process, "%s", process);
  return 0;
}

void pml__subject_all(const pml__subjects *s, pml__subject out) {
  snprintf(out, PML__SUBJECT_MAX, "%sall", s->prefix);
}

void pml__subject_process(const pml__subjects *s, const char *process, char kind,
                          pml__subject out) {
  snprintf(out, PML__SUBJECT_MAX, "%sp.%s.%c", s->prefix, process, kind);
}

void pml__subject_id(const pml__subjects *s, const char *id, pml__subject out) {
  int n = snprintf(out, PML__SUBJECT_MAX, "%sid.", s->prefix);
  token_write(id, out + n, PML__SUBJECT_MAX - (size_t)n);
}

void pml__subject_no_process(const pml__subjects *s, const char *process, pml__subject out) {
  snprintf(out, PML__SUBJECT_MAX, "%sp.%s.n.%s", s->prefix, s->process, process);
}

void pml__subject_no_holder(const pml__subjects *s, const char *id, pml__subject out) {
  int n = snprintf(out, PML__SUBJECT_MAX, "%sp.%s.n.id.", s->prefix, s->process);
  token_write(id, out + n, PML__SUBJECT_MAX - (size_t)n);
}

/* What is behind text, or NULL when s does not begin with it. */
static const char *behind(const char *s, const char *text) {
  size_t n = strlen(text);
  return s && strncmp(s, text, n) == 0 ? s + n : NULL;
}

static pml__subject_kind read_own(const char *at, char who[PML_SERVER_ID_MAX + 1]) {
  const char *rest = behind(at, "n.");
  if (!rest) {
    static const struct {
      char letter;
      pml__subject_kind kind;
    } kinds[] = {{'r', PML__ON_RECORDS},
                 {'c', PML__ON_CONTROL},
                 {'q', PML__ON_QUESTION},
                 {'a', PML__ON_ANSWER}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
      if (at[0] == kinds[i].letter && !at[1]) return kinds[i].kind;
    return PML__ON_NOTHING;
  }
  if (behind(rest, "id.")) return token_read(rest + 3, who) ? PML__ON_NO_HOLDER : PML__ON_NOTHING;
  if (!pml_bus_is_process(rest)) return PML__ON_NOTHING;
  memcpy(who, rest, PML_PROCESS_DIGITS + 1);
  return PML__ON_NO_PROCESS;
}

pml__subject_kind pml__subject_read(const pml__subjects *s, const char *subject,
                                    char who[PML_SERVER_ID_MAX + 1]) {
  const char *at = behind(subject, s->prefix);
  if (!at) return PML__ON_NOTHING;
  if (strcmp(at, "all") == 0) return PML__ON_ALL;
  if (behind(at, "id.")) return PML__ON_ID;
  at = behind(behind(at, "p."), s->process);
  at = behind(at, ".");
  return at ? read_own(at, who) : PML__ON_NOTHING;
}
