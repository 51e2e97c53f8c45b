#include "node/filtered.h"

#include "base/err.h"
#include "base/mem.h"
#include "node/credits.h"
#include "node/forward.h"
#include "node/requests.h"
#include "node/state.h"
#include "wire/frame.h"

#define LATER_MS 1000 /* the request outlives its call, so that the inner error is seen */

typedef struct {
  pml_node *node;
  pml_id request;
  uint8_t watched;
} sent;

/* The body of the message in an answer's frame; status 1: the other server's text. */
static pml_slice text_of(int status, const pml_buf *body) {
  pml_message_view m;
  if (status == 1 && body) return pml_buf_slice(body);
  if (status || !body || pml_message_read(pml_frame_body(body), &m)) return (pml_slice){0};
  return m.body;
}

/* When its client has been answered or is gone, the answer is not missed. */
static void log_no_answer(pml_node *n, pml_id request, int status, const pml_buf *body) {
  pml_slice route = pml_requests_route(n, request), why = text_of(status, body);
  if (!route.n || status == PML_ECLOSED) return;
  if (status < 0) why = pml_slice_str(pml_err_reason(status));
  pml_log_some(&n->log, PML_ERROR, "no answer from another server",
               "%.*s: no answer from another server: %.*s", (int)route.n, (const char *)route.p,
               (int)why.n, why.n ? (const char *)why.p : "");
}

static void on_answer(int status, pml_buf *body, void *ud) {
  sent *t = ud;
  pml_node *n = t->node;
  sent was = *t;
  pml_free(t);
  if (status == 0 && !(body && body->len > PML_FRAME_ROOM)) status = PML_EPROTO;
  if (status == 0) {
    pml_requests_answer(n, was.request, body);
  } else {
    pml__forward_note_failed(n);
    log_no_answer(n, was.request, status, body);
    pml_requests_fail(n, was.request);
  }
  if (was.watched && n->script.on_returned)
    n->script.on_returned(n->script.ud, was.request, status, text_of(status, body));
}

static pml_envelope envelope_of(const pml_filtered_message *m, const pml_session *s,
                                uint32_t msg_id) {
  return (pml_envelope){
    .kind = PML_ENV_FORWARD,
    .msg_type = msg_id ? PML_MSG_REQUEST : PML_MSG_NOTIFY,
    .msg_id = msg_id,
    .session = s->id,
    .route = m->route,
    .uid = s->uid,
    .settings = m->settings.p ? m->settings : pml_buf_slice(s->settings),
    .param = m->body,
  };
}

int pml_filtered_send(pml_node *n, const pml_filtered_message *m, const char *to) {
  pml_session *s = pml_sessions_get(n->sessions, m->session);
  uint32_t msg_id = m->request ? pml_requests_msg_id(n, m->request) : 0;
  if (!s || (m->request && !msg_id)) return PML_ECLOSED;
  const pml_server_info *info = pml_directory_find(&n->directory, to);
  if (!n->rpc || (info && info->frontend)) return PML_ENOENT;
  pml_envelope env = envelope_of(m, s, msg_id);
  pml__forward_note_sent(n);
  if (!m->request) {
    env.msg_id = pml__credits_epoch(&n->credits);
    int cast = pml_rpc_cast(n->rpc, to, &env, NULL, NULL);
    if (!cast) pml__credits_sent(n, s);
    return cast;
  }
  sent *t = pml_alloc0(sizeof *t);
  *t = (sent){.node = n, .request = m->request, .watched = m->watched != 0};
  int rc = pml_rpc_call(n->rpc, to, &env, NULL, NULL, n->config.forward_ms, on_answer, t, NULL);
  if (rc) pml_free(t);
  else pml__requests_extend(n, m->request, n->config.forward_ms + LATER_MS);
  return rc;
}

void pml_filtered_set(pml_node *n, int on) { n->filtered.on = on != 0; }
int pml__filtered_is_on(const pml_node *n) { return n->filtered.on; }
