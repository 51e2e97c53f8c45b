/* postgres_result: results of libpq become the answer of a call. */
#include "base/err.h"
#include "store/postgres_lines.h"
#include "store/postgres_private.h"

#include <stdio.h>
#include <stdlib.h>

/* Types, by the oids that every server has (src/include/catalog/pg_type.dat). */
enum {
  BOOL = 16,
  BYTEA = 17,
  INT8 = 20,
  INT2 = 21,
  INT4 = 23,
  OID = 26,
  FLOAT4 = 700,
  FLOAT8 = 701
};

static int digit(char c) {
  return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* \x00ff in its own place; otherwise the older form, which a session may have chosen. */
static void put_bytea(const pml__pq *f, pml_data *out, char *s, size_t n) {
  size_t len = 0, i = 2;
  if (n < 2 || s[0] != '\\' || s[1] != 'x') {
    unsigned char *b = f->PQunescapeBytea((const unsigned char *)s, &len);
    pml_data_text(out, PML_DATUM_BYTES, pml_slice_of(b ? b : (unsigned char *)"", len));
    if (b) f->PQfreemem(b);
    return;
  }
  for (; i + 1 < n && digit(s[i]) >= 0 && digit(s[i + 1]) >= 0; i += 2)
    s[len++] = (char)(digit(s[i]) << 4 | digit(s[i + 1]));
  pml_data_text(out, PML_DATUM_BYTES, pml_slice_of(s, len));
}

static void put_value(const pml__pq *f, pml_data *out, const PGresult *r, int row, int column) {
  if (f->PQgetisnull(r, row, column)) {
    pml_data_null(out);
    return;
  }
  char *s = f->PQgetvalue(r, row, column);
  switch (f->PQftype(r, column)) {
  case BOOL: pml_data_bool(out, s[0] == 't'); break;
  case INT2:
  case INT4:
  case INT8:
  case OID: pml_data_int(out, strtoll(s, NULL, 10)); break;
  case FLOAT4:
  case FLOAT8: pml_data_real(out, strtod(s, NULL)); break;
  case BYTEA: put_bytea(f, out, s, (size_t)f->PQgetlength(r, row, column)); break;
  default:
    pml_data_text(out, PML_DATUM_TEXT, pml_slice_of(s, (size_t)f->PQgetlength(r, row, column)));
  }
}

static void put_names(const pml__pq *f, pml_store_call *call, const PGresult *r) {
  call->columns = (uint32_t)f->PQnfields(r);
  for (uint32_t i = 0; i < call->columns; i++)
    pml_data_text(&call->values, PML_DATUM_TEXT, pml_slice_str(f->PQfname(r, (int)i)));
}

static int put_rows(const pml__pq *f, pml_store_call *call, const PGresult *r) {
  int n = f->PQntuples(r);
  if (call->op != PML_STORE_QUERY) return 0; /* nobody asked for them */
  if (!call->columns) put_names(f, call, r);
  for (int row = 0; row < n; row++) {
    if (call->rows == pml_store_max_rows(call)) {
      pml_store_error(call, PML_ETOOBIG, "more than %u rows", pml_store_max_rows(call));
      return 1;
    }
    for (uint32_t i = 0; i < call->columns; i++) put_value(f, &call->values, r, row, (int)i);
    call->rows++;
    if (pml_data_size(&call->values) <= pml_store_max_bytes(call)) continue;
    pml_store_error(call, PML_ETOOBIG, "the answer is larger than %zu bytes",
                    pml_store_max_bytes(call));
    return 1;
  }
  return 0;
}

static void put_count(const pml__pq *f, pml_store_call *call, PGresult *r) {
  if (call->op == PML_STORE_SCRIPT) call->rows++; /* statements that were done */
  /* Rows that were read were not changed. CREATE TABLE AS has this tag, too, without rows. */
  int read = f->PQresultStatus(r) == PGRES_TUPLES_OK && !strncmp(f->PQcmdStatus(r), "SELECT", 6);
  if (call->op == PML_STORE_EXEC && !read) call->rows += strtoull(f->PQcmdTuples(r), NULL, 10);
  if (call->op != PML_STORE_COMMIT || strcmp(f->PQcmdStatus(r), "ROLLBACK") != 0) return;
  pml_store_error(call, PML_EIO, "the transaction was rolled back: a statement of it had failed");
  memcpy(call->state, "25P02", 6);
}

static void put_error(const pml__pq *f, pml_store_call *call, const PGresult *r) {
  const char *state = f->PQresultErrorField(r, PG_DIAG_SQLSTATE);
  const char *what = f->PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
  const char *at = f->PQresultErrorField(r, PG_DIAG_STATEMENT_POSITION);
  if (!what) what = f->PQresultErrorMessage(r);
  int n = (int)strcspn(what, "\n"); /* its first line */
  if (call->op == PML_STORE_SCRIPT) {
    pml_slice text = pml_buf_slice(call->text);
    uint32_t line =
      at ? pml__pg_line_at(text, strtoull(at, NULL, 10)) : pml__pg_line_of(text, call->rows);
    pml_store_error(call, PML_EIO, "line %u: %.*s", line, n, what);
  } else if (at) {
    pml_store_error(call, PML_EIO, "%.*s (character %s of the statement)", n, what, at);
  } else {
    pml_store_error(call, PML_EIO, "%.*s", n, what);
  }
  snprintf(call->state, sizeof call->state, "%s", state ? state : "");
}

int pml__pg_take(const pml__pq *f, PGresult *r, pml_store_call *call) {
  switch (f->PQresultStatus(r)) {
  case PGRES_SINGLE_TUPLE: return put_rows(f, call, r);
  case PGRES_TUPLES_OK:
    if (put_rows(f, call, r)) return 1;
    put_count(f, call, r);
    return 0;
  case PGRES_COMMAND_OK: put_count(f, call, r); return 0;
  case PGRES_EMPTY_QUERY:
    if (call->op != PML_STORE_SCRIPT)
      pml_store_error(call, PML_EINVAL, "there is no statement in the text");
    return 0;
  case PGRES_COPY_IN:
  case PGRES_COPY_OUT:
  case PGRES_COPY_BOTH:
    pml_store_error(call, PML_EINVAL, "COPY to or from this program is not possible");
    return 1;
  default: put_error(f, call, r); return 0;
  }
}
