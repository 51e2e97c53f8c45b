#include "store/sqlite_error.h"

#include "base/err.h"

#include <sqlite3.h>
#include <stddef.h>
#include <string.h>

/* By the extended code, then by the primary one. The states are those of appendix A of
 * PostgreSQL's manual. */
static const struct {
  int code;
  const char *state;
} states[] = {
  {SQLITE_CONSTRAINT_UNIQUE, "23505"},
  {SQLITE_CONSTRAINT_PRIMARYKEY, "23505"},
  {SQLITE_CONSTRAINT_ROWID, "23505"},
  {SQLITE_CONSTRAINT_FOREIGNKEY, "23503"},
  {SQLITE_CONSTRAINT_NOTNULL, "23502"},
  {SQLITE_CONSTRAINT_CHECK, "23514"},
  {SQLITE_CONSTRAINT_DATATYPE, "42804"},
  {SQLITE_CONSTRAINT, "23000"},
  {SQLITE_MISMATCH, "42804"},
  {SQLITE_RANGE, "42P02"},
  {SQLITE_AUTH, "42501"},
  {SQLITE_READONLY, "25006"},
  {SQLITE_PERM, "42501"},
  {SQLITE_FULL, "53100"},
  {SQLITE_NOMEM, "53200"},
  {SQLITE_TOOBIG, "54000"},
  {SQLITE_IOERR, "58030"},
  {SQLITE_CANTOPEN, "58030"},
  {SQLITE_CORRUPT, "XX001"},
  {SQLITE_NOTADB, "XX001"},
  {SQLITE_INTERRUPT, "57014"},
  {SQLITE_LOCKED, "55P03"},
  {SQLITE_BUSY, "55P03"},
};

/* SQLite has one code for all that is wrong with a statement; its words differ. */
static const struct {
  const char *words, *state;
} wordings[] = {
  {"no such table: ", "42P01"}, {"no such column: ", "42703"},      {"no such function: ", "42883"},
  {"syntax error", "42601"},    {"incomplete input", "42601"},      {"unrecognized token", "42601"},
  {" already exists", "42P07"}, {"ambiguous column name", "42702"},
};

const char *pml__sqlite_state(int code, const char *message) {
  for (int primary = 0; primary < 2; primary++)
    for (size_t i = 0; i < sizeof states / sizeof *states; i++)
      if (states[i].code == (primary ? code & 0xff : code)) return states[i].state;
  for (size_t i = 0; message && i < sizeof wordings / sizeof *wordings; i++)
    if (strstr(message, wordings[i].words)) return wordings[i].state;
  return (code & 0xff) == SQLITE_ERROR ? "42000" : "";
}

int pml__sqlite_rc(int code) {
  switch (code & 0xff) {
  case SQLITE_BUSY: return PML_EFULL;
  case SQLITE_INTERRUPT: return PML_ETIMEOUT;
  default: return PML_EIO;
  }
}
