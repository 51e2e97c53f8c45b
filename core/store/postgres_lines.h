/* postgres_lines: in which line of a script a statement stands, for errors; and which statements
 * outlive themselves. Pure. */
#ifndef PML_STORE_POSTGRES_LINES_H
#define PML_STORE_POSTGRES_LINES_H

#include "base/buf.h"

/* The line of the character (of UTF-8) with that number; both count from 1. */
uint32_t pml__pg_line_at(pml_slice text, uint64_t character);

/* The line in which statement n (from 0) begins; empty statements do not count. Knows strings,
 * names in quotation marks, $tags$ and comments, as the documentation of PostgreSQL 15, 4.1 has
 * them. */
uint32_t pml__pg_line_of(pml_slice text, uint64_t n);

/* The first word, in capitals, of a statement that would change the connection for those that come
 * after it (SET, RESET, LISTEN, PREPARE, ...); NULL: it does not. SET LOCAL, SET TRANSACTION and
 * SET CONSTRAINTS end with their transaction. */
const char *pml__pg_lasting(pml_slice text);

#endif
