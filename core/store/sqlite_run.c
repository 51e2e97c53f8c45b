#include "store/sqlite_private.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#define PLAN_US 300 /* what takes longer to be made ready is a large statement */

static int bind_one(const pml__sqlite *s, sqlite3_stmt *stmt, int i, pml_data *params,
                    const pml_datum *v) {
  pml_slice b;
  switch (v->kind) {
  case PML_DATUM_BOOL:
  case PML_DATUM_INT: return s->sqlite3_bind_int64(stmt, i, v->i);
  case PML_DATUM_REAL: return s->sqlite3_bind_double(stmt, i, v->d);
  case PML_DATUM_TEXT:
    b = pml_data_slice(params, v);
    return s->sqlite3_bind_text64(stmt, i, (const char *)b.p, b.n, SQLITE_STATIC, SQLITE_UTF8);
  case PML_DATUM_BYTES:
    b = pml_data_slice(params, v);
    return s->sqlite3_bind_blob64(stmt, i, b.p, b.n, SQLITE_STATIC);
  case PML_DATUM_NULL: return s->sqlite3_bind_null(stmt, i);
  default: return SQLITE_MISMATCH;
  }
}

static int bind(pml__sqlite_conn *c, pml__sqlite_ready *k, pml_data *params,
                pml__sqlite_result *r) {
  if (params->n != k->values) {
    pml__sqlite_result_fail(r, PML_EINVAL, "08P01",
                            "the statement has %u parameters, and %zu "
                            "values were given",
                            k->values, params->n);
    return r->rc;
  }
  for (uint32_t i = 0; i < k->count; i++) {
    int rc = bind_one(c->lib, k->stmt, (int)i + 1, params, &params->v[k->value[i] - 1]);
    if (!rc) continue;
    pml__sqlite_result_fail(r, PML_EINVAL, "22000", "$%u is a value that SQLite cannot take",
                            k->value[i]);
    return r->rc;
  }
  return 0;
}

/* SQLite has no booleans: a column that is declared as one has 0 and 1. */
static int is_boolean(const char *type) {
  return type && (strcasecmp(type, "boolean") == 0 || strcasecmp(type, "bool") == 0);
}

static void take_value(const pml__sqlite *s, sqlite3_stmt *stmt, int i, pml_data *out) {
  int64_t n;
  size_t len;
  const void *p;
  switch (s->sqlite3_column_type(stmt, i)) {
  case SQLITE_INTEGER:
    n = s->sqlite3_column_int64(stmt, i);
    if ((n == 0 || n == 1) && is_boolean(s->sqlite3_column_decltype(stmt, i)))
      pml_data_bool(out, n != 0);
    else pml_data_int(out, n);
    break;
  case SQLITE_FLOAT: pml_data_real(out, s->sqlite3_column_double(stmt, i)); break;
  case SQLITE_TEXT:
    p = s->sqlite3_column_text(stmt, i);
    len = (size_t)s->sqlite3_column_bytes(stmt, i);
    pml_data_text(out, PML_DATUM_TEXT, pml_slice_of(p, p ? len : 0));
    break;
  case SQLITE_BLOB:
    p = s->sqlite3_column_blob(stmt, i);
    len = (size_t)s->sqlite3_column_bytes(stmt, i);
    pml_data_text(out, PML_DATUM_BYTES, pml_slice_of(p, p ? len : 0));
    break;
  default: pml_data_null(out);
  }
}

static int take_row(pml__sqlite_conn *c, sqlite3_stmt *stmt, pml__sqlite_result *r) {
  const pml__sqlite *s = c->lib;
  int columns = s->sqlite3_column_count(stmt);
  if (r->rows == c->bounds->max_rows) {
    pml__sqlite_result_fail(r, PML_ETOOBIG, "", "more than %u rows: add a limit to the statement",
                            c->bounds->max_rows);
    return r->rc;
  }
  for (int i = 0; i < columns; i++) take_value(s, stmt, i, &r->values);
  r->rows++;
  if (pml_data_size(&r->values) <= c->bounds->max_bytes) return 0;
  pml__sqlite_result_fail(r, PML_ETOOBIG, "", "the rows have more than %zu bytes",
                          c->bounds->max_bytes);
  return r->rc;
}

static void take_names(pml__sqlite_conn *c, sqlite3_stmt *stmt, pml__sqlite_result *r) {
  const pml__sqlite *s = c->lib;
  r->columns = (uint32_t)s->sqlite3_column_count(stmt);
  for (uint32_t i = 0; i < r->columns; i++)
    pml_data_text(&r->values, PML_DATUM_TEXT, pml_slice_str(s->sqlite3_column_name(stmt, (int)i)));
}

