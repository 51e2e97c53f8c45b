#include "store/sqlite_private.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/mem.h"
#include "store/sqlite_error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define LOCK_MS 2000        /* how long another process may hold the lock */
#define PROGRESS 2000       /* steps of SQLite's machine between two looks at the clock */
#define KEPT_TEXT_MAX 16384 /* longer statements are not kept ready */

void pml__sqlite_result_drop(pml__sqlite_result *r) {
  pml_buf_unref(r->message);
  pml_data_drop(&r->values);
  *r = (pml__sqlite_result){0};
}

void pml__sqlite_result_fail(pml__sqlite_result *r, int rc, const char *state, const char *fmt,
                             ...) {
  char text[512];
  va_list args;
  va_start(args, fmt);
  vsnprintf(text, sizeof text, fmt, args);
  va_end(args);
  pml__sqlite_result_drop(r);
  r->rc = rc;
  snprintf(r->state, sizeof r->state, "%s", state);
  r->message = pml_buf_from(text, strlen(text));
}

void pml__sqlite_conn_fail(pml__sqlite_conn *c, pml__sqlite_result *r, const char *before) {
  const pml__sqlite *s = c->lib;
  int code = s->sqlite3_extended_errcode(c->db);
  const char *said = s->sqlite3_errmsg(c->db);
  if ((code & 0xff) == SQLITE_AUTH && c->refused) said = c->refused;
  if ((code & 0xff) == SQLITE_BUSY) said = "another process holds the lock of the file";
  if ((code & 0xff) == SQLITE_INTERRUPT) said = "the statement took too long and was interrupted";
  pml__sqlite_result_fail(r, pml__sqlite_rc(code), pml__sqlite_state(code, said), "%s%s", before,
                          said);
}

static int is_among(const char *name, const char *const *names, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (strcasecmp(name, names[i]) == 0) return 1;
  return 0;
}

/* What a statement of a game may ask of PRAGMA: facts, and what is a part of the file. */
static int is_harmless(const char *name) {
  static const char *const names[] = {
    "table_info",   "table_xinfo",      "table_list",        "index_list",      "index_info",
    "index_xinfo",  "foreign_key_list", "foreign_key_check", "integrity_check", "quick_check",
    "user_version", "application_id",   "page_count",        "freelist_count",  "compile_options",
    "optimize",     "data_version",     "collation_list",
  };
  return is_among(name, names, sizeof names / sizeof *names);
}

/* It holds until its transaction ends, which must be the game's own: plain statements share one.
 * Where it is allowed now it is not the next time, so it is not kept ready. */
static int authorize_defer(pml__sqlite_conn *c) {
  c->passing = 1;
  if (c->bounds && c->bounds->in_tx) return SQLITE_OK;
  c->refused = "PRAGMA defer_foreign_keys holds for one transaction: write it inside of "
               "db:transaction(f)";
  return SQLITE_DENY;
}

/* Functions that take about as long as their arguments are, in one step of SQLite's machine, which
 * nothing interrupts. LIKE, trim and others may take the square of it and more. */
static int is_linear(const char *name) {
  static const char *const names[] = {
    "abs",      "avg",   "changes",  "coalesce", "count",     "date",
    "datetime", "hex",   "ifnull",   "iif",      "julianday", "last_insert_rowid",
    "length",   "lower", "max",      "min",      "nullif",    "random",
    "round",    "sign",  "strftime", "substr",   "substring", "sum",
    "time",     "total", "typeof",   "unicode",  "unixepoch", "upper",
  };
  return is_among(name, names, sizeof names / sizeof *names);
}

static int authorize_near(int action, const char *name) {
  if (action == SQLITE_FUNCTION) return name && is_linear(name) ? SQLITE_OK : SQLITE_DENY;
  return action == SQLITE_SELECT || action == SQLITE_READ || action == SQLITE_RECURSIVE
           ? SQLITE_OK
           : SQLITE_DENY;
}

/* What SQLite calls temporary is what has the word; "temp.x" is a name in the schema temp, and each
 * thing that is made there, however it is written, is a row of that schema's table. */
static int is_temporary(int action, const char *db) {
  switch (action) {
  case SQLITE_CREATE_TEMP_INDEX:
  case SQLITE_CREATE_TEMP_TABLE:
  case SQLITE_CREATE_TEMP_TRIGGER:
  case SQLITE_CREATE_TEMP_VIEW:
  case SQLITE_DROP_TEMP_INDEX:
  case SQLITE_DROP_TEMP_TABLE:
  case SQLITE_DROP_TEMP_TRIGGER:
  case SQLITE_DROP_TEMP_VIEW: return 1;
  case SQLITE_CREATE_TABLE:
  case SQLITE_CREATE_VIEW:
  case SQLITE_CREATE_VTABLE:
  case SQLITE_DROP_VTABLE:
  case SQLITE_INSERT: return db && strcmp(db, "temp") == 0;
  default: return 0;
  }
}

