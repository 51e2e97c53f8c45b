/* trim: after many clients have left, or much that waited for them has gone, the memory goes back
 * to the system. The allocator would do it bit by bit while it is used, and not at all while the
 * server has nothing to do. It takes about 0.06 ms for each MiB that goes, so it waits until the
 * crowd has left, and some seconds between two times. */
#include "net/conns_private.h"

#include "base/container.h"
#include "base/mem.h"

#define CLIENTS 256u     /* that have left: about as many KiB */
#define BYTES (4u << 20) /* that have gone from the queues */
#define AFTER_MS 1000u   /* how long it waits */
#define EVERY_MS 5000u   /* between two of them */

/* Whether now is so far below most, by `least` and by a quarter. */
static int fell(uint64_t most, uint64_t now, uint64_t least) {
  return most - now >= least && most - now >= most / 4;
}

static int pays(const pml_conns *s) {
  return fell(s->trim.open, s->counts.open, CLIENTS) || fell(s->trim.held, s->evict.held, BYTES);
}

static void on_timer(pml_timer *t) {
  pml_conns *s = PML_CONTAINER(t, pml_conns, trim.timer);
  if (pays(s)) {
    pml_mem_trim_all();
    s->counts.trims++;
    s->trim.next = pml_loop_now(s->loop) + EVERY_MS;
  }
  s->trim.open = s->counts.open;
  s->trim.held = s->evict.held;
}

void pml__trim_note(pml_conns *s) {
  pml__trim *t = &s->trim;
  if (s->counts.open > t->open) t->open = s->counts.open;
  if (s->evict.held > t->held) t->held = s->evict.held;
  if (s->freeing || pml_timer_running(&t->timer) || !pays(s)) return;
  uint64_t now = pml_loop_now(s->loop), wait = t->next > now ? t->next - now : 0;
  pml_timer_start(s->loop, &t->timer, wait > AFTER_MS ? wait : AFTER_MS);
}

void pml__trim_init(pml_conns *s) { pml_timer_init(&s->trim.timer, on_timer); }
