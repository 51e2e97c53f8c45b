#include "node/route.h"

#include "base/container.h"
#include "base/err.h"
#include "base/mem.h"
#include "node/admission.h"
#include "node/forward.h"
#include "node/state.h"

#include <stdio.h>

/* --- messages that wait for the scripts to name a server ------------------------ */

typedef struct {
  pml_timer timer;
  pml_node *node;
  pml_id id, session;
  pml_buf *body;
  uint32_t msg_id;
  uint8_t gzip, nroute;
  char route[PML_MSG_ROUTE_MAX + 1];
} pending;

static void pending_free(void *obj, void *ud) {
  pending *p = obj;
  pml_node *n = ud;
  pml_timer_stop(n->loop, &p->timer);
  pml_buf_unref(p->body);
  pml_free(p);
}

static void on_deadline(pml_timer *t) {
  pending *p = PML_CONTAINER(t, pending, timer);
  pml_route_choose(p->node, p->id, NULL);
}

/* A notify counts as in flight as well while it waits: it holds memory. */
static void ask_script(pml_node *n, pml_session *s, const pml_message_view *m, pml_slice type) {
  pending *p = pml_alloc0(sizeof *p);
  p->node = n;
  p->session = s->id;
  p->msg_id = m->id;
  p->gzip = m->gzip;
  p->nroute = (uint8_t)m->route.n;
  pml_slice_copy(p->route, m->route);
  p->id = pml_slots_put(n->routes.pending, p);
  if (!p->id) {
    pml_free(p);
    pml__forward_fail(n, s, m, "too many messages wait for a route");
    return;
  }
  p->body = pml_buf_from(m->body.p, m->body.n);
  pml_timer_init(&p->timer, on_deadline);
  pml_timer_start(n->loop, &p->timer, n->config.forward_ms);
  s->in_flight++;
  n->script.on_route(n->script.ud, p->id, type, s, m);
}

static int send_pending(pml_node *n, const pending *p, pml_session *s, const char *to) {
  pml_message_view m = {
    .type = p->msg_id ? PML_MSG_REQUEST : PML_MSG_NOTIFY,
    .gzip = p->gzip,
    .id = p->msg_id,
    .route = pml_slice_of(p->route, p->nroute),
    .body = pml_buf_slice(p->body),
  };
  const pml_server_info *info = to ? pml_directory_find(&n->directory, to) : NULL;
  if (!to || (info && info->frontend)) return PML_ENOENT;
  return pml__forward_send(n, s, &m, to);
}

int pml_route_choose(pml_node *n, pml_id id, const char *to) {
  pending *p = pml_slots_take(n->routes.pending, id);
  if (!p) return PML_ECLOSED;
  int rc = 0;
  pml_session *s = pml_sessions_get(n->sessions, p->session);
  if (s) {
    s->in_flight--;
    rc = send_pending(n, p, s, to);
    if (rc) pml__forward_refuse(n, s, p->msg_id, pml_slice_of(p->route, p->nroute));
    pml__moves_answered(n, s);
  }
  pending_free(p, n);
  return rc;
}

/* --- server types ------------------------------------------------------------------ */

static int is_routed(const pml_node *n, pml_slice type) {
  for (size_t i = 0; i < n->routes.ntypes; i++) {
    const char *routed = n->routes.types[i];
    if (strcmp(routed, "default") == 0 || pml_slice_eq(pml_slice_str(routed), type)) return 1;
  }
  return 0;
}

void pml_route_set(pml_node *n, const char *type, int on) {
  pml_routes *r = &n->routes;
  for (size_t i = 0; i < r->ntypes; i++) {
    if (strcmp(r->types[i], type) != 0) continue;
    if (on) return;
    pml_free(r->types[i]);
    r->types[i] = r->types[--r->ntypes];
    return;
  }
  if (!on) return;
  r->types = pml_realloc(r->types, (r->ntypes + 1) * sizeof *r->types);
  r->types[r->ntypes++] = pml_strdup(type);
}

void pml__route_message(pml_node *n, pml_session *s, const pml_message_view *m, pml_slice type) {
  if (is_routed(n, type) && n->script.on_route) {
    ask_script(n, s, m, type);
    return;
  }
  const pml_server_info *to = pml_node_route(n, type, pml_slice_of(s->uid.s, s->uid.n));
  if (!to) {
    char why[320];
    snprintf(why, sizeof why, "can not find server info for type:%.*s", (int)type.n,
             (const char *)type.p);
    pml__forward_fail(n, s, m, why);
    return;
  }
  int rc = to->frontend ? PML_ENOENT : pml__forward_send(n, s, m, to->id);
  if (rc)
    pml__forward_fail(n, s, m,
                      rc == PML_ENOENT ? "its server takes no messages" : pml_err_reason(rc));
}

size_t pml__route_count(const pml_node *n) { return pml_slots_count(n->routes.pending); }

void pml__route_init(pml_node *n) { n->routes.pending = pml_slots_new(n->floor); }

void pml__route_clear(pml_node *n) {
  pml_slots_drain(n->routes.pending, pending_free, n);
  pml_slots_free(n->routes.pending);
  for (size_t i = 0; i < n->routes.ntypes; i++) pml_free(n->routes.types[i]);
  pml_free(n->routes.types);
}
