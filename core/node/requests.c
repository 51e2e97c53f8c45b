#include "node/requests.h"

#include "base/limits.h"
#include "base/container.h"
#include "base/err.h"
#include "base/mem.h"
#include "node/state.h"
#include "wire/frame.h"
#include "wire/message.h"
#include "wire/package.h"

#include <stdio.h>

#define KEPT 1024  /* requests that have ended and whose memory is used again */
#define POOLED 160 /* bytes of one of them; a request with a longer route is freed */

const pml_counter pml__requests_counters[] = {
  PML_NODE_COUNTER("answers", requests.answers),
  PML_NODE_COUNTER("lateAnswers", requests.late_answers),
  PML_NODE_COUNTER("handlerTimeouts", requests.timeouts),
  {NULL, 0},
};

typedef struct {
  pml_timer timer;
  pml_node *node;
  pml_id id, session;         /* session 0: forwarded by another server */
  uint64_t call, incarnation; /* the call of server `from`, and the incarnation of that server */
  uint32_t msg_id, generation;
  uint16_t nfrom;
  uint8_t pooled;
  char text[]; /* from\0route\0 */
} request;

static const char *route_of(const request *r) { return r->text + r->nfrom + 1; }

static void forget(void *obj, void *ud) {
  request *r = obj;
  pml_node *n = ud;
  pml_timer_stop(n->loop, &r->timer);
  if (r->pooled) pml_pool_give(&n->requests.pool, r);
  else pml_free(r);
}

static pml_buf *error_frame(uint32_t msg_id, int code) {
  char body[16];
  int nbody = snprintf(body, sizeof body, "{\"code\":%d}", code); /* three digits */
  pml_message_view m = {.type = PML_MSG_RESPONSE, .id = msg_id};
  pml_writer w = {0};
  pml_frame_begin(&w);
  pml_message_write_head(&w, &m);
  pml_writer_put(&w, body, (size_t)nbody);
  return pml_frame_end(&w, PML_PKG_DATA);
}

void pml__requests_refuse_as(pml_node *n, pml_session *s, uint32_t msg_id, pml_slice route,
                             int code) {
  if (!msg_id || !s->sink) return;
  pml_buf *frame = error_frame(msg_id, code);
  pml__transcode_respond(n, s, route, frame);
  pml_buf_unref(frame);
}

void pml__requests_refuse(pml_node *n, pml_session *s, uint32_t msg_id, pml_slice route) {
  pml__requests_refuse_as(n, s, msg_id, route, 500);
}

static void give_500(pml_node *n, const request *r) {
  pml_buf *frame = error_frame(r->msg_id, 500);
  pml_requests_answer(n, r->id, frame);
  pml_buf_unref(frame);
}

static void late(pml_timer *t) {
  request *r = PML_CONTAINER(t, request, timer);
  pml_node *n = r->node;
  n->requests.timeouts++;
  pml_log_some(&n->log, PML_ERROR, "handlers that did not answer in time",
               "%s: no answer within %u ms, the client gets code 500", route_of(r),
               n->config.handler_ms);
  give_500(n, r);
}

static pml_id put(pml_node *n, pml_slice from, pml_slice route, request **out) {
  size_t size = sizeof(request) + from.n + route.n + 2;
  int pooled = size <= POOLED;
  request *r = pooled ? pml_pool_take(&n->requests.pool) : pml_alloc(size);
  *r = (request){.node = n, .generation = n->generation};
  r->nfrom = (uint16_t)from.n; /* PML_SERVER_ID_MAX at most */
  r->pooled = (uint8_t)pooled;
  pml_slice_copy(r->text, from);
  r->text[from.n] = '\0';
  pml_slice_copy(r->text + from.n + 1, route);
  r->text[from.n + 1 + route.n] = '\0';
  pml_timer_init(&r->timer, late);
  r->id = pml_slots_put(n->requests.open, r);
  if (!r->id) {
    forget(r, n);
    return 0;
  }
  pml_timer_start(n->loop, &r->timer, n->config.handler_ms);
  *out = r;
  return r->id;
}

