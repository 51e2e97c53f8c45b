#include "node/cluster_members.h"

#include "base/container.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "node/deliver.h"
#include "node/state.h"
#include "wire/frame.h"
#include "wire/interest_list.h"

#define PART_BYTES 65536u /* of a list: then another record begins */

const pml_counter pml__cluster_members_counters[] = {
  PML_NODE_COUNTER("clusterJoins", cluster_members.joins),
  PML_NODE_COUNTER("clusterLeaves", cluster_members.leaves),
  PML_NODE_COUNTER("clusterFull", cluster_members.full),
  PML_NODE_COUNTER("clusterLists", cluster_members.lists),
  {NULL, 0},
};

/* A server that wants to know: one life of it. */
struct pml_audience {
  uint64_t incarnation;
  char id[PML_SERVER_ID_MAX + 1];
};

/* --- what is told ------------------------------------------------------------ */

static void tell(pml_node *n, const char *to, pml_buf *body) {
  pml_envelope env = {.kind = PML_ENV_INTEREST};
  if (n->rpc) pml_rpc_cast(n->rpc, to, &env, body, NULL);
}

/* Forgets servers that are gone, or others since. */
static void look_at_audience(pml_node *n) {
  pml_cluster_members *m = &n->cluster_members;
  for (size_t i = 0; i < m->naudience;) {
    struct pml_audience *a = &m->audience[i];
    if (n->rpc && pml_rpc_incarnation(n->rpc, a->id) == a->incarnation) i++;
    else *a = m->audience[--m->naudience];
  }
}

/* Tells what has changed. */
static void flush(pml_node *n) {
  pml_cluster_members *m = &n->cluster_members;
  if (!m->changes.len) return;
  m->seq++;
  pml_writer w = {0};
  pml_interest_list_begin(&w, &(pml_interest_list){.op = PML_INTEREST_CHANGES, .seq = m->seq});
  pml_writer_put(&w, pml_writer_at(&m->changes, 0), m->changes.len);
  pml_writer_drop(&m->changes);
  pml_buf *body = pml_writer_finish(&w);
  look_at_audience(n);
  for (size_t i = 0; i < m->naudience; i++) tell(n, m->audience[i].id, body);
  pml_buf_unref(body);
}

static void on_end(pml_task *t) { flush(PML_CONTAINER(t, pml_node, cluster_members.task)); }

/* A channel has got its first member, or has lost its last one. */
static void changed(pml_slice name, int there, void *ud) {
  pml_node *n = ud;
  pml_cluster_members *m = &n->cluster_members;
  if (m->changes.len > PART_BYTES) flush(n);
  pml_interest_list_put(&m->changes, name, there);
  pml_loop_defer(n->loop, &m->task);
}

typedef struct {
  pml_node *node;
  const char *to;
  pml_interest_list head;
  pml_writer w;
} listing;

static void send_part(listing *l, int last) {
  pml_interest_list *h = &l->head;
  h->last = last != 0;
  pml_writer w = {0};
  pml_interest_list_begin(&w, h);
  if (l->w.len) pml_writer_put(&w, pml_writer_at(&l->w, 0), l->w.len);
  pml_writer_drop(&l->w);
  pml_buf *body = pml_writer_finish(&w);
  tell(l->node, l->to, body);
  pml_buf_unref(body);
  h->part++;
}

static void list_one(const pml_roster *r, void *ud) {
  listing *l = ud;
  pml_interest_list_put(&l->w, pml_roster_name(r), 1);
  if (l->w.len > PART_BYTES) send_part(l, 0);
}

static void add_audience(pml_node *n, pml_slice id, uint64_t incarnation) {
  pml_cluster_members *m = &n->cluster_members;
  size_t i = 0;
  while (i < m->naudience && !pml_slice_eq(pml_slice_str(m->audience[i].id), id)) i++;
  if (i == m->naudience) {
    m->audience = pml_realloc(m->audience, (m->naudience + 1) * sizeof *m->audience);
    m->naudience++;
  }
  struct pml_audience *a = &m->audience[i];
  a->incarnation = incarnation;
  memcpy(a->id, id.p, id.n);
  a->id[id.n] = 0;
}

void pml__cluster_asked(pml_node *n, const pml_envelope *env, uint64_t seq) {
  pml_cluster_members *m = &n->cluster_members;
  if (!n->is_frontend || !env->from.n || env->from.n > PML_SERVER_ID_MAX) return;
  flush(n); /* before the asker is one that would be told */
  look_at_audience(n);
  add_audience(n, env->from, env->from_incarnation);
  if (seq == m->seq) return;
  char to[PML_SERVER_ID_MAX + 1];
  memcpy(to, env->from.p, env->from.n);
  to[env->from.n] = 0;
  listing l = {.node = n, .to = to, .head = {.op = PML_INTEREST_LIST, .seq = m->seq}};
  m->lists++;
  pml_rosters_each(m->rosters, list_one, &l);
  send_part(&l, 1);
}

/* --- who is a member --------------------------------------------------------- */

static pml_session *newest_of(const pml_node *n, const pml_session *s) {
  return pml_sessions_by_uid(n->sessions, s->uid);
}

/* A session is about to lose its uid, or its place in the tables. */
static void lost(pml_session *s, void *ud) {
  pml_node *n = ud;
  pml_cluster_members *m = &n->cluster_members;
  if (pml_session_rosters(s)) m->leaves += pml_rosters_forget(m->rosters, s, newest_of(n, s));
}

