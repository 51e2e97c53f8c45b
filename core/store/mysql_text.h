/* mysql_text: what is asked of a text of SQL as MySQL reads it: where its values stand, where its
 * statements begin, and what the first one does. Strings, names in backticks and comments are not
 * looked into. Pure.
 *
 * Format: "Language Structure" in MySQL's reference manual: 'a''b' and 'a\'b', "the same", `a``b`,
 * # and -- to the end of the line, (the -- with a space or a control character behind it), and
 * between slash and star. */
#ifndef PML_STORE_MYSQL_TEXT_H
#define PML_STORE_MYSQL_TEXT_H

#include "base/buf.h"

/* How the server reads it: what its sql_mode says. */
typedef struct {
  int no_backslash; /* NO_BACKSLASH_ESCAPES */
  int ansi_quotes;  /* ANSI_QUOTES: "a" is a name */
} pml__mysql_mode;

#define PML__MYSQL_PLACES 65535 /* of values, in one statement */

/* Values may be written $1, $2, … or ?, not both. When the text has $n, *out gets it with a ? in
 * each place, and *order which value belongs there, from 0: *places of them, owned, NULL for none.
 * A text with ? or without values leaves all as it is. 0; PML_EINVAL: it has both, a $0, or too
 * many of them. */
int pml__mysql_places(pml_slice text, pml__mysql_mode mode, pml_writer *out, uint16_t **order,
                      size_t *places);
/* The line in which statement n begins, both counted from 1; the last line when there are fewer. */
uint32_t pml__mysql_line(pml_slice text, pml__mysql_mode mode, uint32_t n);
/* The first word, in capitals, of a statement that would change the connection for those that
 * come after it (SET, LOCK, USE); NULL: it does not. SET STATEMENT ends with its statement, and
 * variables such as @a are nobody else's. */
const char *pml__mysql_lasting(pml_slice text, pml__mysql_mode mode);
/* Whether a statement that gives rows has changed them: INSERT, REPLACE, DELETE, UPDATE. */
int pml__mysql_changes(pml_slice text, pml__mysql_mode mode);

#endif
