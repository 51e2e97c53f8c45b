#include "host/web_calls.h"

#include "base/clock.h"
#include "base/container.h"
#include "base/err.h"
#include "base/list.h"
#include "base/mem.h"

#include <pthread.h>
#include <time.h>

#define END_MS 1000

typedef struct {
  pml_list node; /* in c->open from post to its answer */
  pml_id id;
  uint64_t due;
  const pml_mailbox *box; /* only compared */
  void (*wake)(void *ud);
  void *ud;
  int waits; /* it has no answer yet */
  pml_web_answer answer;
} record;

struct pml_web_calls {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  pml_web_call_limits limits;
  pml_slots *slots; /* of records, owned */
  pml_list open;    /* the oldest first: all have the same time */
  pml_mailbox *box; /* a reference; NULL: the server is not there */
  pml_http_routes *routes;
  int refusing, closed;
  size_t waking; /* calls of wake that are under way */
  pml_web_call_counts counts;
};

static void lock(pml_web_calls *c) { pthread_mutex_lock(&c->lock); }
static void unlock(pml_web_calls *c) { pthread_mutex_unlock(&c->lock); }

/* --- answers ------------------------------------------------------------------------------ */

void pml_web_answer_add(pml_web_answer *a, pml_slice name, pml_slice value) {
  pml_writer_put(&a->head, name.p, name.n);
  pml_writer_byte(&a->head, 0);
  pml_writer_put(&a->head, value.p, value.n);
  pml_writer_byte(&a->head, 0);
}

void pml_web_answer_clear(pml_web_answer *a) {
  pml_writer_drop(&a->head);
  pml_free(a->body);
  *a = (pml_web_answer){0};
}

/* Moves a record to the list of those that are to be woken; locked. Takes the answer. */
static void finish(pml_web_calls *c, record *r, pml_web_answer answer, pml_list *done) {
  r->answer = answer;
  r->waits = 0;
  c->counts.waiting--;
  c->waking++;
  pml_list_remove(&r->node);
  pml_list_append(done, &r->node);
}

/* Unlocks, and wakes them. A record that was woken may be gone. */
static void wake(pml_web_calls *c, pml_list *done) {
  size_t n = 0;
  for (pml_list *node; (node = pml_list_pop(done)); n++) {
    record *r = PML_CONTAINER(node, record, node);
    void (*fn)(void *) = r->wake;
    void *ud = r->ud;
    unlock(c);
    fn(ud);
    lock(c);
  }
  c->waking -= n;
  pthread_cond_broadcast(&c->changed);
  unlock(c);
}

/* Answers what a server has, or all of it; locked before, and not afterwards. Returns how many. */
static size_t expire(pml_web_calls *c, const pml_mailbox *box) {
  pml_list done;
  size_t count = 0;
  pml_list_init(&done);
  for (pml_list *n = c->open.next, *next; n != &c->open; n = next) {
    record *r = PML_CONTAINER(n, record, node);
    next = n->next;
    if (box && r->box != box) continue;
    count++;
    c->counts.down++;
    finish(c, r, (pml_web_answer){.status = 503}, &done);
  }
  wake(c, &done);
  return count;
}

/* --- the page server -------------------------------------------------------------------- */

pml_http_routes *pml_web_calls_routes(pml_web_calls *c) {
  lock(c);
  pml_http_routes *r = pml_http_routes_ref(c->routes);
  unlock(c);
  return r;
}

pml_id pml_web_calls_begin(pml_web_calls *c, void (*fn)(void *ud), void *ud, int *why) {
  pml_id id = 0;
  lock(c);
  c->counts.requests++;
  if (!c->box || c->refusing || c->closed) {
    c->counts.down++;
    *why = PML_ECLOSED;
  } else if (c->counts.waiting >= c->limits.waiting) {
    c->counts.busy++;
    *why = PML_EFULL;
  } else {
    record *r = pml_alloc0(sizeof *r);
    pml_list_init(&r->node);
    r->wake = fn;
    r->ud = ud;
    r->waits = 1;
    id = r->id = pml_slots_put(c->slots, r);
    if (id) c->counts.waiting++;
    else pml_free(r), *why = PML_EFULL;
  }
  unlock(c);
  return id;
}

