#include "net/conns_private.h"

#include "base/mem.h"
#include "net/addresses.h"
#include "base/signals.h"

pml_conns *pml_conns_new(pml_loop *l, const pml_conns_options *o) {
  uv_loop_t *uv = pml_loop_uv(l);
  if (!uv) return NULL;
  pml_conns *s = pml_alloc0(sizeof *s);
  s->loop = l;
  s->o = *o;
  pml_list_init(&s->all);
  pml_list_init(&s->later);
  s->marked_end = &s->marked;
  s->evict.all = o->memory ? o->memory : &s->evict.own;
  s->evict.span = UINT64_MAX; /* until evict begins */
  pml__trim_init(s);
  s->ring = o->limits.no_ring ? NULL : pml_ring_new();
  uv_idle_init(uv, &s->life); /* cannot fail */
  s->life.data = s;
  pml_signal_disarm(SIGPIPE); /* a client that is gone is an error like others */
  return s;
}

size_t pml_conns_count(const pml_conns *s) { return s->counts.open; }
const pml_net_counts *pml_conns_counts(const pml_conns *s) { return &s->counts; }
void pml_conns_count_address(pml_conns *s) { s->counts.address++; }
size_t pml_conns_waiting(const pml_conns *s) { return s->waiting; }
size_t pml_conns_shaking(const pml_conns *s, size_t *waiting) {
  *waiting = s->shakes.waiting;
  return s->shakes.under_way;
}
uint64_t pml_conns_latest(const pml_conns *s) { return s->spare.waiting; }
uint64_t pml_conns_held(const pml_conns *s) { return s->evict.held; }

void pml_conns_set_tls(pml_conns *s, pml_tls *t, int required) {
  if (t && !s->tls_io) s->tls_io = pml__tls_io_new();
  if (!s->tls_io) t = NULL; /* ours: only without memory, and then nothing else works either */
  pml_tls_ref(t);
  pml_tls_unref(s->tls);
  s->tls = t;
  s->tls_required = t && required;
}

size_t pml_conns_addresses(const pml_conns *s) {
  return s->addresses ? pml__addresses_count(s->addresses) : 0;
}

static void maybe_free(pml_conns *s) {
  if (!s->lived || s->listeners || s->counts.open) return;
  pml_task_cancel(&s->flush);
  pml_timer_stop(s->loop, &s->retry);
  pml_timer_stop(s->loop, &s->reread);
  pml_task_cancel(&s->turns);
  pml_timer_stop(s->loop, &s->evict.timer);
  pml_timer_stop(s->loop, &s->trim.timer);
  atomic_fetch_sub(&s->evict.all->bytes, s->evict.published);
  pml_refs_settle(&s->refs);
  pml__outqs_free(&s->spare);
  pml_ring_free(s->ring);
  pml_writable_free(s->writable);
  if (s->shakes.begin) pml__tls_queue_fini(&s->shakes);
  pml_tls_unref(s->tls);
  pml__tls_io_free(s->tls_io);
  pml__addresses_free(s->addresses);
  void (*on_closed)(void *ud) = s->on_closed;
  void *ud = s->ud;
  pml_free(s);
  if (on_closed) on_closed(ud);
}

static void on_life_closed(uv_handle_t *h) {
  pml_conns *s = h->data;
  s->lived = 1;
  maybe_free(s);
}

void pml_conns_free(pml_conns *s, void (*on_closed)(void *ud), void *ud) {
  if (s->freeing) return;
  s->freeing = 1;
  s->on_closed = on_closed;
  s->ud = ud;
  uv_close((uv_handle_t *)&s->life, on_life_closed);
}

void pml__conns_add(pml_conns *s, pml_list *node) {
  s->counts.accepted++;
  s->counts.open++;
  if (s->counts.open > s->trim.open) s->trim.open = s->counts.open;
  pml_list_append(&s->all, node);
}

void pml__conns_left(pml_conns *s) {
  s->counts.open--;
  s->counts.closed++;
  pml__trim_note(s);
  maybe_free(s);
}

void pml__conns_listened(pml_conns *s) { s->listeners++; }

void pml__conns_unlistened(pml_conns *s) {
  s->listeners--;
  maybe_free(s);
}
