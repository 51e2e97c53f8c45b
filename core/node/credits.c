#include "node/credits.h"

#include "base/bigendian.h"
#include "base/container.h"
#include "base/limits.h"
#include "base/mem.h"
#include "node/state.h"

#define ENTRY 12u   /* bytes: session, count */
#define MOST 65536u /* bytes of entries in one record; what is more goes at once */

/* What is collected for one frontend. */
typedef struct pml_credit_list {
  struct pml_credit_list *next;
  uint64_t incarnation;
  uint32_t epoch, count; /* count: of the last entry, which is not written yet */
  uint64_t session;      /* the same */
  pml_writer entries;
  char to[PML_SERVER_ID_MAX + 1];
} list;

/* --- the frontend's side -------------------------------------------------------- */

void pml__credits_sent(pml_node *n, pml_session *s) {
  s->in_flight++;
  s->notifies++;
  n->credits.out++;
}

static void handled(pml_node *n, pml_session *s, uint32_t count) {
  if (count > s->notifies) count = s->notifies;
  s->notifies -= count;
  s->in_flight -= count;
  n->credits.out -= count;
}

void pml_credits_handled(pml_node *n, pml_id session, uint32_t count) {
  pml_session *s = pml_sessions_get(n->sessions, session);
  if (s) handled(n, s, count);
}

void pml__credits_take(pml_node *n, const pml_envelope *env) {
  if (env->msg_id == 0) pml__credits_lost(n); /* it missed some of ours */
  if (env->msg_id != n->credits.epoch) return;
  for (pml_slice in = env->param; in.n >= ENTRY; in.p += ENTRY, in.n -= ENTRY)
    pml_credits_handled(n, pml_get64(in.p), pml_get32(in.p + 8));
}

static int forget(pml_session *s, void *ud) {
  handled(ud, s, s->notifies);
  return 0;
}

void pml__credits_lost(pml_node *n) {
  if (!n->credits.out) return;
  pml_sessions_each(n->sessions, forget, n);
  n->credits.epoch = n->credits.epoch == UINT32_MAX ? 1 : n->credits.epoch + 1;
}

void pml__credits_forget(pml_node *n, pml_session *s) { handled(n, s, s->notifies); }

/* --- the other side ------------------------------------------------------------- */

static void put(list *l) {
  uint8_t *p = pml_writer_more(&l->entries, ENTRY);
  pml_put64(p, l->session);
  pml_put32(p + 8, l->count);
  l->count = 0;
}

static void send_list(pml_node *n, list *l) {
  if (l->count) put(l);
  pml_envelope env = {
    .kind = PML_ENV_CREDIT,
    .msg_id = l->epoch,
    .param = pml_slice_of(pml_writer_at(&l->entries, 0), l->entries.len),
  };
  if (l->entries.len && n->rpc && pml_rpc_incarnation(n->rpc, l->to) == l->incarnation)
    pml_rpc_cast(n->rpc, l->to, &env, NULL, NULL);
  pml_writer_cut(&l->entries, 0);
}

static void flush_run(pml_task *t) {
  pml_node *n = PML_CONTAINER(t, pml_node, credits.flush);
  for (list *l; (l = n->credits.lists);) {
    n->credits.lists = l->next;
    send_list(n, l);
    pml_writer_drop(&l->entries);
    pml_free(l);
  }
}

void pml__credits_missed(pml_node *n, const char *from) {
  pml_envelope env = {.kind = PML_ENV_CREDIT};
  if (n->rpc) pml_rpc_cast(n->rpc, from, &env, NULL, NULL);
}

/* Servers of two processes may have the same incarnation. */
static int is_for(const list *l, const pml_envelope *env) {
  return l->incarnation == env->from_incarnation && l->epoch == env->msg_id &&
         pml_slice_eq(pml_slice_str(l->to), env->from);
}

static list *list_of(pml_node *n, const pml_envelope *env) {
  list *l = n->credits.lists;
  while (l && !is_for(l, env)) l = l->next;
  if (l) return l;
  l = pml_alloc0(sizeof *l);
  l->incarnation = env->from_incarnation;
  l->epoch = env->msg_id;
  pml_slice_copy(l->to, env->from); /* PML_SERVER_ID_MAX at most */
  l->next = n->credits.lists;
  n->credits.lists = l;
  pml_loop_defer(n->loop, &n->credits.flush);
  return l;
}

void pml__credits_give(pml_node *n, const pml_envelope *env) {
  if (!env->msg_id || env->from.n > PML_SERVER_ID_MAX) return;
  list *l = list_of(n, env);
  if (l->count && l->session != env->session) put(l);
  if (l->entries.len >= MOST) send_list(n, l);
  l->session = env->session;
  l->count++;
}

/* --- life ----------------------------------------------------------------------- */

void pml__credits_init(pml_node *n) {
  n->credits.epoch = 1;
  pml_task_init(&n->credits.flush, flush_run);
}

void pml__credits_clear(pml_node *n) {
  pml_task_cancel(&n->credits.flush);
  for (list *l; (l = n->credits.lists);) {
    n->credits.lists = l->next;
    pml_writer_drop(&l->entries);
    pml_free(l);
  }
}
