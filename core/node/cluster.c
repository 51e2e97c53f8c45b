#include "node/cluster.h"

#include "base/container.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "node/cluster_members.h"
#include "node/state.h"
#include "wire/interest_list.h"

#define ASK_MS 1000

const pml_counter pml__cluster_counters[] = {
  PML_NODE_COUNTER("clusterMissed", cluster.missed),
  {NULL, 0},
};

/* Asks a frontend for its list, unless it is as this server knows it. */
static void ask(pml_node *n, const pml_place *p) {
  pml_envelope env = {.kind = PML_ENV_INTEREST};
  pml_writer w = {0};
  pml_interest_list_begin(&w, &(pml_interest_list){
                                .op = PML_INTEREST_ASK,
                                .seq = p->is_known ? p->seq : PML_INTEREST_NOTHING,
                              });
  pml_buf *body = pml_writer_finish(&w);
  pml_rpc_cast(n->rpc, p->id, &env, body, NULL);
  pml_buf_unref(body);
}

/* Forgets frontends that are gone, or others since. */
static void forget_gone(pml_node *n) {
  pml_interest *t = n->cluster.interest;
  for (pml_place *p = pml_interest_first(t), *next; p; p = next) {
    const pml_server_info *s = pml_directory_find(&n->directory, p->id);
    next = p->next;
    if (!s || !s->frontend || pml_rpc_incarnation(n->rpc, p->id) != p->incarnation)
      pml_interest_remove(t, p);
  }
}

/* Learns which frontends there are. */
static void look(pml_node *n) {
  pml_cluster *c = &n->cluster;
  if (c->version == n->directory.version) return;
  c->version = n->directory.version;
  forget_gone(n);
  for (size_t i = 0; i < n->directory.n; i++) {
    const pml_server_info *s = &n->directory.v[i];
    uint64_t incarnation = s->frontend ? pml_rpc_incarnation(n->rpc, s->id) : 0;
    if (!incarnation || strcmp(s->id, n->id) == 0 || pml_interest_find(c->interest, s->id))
      continue;
    ask(n, pml_interest_add(c->interest, s->id, incarnation));
  }
}

static void on_time(pml_timer *t) {
  pml_node *n = PML_CONTAINER(t, pml_node, cluster.timer);
  if (!n->rpc) return;
  for (pml_place *p = pml_interest_first(n->cluster.interest); p; p = p->next) ask(n, p);
  look(n); /* asks those that are new */
  pml_timer_start(n->loop, t, ASK_MS);
}

void pml_cluster_use(pml_node *n) {
  pml_cluster *c = &n->cluster;
  if (!n->rpc) return;
  if (!c->interest) {
    c->interest = pml_interest_new();
    c->version = n->directory.version - 1;
    pml_timer_init(&c->timer, on_time);
    pml_timer_start(n->loop, &c->timer, ASK_MS);
  }
  look(n);
}

void pml__cluster_lost(pml_node *n, const char *id) {
  const pml_place *p = n->cluster.interest ? pml_interest_find(n->cluster.interest, id) : NULL;
  if (p) ask(n, p);
}

typedef struct {
  void (*fn)(const char *id, void *ud);
  void *ud;
} walk;

static void to_place(pml_place *p, void *ud) {
  const walk *w = ud;
  w->fn(p->id, w->ud);
}

void pml_cluster_each(pml_node *n, pml_slice name, void (*fn)(const char *id, void *ud), void *ud) {
  pml_cluster_use(n);
  if (n->cluster.interest) pml_interest_each(n->cluster.interest, name, to_place, &(walk){fn, ud});
}

/* --- what frontends tell -------------------------------------------------------- */

static void take(pml_node *n, pml_place *p, pml_slice channels) {
  pml_slice name;
  int there;
  while (pml_interest_list_next(&channels, &name, &there))
    pml_interest_set(n->cluster.interest, p, name, there);
}

/* A part of a list that was asked for. After a part that did not come the rest is left alone: the
 * list is asked for again within a second. */
static void take_list(pml_node *n, pml_place *p, const pml_interest_list *l) {
  pml_interest *t = n->cluster.interest;
  if (l->part == 0) {
    pml_interest_know(t, p, 0);
    pml_interest_clear(t, p);
    p->part = 0;
  }
  if (l->part != p->part) {
    p->part = UINT32_MAX;
    return;
  }
  take(n, p, l->channels);
  p->part++;
  if (!l->last) return;
  p->part = UINT32_MAX;
  p->seq = l->seq;
  pml_interest_know(t, p, 1);
}

/* As long as the list is not known a change tells nothing: the list that comes has it. */
static void take_changes(pml_node *n, pml_place *p, const pml_interest_list *l) {
  if (!p->is_known) return;
  if (l->seq == p->seq + 1) {
    p->seq = l->seq;
    take(n, p, l->channels);
    return;
  }
  n->cluster.missed++;
  pml_interest_know(n->cluster.interest, p, 0);
  ask(n, p);
}

void pml__cluster_told(pml_node *n, const pml_envelope *env, pml_buf *body) {
  pml_interest_list l;
  char from[PML_SERVER_ID_MAX + 1];
  if (pml_interest_list_read(pml_buf_slice(body), &l) != 0 || env->from.n > PML_SERVER_ID_MAX) {
    pml_log_some(&n->log, PML_WARN, "records that cannot be read",
                 "a list of cluster channels from server %.*s cannot be read", (int)env->from.n,
                 (const char *)env->from.p);
    return;
  }
  if (l.op == PML_INTEREST_ASK) {
    pml__cluster_asked(n, env, l.seq);
    return;
  }
  if (!n->cluster.interest) return;
  look(n);
  memcpy(from, env->from.p, env->from.n);
  from[env->from.n] = 0;
  pml_place *p = pml_interest_find(n->cluster.interest, from);
  if (!p || p->incarnation != env->from_incarnation) return;
  if (l.op == PML_INTEREST_LIST) take_list(n, p, &l);
  else take_changes(n, p, &l);
}

size_t pml__cluster_known(const pml_node *n) {
  return n->cluster.interest ? pml_interest_count(n->cluster.interest) : 0;
}

void pml__cluster_clear(pml_node *n) {
  pml_cluster *c = &n->cluster;
  if (!c->interest) return;
  pml_timer_stop(n->loop, &c->timer);
  pml_interest_free(c->interest);
}
