/* sqlite_backup: a copy of a file of SQLite that other processes use meanwhile: the file as it was
 * at one moment, by SQLite's own backup. */
#ifndef PML_STORE_SQLITE_BACKUP_H
#define PML_STORE_SQLITE_BACKUP_H

#include <stddef.h>

/* Copies `from`, which must be there, into `to`, a file that is made; what it held is lost. Blocks:
 * for commands, not for servers. 0, or -1 with one sentence in err; `to` may be there in part
 * then. */
int pml_sqlite_backup(const char *from, const char *to, char *err, size_t nerr);

#endif
