#include "store/mysql_text.h"

#include "base/err.h"
#include "base/mem.h"
#include "test/test.h"

static const pml__mysql_mode plain = {0, 0};

/* The text with the order of its values behind it: "select ?, ? 1 0"; "-": as it was. */
static const char *placed(const char *text, pml__mysql_mode mode) {
  static char out[512];
  pml_writer w = {0};
  uint16_t *order = NULL;
  size_t n = 0;
  int rc = pml__mysql_places(pml_slice_str(text), mode, &w, &order, &n);
  if (rc) return rc == PML_EINVAL ? "wrong" : "?";
  if (!order) return "-";
  int at = snprintf(out, sizeof out, "%.*s", (int)w.len, (const char *)pml_writer_at(&w, 0));
  for (size_t i = 0; i < n; i++) at += snprintf(out + at, sizeof out - (size_t)at, " %d", order[i]);
  pml_writer_drop(&w);
  pml_free(order);
  return out;
}

TEST(mysql_text_has_no_values_or_marks) {
  CHECK_STR(placed("", plain), "-");
  CHECK_STR(placed("select 1", plain), "-");
  CHECK_STR(placed("select ? + ?", plain), "-");
  CHECK_STR(placed("$", plain), "-");
  CHECK_STR(placed("select $a, a$1, $1a, $1$, \xc3\xa4$1", plain), "-"); /* names */
}

TEST(mysql_text_has_numbers) {
  CHECK_STR(placed("$1", plain), "? 0");
  CHECK_STR(placed("select $2,$1 , $2+$10", plain), "select ?,? , ?+? 1 0 1 9");
  CHECK_STR(placed("where id=$1 and b in($2)", plain), "where id=? and b in(?) 0 1");
  CHECK_STR(placed("$0", plain), "wrong");
  CHECK_STR(placed("$65536", plain), "wrong");
  CHECK_STR(placed("$99999999999999999999", plain), "wrong");
  CHECK_STR(placed("$65535", plain), "? 65534");
  CHECK_STR(placed("select $1, ?", plain), "wrong");
}

TEST(mysql_text_is_not_looked_into) {
  CHECK_STR(placed("'$1' \"$2\" `$3` # $4\n-- $5\n/* $6 ? */ $7", plain),
            "'$1' \"$2\" `$3` # $4\n-- $5\n/* $6 ? */ ? 6");
  CHECK_STR(placed("'a''$1' $2", plain), "'a''$1' ? 1");
  CHECK_STR(placed("'a\\'$1' $2", plain), "'a\\'$1' ? 1");
  CHECK_STR(placed("`a``$1\\` $2", plain), "`a``$1\\` ? 1");
  CHECK_STR(placed("2--$1", plain), "2--? 0"); /* no comment without a space */
  CHECK_STR(placed("1 --", plain), "-");
  CHECK_STR(placed("/*! $1 */", plain), "/*! ? */ 0");
  CHECK_STR(placed("'$1", plain), "-"); /* not closed */
  CHECK_STR(placed("'$1\\", plain), "-");
  CHECK_STR(placed("/* $1", plain), "-");
  CHECK_STR(placed("a /", plain), "-");
}

TEST(mysql_text_by_the_mode_of_the_server) {
  const pml__mysql_mode flat = {1, 0}, ansi = {0, 1};
  CHECK_STR(placed("'a\\' $1", flat), "'a\\' ? 0");
  CHECK_STR(placed("\"a\\\" $1", ansi), "\"a\\\" ? 0");
  CHECK_STR(placed("'a\\' $1'", ansi), "-");
}

static uint32_t line(const char *text, uint32_t n) {
  return pml__mysql_line(pml_slice_str(text), plain, n);
}

TEST(mysql_text_statements_begin_in_lines) {
  const char *text = "-- made; by hand\n\ncreate table a (b int);\n"
                     "insert into a values\n  (';');; /* ; */\n"
                     "  `x`;\nlast";
  CHECK_EQ(line(text, 1), 3);
  CHECK_EQ(line(text, 2), 4);
  CHECK_EQ(line(text, 3), 6);
  CHECK_EQ(line(text, 4), 7);
  CHECK_EQ(line(text, 5), 7);
  CHECK_EQ(line("", 1), 1);
  CHECK_EQ(line("a;b", 2), 1);
  CHECK_EQ(line("'\n\n';b", 2), 3);
  CHECK_EQ(line("'\n\n", 1), 1);
}

static const char *lasting(const char *text) {
  const char *word = pml__mysql_lasting(pml_slice_str(text), (pml__mysql_mode){0});
  return word ? word : "";
}

TEST(mysql_text_of_statements_that_last) {
  CHECK_STR(lasting("set session sql_mode = ''"), "SET");
  CHECK_STR(lasting(" ; # x\n-- y\n/* z */ Set\n names latin1"), "SET");
  CHECK_STR(lasting("set @@sql_mode = ''"), "SET");
  CHECK_STR(lasting("set autocommit = 0"), "SET");
  CHECK_STR(lasting("set @a = 1"), "");
  CHECK_STR(lasting("set statement max_statement_time = 1 for select 1"), "");
  CHECK_STR(lasting("lock tables a write"), "LOCK");
  CHECK_STR(lasting("use mysql"), "USE");
  CHECK_STR(lasting("select 'set x'"), "");
  CHECK_STR(lasting("settle"), "");
  CHECK_STR(lasting("set"), "SET");
  CHECK_STR(lasting("/*"), "");
  CHECK_STR(lasting("-"), "");
  CHECK_STR(lasting(""), "");
}

static int changes(const char *text) {
  return pml__mysql_changes(pml_slice_str(text), (pml__mysql_mode){0});
}

TEST(mysql_text_of_statements_that_change_rows) {
  CHECK(changes("insert into a values (1) returning b"));
  CHECK(changes("/* x */ Delete from a returning b"));
  CHECK(!changes("select 'insert'"));
  CHECK(!changes("(select 1)"));
  CHECK(!changes(""));
}
