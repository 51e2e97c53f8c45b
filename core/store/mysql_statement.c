#include "store/mysql_statement.h"

#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BINARY 63         /* the character set of what is no text */
#define COLUMNS_MOST 4096 /* of MySQL itself */
#define SMALL 128         /* bytes of a value that are fetched with its row */
#define BIT_BYTES 8

typedef enum { WHOLE, REAL, SINGLE, BITS, TEXT, BYTES } form;

/* A column, and its value in the row that was fetched last. */
typedef struct {
  form form;
  int is_unsigned;
  const char *name;
  union {
    long long i;
    double d;
    float f;
    char small[SMALL];
  } v;
  unsigned long length;
  my_bool null, cut;
} column;

typedef struct {
  pml__mysql_desk *d;
  MYSQL_STMT *stmt;
  MYSQL_BIND *bind; /* owned */
  column *columns;  /* owned */
  uint32_t n;
  char *large; /* owned: a value that is not small */
  size_t cap;
} reader;

static void failed(pml__mysql_desk *d, MYSQL_STMT *stmt) {
  pml__mysql_failed(d, d->lib.mysql_stmt_errno(stmt), d->lib.mysql_stmt_sqlstate(stmt),
                    d->lib.mysql_stmt_error(stmt));
}

/* --- the values that go in ------------------------------------------------------------------- */

static void bind_value(pml_data *values, pml_datum *v, MYSQL_BIND *b) {
  pml_slice s;
  switch (v->kind) {
  case PML_DATUM_BOOL:
  case PML_DATUM_INT:
    b->buffer_type = MYSQL_TYPE_LONGLONG;
    b->buffer = &v->i;
    break;
  case PML_DATUM_REAL:
    b->buffer_type = MYSQL_TYPE_DOUBLE;
    b->buffer = &v->d;
    break;
  case PML_DATUM_TEXT:
  case PML_DATUM_BYTES:
    s = pml_data_slice(values, v);
    b->buffer_type = v->kind == PML_DATUM_TEXT ? MYSQL_TYPE_STRING : MYSQL_TYPE_BLOB;
    b->buffer = (void *)(uintptr_t)s.p;
    b->buffer_length = (unsigned long)s.n;
    break;
  default: b->buffer_type = MYSQL_TYPE_NULL;
  }
}

/* order: which value belongs where, NULL: as they come. */
static int bind_values(pml__mysql_desk *d, MYSQL_STMT *stmt, const uint16_t *order, size_t places) {
  size_t n = d->lib.mysql_stmt_param_count(stmt), most = 0;
  for (size_t i = 0; order && i < places; i++) most = order[i] >= most ? order[i] + 1u : most;
  size_t wanted = order ? most : n;
  if (order && places != n) {
    pml__mysql_fail(d, PML_EINVAL,
                    "the server finds %zu values in the statement, where $n stands "
                    "%zu times: write ? in it",
                    n, places);
    return -1;
  }
  if (d->params.n != wanted) {
    pml__mysql_fail(d, PML_EINVAL, "the statement has %zu value%s, %zu %s given", wanted,
                    wanted == 1 ? "" : "s", d->params.n, d->params.n == 1 ? "was" : "were");
    return -1;
  }
  if (!n) return 0;
  MYSQL_BIND *bind = pml_alloc0(n * sizeof *bind);
  for (size_t i = 0; i < n; i++)
    bind_value(&d->params, &d->params.v[order ? order[i] : i], &bind[i]);
  int bad = d->lib.mysql_stmt_bind_param(stmt, bind); /* copies them, not what they point at */
  pml_free(bind);
  if (bad) failed(d, stmt);
  return bad ? -1 : 0;
}

/* --- the rows that come out ------------------------------------------------------------------ */

static form form_of(const MYSQL_FIELD *f) {
  switch (f->type) {
  case MYSQL_TYPE_TINY:
  case MYSQL_TYPE_SHORT:
  case MYSQL_TYPE_INT24:
  case MYSQL_TYPE_LONG:
  case MYSQL_TYPE_LONGLONG:
  case MYSQL_TYPE_YEAR: return WHOLE;
  case MYSQL_TYPE_DOUBLE: return REAL;
  case MYSQL_TYPE_FLOAT: return SINGLE;
  case MYSQL_TYPE_BIT: return BITS;
  case MYSQL_TYPE_GEOMETRY: return BYTES;
  case MYSQL_TYPE_TINY_BLOB:
  case MYSQL_TYPE_MEDIUM_BLOB:
  case MYSQL_TYPE_LONG_BLOB:
  case MYSQL_TYPE_BLOB:
  case MYSQL_TYPE_VARCHAR:
  case MYSQL_TYPE_VAR_STRING:
  case MYSQL_TYPE_STRING: return f->charsetnr == BINARY ? BYTES : TEXT;
  default: return TEXT; /* DECIMAL, dates and times, JSON */
  }
}

