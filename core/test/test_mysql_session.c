/* A desk with functions in the place of libmariadb's: what other servers than MariaDB answer. */
#include "store/mysql_session.h"

#include "base/err.h"
#include "test/test.h"

#include <mariadb/errmsg.h>
#include <mariadb/mysqld_error.h>
#include <unistd.h>

/* What the functions get through the MYSQL, which is the first thing in it. */
typedef struct {
  MYSQL my;
  unsigned number; /* of the error of each statement; 0: none */
  int knows;       /* 0: no max_statement_time */
  char said[8][128];
  int n, closed, fd;
} server;

static unsigned failing(MYSQL *my) { return ((server *)(void *)my)->my.net.last_errno; }
static const char *state(MYSQL *my) { return my ? "42000" : ""; }
static const char *text_of(MYSQL *my) { return my ? "it\nfailed" : ""; }
static int query(MYSQL *my, const char *q, unsigned long n) {
  server *s = (server *)(void *)my;
  snprintf(s->said[s->n++ & 7], sizeof *s->said, "%.*s", (int)n, q);
  my->net.last_errno = s->number;
  if (!s->knows && strstr(q, "max_statement_time")) my->net.last_errno = ER_UNKNOWN_SYSTEM_VARIABLE;
  return my->net.last_errno != 0;
}
static int ping(MYSQL *my) { return ((server *)(void *)my)->fd < 0; }
static void close_my(MYSQL *my) { ((server *)(void *)my)->closed++; }

static pml__mysql_desk *desk(server *s, int sockets[2]) {
  const pml__mysql lib = {.mysql_errno = failing,
                          .mysql_sqlstate = state,
                          .mysql_error = text_of,
                          .mysql_real_query = query,
                          .mysql_ping = ping,
                          .mysql_close = close_my};
  const pml_mysql_options o = {.host = "h", .password = "p", .pool = PML_STORE_POOL_OPTIONS};
  pml__mysql_desk *d = pml__mysql_desk_new(&lib, &o, 4000, 1 << 20);
  *s = (server){.knows = 1};
  CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
  d->my = &s->my;
  d->fd = sockets[0]; /* the desk's */
  d->what = PML__MYSQL_RUN;
  d->op = PML_STORE_COMMIT;
  return d;
}

TEST(mysql_session_has_the_server_end_statements) {
  server s;
  int sockets[2];
  pml__mysql_desk *d = desk(&s, sockets);
  d->call_ms = 100;
  pml__mysql_work(d);
  CHECK_STR(s.said[0], "set session autocommit = 1, max_statement_time = 4.500");
  CHECK_STR(s.said[1], "commit");
  pml__mysql_work(d); /* it is set already */
  CHECK_EQ(s.n, 3);
  d->call_ms = 60000;
  pml__mysql_work(d);
  CHECK_STR(s.said[3], "set session autocommit = 1, max_statement_time = 60.500");
  d->call_ms = 10;
  pml__mysql_work(d);
  CHECK_STR(s.said[5], "set session autocommit = 1, max_statement_time = 4.500");
  pml__mysql_desk_free(d);
  CHECK_EQ(s.closed, 1);
  close(sockets[1]);
}

TEST(mysql_session_speaks_to_mysql) {
  server s;
  int sockets[2];
  pml__mysql_desk *d = desk(&s, sockets);
  s.knows = 0;
  pml__mysql_work(d);
  CHECK_EQ(d->rc, 0);
  CHECK_STR(s.said[1], "set session autocommit = 1, max_execution_time = 4500");
  CHECK_STR(s.said[2], "commit");
  pml__mysql_desk_free(d);
  close(sockets[1]);
}

static pml__mysql_desk *failed_with(server *s, int sockets[2], unsigned number) {
  pml__mysql_desk *d = desk(s, sockets);
  d->server_ms = 4500;
  s->number = number;
  pml__mysql_work(d);
  return d;
}

