#include "node/transcode.h"

#include "base/crc32.h"
#include "base/err.h"
#include "node/state.h"
#include "wire/frame.h"
#include "wire/package.h"
#include "wire/protobuf.h"

const pml_counter pml__transcode_counters[] = {
  PML_NODE_COUNTER("transcoded", transcode.made),
  PML_NODE_COUNTER("protoFails", transcode.unfit),
  PML_NODE_COUNTER("badProtobuf", transcode.malformed),
  {NULL, 0},
};

/* The code of a body that the server itself makes, {"code":500} or {"code":429}; 0: of no such. */
static unsigned error_code(pml_slice body) {
  if (pml_slice_eq(body, pml_slice_str("{\"code\":500}"))) return 500;
  return pml_slice_eq(body, pml_slice_str("{\"code\":429}")) ? 429 : 0;
}

static unsigned flags_of(const pml_form *f) { return f->cesu8 ? PML_PROTOBUF_CESU8 : 0; }

/* Whether the log has not been told this of a route and the present definitions: a push that does
 * not fit may come many times a second. */
static int is_news(pml_node *n, pml_slice route, uint32_t about) {
  pml_transcode *t = &n->transcode;
  uint32_t sum = pml_crc32(route.p, route.n) + about;
  if (t->told_of != pml_forms_protos(n)) t->ntold = 0;
  t->told_of = pml_forms_protos(n);
  for (unsigned i = 0; i < t->ntold; i++)
    if (t->told[i] == sum) return 0;
  if (t->ntold < sizeof t->told / sizeof *t->told) t->told[t->ntold++] = sum;
  return 1;
}

/* A message fits the definitions of its sender, or was not looked at there, and not these. A client
 * with older ones is closed for it, which is no failure. */
static void unfit(pml_node *n, const pml_form *f, pml_slice route, const pml_protobuf_error *why) {
  if (f->protos != pml_forms_protos(n)) return;
  n->transcode.unfit++;
  if (!is_news(n, route, 0)) return;
  pml_log_some(&n->log, PML_ERROR, "messages that do not fit their proto",
               "serverProtos[\"%.*s\"]: a message of another server does not fit: %s%s%s",
               (int)route.n, (const char *)route.p, why->path, why->path[0] ? ": " : "", why->what);
}

/* A frame with the head of m, whose body becomes protobuf when p is not NULL. Returns owned; NULL:
 * the body does not fit, or is too large as protobuf. */
static pml_buf *frame_of(pml_node *n, const pml_form *f, const pml_message_view *m,
                         const pml_proto *p, pml_slice route) {
  pml_writer w = {0};
  pml_protobuf_error why;
  pml_frame_begin(&w);
  pml_message_write_head(&w, m);
  if (!p) {
    pml_writer_put(&w, m->body.p, m->body.n);
  } else if (pml_protobuf_encode(p, m->body, flags_of(f), &w, &why) != 0) {
    pml_writer_drop(&w);
    if (!error_code(m->body)) unfit(n, f, route, &why);
    return NULL;
  }
  pml_buf *frame = pml_frame_end(&w, PML_PKG_DATA);
  if (!frame) { /* short numbers as doubles are longer than as text */
    why = (pml_protobuf_error){.what = "it is above 16 MiB"};
    unfit(n, f, route, &why);
    return NULL;
  }
  n->transcode.made++;
  return frame;
}

/* --- pushes ----------------------------------------------------------------------- */

void pml__outgoing_begin(pml_outgoing *o, pml_node *n, pml_buf *frame, pml_delivery how) {
  o->node = n;
  o->how = how;
  o->frame = o->plain = frame;
  o->form = o->n = o->next = 0;
  o->is_read = o->halves = 0;
  for (int i = 0; i < PML_OUTGOING_MAX; i++) o->made[i].frame = NULL;
  pml__forms_hold(n);
}

void pml__outgoing_end(pml_outgoing *o) {
  for (unsigned i = 0; i < o->n; i++) pml_buf_unref(o->made[i].frame);
  pml__forms_release(o->node);
}

static int is_push(pml_outgoing *o) {
  if (!o->is_read) {
    int rc = pml_message_read(pml_frame_body(o->plain), &o->m);
    o->is_read = rc == 0 && o->m.type == PML_MSG_PUSH && !o->m.compressed ? 1 : -1;
  }
  return o->is_read > 0;
}

/* Whether CESU-8 may differ from UTF-8 in the strings of a push. */
static int has_halves(pml_outgoing *o) {
  if (o->halves == 0) {
    pml_slice s = o->m.body;
    o->halves = -1;
    for (size_t i = 0; i < s.n && o->halves < 0; i++)
      if (s.p[i] >= 0xf0 || (s.p[i] == '\\' && i + 3 < s.n && s.p[i + 1] == 'u' &&
                             (s.p[i + 2] | 0x20) == 'd' && s.p[i + 3] >= '8'))
        o->halves = 1;
  }
  return o->halves > 0;
}

/* A frame that is there and serves this form, too; borrowed, or NULL. */
static pml_buf *made_for_another(pml_outgoing *o, const pml_form *f) {
  for (unsigned i = 0; i < o->n; i++) {
    const pml_form *g = pml__forms_get(o->node, o->made[i].form);
    if (o->made[i].frame && g->dictionary == f->dictionary && g->protos == f->protos &&
        (g->cesu8 == f->cesu8 || !is_push(o) || !has_halves(o)))
      return o->made[i].frame;
  }
  return NULL;
}