/* To the end of a statement, which is ready to be used again afterwards. */
static int step(pml__sqlite_conn *c, sqlite3_stmt *stmt, int rows, const char *before,
                pml__sqlite_result *r) {
  const pml__sqlite *s = c->lib;
  int64_t changes = s->sqlite3_total_changes64(c->db);
  int rc, failed = 0, first = rows;
  while ((rc = s->sqlite3_step(stmt)) == SQLITE_ROW && !failed) {
    if (first) take_names(c, stmt, r); /* not earlier: a changed schema changes them */
    first = 0;
    if (rows) failed = take_row(c, stmt, r);
  }
  if (rc != SQLITE_DONE && rc != SQLITE_ROW) pml__sqlite_conn_fail(c, r, before);
  else if (!failed && first) take_names(c, stmt, r);
  if (!r->rc && !rows)
    r->rows =
      s->sqlite3_total_changes64(c->db) == changes ? 0 : (uint64_t)s->sqlite3_changes64(c->db);
  s->sqlite3_reset(stmt);
  return r->rc;
}

int pml__sqlite_conn_run(pml__sqlite_conn *c, pml_slice text, pml_data *params, int rows,
                         const pml__sqlite_bounds *b, pml__sqlite_result *r) {
  c->bounds = b;
  pml__sqlite_ready *k = pml__sqlite_conn_prepare(c, text, r);
  if (k && c->role != PML__SQLITE_WRITER && !c->lib->sqlite3_stmt_readonly(k->stmt)) {
    c->bounds = NULL;
    return PML_EAGAIN;
  }
  if (k && bind(c, k, params, r) == 0) {
    uint64_t begun = pml_clock_us();
    step(c, k->stmt, rows, "", r);
    k->us[1] = k->us[0];
    k->us[0] = (uint32_t)(pml_clock_us() - begun);
    r->us = k->plan < PLAN_US ? k->us[0] : UINT32_MAX;
  }
  if (k) c->lib->sqlite3_clear_bindings(k->stmt); /* the values go with the call */
  c->bounds = NULL;
  return r->rc;
}

static int lines_before(const char *text, const char *at) {
  int n = 1;
  for (; text < at; text++) n += *text == '\n';
  return n;
}

/* Where the next statement begins: behind space and comments. */
static const char *skip(const char *p, const char *end) {
  while (p < end) {
    if (strchr(" \t\r\n;", *p) && *p) p++;
    else if (end - p > 1 && p[0] == '-' && p[1] == '-') {
      while (p < end && *p != '\n') p++;
    } else if (end - p > 1 && p[0] == '/' && p[1] == '*') {
      for (p += 2; p < end && !(p[-1] == '*' && p[0] == '/'); p++) {}
      if (p < end) p++;
    } else break;
  }
  return p;
}

int pml__sqlite_conn_script(pml__sqlite_conn *c, pml_slice text, const pml__sqlite_bounds *b,
                            pml__sqlite_result *r) {
  const pml__sqlite *s = c->lib;
  const char *all = (const char *)text.p, *end = all + text.n, *at = all;
  if (text.n && memchr(all, 0, text.n)) { /* behind which SQLite reads nothing */
    pml__sqlite_result_fail(r, PML_EINVAL, "42601", "line %d: a statement has no zero byte",
                            lines_before(all, memchr(all, 0, text.n)));
    return r->rc;
  }
  at = skip(all, end);
  c->bounds = b;
  c->script = 1;
  while (at < end && !r->rc) {
    char before[32];
    const char *rest = end;
    sqlite3_stmt *stmt = NULL;
    c->refused = NULL;
    int rc = s->sqlite3_prepare_v3(c->db, at, (int)(end - at), 0, &stmt, &rest);
    int off = rc ? s->sqlite3_error_offset(c->db) : 0;
    snprintf(before, sizeof before, "line %d: ", lines_before(all, at + (off > 0 ? off : 0)));
    if (rc) pml__sqlite_conn_fail(c, r, before);
    else if (stmt && s->sqlite3_bind_parameter_count(stmt) > 0)
      pml__sqlite_result_fail(r, PML_EINVAL, "42P02", "%sa file of statements has no parameters",
                              before);
    else if (stmt) step(c, stmt, 0, before, r);
    s->sqlite3_finalize(stmt);
    at = skip(rest, end);
  }
  c->script = 0;
  c->bounds = NULL;
  return r->rc;
}

int pml__sqlite_conn_step(pml__sqlite_conn *c, pml__sqlite_step which, const pml__sqlite_bounds *b,
                          pml__sqlite_result *r) {
  c->bounds = b;
  c->own = 1;
  step(c, c->step[which], 0, "", r);
  if (which == PML__SQLITE_BACK && !r->rc) step(c, c->step[PML__SQLITE_RELEASE], 0, "", r);
  c->own = 0;
  c->bounds = NULL;
  return r->rc;
}
