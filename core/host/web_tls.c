#include "host/web_tls.h"

#include "base/err.h"
#include "base/mem.h"
#include "net/tls_context.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FILE_MAX ((size_t)1 << 20)
#define CHAIN_MAX 16
#define LOOK_MS 500
#define SETTING "web"
#define WHERE "config/web.json: "

/* A certificate with its chain, and its key. Immutable. */
typedef struct pair {
  struct pair *next; /* of those that are no longer in force */
  uint64_t newest;   /* the last connection that may use it; 0: not known yet */
  gnutls_pcert_st certs[CHAIN_MAX];
  unsigned n;
  gnutls_privkey_t key;
  time_t until;
  char *notes; /* owned: what the operator should know, one a line */
} pair;

/* What says that a file is another one, or has changed. */
typedef struct {
  dev_t dev;
  ino_t ino;
  off_t size;
  struct timespec modified, changed;
} mark;

struct pml__web_tls {
  pthread_mutex_t lock;    /* of in_force and old */
  pthread_mutex_t busy;    /* one thread reads the files */
  char *cert, *key, *base; /* as the options name them */
  char *cert_path, *key_path;
  const pml_log *log;
  pair *in_force, *old;
  mark read[2], seen[2]; /* when they were read; at the last look */
  uint64_t renewed, failed;
  int broken; /* the files as they were read last cannot be served */
};

/* --- a pair ---------------------------------------------------------------------------- */

static void pair_free(pair *p) {
  if (!p) return;
  for (unsigned i = 0; i < p->n; i++) gnutls_pcert_deinit(&p->certs[i]);
  if (p->key) gnutls_privkey_deinit(p->key);
  pml_free(p->notes);
  pml_free(p);
}

/* The file's bytes. Returns owned, or NULL. */
static char *read_file(const char *path, size_t *n) {
  struct stat st;
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not make it wait */
  if (fd < 0) return NULL;
  char *text = NULL;
  if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (size_t)st.st_size <= FILE_MAX) {
    text = pml_alloc((size_t)st.st_size + 1);
    ssize_t k = read(fd, text, (size_t)st.st_size);
    *n = k > 0 ? (size_t)k : 0;
  }
  close(fd);
  return text;
}

static const char *behind_setting(const char *line) {
  size_t n = strlen(SETTING ".");
  return strncmp(line, SETTING ".", n) == 0 ? line + n : line;
}

static int import_certs(pair *p, const gnutls_datum_t *d) {
  unsigned count = CHAIN_MAX;
  int r = gnutls_pcert_list_import_x509_raw(p->certs, &count, d, GNUTLS_X509_FMT_PEM, 0);
  if (r >= 0) p->n = count;
  return r;
}

static int import_key(pair *p, const gnutls_datum_t *d) {
  int r = gnutls_privkey_init(&p->key);
  return r < 0 ? r : gnutls_privkey_import_x509_raw(p->key, d, GNUTLS_X509_FMT_PEM, NULL, 0);
}

static int import(pair *p, const char *path, int (*fn)(pair *p, const gnutls_datum_t *d)) {
  size_t n = 0;
  char *text = read_file(path, &n);
  if (!text) return GNUTLS_E_FILE_ERROR;
  gnutls_datum_t d = {(unsigned char *)text, (unsigned)n};
  int r = fn(p, &d);
  gnutls_memset(text, 0, n);
  pml_free(text);
  return r;
}

/* What is wrong with the files is found, and said, by the reader of the clients' ports; it puts
 * SETTING and a dot before each line. */
static pml_tls *load(const char *cert, const char *key, const char *base, int strict, char *err,
                     size_t nerr) {
  pml_tls_files f = {.cert = cert, .key = key, .base = base, .setting = SETTING, .strict = strict};
  char line[1024] = "";
  pml_tls *found = pml_tls_load(&f, line, sizeof line);
  if (!found && nerr) snprintf(err, nerr, "%s", behind_setting(line));
  return found;
}

int pml_web_check_pair(const pml_web_options *o, int strict, char *err, size_t nerr) {
  pml_tls *found = load(o->cert, o->key, o->base, strict, err, nerr);
  pml_tls_unref(found);
  return found ? 0 : PML_EINVAL;
}

static int check(const pml__web_tls *t, pair *p, char *err, size_t nerr) {
  const char *file;
  pml_tls *found = load(t->cert, t->key, t->base, 0, err, nerr);
  if (!found) return PML_EINVAL;
  p->until = (time_t)pml_tls_until(found, &file);
  p->notes = pml_strdup(pml_tls_notes(found));
  pml_tls_unref(found);
  return 0;
}

static int pair_read(const pml__web_tls *t, pair **out, char *err, size_t nerr) {
  pair *p = pml_alloc0(sizeof *p);
  int r = check(t, p, err, nerr), e = 0;
  if (r == 0) e = import(p, t->cert_path, import_certs);
  if (r == 0 && e >= 0) e = import(p, t->key_path, import_key);
  if (e < 0) {
    if (nerr)
      snprintf(err, nerr, "cert: %s: GnuTLS does not read it with %s: %s", t->cert, t->key,
               gnutls_strerror(e));
    r = PML_EINVAL;
  }
  if (r != 0) pair_free(p);
  else *out = p;
  return r;
}

/* --- renewal ----------------------------------------------------------------------------- */

static void mark_file(const char *path, mark *m) {
  struct stat st;
  memset(m, 0, sizeof *m);
  if (stat(path, &st) != 0) return;
  m->dev = st.st_dev;
  m->ino = st.st_ino;
  m->size = st.st_size;
  m->modified = st.st_mtim;
  m->changed = st.st_ctim;
}