/* The readers would not see it: the writer alone would have another table of that name. A migration
 * has a connection of its own, which is closed afterwards. */
static int authorize_temporary(pml__sqlite_conn *c) {
  if (c->script) return SQLITE_OK;
  c->refused = "a statement cannot make or drop what is temporary (a table, a view, an index, a "
               "trigger): the connections are shared, and one of them alone would have it";
  return SQLITE_DENY;
}

static int authorize(void *ud, int action, const char *name, const char *b, const char *db,
                     const char *trigger) {
  (void)trigger;
  pml__sqlite_conn *c = ud;
  if (c->own) return SQLITE_OK;
  if (c->role == PML__SQLITE_NEAR) return authorize_near(action, b);
  if (is_temporary(action, db)) return authorize_temporary(c);
  switch (action) {
  case SQLITE_TRANSACTION:
  case SQLITE_SAVEPOINT:
    c->refused = "a statement cannot begin or end a transaction: use db:transaction(f), which "
                 "keeps the connection for f";
    return SQLITE_DENY;
  case SQLITE_ATTACH:
  case SQLITE_DETACH:
    c->refused = "a statement cannot attach files (VACUUM does, too): each file is a database of "
                 "its own";
    return SQLITE_DENY;
  case SQLITE_PRAGMA:
    if (is_harmless(name)) return SQLITE_OK;
    if (strcasecmp(name, "defer_foreign_keys") == 0) return authorize_defer(c);
    c->refused = "this PRAGMA would change how the connection works, which other calls share";
    return SQLITE_DENY;
  default: return SQLITE_OK;
  }
}

static int is_over(const pml__sqlite_conn *c) {
  const pml__sqlite_bounds *b = c->bounds;
  if (!b) return 0;
  return (b->stop && atomic_load_explicit(b->stop, memory_order_relaxed)) ||
         (b->due && pml_clock_us() >= b->due);
}

static int on_progress(void *ud) { return is_over(ud); }

static int on_busy(void *ud, int times) {
  pml__sqlite_conn *c = ud;
  uint64_t now = pml_clock_ms();
  if (times == 0) c->busy_since = now;
  if (c->role == PML__SQLITE_NEAR || now - c->busy_since >= LOCK_MS || is_over(c)) return 0;
  long ms = times < 3 ? 1 : times < 10 ? 5 : 20;
  nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL);
  return 1;
}

static const char *const steps[PML__SQLITE_STEPS] = {
  "begin immediate", "commit", "rollback", "savepoint one", "release one", "rollback to one",
};

static int is_wal(void *ud, int columns, char **values, char **names) {
  (void)names;
  *(int *)ud = columns == 1 && values[0] && strcmp(values[0], "wal") == 0;
  return 0;
}

/* Its values are short, its statements too; modules of virtual tables do as much as they like in
 * one step; and the last one to close a file writes its log back, which is not for this one.
 * Without a log (WAL) readers wait for the writer. */