static pml_slice move(uint8_t **at, pml_slice s) {
  pml_slice copy = pml_slice_of(*at, s.n);
  pml_slice_copy(*at, s);
  *at += s.n;
  return copy;
}

/* A copy in one block. */
static pml_web_call *copy_of(const pml_web_call *from) {
  size_t count = from->params + from->headers, n = sizeof *from + count * sizeof *from->pairs;
  size_t pairs = n;
  n += from->method.n + from->pattern.n + from->asked.n + from->path.n + from->query.n;
  n += from->address.n + from->body.n;
  for (size_t i = 0; i < count; i++) n += from->pairs[i].name.n + from->pairs[i].value.n;
  pml_web_call *call = pml_alloc(n);
  *call = *from;
  call->mail = (pml_mail){.bytes = n};
  call->pairs = (pml_web_pair *)(call + 1);
  uint8_t *at = (uint8_t *)call + pairs;
  pml_slice *const parts[] = {&call->method, &call->pattern, &call->asked, &call->path,
                              &call->query,  &call->address, &call->body};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) *parts[i] = move(&at, *parts[i]);
  for (size_t i = 0; i < count; i++) {
    call->pairs[i].name = move(&at, from->pairs[i].name);
    call->pairs[i].value = move(&at, from->pairs[i].value);
  }
  return call;
}

uint64_t pml_web_calls_post(pml_web_calls *c, pml_id id, const pml_web_call *call) {
  pml_web_call *copy = copy_of(call);
  pml_list done;
  pml_list_init(&done);
  lock(c);
  record *r = pml_slots_get(c->slots, id);
  uint64_t due = r->due = pml_clock_ms() + c->limits.timeout_ms;
  r->box = c->box;
  copy->id = id;
  copy->due = due;
  pml_list_append(&c->open, &r->node);
  int rc =
    c->box && !c->refusing && !c->closed ? pml_mailbox_post(c->box, &copy->mail) : PML_ECLOSED;
  if (rc != 0) {
    if (rc == PML_EFULL) c->counts.busy++;
    else c->counts.down++;
    pml_free(copy);
    finish(c, r, (pml_web_answer){.status = 503}, &done);
  }
  wake(c, &done);
  return due;
}

pml_web_answer pml_web_calls_take(pml_web_calls *c, pml_id id) {
  pml_web_answer a = {0};
  lock(c);
  record *r = pml_slots_get(c->slots, id);
  if (r && !r->waits) {
    a = r->answer;
    r->answer = (pml_web_answer){0};
  }
  unlock(c);
  return a;
}

void pml_web_calls_forget(pml_web_calls *c, pml_id id) {
  lock(c);
  record *r = pml_slots_take(c->slots, id);
  if (r && r->waits) c->counts.waiting--;
  if (r) {
    pml_list_remove(&r->node);
    pml_web_answer_clear(&r->answer);
    pml_free(r);
  }
  pthread_cond_broadcast(&c->changed);
  unlock(c);
}

void pml_web_calls_count_too_big(pml_web_calls *c) {
  lock(c);
  c->counts.too_big++;
  unlock(c);
}

uint64_t pml_web_calls_look(pml_web_calls *c, uint64_t now) {
  pml_list done;
  pml_list_init(&done);
  uint64_t next = 0;
  lock(c);
  while (!pml_list_empty(&c->open)) {
    record *r = PML_CONTAINER(c->open.next, record, node);
    next = r->due;
    if (r->due > now) break;
    next = 0;
    c->counts.late++;
    finish(c, r, (pml_web_answer){.status = 504}, &done);
  }
  wake(c, &done);
  return next;
}

/* --- the server ------------------------------------------------------------------------- */

int pml_web_calls_serve(pml_web_calls *c, pml_mailbox *box, pml_http_routes *routes) {
  pml_http_routes *before = routes;
  pml_mailbox *other = NULL;
  int rc = 0;
  lock(c);
  if (c->closed) {
    rc = PML_ECLOSED;
  } else {
    before = c->routes;
    c->routes = pml_http_routes_ref(routes);
    if (c->box != box) {
      other = c->box;
      c->box = pml_mailbox_ref(box);
      c->refusing = 0;
    }
  }
  unlock(c);
  if (rc == 0) pml_http_routes_unref(before);
  if (other) pml_mailbox_unref(other);
  return rc;
}

