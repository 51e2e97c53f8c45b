#include "net/turns.h"

#include "base/container.h"
#include "base/mem.h"

#define LONG_READ 256u /* bytes: more than one package, most likely */

/* ---- shares ---- */

/* A long read is measured from its start, a short one from its second package: most reads are one
 * package, for which no clock is looked at. */
void pml__turns_begin(pml_conns *s, size_t n) {
  pml__share *had = &s->share;
  uint64_t turn = pml_loop_turn(s->loop);
  if (had->turn != turn) {
    had->turn = turn;
    had->turn_ns = 0;
  }
  had->since = n > LONG_READ ? uv_hrtime() : 0;
  had->packages = 0;
  had->most = had->turn_ns < PML__TURN_NS ? PML__SHARE_PACKAGES : 1;
  had->had = 0;
}

void pml__turns_end(pml_conns *s) {
  pml__share *had = &s->share;
  had->had = 0;
  if (had->since) had->turn_ns += uv_hrtime() - had->since;
}

int pml_conn_had_share(pml_conn *c) {
  pml__share *had = &c->s->share;
  if (++had->packages >= had->most) had->had = 1;
  else if (had->since) had->had = uv_hrtime() - had->since >= PML__SHARE_NS;
  else if (had->packages > 1) had->since = uv_hrtime();
  return had->had;
}

/* ---- those that wait ---- */

static void rest_new(pml_conn *c, const uint8_t *p, size_t n, size_t room) {
  pml__rest *r = pml_alloc(sizeof *r + n + room);
  *r = (pml__rest){.c = c, .n = n, .held = (uint32_t)(sizeof *r + n + room)};
  memcpy(r->bytes, p, n);
  pml_list_append(&c->s->later, &r->node);
  pml__conn_aside(c)->rest = r;
  pml__conn_charge(c);
}

static void rest_free(pml__rest *r) {
  pml_conn *c = r->c;
  c->aside->rest = NULL;
  c->s->waiting--;
  pml_list_remove(&r->node);
  pml_free(r);
  pml__conn_charge(c);
}

void pml__turns_wait(pml_conn *c, const uint8_t *bytes, size_t n) {
  pml_conns *s = c->s;
  rest_new(c, bytes, n, 0);
  s->waiting++;
  s->counts.shares++;
  pml_loop_defer(s->loop, &s->turns);
}

void pml__turns_add(pml_conn *c, const uint8_t *bytes, size_t n) {
  pml__rest *was = c->aside->rest;
  rest_new(c, was->bytes + was->at, was->n - was->at, n);
  pml__rest *now = c->aside->rest;
  memcpy(now->bytes + now->n, bytes, n);
  now->n += n;
  pml_list_remove(&was->node);
  pml_free(was);
}

void pml__turns_drop(pml_conn *c) {
  if (pml__conn_rest(c)) rest_free(c->aside->rest);
}

/* The connection that waits for longest has its turn, and stands at the end afterwards. */
static void take_turn(pml_conns *s) {
  pml__rest *r = PML_CONTAINER(s->later.next, pml__rest, node);
  pml_conn *c = r->c;
  pml_list_remove(&r->node);
  pml_list_append(&s->later, &r->node);
  size_t left = s->on_turn(c, r->bytes + r->at, r->n - r->at);
  r->at = r->n - left;
  if (left) {
    s->counts.shares++;
    return;
  }
  rest_free(r);
  s->on_done(c);
}

/* Each of those that wait has one turn, or as many of them as there is time for; the loop polls
 * before the next ones. */
static void on_turns(pml_task *t) {
  pml_conns *s = PML_CONTAINER(t, pml_conns, turns);
  uint64_t began = uv_hrtime();
  for (size_t n = s->waiting; n; n--) {
    take_turn(s);
    if (uv_hrtime() - began >= PML__TURN_NS) break;
  }
  if (s->waiting) pml_loop_defer(s->loop, &s->turns);
}

void pml__turns_init(pml_conns *s, size_t (*on_turn)(pml_conn *c, uint8_t *bytes, size_t n),
                     void (*on_done)(pml_conn *c)) {
  s->on_turn = on_turn;
  s->on_done = on_done;
  pml_task_init(&s->turns, on_turns);
}
