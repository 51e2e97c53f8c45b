#include "store/sqlite_near.h"

#include "base/clock.h"
#include "base/container.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/mem.h"

#define QUICK_US 50     /* a statement that takes longer is for the threads */
#define STOP_US 200     /* one that does so unexpectedly is interrupted */
#define TURN_US 2000    /* for all reads of one turn of the loop */
#define BYTES_MAX 65536 /* of one answer */
#define SEEN 64
#define AGAIN 64 /* quick reads on a thread before a statement that failed here is tried again */
#define IDLE_MS 300000
#define REOPEN_MS 1000

/* How often a statement was quick on a thread. */
typedef struct {
  uint32_t hash;
  int times;
} seen;

struct pml__sqlite_near {
  pml_loop *loop;
  pml__sqlite_line *line;
  pml__sqlite_conn *conn;
  seen seen[SEEN];
  pml_task turn; /* the end of a turn in which reads were done */
  uint64_t spent;
  uint64_t reopen; /* of pml_clock_ms: not before */
  int never;       /* this kernel or file system cannot tell what is in memory */
  pml_timer idle;
  int used; /* since the timer was started */
};

static void close_conn(pml__sqlite_near *n) {
  if (!n->conn) return;
  pml__sqlite_conn_close(n->conn);
  n->conn = NULL;
  atomic_fetch_sub(&n->line->open, 1);
  for (int i = 0; i < SEEN; i++) n->seen[i] = (seen){0};
  pml_timer_stop(n->loop, &n->idle);
}

static void on_idle(pml_timer *t) {
  pml__sqlite_near *n = PML_CONTAINER(t, pml__sqlite_near, idle);
  if (!n->used) {
    close_conn(n);
    return;
  }
  n->used = 0;
  pml_timer_start(n->loop, &n->idle, IDLE_MS);
}

static void on_turn(pml_task *t) { PML_CONTAINER(t, pml__sqlite_near, turn)->spent = 0; }

pml__sqlite_near *pml__sqlite_near_new(pml_loop *l, pml__sqlite_line *line) {
  pml__sqlite_near *n = pml_alloc0(sizeof *n);
  n->loop = l;
  n->line = line;
  n->never = line->memory;
  pml_task_init(&n->turn, on_turn);
  pml_timer_init(&n->idle, on_idle);
  return n;
}

void pml__sqlite_near_free(pml__sqlite_near *n) {
  if (!n) return;
  close_conn(n);
  pml_task_cancel(&n->turn);
  pml_free(n);
}

static void look(pml__sqlite_near *n) {
  if (pml__sqlite_conn_met(n->conn) == PML_ENOENT) n->never = 1;
}

/* The statement is for the threads, for a while. */
static void failed(pml__sqlite_near *n, pml_slice text, pml__sqlite_result *r) {
  pml__sqlite_result_drop(r);
  pml__sqlite_conn_ready(n->conn, text, UINT32_MAX, r);
  pml__sqlite_result_drop(r);
}

int pml__sqlite_near_run(pml__sqlite_near *n, pml_slice text, pml_data *params,
                         const pml__sqlite_bounds *limits, pml__sqlite_result *r) {
  if (!n->conn || n->never || n->spent >= TURN_US) return 0;
  if (!pml__sqlite_conn_is_quick(n->conn, text, QUICK_US)) return 0;
  uint64_t begun = pml_clock_us();
  pml__sqlite_bounds b = *limits;
  b.due = begun + STOP_US;
  if (b.max_bytes > BYTES_MAX) b.max_bytes = BYTES_MAX;
  int rc = pml__sqlite_conn_run(n->conn, text, params, 1, &b, r);
  look(n);
  if (!n->spent) pml_loop_defer(n->loop, &n->turn);
  n->spent += pml_clock_us() - begun + 1;
  n->used = 1;
  if (rc) failed(n, text, r);
  return !rc;
}

/* Another one opens the file: later. */
static int open_conn(pml__sqlite_near *n) {
  if (n->conn) return 1;
  uint64_t now = pml_clock_ms();
  if (now < n->reopen || pthread_mutex_trylock(&n->line->opening) != 0) return 0;
  pml__sqlite_result r = {0};
  n->conn = pml__sqlite_conn_open(&n->line->lib, n->line->path, PML__SQLITE_NEAR, &r);
  pthread_mutex_unlock(&n->line->opening);
  pml__sqlite_result_drop(&r);
  if (!n->conn) {
    n->reopen = now + REOPEN_MS;
    return 0;
  }
  atomic_fetch_add(&n->line->open, 1);
  pml_timer_start(n->loop, &n->idle, IDLE_MS);
  return 1;
}

/* The second time: a statement whose text is made for one call is never seen again. */
void pml__sqlite_near_learn(pml__sqlite_near *n, pml_slice text, uint32_t us) {
  if (n->never || us >= QUICK_US || text.n > PML__SQLITE_NEAR_TEXT) return;
  uint32_t hash = pml_hash_ours(text.p, text.n);
  seen *s = &n->seen[hash % SEEN];
  if (s->hash != hash) *s = (seen){.hash = hash};
  if (s->times % AGAIN == 1 && !open_conn(n)) return;
  if (s->times++ % AGAIN != 1) return;
  pml__sqlite_result r = {0};
  pml__sqlite_conn_ready(n->conn, text, us, &r);
  look(n);
  pml__sqlite_result_drop(&r);
}
