/* sqlite_library: libsqlite3, loaded when the first file is opened and not before: a game without
 * it needs no libsqlite3. Its functions are called through one table, of which every file has its
 * own. */
#ifndef PML_STORE_SQLITE_LIBRARY_H
#define PML_STORE_SQLITE_LIBRARY_H

#include <sqlite3.h>
#include <stddef.h>

#define PML__SQLITE_FUNCTIONS(F) \
  F(sqlite3_libversion_number) \
  F(sqlite3_vfs_find) \
  F(sqlite3_vfs_register) \
  F(sqlite3_vfs_unregister) \
  F(sqlite3_open_v2) \
  F(sqlite3_close_v2) \
  F(sqlite3_exec) \
  F(sqlite3_db_config) \
  F(sqlite3_db_status) \
  F(sqlite3_limit) \
  F(sqlite3_drop_modules) \
  F(sqlite3_extended_result_codes) \
  F(sqlite3_extended_errcode) \
  F(sqlite3_errmsg) \
  F(sqlite3_errstr) \
  F(sqlite3_error_offset) \
  F(sqlite3_set_authorizer) \
  F(sqlite3_progress_handler) \
  F(sqlite3_busy_handler) \
  F(sqlite3_get_autocommit) \
  F(sqlite3_changes64) \
  F(sqlite3_total_changes64) \
  F(sqlite3_prepare_v3) \
  F(sqlite3_finalize) \
  F(sqlite3_reset) \
  F(sqlite3_clear_bindings) \
  F(sqlite3_step) \
  F(sqlite3_stmt_readonly) \
  F(sqlite3_bind_parameter_count) \
  F(sqlite3_bind_parameter_name) \
  F(sqlite3_bind_null) \
  F(sqlite3_bind_int64) \
  F(sqlite3_bind_double) \
  F(sqlite3_bind_text64) \
  F(sqlite3_bind_blob64) \
  F(sqlite3_column_count) \
  F(sqlite3_column_name) \
  F(sqlite3_column_decltype) \
  F(sqlite3_column_type) \
  F(sqlite3_column_int64) \
  F(sqlite3_column_double) \
  F(sqlite3_column_text) \
  F(sqlite3_column_blob) \
  F(sqlite3_column_bytes) \
  F(sqlite3_backup_init) \
  F(sqlite3_backup_step) \
  F(sqlite3_backup_finish)

typedef struct {
#define PML__SQLITE_FIELD(name) __typeof__(&name) name;
  PML__SQLITE_FUNCTIONS(PML__SQLITE_FIELD)
#undef PML__SQLITE_FIELD
} pml__sqlite;

/* Loads the library, which stays in the process, and fills *out. 0, or PML_ENOENT with one sentence
 * in err. Any thread. */
int pml__sqlite_load(pml__sqlite *out, char *err, size_t nerr);

#endif
