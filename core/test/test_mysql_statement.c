/* Statements with functions in the place of libmariadb's; spec/core/store_mysql_spec.lua has a
 * server. */
#include "store/mysql_statement.h"

#include "base/err.h"
#include "base/mem.h"
#include "test/test.h"

/* What the functions get through the MYSQL and the MYSQL_STMT. */
typedef struct server {
  MYSQL my;
  MYSQL_STMT stmt;
  MYSQL_FIELD *fields;
  unsigned n; /* columns */
  unsigned long places;
  char text[256];
  MYSQL_BIND in[8], *out;
  int (*row)(struct server *s, int number);
  int rows, closed;
} server;

static server *of(MYSQL_STMT *stmt) { return (server *)(void *)stmt->mysql; }

static MYSQL_STMT *init(MYSQL *my) {
  server *s = (server *)(void *)my;
  s->stmt.mysql = my;
  return &s->stmt;
}
static int prepare(MYSQL_STMT *stmt, const char *text, unsigned long n) {
  snprintf(of(stmt)->text, sizeof of(stmt)->text, "%.*s", (int)n, text);
  return 0;
}
static unsigned long places(MYSQL_STMT *stmt) { return of(stmt)->places; }
static my_bool bind_in(MYSQL_STMT *stmt, MYSQL_BIND *b) {
  memcpy(of(stmt)->in, b, of(stmt)->places * sizeof *b);
  return 0;
}
static int execute(MYSQL_STMT *stmt) {
  (void)stmt;
  return 0;
}
static unsigned columns(MYSQL_STMT *stmt) { return of(stmt)->n; }
static unsigned long long affected(MYSQL_STMT *stmt) {
  (void)stmt;
  return 3;
}
static MYSQL_RES *metadata(MYSQL_STMT *stmt) {
  MYSQL_RES *r = pml_alloc0(sizeof *r);
  r->fields = of(stmt)->fields;
  return r;
}
static void free_metadata(MYSQL_RES *r) { pml_free(r); }
static my_bool bind_out(MYSQL_STMT *stmt, MYSQL_BIND *b) {
  of(stmt)->out = b;
  return 0;
}
static int fetch(MYSQL_STMT *stmt) {
  server *s = of(stmt);
  return s->row(s, s->rows++);
}
static int fetch_column(MYSQL_STMT *stmt, MYSQL_BIND *b, unsigned column, unsigned long offset) {
  (void)stmt;
  (void)offset;
  memset(b->buffer, 'a' + (int)column, b->buffer_length);
  return 0;
}
static my_bool close_stmt(MYSQL_STMT *stmt) {
  of(stmt)->closed++;
  return 0;
}
static void close_my(MYSQL *my) { (void)my; }

static pml__mysql_desk *desk(server *s, pml_store_op op, const char *text) {
  const pml__mysql lib = {.mysql_stmt_init = init,
                          .mysql_stmt_prepare = prepare,
                          .mysql_stmt_param_count = places,
                          .mysql_stmt_bind_param = bind_in,
                          .mysql_stmt_execute = execute,
                          .mysql_stmt_field_count = columns,
                          .mysql_stmt_affected_rows = affected,
                          .mysql_stmt_result_metadata = metadata,
                          .mysql_free_result = free_metadata,
                          .mysql_stmt_bind_result = bind_out,
                          .mysql_stmt_fetch = fetch,
                          .mysql_stmt_fetch_column = fetch_column,
                          .mysql_stmt_close = close_stmt,
                          .mysql_close = close_my};
  const pml_mysql_options o = {.host = "h", .pool = PML_STORE_POOL_OPTIONS};
  pml__mysql_desk *d = pml__mysql_desk_new(&lib, &o, 4000, 4096);
  d->my = &s->my;
  d->op = op;
  d->text = pml_buf_from(text, strlen(text));
  d->max_rows = 10;
  return d;
}

TEST(mysql_statement_takes_values_in_their_order) {
  server s = {.places = 3};
  pml__mysql_desk *d = desk(&s, PML_STORE_EXEC, "a $2, $1, $2");
  pml_data_int(&d->params, 7);
  pml_data_text(&d->params, PML_DATUM_BYTES, pml_slice_str("xyz"));
  pml__mysql_statement(d);
  CHECK_EQ(d->rc, 0);
  CHECK_EQ(d->rows, 3);
  CHECK_EQ(s.closed, 1);
  CHECK_STR(s.text, "a ?, ?, ?");
  CHECK_EQ(s.in[0].buffer_type, MYSQL_TYPE_BLOB);
  CHECK_EQ(s.in[0].buffer_length, 3);
  CHECK_EQ(s.in[1].buffer_type, MYSQL_TYPE_LONGLONG);
  CHECK_EQ(s.in[2].buffer_type, MYSQL_TYPE_BLOB);
  pml__mysql_desk_free(d);
}

static void wrong(const char *text, unsigned long n, int given, const char *message) {
  server s = {.places = n};
  pml__mysql_desk *d = desk(&s, PML_STORE_EXEC, text);
  while (given--) pml_data_null(&d->params);
  pml__mysql_statement(d);
  CHECK_EQ(d->rc, PML_EINVAL);
  CHECK(strstr(d->message, message));
  pml__mysql_desk_free(d);
}

