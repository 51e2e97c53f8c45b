#include "store/postgres_params.h"

#include "base/err.h"
#include "base/mem.h"

#include <stdio.h>

#define NONE ((size_t)-1)
#define BYTEA 17

static void grow(pml__pg_params *p, size_t n) {
  if (n <= p->cap) return;
  p->cap = n < 8 ? 8 : n;
  p->at = pml_realloc(p->at, p->cap * sizeof *p->at);
  p->values = pml_realloc(p->values, p->cap * sizeof *p->values);
  p->types = pml_realloc(p->types, p->cap * sizeof *p->types);
  p->lengths = pml_realloc(p->lengths, p->cap * sizeof *p->lengths);
  p->formats = pml_realloc(p->formats, p->cap * sizeof *p->formats);
}

static size_t put(pml__pg_params *p, pml_slice s) {
  size_t at = p->bytes.len;
  pml_writer_put(&p->bytes, s.p, s.n);
  pml_writer_byte(&p->bytes, 0);
  return at;
}

static size_t put_text(pml__pg_params *p, const char *s) { return put(p, pml_slice_str(s)); }

/* snprintf takes several times as long, and most values are whole numbers. */
static size_t put_int(pml__pg_params *p, int64_t i) {
  char text[24], *at = text + sizeof text;
  uint64_t left = i < 0 ? 0 - (uint64_t)i : (uint64_t)i;
  do *--at = (char)('0' + left % 10);
  while (left /= 10);
  if (i < 0) *--at = '-';
  return put(p, pml_slice_of(at, (size_t)(text + sizeof text - at)));
}

static int has_zero(pml_slice s) { return s.n && memchr(s.p, 0, s.n) != NULL; }

static int put_value(pml__pg_params *p, size_t i, pml_data *params, char *err, size_t nerr) {
  const pml_datum *v = &params->v[i];
  pml_slice s;
  char number[40];
  p->types[i] = 0;
  p->lengths[i] = p->formats[i] = 0;
  switch (v->kind) {
  case PML_DATUM_NULL: p->at[i] = NONE; return 0;
  case PML_DATUM_BOOL: p->at[i] = put_text(p, v->i ? "t" : "f"); return 0;
  case PML_DATUM_INT: p->at[i] = put_int(p, v->i); return 0;
  case PML_DATUM_REAL:
    snprintf(number, sizeof number, "%.17g", v->d);
    p->at[i] = put_text(p, number);
    return 0;
  case PML_DATUM_TEXT:
    s = pml_data_slice(params, v);
    p->at[i] = put(p, s);
    if (!has_zero(s)) return 0;
    snprintf(err, nerr,
             "parameter %zu is a text with a zero byte, which PostgreSQL cannot keep; "
             "bytes go as pomelua.blob(bytes) into a column of type bytea",
             i + 1);
    return PML_EINVAL;
  case PML_DATUM_BYTES:
    s = pml_data_slice(params, v);
    p->at[i] = put(p, s);
    p->types[i] = BYTEA;
    p->formats[i] = 1;
    p->lengths[i] = (int)s.n;
    return 0;
  default: snprintf(err, nerr, "parameter %zu is an array", i + 1); return PML_EINVAL;
  }
}

int pml__pg_params_set(pml__pg_params *p, pml_slice text, pml_data *params, char *err,
                       size_t nerr) {
  if (has_zero(text)) {
    snprintf(err, nerr, "the statement has a zero byte");
    return PML_EINVAL;
  }
  if (params->n > PML__PG_MAX_PARAMS) {
    snprintf(err, nerr, "more than %d parameters", PML__PG_MAX_PARAMS);
    return PML_EINVAL;
  }
  grow(p, params->n);
  pml_writer_cut(&p->bytes, 0);
  put(p, text);
  for (size_t i = 0; i < params->n; i++) {
    int rc = put_value(p, i, params, err, nerr);
    if (rc) return rc;
  }
  /* The block grows no more: now there are addresses. */
  p->text = (const char *)pml_writer_at(&p->bytes, 0);
  p->n = (int)params->n;
  for (size_t i = 0; i < params->n; i++)
    p->values[i] = p->at[i] == NONE ? NULL : (const char *)pml_writer_at(&p->bytes, p->at[i]);
  return 0;
}

void pml__pg_params_drop(pml__pg_params *p) {
  pml_writer_drop(&p->bytes);
  pml_free(p->at);
  pml_free(p->values);
  pml_free(p->types);
  pml_free(p->lengths);
  pml_free(p->formats);
  *p = (pml__pg_params){0};
}