static void bind_column(const MYSQL_FIELD *f, column *c, MYSQL_BIND *b) {
  c->form = form_of(f);
  c->is_unsigned = (f->flags & UNSIGNED_FLAG) != 0;
  c->name = f->name;
  b->length = &c->length;
  b->is_null = &c->null;
  b->error = &c->cut;
  b->buffer = &c->v;
  switch (c->form) {
  case WHOLE:
    b->buffer_type = MYSQL_TYPE_LONGLONG;
    b->is_unsigned = (my_bool)c->is_unsigned;
    break;
  case REAL: b->buffer_type = MYSQL_TYPE_DOUBLE; break;
  case SINGLE: b->buffer_type = MYSQL_TYPE_FLOAT; break;
  default:
    b->buffer_type = c->form == TEXT ? MYSQL_TYPE_STRING : MYSQL_TYPE_BLOB;
    b->buffer_length = sizeof c->v.small;
  }
}

/* 0, or -1 with the outcome. */
static int open_reader(reader *r) {
  pml__mysql_desk *d = r->d;
  MYSQL_RES *meta = d->lib.mysql_stmt_result_metadata(r->stmt);
  if (!meta || r->n > COLUMNS_MOST) {
    if (meta) d->lib.mysql_free_result(meta);
    pml__mysql_fail(d, PML_ETOOBIG, "%u columns are too many", r->n);
    d->dirty = d->stuck = 1;
    return -1;
  }
  r->bind = pml_alloc0(r->n * sizeof *r->bind);
  r->columns = pml_alloc0(r->n * sizeof *r->columns);
  for (uint32_t i = 0; i < r->n; i++) bind_column(&meta->fields[i], &r->columns[i], &r->bind[i]);
  d->lib.mysql_free_result(meta); /* the fields are the statement's */
  if (d->lib.mysql_stmt_bind_result(r->stmt, r->bind) == 0) return 0;
  failed(d, r->stmt);
  return -1;
}

static void close_reader(reader *r) {
  pml_free(r->bind);
  pml_free(r->columns);
  pml_free(r->large);
}

/* The shortest number that is this one among those of its size: 0.1, not 0.10000000149. */
static double widened(float f) {
  char text[32];
  for (int digits = 6; digits <= 9; digits++) {
    snprintf(text, sizeof text, "%.*g", digits, (double)f);
    if (strtof(text, NULL) == f) break;
  }
  return strtod(text, NULL);
}

static int put_whole(reader *r, const column *c) {
  unsigned long long high = (unsigned long long)PML_INTEGER_MAX;
  unsigned long long u = (unsigned long long)c->v.i;
  if (c->is_unsigned ? u > high : (c->v.i > (long long)high || c->v.i < -(long long)high)) {
    char number[32];
    snprintf(number, sizeof number, c->is_unsigned ? "%llu" : "%lld", u);
    pml__mysql_fail(r->d, PML_ETOOBIG,
                    "column %.64s: %s does not fit a number; select cast(%.64s as char)", c->name,
                    number, c->name);
    return -1;
  }
  pml_data_int(&r->d->values, c->v.i);
  return 0;
}

static void put_bits(reader *r, const column *c) {
  uint64_t bits = 0;
  for (unsigned long i = 0; i < c->length && i < BIT_BYTES; i++)
    bits = bits << 8 | (uint8_t)c->v.small[i];
  column whole = *c;
  whole.v.i = (long long)bits;
  whole.is_unsigned = 1;
  put_whole(r, &whole);
}

/* Text or bytes of column i: those that do not fit are fetched once more. */
static int put_text(reader *r, uint32_t i) {
  column *c = &r->columns[i];
  pml__mysql_desk *d = r->d;
  pml_slice s = pml_slice_of(c->v.small, c->length);
  if (c->length > sizeof c->v.small) {
    MYSQL_BIND b = r->bind[i];
    if (c->length > d->max_bytes) return 1;
    if (c->length > r->cap) {
      pml_free(r->large);
      r->cap = c->length;
      r->large = pml_try_alloc(r->cap);
      if (!r->large) r->cap = 0;
      if (!r->large) return 1;
    }
    b.buffer = r->large;
    b.buffer_length = c->length;
    if (d->lib.mysql_stmt_fetch_column(r->stmt, &b, i, 0)) {
      failed(d, r->stmt);
      return -1;
    }
    s.p = (const uint8_t *)r->large;
  }
  pml_data_text(&d->values, c->form == TEXT ? PML_DATUM_TEXT : PML_DATUM_BYTES, s);
  return 0;
}