static void mark_both(const pml__web_tls *t, mark m[2]) {
  mark_file(t->cert_path, &m[0]);
  mark_file(t->key_path, &m[1]);
}

static int read_now(pml__web_tls *t, pair **out, char *err, size_t nerr) {
  mark_both(t, t->read);
  memcpy(t->seen, t->read, sizeof t->seen);
  return pair_read(t, out, err, nerr);
}

static void say_state(const pml__web_tls *t, const pair *p, int renewed) {
  struct tm tm;
  if (!t->log) return;
  for (const char *line = p->notes; *line;) {
    size_t n = strcspn(line, "\n");
    const char *text = behind_setting(line);
    pml_log_write(t->log, PML_WARN, WHERE "%.*s", (int)(n - (size_t)(text - line)), text);
    line += n + (line[n] == '\n');
  }
  if (!renewed) return;
  gmtime_r(&p->until, &tm);
  pml_log_write(t->log, PML_INFO, WHERE "cert: %s: read again, valid until %d-%02d-%02d", t->cert,
                tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
}

/* Reads the files; busy is held. */
static int renew(pml__web_tls *t, char *err, size_t nerr) {
  pair *p;
  int r = read_now(t, &p, err, nerr);
  pthread_mutex_lock(&t->lock);
  t->broken = r != 0;
  if (r != 0) {
    t->failed++;
    pthread_mutex_unlock(&t->lock);
    if (t->log)
      pml_log_write(t->log, PML_ERROR, WHERE "%s; the certificate from before stays in force", err);
    return r;
  }
  t->in_force->next = t->old;
  t->old = t->in_force;
  t->in_force = p;
  t->renewed++;
  pthread_mutex_unlock(&t->lock);
  say_state(t, p, 1);
  return 1;
}

/* Frees pairs that no open connection can have. */
static void forget_old(pml__web_tls *t, pml__web_guard *g) {
  pthread_mutex_lock(&t->lock);
  for (pair **at = &t->old; *at;) {
    pair *p = *at;
    if (p->newest && p->newest < pml__web_guard_oldest(g)) {
      *at = p->next;
      pair_free(p);
    } else {
      if (!p->newest) p->newest = pml__web_guard_newest(g) + 1;
      at = &p->next;
    }
  }
  pthread_mutex_unlock(&t->lock);
}

uint64_t pml__web_tls_look(pml__web_tls *t, uint64_t now, pml__web_guard *g) {
  mark at[2];
  char err[512];
  forget_old(t, g);
  pthread_mutex_lock(&t->busy);
  mark_both(t, at);
  /* A pair is replaced by two steps of somebody: it is read when both files have stood still. */
  int changed = memcmp(at, t->read, sizeof at) != 0, still = !memcmp(at, t->seen, sizeof at);
  memcpy(t->seen, at, sizeof at);
  if (changed && still) renew(t, err, sizeof err);
  pthread_mutex_unlock(&t->busy);
  return now + LOOK_MS;
}

int pml__web_tls_renew(pml__web_tls *t, char *err, size_t nerr) {
  mark at[2];
  int r = 0;
  pthread_mutex_lock(&t->busy);
  mark_both(t, at);
  if (t->broken || memcmp(at, t->read, sizeof at) != 0) r = renew(t, err, nerr);
  pthread_mutex_unlock(&t->busy);
  return r;
}

/* --- the whole ------------------------------------------------------------------------------ */

void pml__web_tls_pair(pml__web_tls *t, gnutls_pcert_st **certs, unsigned *n,
                       gnutls_privkey_t *key) {
  pthread_mutex_lock(&t->lock);
  *certs = t->in_force->certs;
  *n = t->in_force->n;
  *key = t->in_force->key;
  pthread_mutex_unlock(&t->lock);
}

void pml__web_tls_counts(pml__web_tls *t, uint64_t *renewed, uint64_t *failed) {
  pthread_mutex_lock(&t->lock);
  *renewed = t->renewed;
  *failed = t->failed;
  pthread_mutex_unlock(&t->lock);
}

static char *path_of(const char *base, const char *path) {
  size_t n = strlen(base) + strlen(path) + 2;
  char *full = pml_alloc(n);
  if (path[0] == '/') snprintf(full, n, "%s", path);
  else snprintf(full, n, "%s/%s", base, path);
  return full;
}

int pml__web_tls_new(const pml_web_options *o, const pml_log *log, pml__web_tls **out, char *err,
                     size_t nerr) {
  pml__web_tls *t = pml_alloc0(sizeof *t);
  pthread_mutex_init(&t->lock, NULL);
  pthread_mutex_init(&t->busy, NULL);
  t->cert = pml_strdup(o->cert);
  t->key = pml_strdup(o->key);
  t->base = pml_strdup(o->base ? o->base : ".");
  t->cert_path = path_of(t->base, t->cert);
  t->key_path = path_of(t->base, t->key);
  t->log = log;
  int r = read_now(t, &t->in_force, err, nerr);
  if (r != 0) {
    pml__web_tls_free(t);
    return r;
  }
  say_state(t, t->in_force, 0);
  *out = t;
  return 0;
}

void pml__web_tls_free(pml__web_tls *t) {
  if (!t) return;
  for (pair *p; (p = t->old);) {
    t->old = p->next;
    pair_free(p);
  }
  pair_free(t->in_force);
  pthread_mutex_destroy(&t->lock);
  pthread_mutex_destroy(&t->busy);
  pml_free(t->cert);
  pml_free(t->key);
  pml_free(t->base);
  pml_free(t->cert_path);
  pml_free(t->key_path);
  pml_free(t);
}