static int join(pml_node *n, pml_slice name, pml_session *s, const pml_session *newest) {
  pml_cluster_members *m = &n->cluster_members;
  int rc = pml_rosters_join(m->rosters, name, s, newest, n->config.cluster_channels,
                            n->config.cluster_per_session);
  if (rc > 0) m->joins++;
  if (rc < 0) m->full++;
  return rc;
}

/* NULL: there is none, or it has another uid. */
static pml_session *session_of(const pml_node *n, const pml_cluster_who *who) {
  pml_session *s = pml_sessions_get(n->sessions, who->session);
  return s && s->uid.s && pml_uid_eq(s->uid, who->uid) ? s : NULL;
}

int pml_cluster_join(pml_node *n, pml_slice name, const pml_cluster_who *who, size_t *joined) {
  pml_session *newest = pml_sessions_by_uid(n->sessions, who->uid), *s = newest;
  int rc = 0;
  *joined = 0;
  if (name.n > n->config.cluster_name) {
    n->cluster_members.full++;
    return PML_EINVAL;
  }
  if (who->session) s = session_of(n, who);
  if (!s) return PML_ENOENT;
  for (; s && rc >= 0; s = who->session ? NULL : s->uid_next) {
    rc = join(n, name, s, newest);
    *joined += rc > 0;
  }
  flush(n); /* who hears of the answer finds the channel wherever it pushes */
  return rc < 0 ? rc : 0;
}

static size_t leave(pml_node *n, pml_slice name, pml_session *s) {
  return (size_t)pml_rosters_leave(n->cluster_members.rosters, name, s, newest_of(n, s));
}

size_t pml_cluster_leave(pml_node *n, pml_slice name, const pml_cluster_who *who) {
  pml_cluster_members *m = &n->cluster_members;
  size_t left = 0;
  pml_session *s;
  if (who->session) {
    if ((s = session_of(n, who))) left = leave(n, name, s);
  } else if (who->uid.s) {
    for (s = pml_sessions_by_uid(n->sessions, who->uid); s; s = s->uid_next)
      left += leave(n, name, s);
  } else {
    left = pml_rosters_clear(m->rosters, name);
  }
  m->leaves += left;
  return left;
}

/* Whether s is the newest of its uid among the members. */
static int is_first(const pml_node *n, const pml_roster *r, const pml_session *s) {
  const pml_session *first = newest_of(n, s);
  while (first && !pml_roster_has(r, first)) first = first->uid_next;
  return first == s;
}

size_t pml_cluster_members_here(pml_node *n, pml_slice name, pml_writer *uids) {
  const pml_roster *r = pml_rosters_find(n->cluster_members.rosters, name);
  size_t count = r ? pml_roster_count(r) : 0;
  int all = r && count == pml_roster_users(r);
  for (size_t i = 0; uids && i < count; i++) {
    const pml_session *s = pml_roster_sessions(r)[i];
    if (all || is_first(n, r, s)) pml_uids_put(uids, s->uid);
  }
  return r ? pml_roster_users(r) : 0;
}

int pml_cluster_member_here(pml_node *n, pml_slice name, pml_uid uid, pml_uid *out) {
  const pml_roster *r = pml_rosters_find(n->cluster_members.rosters, name);
  const pml_session *s = r ? pml_sessions_by_uid(n->sessions, uid) : NULL;
  while (s && !pml_roster_has(r, s)) s = s->uid_next;
  if (s) *out = s->uid;
  return s != NULL;
}

/* --- pushes ------------------------------------------------------------------- */

void pml__cluster_deliver(pml_node *n, pml_slice name, pml_slice except, pml_buf *frame,
                          pml_delivery how) {
  const pml_roster *r = pml_rosters_find(n->cluster_members.rosters, name);
  if (r) pml__deliver_sessions(n, pml_roster_sessions(r), pml_roster_count(r), except, frame, how);
}

void pml__cluster_record(pml_node *n, const pml_envelope *env, pml_buf *frame, pml_buf *except) {
  if (!frame || frame->len <= PML_FRAME_ROOM) return;
  pml__cluster_deliver(n, env->route, pml_buf_slice(except), frame, pml__deliver_how(env));
  if (env->call) pml_rpc_answer_record(n->rpc, env, 0, NULL);
}

/* --- life --------------------------------------------------------------------- */

size_t pml__cluster_members_channels(const pml_node *n) {
  return pml_rosters_count(n->cluster_members.rosters);
}

size_t pml__cluster_members_count(const pml_node *n) {
  return pml_rosters_members(n->cluster_members.rosters);
}

void pml__cluster_members_init(pml_node *n) {
  pml_cluster_members *m = &n->cluster_members;
  m->rosters = pml_rosters_new(changed, n);
  pml_task_init(&m->task, on_end);
  pml_sessions_watch(n->sessions, lost, n);
}

void pml__cluster_members_clear(pml_node *n) {
  pml_cluster_members *m = &n->cluster_members;
  pml_sessions_watch(n->sessions, NULL, NULL);
  pml_task_cancel(&m->task);
  pml_rosters_free(m->rosters);
  pml_writer_drop(&m->changes);
  pml_free(m->audience);
}