static int set_up_near(pml__sqlite_conn *c) {
  const pml__sqlite *s = c->lib;
  s->sqlite3_limit(c->db, SQLITE_LIMIT_LENGTH, PML__SQLITE_NEAR_BYTES);
  s->sqlite3_limit(c->db, SQLITE_LIMIT_SQL_LENGTH, PML__SQLITE_NEAR_TEXT);
  s->sqlite3_db_config(c->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
  s->sqlite3_drop_modules(c->db, NULL);
  int log = 0;
  int rc = s->sqlite3_exec(c->db, "pragma journal_mode", is_wal, &log, NULL);
  return rc || log ? rc : SQLITE_PROTOCOL;
}

/* The change to a log waits for no lock of others itself: SQLite's busy handler is not asked where
 * a lock that is held becomes a stronger one. */
static int begin_log(pml__sqlite_conn *c) {
  int rc, times = 0;
  do rc = c->lib->sqlite3_exec(c->db, "pragma journal_mode = wal", NULL, NULL, NULL);
  while ((rc & 0xff) == SQLITE_BUSY && on_busy(c, times++));
  return rc;
}

/* An in-memory file has no other journal than its own. */
static int set_up(pml__sqlite_conn *c, int memory) {
  const pml__sqlite *s = c->lib;
  int rc = SQLITE_OK;
  s->sqlite3_extended_result_codes(c->db, 1);
  s->sqlite3_busy_handler(c->db, on_busy, c);
  s->sqlite3_db_config(c->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
  s->sqlite3_db_config(c->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
  s->sqlite3_db_config(c->db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
  s->sqlite3_db_config(c->db, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
  s->sqlite3_db_config(c->db, SQLITE_DBCONFIG_ENABLE_FKEY, 1, NULL);
  if (c->role == PML__SQLITE_NEAR) rc = set_up_near(c);
  else if (!memory) rc = begin_log(c);
  if (!rc) rc = s->sqlite3_exec(c->db, "pragma synchronous = normal", NULL, NULL, NULL);
  /* A file that is no database says so at the first look into it. */
  if (!rc) rc = s->sqlite3_exec(c->db, "select 1 from sqlite_schema limit 1", NULL, NULL, NULL);
  if (!rc && c->role != PML__SQLITE_WRITER)
    rc = s->sqlite3_exec(c->db, "pragma query_only = on", NULL, NULL, NULL);
  for (int i = 0; !rc && c->role != PML__SQLITE_NEAR && i < PML__SQLITE_STEPS; i++)
    rc = s->sqlite3_prepare_v3(c->db, steps[i], -1, SQLITE_PREPARE_PERSISTENT, &c->step[i], NULL);
  s->sqlite3_progress_handler(c->db, PROGRESS, on_progress, c);
  s->sqlite3_set_authorizer(c->db, authorize, c);
  return rc;
}

static int open_db(pml__sqlite_conn *c, const char *path) {
  int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
  if (c->role != PML__SQLITE_NEAR)
    return c->lib->sqlite3_open_v2(path, &c->db, flags | SQLITE_OPEN_CREATE, NULL);
  c->nowait = pml__sqlite_nowait_new(c->lib);
  if (!c->nowait) return SQLITE_CANTOPEN;
  return c->lib->sqlite3_open_v2(path, &c->db, flags, pml__sqlite_nowait_name(c->nowait));
}

pml__sqlite_conn *pml__sqlite_conn_open(const pml__sqlite *lib, const char *path,
                                        pml__sqlite_role role, pml__sqlite_result *r) {
  char before[300];
  pml__sqlite_conn *c = pml_alloc0(sizeof *c);
  c->lib = lib;
  c->role = role;
  int rc = open_db(c, path);
  c->own = 1;
  if (!rc) rc = set_up(c, strcmp(path, ":memory:") == 0);
  c->own = 0;
  if (!rc) return c;
  snprintf(before, sizeof before, "%s: ", path);
  if (c->db) pml__sqlite_conn_fail(c, r, before);
  else pml__sqlite_result_fail(r, PML_EIO, "53200", "%sno memory", before);
  pml__sqlite_conn_close(c);
  return NULL;
}

static void forget(pml__sqlite_conn *c, pml__sqlite_ready *k) {
  c->lib->sqlite3_finalize(k->stmt);
  pml_free(k->text);
  pml_free(k->value);
  *k = (pml__sqlite_ready){0};
}

void pml__sqlite_conn_close(pml__sqlite_conn *c) {
  if (!c) return;
  c->own = 1;
  for (int i = 0; i < PML__SQLITE_KEPT; i++)
    if (c->kept[i].stmt) forget(c, &c->kept[i]);
  for (int i = 0; i < PML__SQLITE_STEPS; i++) c->lib->sqlite3_finalize(c->step[i]);
  c->lib->sqlite3_close_v2(c->db);
  pml__sqlite_nowait_free(c->nowait);
  pml_free(c);
}

int pml__sqlite_conn_in_tx(const pml__sqlite_conn *c) {
  return !c->lib->sqlite3_get_autocommit(c->db);
}

int pml__sqlite_conn_breaks_key(const pml__sqlite_conn *c) {
  int now = 0, highest = 0;
  c->lib->sqlite3_db_status(c->db, SQLITE_DBSTATUS_DEFERRED_FKS, &now, &highest, 0);
  return now;
}

/* Which value the parameter with that name gets: the number behind the $; 0: it is written
 * otherwise. */
static uint32_t number_of(const char *name) {
  uint32_t n = 0;
  if (!name || *name++ != '$' || *name == '0') return 0;
  for (; *name; name++) {
    if (*name < '0' || *name > '9' || n > 99999) return 0;
    n = n * 10 + (uint32_t)(*name - '0');
  }
  return n;
}

static int number_values(pml__sqlite_conn *c, pml__sqlite_ready *k, pml__sqlite_result *r) {
  const pml__sqlite *s = c->lib;
  k->count = (uint32_t)s->sqlite3_bind_parameter_count(k->stmt);
  k->value = k->count ? pml_alloc(k->count * sizeof *k->value) : NULL;
  for (uint32_t i = 0; i < k->count; i++) {
    const char *name = s->sqlite3_bind_parameter_name(k->stmt, (int)i + 1);
    k->value[i] = number_of(name);
    if (!k->value[i]) {
      pml__sqlite_result_fail(
        r, PML_EINVAL, "42601", "parameters are written $1, $2, …, not %s%s", name ? name : "?",
        name && strstr(name, "::") ? "; a type is given by cast($1 as text)" : "");
      return r->rc;
    }
    if (k->value[i] > k->values) k->values = k->value[i];
  }
  return 0;
}

/* Nothing but space, comments and semicolons follows a statement. */
static int is_alone(pml__sqlite_conn *c, const char *rest, const char *end) {
  const pml__sqlite *s = c->lib;
  while (rest < end) {
    sqlite3_stmt *next = NULL;
    const char *tail = end;
    int rc = s->sqlite3_prepare_v3(c->db, rest, (int)(end - rest), 0, &next, &tail);
    s->sqlite3_finalize(next);
    if (rc != SQLITE_OK || next) return 0;
    if (tail == rest) return 1;
    rest = tail;
  }
  return 1;
}

static int prepare(pml__sqlite_conn *c, pml_slice text, pml__sqlite_ready *k,
                   pml__sqlite_result *r) {
  const char *sql = (const char *)text.p, *rest = NULL;
  if (text.n > 1000000) {
    pml__sqlite_result_fail(r, PML_EINVAL, "54000", "a statement may have 1,000,000 bytes");
    return r->rc;
  }
  if (text.n && memchr(text.p, 0, text.n)) {
    pml__sqlite_result_fail(r, PML_EINVAL, "42601", "a statement has no zero byte");
    return r->rc;
  }
  c->refused = NULL;
  c->passing = 0;
  int rc = c->lib->sqlite3_prepare_v3(c->db, text.n ? sql : "", (int)text.n,
                                      SQLITE_PREPARE_PERSISTENT, &k->stmt, &rest);
  if (rc) {
    pml__sqlite_conn_fail(c, r, "");
    return r->rc;
  }
  if (!k->stmt) {
    pml__sqlite_result_fail(r, PML_EINVAL, "42601", "there is no statement in this text");
    return r->rc;
  }
  if (!is_alone(c, rest, sql + text.n)) {
    pml__sqlite_result_fail(r, PML_EINVAL, "42601",
                            "a call takes one statement, and this text has more of them");
    return r->rc;
  }
  return number_values(c, k, r);
}

/* The place of the statement that was not used for the longest time. */
static pml__sqlite_ready *place(pml__sqlite_conn *c) {
  pml__sqlite_ready *oldest = &c->kept[0];
  for (int i = 0; i < PML__SQLITE_KEPT; i++)
    if (c->kept[i].used < oldest->used) oldest = &c->kept[i];
  if (oldest->stmt) forget(c, oldest);
  return oldest;
}

static pml__sqlite_ready *find(const pml__sqlite_conn *c, pml_slice text, uint32_t hash) {
  for (int i = 0; i < PML__SQLITE_KEPT; i++) {
    const pml__sqlite_ready *k = &c->kept[i];
    if (k->hash != hash || k->n != text.n || !k->stmt || !k->text) continue;
    if (memcmp(k->text, text.p, text.n) == 0) return (pml__sqlite_ready *)(uintptr_t)k;
  }
  return NULL;
}

int pml__sqlite_conn_is_quick(const pml__sqlite_conn *c, pml_slice text, uint32_t us) {
  const pml__sqlite_ready *k = find(c, text, pml_hash_ours(text.p, text.n));
  return k && (k->us[0] < us || k->us[1] < us);
}

pml__sqlite_ready *pml__sqlite_conn_prepare(pml__sqlite_conn *c, pml_slice text,
                                            pml__sqlite_result *r) {
  uint32_t hash = pml_hash_ours(text.p, text.n);
  pml__sqlite_ready *k = find(c, text, hash);
  if (k) {
    k->used = ++c->used;
    return k;
  }
  k = place(c);
  uint64_t begun = pml_clock_us();
  if (prepare(c, text, k, r) != 0) {
    forget(c, k);
    return NULL;
  }
  k->us[0] = k->us[1] = UINT32_MAX; /* not known */
  k->plan = (uint32_t)(pml_clock_us() - begun);
  if (text.n <= KEPT_TEXT_MAX && !c->passing) {
    k->text = pml_strndup((const char *)text.p, text.n);
    k->n = text.n;
    k->hash = hash;
    k->used = ++c->used;
  }
  return k;
}

int pml__sqlite_conn_ready(pml__sqlite_conn *c, pml_slice text, uint32_t us,
                           pml__sqlite_result *r) {
  pml__sqlite_ready *k = pml__sqlite_conn_prepare(c, text, r);
  if (k) k->us[0] = k->us[1] = us;
  return r->rc;
}

int pml__sqlite_conn_met(pml__sqlite_conn *c) {
  return c->nowait ? pml__sqlite_nowait_met(c->nowait) : 0;
}
