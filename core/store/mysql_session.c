#include "store/mysql_session.h"

#include "base/err.h"
#include "base/mem.h"
#include "store/mysql_statement.h"

#include <errno.h>
#include <mariadb/mysqld_error.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define OVER_MS 500            /* the server ends a statement so long behind its deadline */
#define PACKET_LEAST (1 << 20) /* for what is no row */

static void failed(pml__mysql_desk *d) {
  pml__mysql_failed(d, d->lib.mysql_errno(d->my), d->lib.mysql_sqlstate(d->my),
                    d->lib.mysql_error(d->my));
}

/* A statement without rows. 0, or -1 with the outcome. */
static int command(pml__mysql_desk *d, const char *text) {
  if (d->lib.mysql_real_query(d->my, text, strlen(text)) == 0) return 0;
  failed(d);
  return -1;
}

/* --- connecting ------------------------------------------------------------------------------ */

static void set_options(pml__mysql_desk *d, int is_path) {
  const pml__mysql *lib = &d->lib;
  unsigned seconds = (d->connect_ms + 999) / 1000, none = 0;
  unsigned protocol = is_path ? MYSQL_PROTOCOL_SOCKET : MYSQL_PROTOCOL_TCP;
  unsigned long packet = d->max_bytes + PACKET_LEAST;
  my_bool tls = d->tls != 0;
  /* It bounds the greetings, too. What comes later waits until the loop's side shuts the socket. */
  lib->mysql_optionsv(d->my, MYSQL_OPT_CONNECT_TIMEOUT, &seconds);
  lib->mysql_optionsv(d->my, MYSQL_OPT_PROTOCOL, &protocol);
  lib->mysql_optionsv(d->my, MYSQL_OPT_LOCAL_INFILE, &none); /* no file of ours, whoever asks */
  lib->mysql_optionsv(d->my, MYSQL_OPT_MAX_ALLOWED_PACKET, &packet);
  lib->mysql_optionsv(d->my, MYSQL_SET_CHARSET_NAME, "utf8mb4");
  lib->mysql_optionsv(d->my, MYSQL_OPT_SSL_ENFORCE, &tls);
  lib->mysql_optionsv(d->my, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &tls);
  if (tls && d->ca) lib->mysql_optionsv(d->my, MYSQL_OPT_SSL_CA, d->ca);
}

/* How the server reads texts. */
static int read_mode(pml__mysql_desk *d) {
  static const char text[] = "select @@sql_mode";
  MYSQL_RES *r = NULL;
  if (command(d, text)) return -1;
  r = d->lib.mysql_store_result(d->my);
  MYSQL_ROW row = r ? d->lib.mysql_fetch_row(r) : NULL;
  if (row && row[0]) {
    d->mode.ansi_quotes = strstr(row[0], "ANSI_QUOTES") != NULL;
    d->mode.no_backslash = strstr(row[0], "NO_BACKSLASH_ESCAPES") != NULL;
  }
  if (r) d->lib.mysql_free_result(r);
  else failed(d);
  return r ? 0 : -1;
}

/* The server ends statements by itself: MariaDB all, MySQL those that only read, and others of its
 * kind none. */
static int limit_statements(pml__mysql_desk *d, uint32_t ms) {
  char text[128];
  uint32_t at = ms + OVER_MS;
  snprintf(text, sizeof text, "set session autocommit = 1, max_statement_time = %u.%03u", at / 1000,
           at % 1000);
  if (command(d, text) && d->lib.mysql_errno(d->my) == ER_UNKNOWN_SYSTEM_VARIABLE) {
    snprintf(text, sizeof text, "set session autocommit = 1, max_execution_time = %u", at);
    if (command(d, text) && d->lib.mysql_errno(d->my) == ER_UNKNOWN_SYSTEM_VARIABLE)
      command(d, "set session autocommit = 1");
  }
  d->server_ms = at;
  if (d->lib.mysql_errno(d->my)) return -1;
  pml__mysql_clear(d);
  return 0;
}

static void connect_now(pml__mysql_desk *d) {
  int is_path = d->host && d->host[0] == '/';
  pml__mysql_leave(d);
  d->my = d->lib.mysql_init(NULL);
  if (!d->my) {
    pml__mysql_fail(d, PML_ECLOSED, "there is no memory");
    d->lost = 1;
    return;
  }
  set_options(d, is_path);
  if (!d->lib.mysql_real_connect(d->my, is_path ? NULL : d->host, d->user, d->password, d->database,
                                 is_path ? 0 : d->port, is_path ? d->host : NULL,
                                 CLIENT_FOUND_ROWS | CLIENT_MULTI_RESULTS)) {
    failed(d);
  } else {
    pml__mysql_connected(d);
    if (!pml__mysql_is_abandoned(d) && read_mode(d) == 0) limit_statements(d, d->ms);
  }
  if (d->rc) d->lost = 1;
}

/* Whether the server has ended an idle connection, which a restart does, or has something to say
 * in it, which is that it is about to. */