/* 0; 1: it is too large; -1: the outcome is there. */
static int put_row(reader *r) {
  int rc = 0;
  for (uint32_t i = 0; i < r->n && rc == 0; i++) {
    column *c = &r->columns[i];
    if (c->null) {
      pml_data_null(&r->d->values);
      continue;
    }
    switch (c->form) {
    case WHOLE: rc = put_whole(r, c); break;
    case REAL: pml_data_real(&r->d->values, c->v.d); break;
    case SINGLE: pml_data_real(&r->d->values, widened(c->v.f)); break;
    case BITS:
      put_bits(r, c);
      rc = r->d->rc ? -1 : 0;
      break;
    default: rc = put_text(r, i);
    }
  }
  return rc;
}

/* The rest of the rows would have to be read before the connection is of use again: it goes. */
static void stop(pml__mysql_desk *d, uint64_t rows) {
  if (rows > d->max_rows) pml__mysql_fail(d, PML_ETOOBIG, "more than %u rows", d->max_rows);
  else pml__mysql_fail(d, PML_ETOOBIG, "the answer is larger than %zu bytes", d->max_bytes);
  d->dirty = d->stuck = 1;
}

/* A value was refused: the other rows are read and thrown away, when they are not too many. */
static void drain(reader *r, uint64_t rows) {
  int got;
  do {
    got = r->d->lib.mysql_stmt_fetch(r->stmt);
  } while ((got == 0 || got == MYSQL_DATA_TRUNCATED) && ++rows <= r->d->max_rows);
  if (got != MYSQL_NO_DATA) r->d->dirty = r->d->stuck = 1;
}

static void read_rows(reader *r) {
  pml__mysql_desk *d = r->d;
  int keeps = d->op == PML_STORE_QUERY, rc = 0, got = 0;
  uint64_t rows = 0;
  if (keeps) d->columns = r->n;
  for (uint32_t i = 0; keeps && i < r->n; i++)
    pml_data_text(&d->values, PML_DATUM_TEXT, pml_slice_str(r->columns[i].name));
  while ((got = d->lib.mysql_stmt_fetch(r->stmt)) == 0 || got == MYSQL_DATA_TRUNCATED) {
    if (++rows > d->max_rows && keeps) break;
    if (keeps) rc = put_row(r);
    if (rc || pml_data_size(&d->values) > d->max_bytes) break;
  }
  if (rc < 0) drain(r, rows);
  else if (got == 0 || got == MYSQL_DATA_TRUNCATED) stop(d, rows);
  else if (got != MYSQL_NO_DATA) failed(d, r->stmt);
  else d->rows = rows;
}

/* --- the statement --------------------------------------------------------------------------- */

static void execute(pml__mysql_desk *d, MYSQL_STMT *stmt) {
  if (d->lib.mysql_stmt_execute(stmt)) {
    failed(d, stmt);
    return;
  }
  reader r = {.d = d, .stmt = stmt, .n = d->lib.mysql_stmt_field_count(stmt)};
  if (r.n) {
    if (open_reader(&r) == 0) read_rows(&r);
    close_reader(&r);
    /* Rows that were read were not changed. */
    if (d->op == PML_STORE_EXEC && !pml__mysql_changes(pml_buf_slice(d->text), d->mode))
      d->rows = 0;
  } else if (d->op == PML_STORE_EXEC) {
    uint64_t rows = d->lib.mysql_stmt_affected_rows(stmt);
    d->rows = rows == (uint64_t)-1 ? 0 : rows;
  }
}

void pml__mysql_statement(pml__mysql_desk *d) {
  pml_slice text = pml_buf_slice(d->text);
  pml_writer written = {0};
  uint16_t *order = NULL;
  size_t places = 0;
  const char *word = pml__mysql_lasting(text, d->mode);
  if (word) {
    pml__mysql_fail(d, PML_EINVAL, "%s would change the connection for the calls of others", word);
    return;
  }
  if (pml__mysql_places(text, d->mode, &written, &order, &places)) {
    pml__mysql_fail(d, PML_EINVAL, "values are written ? or $1, $2, … up to $%d, not both",
                    PML__MYSQL_PLACES);
    return;
  }
  if (order) text = pml_slice_of(pml_writer_at(&written, 0), written.len);
  MYSQL_STMT *stmt = d->lib.mysql_stmt_init(d->my);
  if (!stmt) pml__mysql_fail(d, PML_EIO, "there is no memory");
  else if (d->lib.mysql_stmt_prepare(stmt, (const char *)text.p, text.n)) failed(d, stmt);
  else if (bind_values(d, stmt, order, places) == 0) execute(d, stmt);
  if (d->stuck) pml__mysql_desk_shut(d); /* or its end would read all rows that are left */
  if (stmt) d->lib.mysql_stmt_close(stmt);
  pml_writer_drop(&written);
  pml_free(order);
}