pml_id pml__requests_local(pml_node *n, pml_session *s, uint32_t msg_id, pml_slice route) {
  request *r;
  pml_id id = put(n, (pml_slice){0}, route, &r);
  if (!id) return 0;
  r->session = s->id;
  r->msg_id = msg_id;
  s->in_flight++;
  return id;
}

pml_id pml__requests_remote(pml_node *n, const pml_envelope *env) {
  request *r;
  pml_id id = put(n, env->from, env->route, &r);
  if (!id) return 0;
  r->call = env->call;
  r->incarnation = env->from_incarnation;
  r->msg_id = env->msg_id;
  return id;
}

void pml__requests_extend(pml_node *n, pml_id id, uint32_t ms) {
  request *r = pml_slots_get(n->requests.open, id);
  if (r) pml_timer_start(n->loop, &r->timer, ms);
}

uint32_t pml_requests_msg_id(const pml_node *n, pml_id id) {
  request *r = pml_slots_get(n->requests.open, id);
  return r ? r->msg_id : 0;
}

int64_t pml_requests_left(const pml_node *n, pml_id id) {
  request *r = pml_slots_get(n->requests.open, id);
  return r ? (int64_t)(r->timer.due - pml_loop_now(n->loop)) : -1;
}

pml_slice pml_requests_route(const pml_node *n, pml_id id) {
  request *r = pml_slots_get(n->requests.open, id);
  return r ? pml_slice_str(route_of(r)) : (pml_slice){0};
}

int pml_requests_answer(pml_node *n, pml_id id, pml_buf *frame) {
  request *r = pml_slots_take(n->requests.open, id);
  if (!r) {
    n->requests.late_answers++;
    return PML_ECLOSED;
  }
  n->requests.answers++;
  if (r->session) {
    pml_session *s = pml_sessions_get(n->sessions, r->session);
    if (s) {
      s->in_flight--;
      if (s->sink) pml__transcode_respond(n, s, pml_slice_str(route_of(r)), frame);
      pml__moves_answered(n, s);
    }
  } else if (n->rpc) {
    pml_rpc_answer(n->rpc, r->text, r->incarnation, r->call, 0, frame);
  }
  forget(r, n);
  return 0;
}

void pml_requests_older(pml_node *n, pml_requests_on_older_fn fn, void *ud) {
  uint32_t at = 0;
  pml_id id;
  for (request *r; (r = pml_slots_next(n->requests.open, &at, &id));)
    if (r->generation != n->generation) fn(id, r->generation, ud);
}

void pml__requests_gone(pml_node *n, const char *server) {
  uint32_t at = 0;
  pml_id id;
  for (request *r; (r = pml_slots_next(n->requests.open, &at, &id));) {
    if (r->session || strcmp(r->text, server) != 0) continue;
    pml_slots_take(n->requests.open, id);
    forget(r, n);
  }
}

void pml_requests_each(pml_node *n, void (*fn)(const char *route, void *ud), void *ud) {
  uint32_t at = 0;
  pml_id id;
  for (request *r; (r = pml_slots_next(n->requests.open, &at, &id));) fn(route_of(r), ud);
}

void pml_requests_fail(pml_node *n, pml_id request_id) {
  request *r = pml_slots_get(n->requests.open, request_id);
  if (r) give_500(n, r);
}

void pml_requests_expire(pml_node *n, void (*fn)(const char *route, void *ud), void *ud) {
  uint32_t at = 0;
  pml_id id;
  for (request *r; (r = pml_slots_next(n->requests.open, &at, &id));) {
    fn(route_of(r), ud);
    give_500(n, r);
  }
}

size_t pml__requests_count(const pml_node *n) { return pml_slots_count(n->requests.open); }

void pml__requests_init(pml_node *n) {
  n->requests.open = pml_slots_new(n->floor);
  pml_pool_init(&n->requests.pool, POOLED, KEPT);
}

void pml__requests_clear(pml_node *n) {
  pml_slots_drain(n->requests.open, forget, n);
  pml_slots_free(n->requests.open);
  pml_pool_clear(&n->requests.pool);
}