void pml_web_calls_refuse(pml_web_calls *c, const pml_mailbox *box) {
  lock(c);
  if (c->box == box) c->refusing = 1;
  unlock(c);
}

size_t pml_web_calls_expire(pml_web_calls *c, const pml_mailbox *box) {
  lock(c);
  return expire(c, box);
}

void pml_web_calls_leave(pml_web_calls *c, const pml_mailbox *box) {
  pml_mailbox *mine = NULL;
  lock(c);
  if (c->box == box) {
    mine = c->box;
    c->box = NULL;
  }
  expire(c, box);
  if (mine) pml_mailbox_unref(mine);
}

size_t pml_web_calls_open(pml_web_calls *c, const pml_mailbox *box) {
  size_t n = 0;
  lock(c);
  for (pml_list *node = c->open.next; node != &c->open; node = node->next)
    n += PML_CONTAINER(node, record, node)->box == box;
  unlock(c);
  return n;
}

int pml_web_calls_waits(pml_web_calls *c, pml_id id) {
  lock(c);
  const record *r = pml_slots_get(c->slots, id);
  int waits = r && r->waits;
  unlock(c);
  return waits;
}

int pml_web_calls_answer(pml_web_calls *c, pml_id id, pml_web_answer *a) {
  pml_list done;
  pml_list_init(&done);
  int rc = a->size > c->limits.answer ? PML_ETOOBIG : 0;
  if (rc) {
    pml_web_answer_clear(a);
    a->status = 500;
  }
  lock(c);
  record *r = pml_slots_get(c->slots, id);
  if (r && r->waits && !pml_list_empty(&r->node)) {
    c->counts.answered++;
    c->counts.failed += a->status == 500;
    finish(c, r, *a, &done);
    *a = (pml_web_answer){0};
  } else {
    rc = PML_ECLOSED;
  }
  wake(c, &done);
  pml_web_answer_clear(a);
  return rc;
}

/* --- the whole -------------------------------------------------------------------------- */

static uint32_t or_default(uint32_t n, uint32_t otherwise) { return n ? n : otherwise; }

pml_web_calls *pml_web_calls_new(const pml_web_call_limits *limits) {
  pml_web_calls *c = pml_alloc0(sizeof *c);
  pthread_condattr_t attr;
  c->limits.timeout_ms = or_default(limits->timeout_ms, 10000);
  c->limits.waiting = or_default(limits->waiting, 256);
  c->limits.body = or_default(limits->body, 64u << 10);
  c->limits.answer = or_default(limits->answer, 1u << 20);
  pthread_condattr_init(&attr);
  pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
  pthread_cond_init(&c->changed, &attr);
  pthread_condattr_destroy(&attr);
  pthread_mutex_init(&c->lock, NULL);
  pml_list_init(&c->open);
  c->slots = pml_slots_new(NULL);
  return c;
}

void pml_web_calls_end(pml_web_calls *c) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  at.tv_sec += END_MS / 1000;
  lock(c);
  c->closed = 1;
  expire(c, NULL);
  lock(c);
  int rc = 0;
  while (rc == 0 && pml_slots_count(c->slots))
    rc = pthread_cond_timedwait(&c->changed, &c->lock, &at);
  while (c->waking) pthread_cond_wait(&c->changed, &c->lock);
  unlock(c);
}

static void drop_record(void *obj, void *ud) {
  record *r = obj;
  (void)ud;
  pml_web_answer_clear(&r->answer);
  pml_free(r);
}

void pml_web_calls_free(pml_web_calls *c) {
  if (!c) return;
  pml_slots_drain(c->slots, drop_record, NULL);
  pml_slots_free(c->slots);
  pml_http_routes_unref(c->routes);
  if (c->box) pml_mailbox_unref(c->box);
  pthread_cond_destroy(&c->changed);
  pthread_mutex_destroy(&c->lock);
  pml_free(c);
}

const pml_web_call_limits *pml_web_calls_limits(const pml_web_calls *c) { return &c->limits; }

pml_web_call_counts pml_web_calls_counts(pml_web_calls *c) {
  lock(c);
  pml_web_call_counts n = c->counts;
  unlock(c);
  return n;
}
