#include "base/output.h"

#include "base/clock.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LINE_COST 64    /* what a line takes beside its bytes */
#define PIECE_PIPE 4096 /* PIPE_BUF: what goes to a pipe at once, unmixed with others' */
#define PIECE_FILE 65536
#define RETRY_MS 100 /* a full disk: how often it is tried again */
#define PIPE_END_MAX (1 << 20)
#define FORKED_MS 1000 /* how long a forked process waits for room */

typedef struct {
  pml_buf *text;
  uint64_t tells; /* how many lost lines it tells of; 0: a line of its own */
} queued;

struct pml_output {
  pml_output_options o;
  pid_t pid;
  size_t piece;
  pthread_t thread;
  pthread_mutex_t lock;
  pthread_cond_t more, done; /* something is queued; some of it is written */
  queued *line;              /* a ring of cap, a power of two */
  size_t cap, head, count;
  size_t bytes;        /* of the lines queued, with their cost */
  uint64_t lost, told; /* lines lost; lost lines that another line has reported */
  uint64_t written;    /* bytes so far: whether it moves */
  uint8_t losing;      /* no line is taken until half of the queue is free */
  uint8_t busy;        /* the thread has taken lines that are not written yet */
  uint8_t ending, gone;
  uint8_t owned; /* the descriptor is closed at the end */
  int next;      /* the descriptor that takes its place; -1: none */
  uint8_t *out;  /* the thread's own: piece bytes */
};

/* --- writing ------------------------------------------------------------------------ */

static int may_wait(int err) { return err == EAGAIN || err == EWOULDBLOCK || err == ENOBUFS; }

/* Whether the descriptor takes something within ms. */
static int wait_for_room(int fd, int ms) {
  struct pollfd p = {.fd = fd, .events = POLLOUT};
  return poll(&p, 1, ms) > 0;
}

int pml_output_write(int fd, const void *p, size_t n, uint32_t ms) {
  const uint8_t *at = p;
  while (n) {
    /* A descriptor that is ready takes this much without waiting, also without O_NONBLOCK. */
    size_t piece = n < PIECE_PIPE ? n : PIECE_PIPE;
    if (!wait_for_room(fd, (int)ms)) return 0;
    ssize_t k = write(fd, at, piece);
    if (k < 0 && errno != EINTR && !may_wait(errno)) return 0;
    if (k <= 0) continue;
    at += k;
    n -= (size_t)k;
  }
  return 1;
}

/* Called by the writer thread: the descriptor that lines go to. */
static int descriptor(pml_output *o) {
  pthread_mutex_lock(&o->lock);
  if (o->next >= 0) {
    close(o->o.fd);
    o->o.fd = o->next;
    o->next = -1;
  }
  int fd = o->o.fd;
  pthread_mutex_unlock(&o->lock);
  return fd;
}

/* Called by the writer thread; waits as long as it takes. 0 when the descriptor will never take the
 * bytes: its reader is gone. A full disk may have room again, and then the rest of the line
 * follows. */
static int write_patiently(pml_output *o, const uint8_t *p, size_t n) {
  int fd = descriptor(o);
  while (n) {
    ssize_t k = write(fd, p, n);
    if (k > 0) {
      p += k;
      n -= (size_t)k;
      pthread_mutex_lock(&o->lock);
      o->written += (uint64_t)k;
      pthread_cond_broadcast(&o->done);
      pthread_mutex_unlock(&o->lock);
    } else if (k < 0 && may_wait(errno)) {
      wait_for_room(fd, RETRY_MS);
    } else if (k < 0 && (errno == ENOSPC || errno == EDQUOT)) {
      nanosleep(&(struct timespec){0, RETRY_MS * 1000000}, NULL);
      fd = descriptor(o); /* another file may be on another disk */
    } else if (k == 0 || errno != EINTR) {
      return 0;
    }
  }
  return 1;
}

/* --- the queue: with the lock ---------------------------------------------------------- */

static size_t cost(const pml_buf *b) { return b->len + LINE_COST; }

static void append(pml_output *o, pml_buf *text, uint64_t tells) {
  if (o->count == o->cap) {
    size_t cap = o->cap ? 2 * o->cap : 64;
    queued *ring = pml_alloc(cap * sizeof *ring);
    for (size_t i = 0; i < o->count; i++) ring[i] = o->line[(o->head + i) & (o->cap - 1)];
    pml_free(o->line);
    o->line = ring;
    o->cap = cap;
    o->head = 0;
  }
  o->line[(o->head + o->count++) & (o->cap - 1)] = (queued){text, tells};
  o->bytes += cost(text);
  pthread_cond_signal(&o->more);
}

