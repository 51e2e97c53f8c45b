#include "loop/mailbox.h"

#include "base/err.h"
#include "base/mem.h"

#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

typedef struct {
  pml_mail *first, *last;
} chain;

struct pml_mailbox {
  atomic_uint refs;     /* owner, posters, and the uv_async until it is closed */
  atomic_uint sending;  /* posters between their post and their wake-up */
  atomic_size_t bytes;  /* reserved, posted, and not yet handed out */
  atomic_int closed;    /* written under the lock */
  pthread_mutex_t lock; /* guards posted */
  chain posted;
  /* From here on only the loop's thread. */
  chain taken; /* what did not fit into this turn's budget */
  size_t budget, limit;
  pml_mailbox_on_mail_fn on_mail;
  void *ud;
  uv_async_t async;
};

static void chain_add(chain *c, pml_mail *first, pml_mail *last) {
  if (c->last) {
    c->last->next = first;
  } else {
    c->first = first;
  }
  c->last = last;
}

static pml_mail *chain_pop(chain *c) {
  pml_mail *mail = c->first;
  if (!mail) return NULL;
  c->first = mail->next;
  if (!c->first) c->last = NULL;
  mail->next = NULL;
  return mail;
}

static void posted_take(pml_mailbox *m) {
  pthread_mutex_lock(&m->lock);
  chain c = m->posted;
  m->posted.first = m->posted.last = NULL;
  pthread_mutex_unlock(&m->lock);
  if (c.first) chain_add(&m->taken, c.first, c.last);
}

/* A callback may close the mailbox: then taken is empty, and the memory stays
 * until the async's own close callback, on a later turn. */
static void on_async(uv_async_t *h) {
  pml_mailbox *m = h->data;
  size_t bytes = 0, left = m->budget;
  posted_take(m);
  for (pml_mail *mail; left > 0 && (mail = chain_pop(&m->taken)); left--) {
    bytes += mail->bytes;
    m->on_mail(mail, m->ud);
  }
  if (bytes) atomic_fetch_sub_explicit(&m->bytes, bytes, memory_order_relaxed);
  if (m->taken.first) uv_async_send(&m->async); /* the rest on the next turn */
}

void pml_mailbox_run(pml_mailbox *m) { on_async(&m->async); }

pml_mailbox *pml_mailbox_new(pml_loop *l, size_t budget, size_t limit,
                             pml_mailbox_on_mail_fn on_mail, void *ud) {
  assert(budget > 0);                      /* ours: a drain makes progress */
  if (pml_loop_is_virtual(l)) return NULL; /* it has nothing that could be woken */
  pml_mailbox *m = pml_alloc0(sizeof *m);
  if (uv_async_init(pml_loop_uv(l), &m->async, on_async)) {
    pml_free(m);
    return NULL;
  }
  if (pthread_mutex_init(&m->lock, NULL)) abort();
  atomic_init(&m->refs, 2);
  m->async.data = m;
  m->budget = budget;
  m->limit = limit;
  m->on_mail = on_mail;
  m->ud = ud;
  return m;
}

pml_mailbox *pml_mailbox_ref(pml_mailbox *m) {
  atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
  return m;
}

void pml_mailbox_unref(pml_mailbox *m) {
  if (!m || atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) != 1) return;
  assert(!m->posted.first && !m->taken.first); /* ours: closed before the last holder went */
  pthread_mutex_destroy(&m->lock);
  pml_free(m);
}

int pml_mailbox_reserve(pml_mailbox *m, size_t bytes) {
  if (atomic_load_explicit(&m->closed, memory_order_relaxed)) return PML_ECLOSED;
  size_t before = atomic_fetch_add_explicit(&m->bytes, bytes, memory_order_relaxed);
  /* An empty mailbox takes anything, or what is above the limit could never be sent. */
  if (before == 0 || before + bytes <= m->limit) return 0;
  atomic_fetch_sub_explicit(&m->bytes, bytes, memory_order_relaxed);
  return PML_EFULL;
}

void pml_mailbox_release(pml_mailbox *m, size_t bytes) {
  atomic_fetch_sub_explicit(&m->bytes, bytes, memory_order_relaxed);
}

int pml_mailbox_post_reserved(pml_mailbox *m, pml_mail *first) {
  pml_mail *last = first;
  while (last->next) last = last->next;
  pthread_mutex_lock(&m->lock);
  if (atomic_load_explicit(&m->closed, memory_order_relaxed)) {
    pthread_mutex_unlock(&m->lock);
    return PML_ECLOSED;
  }
  int was_empty = !m->posted.first;
  chain_add(&m->posted, first, last);
  /* The wake-up is a system call: after the lock, so that the woken thread does
   * not run into it; counted, so that close waits for it. */
  if (was_empty) atomic_fetch_add_explicit(&m->sending, 1, memory_order_relaxed);
  pthread_mutex_unlock(&m->lock);
  if (was_empty) {
    uv_async_send(&m->async);
    atomic_fetch_sub_explicit(&m->sending, 1, memory_order_release);
  }
  return 0;
}

int pml_mailbox_post(pml_mailbox *m, pml_mail *first) {
  size_t bytes = 0;
  for (pml_mail *mail = first; mail; mail = mail->next) bytes += mail->bytes;
  int rc = pml_mailbox_reserve(m, bytes);
  if (rc) return rc;
  rc = pml_mailbox_post_reserved(m, first);
  if (rc) pml_mailbox_release(m, bytes);
  return rc;
}

static void on_closed(uv_handle_t *h) { pml_mailbox_unref(h->data); }

void pml_mailbox_close(pml_mailbox *m, pml_mailbox_on_mail_fn on_drop, void *ud) {
  if (atomic_load_explicit(&m->closed, memory_order_relaxed)) return;
  pthread_mutex_lock(&m->lock);
  atomic_store_explicit(&m->closed, 1, memory_order_relaxed);
  pthread_mutex_unlock(&m->lock);
  while (atomic_load_explicit(&m->sending, memory_order_acquire)) sched_yield();
  posted_take(m);
  chain c = m->taken;
  m->taken.first = m->taken.last = NULL;
  uv_close((uv_handle_t *)&m->async, on_closed);
  for (pml_mail *mail; (mail = chain_pop(&c));) on_drop(mail, ud);
}