TEST(mysql_statement_counts_its_values) {
  wrong("? ?", 2, 1, "the statement has 2 values, 1 was given");
  wrong("?", 1, 2, "the statement has 1 value, 2 were given");
  wrong("", 0, 1, "the statement has 0 values, 1 was given");
  wrong("$3", 1, 2, "the statement has 3 values, 2 were given");
  wrong("$1 ?", 2, 2, "not both");
  wrong("$1", 2, 1, "write ? in it"); /* the server reads the text in another way */
}

static MYSQL_FIELD whole = {.name = (char *)(uintptr_t) "id", .type = MYSQL_TYPE_LONGLONG};

static int three(server *s, int number) {
  if (number == 3) return MYSQL_NO_DATA;
  *(long long *)s->out[0].buffer = number;
  return 0;
}
static int endless(server *s, int number) {
  *(long long *)s->out[0].buffer = number;
  return 0;
}
static int beyond(server *s, int number) {
  if (number == 3) return MYSQL_NO_DATA;
  *(long long *)s->out[0].buffer = 9007199254740992 + number;
  return 0;
}

TEST(mysql_statement_reads_rows) {
  server s = {.fields = &whole, .n = 1, .row = three};
  pml__mysql_desk *d = desk(&s, PML_STORE_QUERY, "q");
  pml__mysql_statement(d);
  CHECK_EQ(d->rows, 3);
  CHECK_EQ(d->columns, 1);
  CHECK_EQ(d->values.n, 4);
  CHECK(pml_slice_eq(pml_data_slice(&d->values, &d->values.v[0]), pml_slice_str("id")));
  CHECK_EQ(d->values.v[3].i, 2);
  d->op = PML_STORE_EXEC; /* which counts what was changed */
  pml__mysql_clear(d);
  s.rows = 0;
  pml__mysql_statement(d);
  CHECK_EQ(d->rows, 0);
  CHECK_EQ(d->values.n, 0);
  pml__mysql_desk_free(d);
  s.rows = 0;
  d = desk(&s, PML_STORE_EXEC, "delete from q returning id");
  pml__mysql_statement(d);
  CHECK_EQ(d->rows, 3);
  CHECK_EQ(d->values.n, 0);
  pml__mysql_desk_free(d);
}

TEST(mysql_statement_stops_at_its_limits) {
  server s = {.fields = &whole, .n = 1, .row = endless};
  pml__mysql_desk *d = desk(&s, PML_STORE_QUERY, "q");
  pml__mysql_statement(d);
  CHECK_EQ(d->rc, PML_ETOOBIG);
  CHECK_STR(d->message, "more than 10 rows");
  CHECK_EQ(d->stuck, 1);
  CHECK_EQ(s.rows, 11);
  pml__mysql_desk_free(d);
  s = (server){.fields = &whole, .n = 5000, .row = endless};
  d = desk(&s, PML_STORE_QUERY, "q");
  pml__mysql_statement(d);
  CHECK_STR(d->message, "5000 columns are too many");
  pml__mysql_desk_free(d);
}

TEST(mysql_statement_refuses_inexact_numbers) {
  server s = {.fields = &whole, .n = 1, .row = beyond};
  pml__mysql_desk *d = desk(&s, PML_STORE_QUERY, "q");
  pml__mysql_statement(d);
  CHECK_EQ(d->rc, PML_ETOOBIG);
  CHECK_STR(d->message,
            "column id: 9007199254740993 does not fit a number; select cast(id as char)");
  CHECK_EQ(d->stuck, 0); /* the other rows were read */
  CHECK_EQ(s.rows, 4);
  pml__mysql_desk_free(d);
}

static unsigned long large;

static int texts(server *s, int number) {
  if (number) return MYSQL_NO_DATA;
  memcpy(s->out[0].buffer, "small", 5);
  *s->out[0].length = 5;
  *s->out[1].length = large;
  *s->out[2].is_null = 1;
  return MYSQL_DATA_TRUNCATED;
}

TEST(mysql_statement_reads_texts_of_any_size) {
  MYSQL_FIELD f[3] = {{.name = (char *)(uintptr_t) "a", .type = MYSQL_TYPE_STRING},
                      {.name = (char *)(uintptr_t) "b", .type = MYSQL_TYPE_BLOB, .charsetnr = 63},
                      {.name = (char *)(uintptr_t) "c", .type = MYSQL_TYPE_DOUBLE}};
  server s = {.fields = f, .n = 3, .row = texts};
  pml__mysql_desk *d = desk(&s, PML_STORE_QUERY, "q");
  large = 1000;
  pml__mysql_statement(d);
  CHECK_EQ(d->rc, 0);
  CHECK_EQ(d->values.v[3].kind, PML_DATUM_TEXT);
  CHECK_EQ(d->values.v[4].kind, PML_DATUM_BYTES);
  CHECK_EQ(d->values.v[4].n, 1000);
  CHECK_EQ(pml_data_slice(&d->values, &d->values.v[4]).p[999], 'b');
  CHECK_EQ(d->values.v[5].kind, PML_DATUM_NULL);
  large = 5000; /* more than an answer may have */
  s.rows = 0;
  pml__mysql_clear(d);
  pml__mysql_statement(d);
  CHECK_EQ(d->rc, PML_ETOOBIG);
  CHECK_STR(d->message, "the answer is larger than 4096 bytes");
  pml__mysql_desk_free(d);
}