TEST(mysql_session_tells_errors_apart) {
  static const struct {
    unsigned number;
    int rc, lost;
    const char *state;
  } rows[] = {
    {ER_PARSE_ERROR, PML_EIO, 0, "42000"},
    {ER_STATEMENT_TIMEOUT, PML_ETIMEOUT, 0, "42000"},
    {3024, PML_ETIMEOUT, 0, "42000"},
    {ER_SERVER_SHUTDOWN, PML_ECLOSED, 1, "42000"},
    {CR_SERVER_LOST, PML_ECLOSED, 1, ""},
    {CR_SERVER_GONE_ERROR, PML_ECLOSED, 1, ""},
    {CR_NET_PACKET_TOO_LARGE, PML_ETOOBIG, 1, ""},
    {1927, PML_ECLOSED, 1, "42000"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    server s;
    int sockets[2];
    pml__mysql_desk *d = failed_with(&s, sockets, rows[i].number);
    CHECK_EQ(d->rc, rows[i].rc);
    CHECK_EQ(d->lost, rows[i].lost);
    CHECK_STR(d->state, rows[i].state);
    CHECK_STR(d->message, "it failed"); /* in one line */
    pml__mysql_desk_free(d);
    close(sockets[1]);
  }
}

TEST(mysql_session_sends_nothing_when_nobody_waits) {
  server s;
  int sockets[2];
  char byte;
  pml__mysql_desk *d = desk(&s, sockets);
  d->in_tx = 1;
  pml__mysql_desk_shut(d);
  CHECK_EQ(recv(sockets[1], &byte, 1, 0), 0); /* the socket is shut */
  pml__mysql_work(d);
  CHECK_EQ(s.n, 0);
  pml__mysql_desk_free(d);
  close(sockets[1]);
}

TEST(mysql_session_cleans) {
  server s;
  int sockets[2];
  pml__mysql_desk *d = desk(&s, sockets);
  d->what = PML__MYSQL_CLEAN;
  pml__mysql_work(d);
  CHECK_STR(s.said[0], "rollback");
  CHECK_STR(s.said[1], "do release_all_locks()");
  CHECK_EQ(d->rc, 0);
  d->op = PML_STORE_COMMAND;
  d->what = PML__MYSQL_RUN;
  d->server_ms = 4500;
  pml__mysql_work(d);
  CHECK_EQ(d->rc, PML_EINVAL);
  pml__mysql_desk_free(d);
  close(sockets[1]);
}

TEST(mysql_session_gives_up_what_cannot_be_rolled_back) {
  server s;
  int sockets[2];
  pml__mysql_desk *d = desk(&s, sockets);
  d->what = PML__MYSQL_CLEAN;
  s.number = ER_STATEMENT_TIMEOUT;
  pml__mysql_work(d);
  CHECK_EQ(s.n, 1);
  CHECK_EQ(d->lost, 1);
  pml__mysql_desk_free(d);
  close(sockets[1]);
}

/* The statements of a script are done; what follows is not. */
static int scripted(MYSQL *my, enum enum_mysql_set_option option) {
  server *s = (server *)(void *)my;
  if (option == MYSQL_OPTION_MULTI_STATEMENTS_OFF) s->number = ER_STATEMENT_TIMEOUT;
  return 0;
}
static MYSQL_RES *no_result(MYSQL *my) { return my ? NULL : NULL; }
static int no_more(MYSQL *my) { return my ? -1 : 0; }

TEST(mysql_session_cleans_behind_a_script_whose_commit_failed) {
  server s;
  int sockets[2];
  pml__mysql_desk *d = desk(&s, sockets);
  d->lib.mysql_set_server_option = scripted;
  d->lib.mysql_use_result = no_result;
  d->lib.mysql_next_result = no_more;
  d->op = PML_STORE_SCRIPT;
  pml__mysql_work(d);
  CHECK_STR(s.said[s.n - 1], "commit");
  CHECK_EQ(d->rc, PML_ETIMEOUT);
  CHECK_EQ(d->dirty, 1);
  pml__mysql_desk_free(d);
  close(sockets[1]);
}