static pml_buf *first(pml_output *o) { return o->line[o->head].text; }

static queued take(pml_output *o) {
  queued q = o->line[o->head];
  o->head = (o->head + 1) & (o->cap - 1);
  o->count--;
  o->bytes -= cost(q.text);
  return q;
}

/* Some lines of the queue. A line that reports lost lines is not counted as a line: when it is lost
 * itself, the lines that it reported have to be reported again. */
typedef struct {
  uint64_t lines, tells;
} share;

static void add(share *s, queued q) {
  if (q.tells) s->tells += q.tells;
  else s->lines++;
}

static void lose(pml_output *o, share s) {
  o->lost += s.lines;
  o->told -= s.tells;
}

/* The queue has room again: a line at this place says how many lines are missing here. */
static void tell_lost(pml_output *o) {
  uint64_t lines = o->lost - o->told;
  if (!lines || (o->losing && o->bytes > o->o.limit / 2)) return;
  o->losing = 0;
  o->told = o->lost;
  pml_buf *b = o->o.lost ? o->o.lost(lines, o->o.ud) : NULL;
  if (b) append(o, b, lines);
}

/* Takes whole lines, as many as go out at once, or a long one. */
static pml_buf *gather(pml_output *o, size_t *n, share *what) {
  *n = 0;
  *what = (share){0};
  while (o->count && first(o)->len <= o->piece - *n) {
    queued q = take(o);
    memcpy(o->out + *n, q.text->data, q.text->len);
    *n += q.text->len;
    add(what, q);
    pml_buf_unref(q.text);
  }
  if (*n || !o->count) return NULL;
  queued q = take(o);
  add(what, q);
  return q.text;
}

static void *work(void *ud) {
  pml_output *o = ud;
  pthread_setname_np(pthread_self(), "log");
  pthread_mutex_lock(&o->lock);
  for (;;) {
    size_t n;
    share what;
    while (!o->count && !o->ending) pthread_cond_wait(&o->more, &o->lock);
    if (!o->count) break;
    pml_buf *whole = gather(o, &n, &what);
    o->busy = 1;
    pthread_mutex_unlock(&o->lock);
    int good = whole ? write_patiently(o, whole->data, whole->len) : write_patiently(o, o->out, n);
    pml_buf_unref(whole);
    pthread_mutex_lock(&o->lock);
    o->busy = 0;
    if (!good) lose(o, what);
    else tell_lost(o);
    pthread_cond_broadcast(&o->done);
  }
  o->gone = 1;
  pthread_cond_broadcast(&o->done);
  pthread_mutex_unlock(&o->lock);
  return NULL;
}

/* --- from any thread --------------------------------------------------------------------- */

static void release(pml_output *o) {
  while (o->count) pml_buf_unref(take(o).text);
  pthread_cond_destroy(&o->more);
  pthread_cond_destroy(&o->done);
  pthread_mutex_destroy(&o->lock);
  pml_free(o->line);
  pml_free(o->out);
  if (o->next >= 0) close(o->next);
  if (o->owned) close(o->o.fd);
  pml_free(o);
}

pml_output *pml_output_new(const pml_output_options *options) {
  struct stat st;
  sigset_t every, before;
  pthread_condattr_t a;
  pml_output *o = pml_alloc0(sizeof *o);
  o->o = *options;
  o->next = -1;
  o->pid = getpid();
  o->piece = fstat(o->o.fd, &st) == 0 && S_ISREG(st.st_mode) ? PIECE_FILE : PIECE_PIPE;
  o->out = pml_alloc(o->piece);
  pthread_mutex_init(&o->lock, NULL);
  pthread_condattr_init(&a);
  pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
  pthread_cond_init(&o->more, NULL);
  pthread_cond_init(&o->done, &a);
  pthread_condattr_destroy(&a);
  sigfillset(&every); /* signals are main's, and SIGPIPE is an error of write */
  pthread_sigmask(SIG_BLOCK, &every, &before);
  int rc = pthread_create(&o->thread, NULL, work, o);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (rc == 0) return o;
  release(o);
  return NULL;
}

