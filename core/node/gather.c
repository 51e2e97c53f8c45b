/* Tested by core/test/test_push.c. */
#include "node/gather.h"

#include "base/container.h"
#include "base/mem.h"
#include "base/uidset.h"
#include "node/state.h"

struct pml_gather {
  pml_task end; /* at the end of the turn, never from inside the push */
  pml_node *node;
  pml_id id;
  size_t open, good, bad; /* frontends: asked, answered, failed */
  pml_writer fails;       /* base/uid list of the users that were not reached */
  int kind;
};

/* One frontend that was asked. */
typedef struct {
  pml_gather *of;
  pml_buf *uids, *except;
} asked;

static void fail_all(pml_gather *g, pml_slice uids, pml_slice except) {
  pml_uid uid;
  pml_uidset left_out = {.list = except};
  while (pml_uids_next(&uids, &uid) > 0)
    if (!pml_uidset_has(&left_out, uid)) pml_uids_put(&g->fails, uid);
  pml_uidset_fini(&left_out);
}

/* Who is not reached in a cluster channel nobody can name, so that one frontend is enough. */
static const char *message_of(const pml_gather *g) {
  if (!g->bad) return NULL;
  if (g->kind == PML_ENV_CHANNEL) return "a frontend has not acknowledged the push";
  if (g->good) return NULL;
  return g->kind == PML_ENV_BROADCAST ? "broadcast fails" : "all uids push message fail";
}

static void on_end(pml_task *t) {
  pml_gather *g = PML_CONTAINER(t, pml_gather, end);
  pml_node *n = g->node;
  const char *message = message_of(g);
  pml_buf *fails = pml_writer_finish(&g->fails);
  pml_id id = g->id;
  pml_slots_take(n->gathers.open, id);
  pml_free(g);
  if (n->script.on_pushed) n->script.on_pushed(n->script.ud, id, message, pml_buf_slice(fails));
  pml_buf_unref(fails);
}

static void end_if_done(pml_gather *g) {
  if (g->open == 0) pml_loop_defer(g->node->loop, &g->end);
}

static void asked_free(asked *a) {
  pml_buf_unref(a->uids);
  pml_buf_unref(a->except);
  pml_free(a);
}

static void on_answer(int status, pml_buf *body, void *ud) {
  asked *a = ud;
  pml_gather *g = a->of;
  g->open--;
  if (status == 0) {
    g->good++;
    if (body) pml_writer_put(&g->fails, body->data, body->len);
  } else {
    pml__gather_fail(g, a->uids, pml_buf_slice(a->except));
  }
  asked_free(a);
  end_if_done(g);
}

pml_gather *pml__gather_new(pml_node *n, int kind) {
  pml_gather *g = pml_alloc0(sizeof *g);
  pml_task_init(&g->end, on_end);
  g->node = n;
  g->kind = kind;
  g->id = pml_slots_put(n->gathers.open, g);
  if (!g->id) {
    pml_free(g);
    return NULL;
  }
  return g;
}

int pml__gather_ask(pml_gather *g, const char *sid, pml_envelope *env, pml_buf *frame,
                    pml_buf *uids, pml_buf *except, uint32_t ms) {
  asked *a = pml_alloc0(sizeof *a);
  a->of = g;
  a->uids = pml_buf_ref(uids);
  a->except = pml_buf_ref(except);
  pml_buf *extra = env->kind == PML_ENV_PUSH ? uids : except;
  int rc = pml_rpc_call(g->node->rpc, sid, env, frame, extra, ms, on_answer, a, NULL);
  if (rc) asked_free(a);
  else g->open++;
  return rc;
}

pml_writer *pml__gather_here(pml_gather *g) {
  g->good++;
  return &g->fails;
}

void pml__gather_fail(pml_gather *g, pml_buf *uids, pml_slice except) {
  g->bad++;
  if (uids) fail_all(g, pml_buf_slice(uids), except);
}

pml_id pml__gather_wait(pml_gather *g) {
  end_if_done(g);
  return g->id;
}

static void gather_free(void *obj, void *ud) {
  (void)ud;
  pml_gather *g = obj;
  pml_task_cancel(&g->end);
  pml_writer_drop(&g->fails);
  pml_free(g);
}

void pml__gather_init(pml_node *n) { n->gathers.open = pml_slots_new(n->floor); }

void pml__gather_clear(pml_node *n) {
  pml_slots_drain(n->gathers.open, gather_free, NULL);
  pml_slots_free(n->gathers.open);
}
