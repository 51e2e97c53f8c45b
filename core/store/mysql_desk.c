#include "store/mysql_desk.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/password.h"

#include <fcntl.h>
#include <mariadb/errmsg.h>
#include <mariadb/mysqld_error.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define PORT 3306
#define KILLED 1927 /* MariaDB's and MySQL's numbers for a connection that it ends */
#define TIMED_OUT_IDLE 4031
#define TIMED_OUT_MYSQL 3024

/* --- outcomes -------------------------------------------------------------------------------- */

void pml__mysql_clear(pml__mysql_desk *d) {
  d->rc = d->lost = d->dirty = d->stuck = 0;
  *d->state = *d->message = 0;
  d->columns = 0;
  d->rows = 0;
  pml_data_drop(&d->values);
}

void pml__mysql_fail(pml__mysql_desk *d, int rc, const char *fmt, ...) {
  va_list args;
  pml__mysql_clear(d);
  d->rc = rc;
  va_start(args, fmt);
  vsnprintf(d->message, sizeof d->message, fmt, args);
  va_end(args);
}

static int ends_connection(unsigned number) {
  switch (number) {
  case CR_SERVER_GONE_ERROR:
  case CR_SERVER_LOST:
  case CR_SERVER_LOST_EXTENDED:
  case CR_NET_PACKET_TOO_LARGE:
  case CR_MALFORMED_PACKET:
  case CR_COMMANDS_OUT_OF_SYNC:
  case ER_SERVER_SHUTDOWN:
  case ER_NEW_ABORTING_CONNECTION:
  case KILLED:
  case TIMED_OUT_IDLE: return 1;
  default: return 0;
  }
}

void pml__mysql_failed(pml__mysql_desk *d, unsigned number, const char *state, const char *text) {
  int rc = PML_EIO;
  if (number == CR_NET_PACKET_TOO_LARGE) rc = PML_ETOOBIG;
  if (number == ER_STATEMENT_TIMEOUT || number == TIMED_OUT_MYSQL) rc = PML_ETIMEOUT;
  pml__mysql_fail(d, rc, "%s", text);
  if (number < CR_MIN_ERROR || number > CR_MAX_ERROR)
    snprintf(d->state, sizeof d->state, "%s", state);
  d->lost = ends_connection(number);
  for (char *s = d->message; *s; s++)
    if ((unsigned char)*s < ' ') *s = ' ';
}

/* --- the socket ------------------------------------------------------------------------------ */

static void put_descriptor(pml__mysql_desk *d, int fd) {
  pthread_mutex_lock(&d->lock);
  int before = d->fd;
  d->fd = fd;
  pthread_mutex_unlock(&d->lock);
  if (before >= 0) close(before);
}

void pml__mysql_leave(pml__mysql_desk *d) {
  if (d->my) d->lib.mysql_close(d->my);
  d->my = NULL;
  put_descriptor(d, -1);
}

void pml__mysql_connected(pml__mysql_desk *d) {
  int own = (int)d->lib.mysql_get_socket(d->my);
  fcntl(own, F_SETFD, FD_CLOEXEC); /* no child process of ours keeps it open */
  put_descriptor(d, fcntl(own, F_DUPFD_CLOEXEC, 0));
}

int pml__mysql_is_abandoned(pml__mysql_desk *d) {
  pthread_mutex_lock(&d->lock);
  int abandoned = d->abandoned;
  pthread_mutex_unlock(&d->lock);
  return abandoned;
}

/* --- life ------------------------------------------------------------------------------------ */

static char *copy(const char *s) { return s ? pml_strdup(s) : NULL; }

pml__mysql_desk *pml__mysql_desk_new(const pml__mysql *lib, const pml_mysql_options *o, uint32_t ms,
                                     size_t max_bytes) {
  pml__mysql_desk *d = pml_alloc0(sizeof *d);
  d->lib = *lib;
  d->host = copy(o->host);
  d->user = copy(o->user);
  d->password = copy(o->password);
  d->database = copy(o->database);
  d->ca = copy(o->ca);
  d->port = o->port ? o->port : PORT;
  d->tls = o->tls;
  d->connect_ms = o->pool.connect_ms;
  d->ms = ms;
  d->max_bytes = max_bytes;
  d->fd = -1;
  pthread_mutex_init(&d->lock, NULL);
  return d;
}

void pml__mysql_desk_shut(pml__mysql_desk *d) {
  pthread_mutex_lock(&d->lock);
  d->abandoned = 1;
  if (d->fd >= 0) shutdown(d->fd, SHUT_RDWR);
  pthread_mutex_unlock(&d->lock);
}

void pml__mysql_desk_free(pml__mysql_desk *d) {
  pml__mysql_desk_shut(d); /* what libmariadb still says waits for nobody */
  pml__mysql_leave(d);
  pml__mysql_clear(d);
  if (d->password) pml_password_wipe(d->password, strlen(d->password));
  pml_free(d->host);
  pml_free(d->user);
  pml_free(d->password);
  pml_free(d->database);
  pml_free(d->ca);
  pml_buf_unref(d->text);
  pml_data_drop(&d->params);
  pthread_mutex_destroy(&d->lock);
  pml_free(d);
}
