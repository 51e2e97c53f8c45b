/* sqlite_error: an error of SQLite as the answer to a call: its SQLSTATE, as PostgreSQL would give
 * it, and a sentence. */
#ifndef PML_STORE_SQLITE_ERROR_H
#define PML_STORE_SQLITE_ERROR_H

/* The SQLSTATE of an extended result code with its message; "" when there is none. */
const char *pml__sqlite_state(int code, const char *message);
/* What the store answers: PML_EFULL when another process holds the lock, PML_ETIMEOUT when the
 * statement was interrupted, else PML_EIO. */
int pml__sqlite_rc(int code);

#endif
