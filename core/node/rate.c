#include "node/rate.h"

#include "base/hash.h"
#include "base/mem.h"
#include "node/state.h"

const pml_counter pml__rate_counters[] = {
  PML_NODE_COUNTER("overRate", rate.over),
  {NULL, 0},
};

typedef struct pml_route_cost {
  UT_hash_handle hh;
  uint32_t cost;
  char route[];
} route_cost;

/* A client chooses what is looked for, and nobody but the game what is there. */
static route_cost *cost_find(const pml_rate *r, pml_slice route) {
  route_cost *c;
  HASH_FIND_BYHASHVALUE(hh, r->costs, route.p, route.n, pml_hash_ours(route.p, route.n), c);
  return c;
}

void pml_rate_cost(pml_node *n, pml_slice route, uint32_t cost) {
  route_cost *c = cost_find(&n->rate, route);
  if (!c) {
    c = pml_alloc(sizeof *c + route.n + 1);
    pml_slice_copy(c->route, route);
    HASH_ADD_KEYPTR_BYHASHVALUE(hh, n->rate.costs, c->route, route.n,
                                pml_hash_ours(route.p, route.n), c);
  }
  c->cost = cost;
}

static uint64_t cost_of(const pml_rate *r, pml_slice route) {
  const route_cost *c = r->costs ? cost_find(r, route) : NULL;
  return c ? c->cost : 1;
}

static int refuse(pml_node *n, pml_session *s, uint64_t ns, uint64_t most_ns) {
  pml_session_rest *r = pml_session_aside(s);
  n->rate.over++;
  r->refused_ns += ns;
  return r->refused_ns > most_ns ? PML_RATE_END : PML_RATE_OVER;
}

static int charge(pml_node *n, pml_session *s, uint64_t cost, size_t bytes) {
  const pml_config *c = &n->config;
  uint64_t now = pml_loop_now(n->loop) * 1000000u;
  uint64_t most_ns = pml_bucket_time(c->rate_burst, c->rate_messages);
  if (pml_session_refused_ns(s) && pml_bucket_full(&s->messages, now) &&
      pml_bucket_full(&s->bytes, now))
    pml_session_aside(s)->refused_ns = 0;
  if (!pml_bucket_take(&s->messages, now, cost, c->rate_messages, c->rate_burst))
    return refuse(n, s, pml_bucket_time(cost, c->rate_messages), most_ns);
  uint64_t room = c->rate_bytes > c->package_after ? c->rate_bytes : c->package_after;
  if (!pml_bucket_take(&s->bytes, now, bytes, c->rate_bytes, room))
    return refuse(n, s, pml_bucket_time(bytes, c->rate_bytes), most_ns);
  return PML_RATE_GOOD;
}

int pml__rate_charge(pml_node *n, pml_session *s, pml_slice route, size_t bytes) {
  if (!n->config.rate_messages) return PML_RATE_GOOD;
  return charge(n, s, cost_of(&n->rate, route), bytes);
}

int pml__rate_noise(pml_node *n, pml_session *s, unsigned messages, size_t bytes) {
  return n->config.rate_messages ? charge(n, s, messages, bytes) : PML_RATE_GOOD;
}

void pml__rate_clear(pml_node *n) {
  route_cost *c, *next;
  HASH_ITER (hh, n->rate.costs, c, next) {
    HASH_DELETE(hh, n->rate.costs, c);
    pml_free(c);
  }
}
