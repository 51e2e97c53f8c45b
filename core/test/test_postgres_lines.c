#include "store/postgres_lines.h"
#include "test/test.h"

static uint32_t of(const char *s, uint64_t n) { return pml__pg_line_of(pml_slice_str(s), n); }
static uint32_t at(const char *s, uint64_t n) { return pml__pg_line_at(pml_slice_str(s), n); }

TEST(postgres_lines_of_characters) {
  CHECK_EQ(at("a\nb\nc", 1), 1);
  CHECK_EQ(at("a\nb\nc", 3), 2);
  CHECK_EQ(at("a\nb\nc", 5), 3);
  CHECK_EQ(at("\xc3\xa4\xe2\x82\xac\nb", 3), 1);
  CHECK_EQ(at("\xc3\xa4\xe2\x82\xac\nb", 4), 2);
  CHECK_EQ(at("a\n", 99), 2);
  CHECK_EQ(at("", 1), 1);
}

TEST(postgres_lines_of_statements) {
  const char *s = "create table a();\n"
                  "\n"
                  "  ; -- empty; and a comment\n"
                  "insert into a values ('x;''\n');\n"
                  "/* a /* nested; */ ;\n */ select \"a;\n\" from a;"
                  "select E'\\';\n' || $1;\n"
                  "create function f() as $b$ begin; $c$ ;\n end $b$;\n"
                  "last";
  CHECK_EQ(of(s, 0), 1);
  CHECK_EQ(of(s, 1), 4);
  CHECK_EQ(of(s, 2), 7);
  CHECK_EQ(of(s, 3), 8);
  CHECK_EQ(of(s, 4), 10);
  CHECK_EQ(of(s, 5), 12);
  CHECK_EQ(of(s, 6), 12);
}

TEST(postgres_lines_take_any_bytes) {
  const char *const cut[] = {"'", "\"", "$",    "$a", "$a$",  "/*", "/",      "-",        "--",
                             "E", "E'", "E'\\", "\\", "/*/*", ";",  "a$b$;c", "\xff\xff", "*/"};
  for (size_t i = 0; i < sizeof cut / sizeof *cut; i++)
    for (uint64_t n = 0; n < 3; n++) CHECK_EQ(of(cut[i], n), 1);
  CHECK_EQ(pml__pg_line_of(pml_slice_of(NULL, 0), 0), 1);
  CHECK_EQ(pml__pg_line_at(pml_slice_of(NULL, 0), 1), 1);
}

static const char *lasting(const char *s) {
  const char *word = pml__pg_lasting(pml_slice_str(s));
  return word ? word : "";
}

TEST(postgres_lines_of_statements_that_last) {
  CHECK_STR(lasting("set statement_timeout = 1"), "SET");
  CHECK_STR(lasting(" ; -- x\n/* set local */ Set\nsession x to 1"), "SET");
  CHECK_STR(lasting("SET ROLE admin"), "SET");
  CHECK_STR(lasting("set/**/local x = 1"), "");
  CHECK_STR(lasting("set transaction isolation level serializable"), "");
  CHECK_STR(lasting("set constraints all deferred"), "");
  CHECK_STR(lasting("listen x"), "LISTEN");
  CHECK_STR(lasting("reset all"), "RESET");
  CHECK_STR(lasting("prepare p as select 1"), "PREPARE");
  CHECK_STR(lasting("select 'set x'"), "");
  CHECK_STR(lasting("settle"), "");
  CHECK_STR(lasting("set"), "SET");
  CHECK_STR(lasting(""), "");
  CHECK_STR(pml__pg_lasting(pml_slice_of(NULL, 0)) ? "x" : "", "");
}