static int has_ended(pml__mysql_desk *d) {
  char byte;
  ssize_t n = recv(d->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return n == 0 || (n > 0 && !d->tls) || (n < 0 && errno != EAGAIN && errno != EINTR);
}

/* --- work ------------------------------------------------------------------------------------ */

/* Several statements; what they give is thrown away. */
static void statements(pml__mysql_desk *d) {
  pml_slice text = pml_buf_slice(d->text);
  uint32_t number = 1;
  int more = -1;
  if (d->lib.mysql_set_server_option(d->my, MYSQL_OPTION_MULTI_STATEMENTS_ON)) {
    failed(d);
    return;
  }
  int bad = d->lib.mysql_real_query(d->my, (const char *)text.p, text.n);
  while (!bad) {
    MYSQL_RES *r = d->lib.mysql_use_result(d->my);
    if (r) d->lib.mysql_free_result(r);
    bad = d->lib.mysql_errno(d->my) != 0;
    if (bad || (more = d->lib.mysql_next_result(d->my)) < 0) break;
    number++;
    bad = more > 0;
  }
  /* Comments alone are no statement, and no error. */
  if (bad && d->lib.mysql_errno(d->my) != ER_EMPTY_QUERY) {
    char said[sizeof d->message];
    failed(d);
    memcpy(said, d->message, sizeof said);
    snprintf(d->message, sizeof d->message, "line %u: %.*s", pml__mysql_line(text, d->mode, number),
             (int)sizeof said - 32, said);
  }
  if (!d->lost) d->lib.mysql_set_server_option(d->my, MYSQL_OPTION_MULTI_STATEMENTS_OFF);
}

/* Without a transaction it is one of its own, as far as MySQL goes along. */
static void script(pml__mysql_desk *d) {
  if (d->in_tx) {
    statements(d);
  } else if (command(d, "start transaction") == 0) {
    statements(d);
    if (d->rc == 0) command(d, "commit");
    if (d->rc && !d->lost) d->dirty = 1;
  }
}

/* A transaction may have ended by a statement, or by an error of one. */
static void look_after_transaction(pml__mysql_desk *d) {
  if (d->lost || d->stuck) return;
  if (d->rc) {
    if (d->lib.mysql_ping(d->my)) d->lost = 1; /* its answer has the status; an error has none */
    else d->dirty = !(d->my->server_status & SERVER_STATUS_IN_TRANS);
  } else if (!(d->my->server_status & SERVER_STATUS_IN_TRANS)) {
    command(d, "start transaction");
    d->dirty = d->rc != 0;
  }
}

/* A connection goes to the next call as it was: no transaction is open in it. */
static void look_for_transaction(pml__mysql_desk *d) {
  if (d->rc || !(d->my->server_status & SERVER_STATUS_IN_TRANS)) return;
  pml__mysql_fail(d, PML_EINVAL,
                  "a statement that begins a transaction, which was rolled back: db:transaction "
                  "begins one");
  d->dirty = d->stuck = 1;
}

static void run(pml__mysql_desk *d) {
  uint32_t ms = d->call_ms > d->ms ? d->call_ms : d->ms;
  if (ms + OVER_MS != d->server_ms && limit_statements(d, ms)) return;
  switch (d->op) {
  case PML_STORE_BEGIN: command(d, "start transaction"); break;
  case PML_STORE_COMMIT: command(d, "commit"); break;
  case PML_STORE_ROLLBACK: command(d, "rollback"); break;
  case PML_STORE_SCRIPT: script(d); break;
  case PML_STORE_QUERY:
  case PML_STORE_EXEC: pml__mysql_statement(d); break;
  default: pml__mysql_fail(d, PML_EINVAL, "a database of kind mysql cannot do that");
  }
  int is_own = d->op == PML_STORE_BEGIN || d->op == PML_STORE_COMMIT || d->op == PML_STORE_ROLLBACK;
  if (is_own) return;
  if (d->in_tx) look_after_transaction(d);
  else look_for_transaction(d);
}

/* A transaction that cannot be rolled back is not left to the next call: the connection goes. */
static void clean(pml__mysql_desk *d) {
  if (command(d, "rollback")) d->lost = 1;
  else if (command(d, "do release_all_locks()") && !d->lost) pml__mysql_clear(d);
}

void pml__mysql_work(pml__mysql_desk *d) {
  pml__mysql_clear(d);
  switch (d->what) {
  case PML__MYSQL_CONNECT: connect_now(d); break;
  case PML__MYSQL_RUN:
    /* Nothing was sent yet: the call may go over another connection. */
    if ((!d->in_tx || d->op == PML_STORE_BEGIN) && has_ended(d)) connect_now(d);
    if (!d->lost && !pml__mysql_is_abandoned(d)) run(d);
    break;
  case PML__MYSQL_CLEAN: clean(d); break;
  case PML__MYSQL_QUIT: pml__mysql_leave(d); break;
  }
  if (d->lost && d->rc != PML_ETOOBIG) d->rc = PML_ECLOSED;
}
