/* mysql_library: libmariadb, loaded when a database of kind mysql is opened and not before: a game
 * without one needs no libmariadb. Its functions are called through one table, of which every store
 * has its own. */
#ifndef PML_STORE_MYSQL_LIBRARY_H
#define PML_STORE_MYSQL_LIBRARY_H

#include <mariadb/mysql.h>
#include <stddef.h>

#define PML__MYSQL_FUNCTIONS(F) \
  F(mysql_server_init) \
  F(mysql_init) \
  F(mysql_optionsv) \
  F(mysql_real_connect) \
  F(mysql_close) \
  F(mysql_get_socket) \
  F(mysql_ping) \
  F(mysql_real_query) \
  F(mysql_set_server_option) \
  F(mysql_next_result) \
  F(mysql_store_result) \
  F(mysql_use_result) \
  F(mysql_free_result) \
  F(mysql_fetch_row) \
  F(mysql_field_count) \
  F(mysql_affected_rows) \
  F(mysql_errno) \
  F(mysql_error) \
  F(mysql_sqlstate) \
  F(mysql_stmt_init) \
  F(mysql_stmt_prepare) \
  F(mysql_stmt_param_count) \
  F(mysql_stmt_bind_param) \
  F(mysql_stmt_execute) \
  F(mysql_stmt_field_count) \
  F(mysql_stmt_result_metadata) \
  F(mysql_stmt_bind_result) \
  F(mysql_stmt_fetch) \
  F(mysql_stmt_fetch_column) \
  F(mysql_stmt_affected_rows) \
  F(mysql_stmt_errno) \
  F(mysql_stmt_error) \
  F(mysql_stmt_sqlstate) \
  F(mysql_stmt_close)

typedef struct {
#define PML__MYSQL_FIELD(name) __typeof__(&name) name;
  PML__MYSQL_FUNCTIONS(PML__MYSQL_FIELD)
#undef PML__MYSQL_FIELD
} pml__mysql;

/* Loads the library, which stays in the process, and fills *out. 0, or PML_ENOENT with one sentence
 * in err. Any thread. */
int pml__mysql_load(pml__mysql *out, char *err, size_t nerr);

#endif