/* Returns owned. */
static pml_buf *make(pml_outgoing *o, const pml_form *f) {
  pml_buf *other = made_for_another(o, f);
  if (other) return pml_buf_ref(other);
  if (!is_push(o)) return pml_buf_ref(o->plain);
  pml_message_view m = o->m;
  const pml_proto *p = f->protos ? pml_protos_server(f->protos, m.route) : NULL;
  m.code = f->dictionary ? pml_dictionary_code(f->dictionary, m.route) : 0;
  m.compressed = m.code != 0;
  if (!p && !m.code) return pml_buf_ref(o->plain);
  return frame_of(o->node, f, &m, p, m.route);
}

void pml__outgoing_use(pml_outgoing *o, uint8_t form) {
  o->form = form;
  o->frame = form == 0 ? o->plain : NULL;
  if (form == 0 || form == PML_FORM_NONE) return;
  for (unsigned i = 0; i < o->n; i++) {
    if (o->made[i].form != form) continue;
    o->frame = o->made[i].frame;
    return;
  }
  pml_buf *frame = make(o, pml__forms_get(o->node, form));
  unsigned at = o->n < PML_OUTGOING_MAX ? o->n++ : o->next++ % PML_OUTGOING_MAX;
  pml_buf_unref(o->made[at].frame);
  o->made[at].form = form;
  o->frame = o->made[at].frame = frame;
}

void pml__outgoing_missed(pml_outgoing *o, pml_session *s) {
  if (s->form == PML_FORM_NONE) return;
  const pml_form *f = pml__forms_get(o->node, s->form);
  if (f->protos != pml_forms_protos(o->node)) pml__forms_end(o->node, s);
}

/* --- responses -------------------------------------------------------------------- */

static void put_varint(pml_writer *w, uint64_t v) {
  for (; v > 127; v >>= 7) pml_writer_byte(w, (uint8_t)(v | 128));
  pml_writer_byte(w, (uint8_t)v);
}

/* {"code":500} and its like need a field `code` and no other, whatever else its definition
 * requires: clients do not ask for that. Returns owned; NULL: there is no such field. */
static pml_buf *error_of(const pml_proto *p, uint32_t id, unsigned of) {
  const pml_proto_field *code = pml_proto_by_name(p, pml_slice_str("code"));
  if (!code || code->option == PML_PROTO_REPEATED || code->kind > PML_PROTO_SIGNED) return NULL;
  pml_message_view m = {.type = PML_MSG_RESPONSE, .id = id};
  pml_writer w = {0};
  pml_frame_begin(&w);
  pml_message_write_head(&w, &m);
  put_varint(&w, (uint64_t)code->tag << 3 | code->wire);
  put_varint(&w, code->kind == PML_PROTO_SIGNED ? 2 * of : of);
  return pml_frame_end(&w, PML_PKG_DATA);
}

/* Returns owned; NULL: there is nothing that this client can read. */
static pml_buf *response(pml_node *n, const pml_form *f, pml_slice route, pml_buf *frame) {
  const pml_proto *p = f->protos && !f->json_responses ? pml_protos_server(f->protos, route) : NULL;
  pml_message_view m;
  if (!p) return pml_buf_ref(frame);
  if (pml_message_read(pml_frame_body(frame), &m) != 0 || m.type != PML_MSG_RESPONSE) return NULL;
  pml_buf *made = frame_of(n, f, &m, p, route);
  unsigned code = error_code(m.body);
  if (!made && (code || f->protos == pml_forms_protos(n)))
    made = error_of(p, m.id, code ? code : 500);
  if (!made && f->protos == pml_forms_protos(n) && is_news(n, route, 1))
    pml_log_some(&n->log, PML_ERROR, "errors that have no form",
                 "serverProtos[\"%.*s\"]: it has no `uInt32 code`, so that the client cannot be "
                 "told {\"code\":500}; it is closed",
                 (int)route.n, (const char *)route.p);
  return made;
}

void pml__transcode_respond(pml_node *n, pml_session *s, pml_slice route, pml_buf *frame) {
  if (s->form == 0) {
    pml_sink_send(s->sink, frame);
    return;
  }
  if (s->form == PML_FORM_NONE) return;
  pml_buf *made = response(n, pml__forms_get(n, s->form), route, frame);
  if (made) pml_sink_send(s->sink, made);
  else pml__forms_end(n, s);
  pml_buf_unref(made);
}

/* --- what clients send -------------------------------------------------------------- */

int pml__transcode_receive(pml_node *n, const pml_session *s, pml_message_view *m, pml_buf **held) {
  *held = NULL;
  if (s->form == 0 || s->form == PML_FORM_NONE) return 0;
  const pml_form *f = pml__forms_get(n, s->form);
  const pml_proto *p = f->protos ? pml_protos_client(f->protos, m->route) : NULL;
  if (!p) return 0;
  pml_writer w = {0};
  size_t most = (size_t)PML_TRANSCODE_TIMES * n->config.package_after;
  if (pml_protobuf_decode_within(p, m->body, most, &w) != 0) {
    pml_writer_drop(&w);
    n->transcode.malformed++;
    return PML_EPROTO;
  }
  *held = pml_writer_finish(&w);
  m->body = pml_buf_slice(*held);
  return 0;
}