void pml_output_own(pml_output *o) { o->owned = 1; }

void pml_output_reopen(pml_output *o, int fd) {
  pthread_mutex_lock(&o->lock);
  if (o->next >= 0) close(o->next);
  o->next = fd;
  pthread_mutex_unlock(&o->lock);
}

static void put(pml_output *o, pml_buf *line, int must) {
  if (getpid() != o->pid) {
    pml_output_write(o->o.fd, line->data, line->len, FORKED_MS);
    pml_buf_unref(line);
    return;
  }
  pthread_mutex_lock(&o->lock);
  tell_lost(o);
  if (o->bytes + cost(line) > o->o.limit) o->losing = 1;
  int fits = must || !o->losing;
  if (fits) append(o, line, 0);
  else o->lost++;
  pthread_mutex_unlock(&o->lock);
  if (!fits) pml_buf_unref(line);
}

void pml_output_put(pml_output *o, pml_buf *line) { put(o, line, 0); }
void pml_output_put_last(pml_output *o, pml_buf *line) { put(o, line, 1); }

static struct timespec after(uint32_t ms) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  t.tv_sec += ms / 1000;
  t.tv_nsec += (long)(ms % 1000) * 1000000;
  if (t.tv_nsec >= 1000000000) {
    t.tv_sec++;
    t.tv_nsec -= 1000000000;
  }
  return t;
}

/* With the lock: until everything is written. */
static int drained(pml_output *o, uint32_t ms) {
  uint64_t end = pml_clock_ms() + ms;
  while (o->count || o->busy) {
    uint64_t before = o->written, now = pml_clock_ms();
    size_t left = o->count + o->busy;
    if (now >= end) return 0;
    struct timespec t = after(end - now < ms / 4 ? (uint32_t)(end - now) : ms / 4);
    int rc = pthread_cond_timedwait(&o->done, &o->lock, &t);
    if (rc == ETIMEDOUT && o->written == before && o->count + o->busy == left) return 0;
  }
  return 1;
}

/* Called with the lock, at the end, when the reader of the pipe stands still. Makes the pipe
 * larger, as far as the system allows; lines that will not fit are counted in a last line. Returns
 * whether it helped. */
static int widen(pml_output *o) {
  int was = fcntl(o->o.fd, F_GETPIPE_SZ), is = -1;
  if (was <= 0) return 0;
  for (int size = PIPE_END_MAX; is < 0 && size > was; size /= 2)
    is = fcntl(o->o.fd, F_SETPIPE_SZ, size);
  if (is <= was) return 0;
  /* A page of a pipe holds one line when two are too long for it. */
  size_t room = (size_t)(is - was) / 2, have = 2 * PIECE_PIPE, keep = 0;
  while (keep < o->count && have <= room)
    have += cost(o->line[(o->head + keep++) & (o->cap - 1)].text);
  share cut = {0};
  while (o->count > keep) {
    queued q = o->line[(o->head + --o->count) & (o->cap - 1)];
    o->bytes -= cost(q.text);
    add(&cut, q);
    pml_buf_unref(q.text);
  }
  lose(o, cut);
  o->losing = 0;
  tell_lost(o);
  return 1;
}

/* With the lock. */
static int finish(pml_output *o, uint32_t ms) {
  return drained(o, ms) || (widen(o) && drained(o, ms));
}

int pml_output_flush(pml_output *o, uint32_t ms) {
  if (getpid() != o->pid) return 1;
  pthread_mutex_lock(&o->lock);
  int yes = finish(o, ms);
  pthread_mutex_unlock(&o->lock);
  return yes;
}

void pml_output_free(pml_output *o, uint32_t ms) {
  if (!o) return;
  pthread_mutex_lock(&o->lock);
  int yes = finish(o, ms);
  o->ending = 1;
  pthread_cond_signal(&o->more);
  while (yes && !o->gone) pthread_cond_wait(&o->done, &o->lock);
  pthread_mutex_unlock(&o->lock);
  if (!yes) {
    pthread_detach(o->thread);
    return;
  }
  pthread_join(o->thread, NULL);
  release(o);
}

uint64_t pml_output_lost(pml_output *o) {
  pthread_mutex_lock(&o->lock);
  uint64_t n = o->lost;
  pthread_mutex_unlock(&o->lock);
  return n;
}
