#include "tools/load/forms.h"

#include "base/err.h"
#include "base/mem.h"
#include "wire/jsonread.h"
#include "wire/protobuf.h"

#include <stdio.h>

struct load_forms {
  pml_buf *text; /* the answer */
  pml_protos *protos;
};

/* --- the answer ------------------------------------------------------------------- */

/* Moves r, behind the begin of an object, to the value of a key, whose first token is in *t.
 * 0: the object has no such key, and is read to its end. */
static int find(pml_jsonread *r, const char *key, pml_token *t) {
  while (pml_jsonread_next(r, t) == 0 && t->kind == PML_TOKEN_KEY) {
    int found = pml_slice_eq(t->text, pml_slice_str(key));
    if (pml_jsonread_next(r, t) != 0) return 0;
    if (found) return 1;
    if (pml_jsonread_skip(r, t) != 0) return 0;
  }
  return 0;
}

/* The same for a path of objects, from the beginning of a text. */
static int find_path(pml_jsonread *r, pml_slice text, const char *const *keys, pml_token *t) {
  pml_jsonread_init(r, text);
  if (pml_jsonread_next(r, t) != 0 || t->kind != PML_TOKEN_OBJECT) return 0;
  for (; *keys; keys++)
    if (t->kind != PML_TOKEN_OBJECT || !find(r, *keys, t)) return 0;
  return 1;
}

/* --- definitions ---------------------------------------------------------------------- */

typedef struct {
  pml_slice option, type, tag;
} field;

static void put(pml_writer *w, pml_slice s) { pml_writer_put(w, s.p, s.n); }
static void put_text(pml_writer *w, const char *s) { put(w, pml_slice_str(s)); }

static void comma(pml_writer *w, int *first) {
  if (!*first) put_text(w, ",");
  *first = 0;
}

static int read_field(pml_jsonread *r, field *f) {
  pml_token key, value;
  *f = (field){0};
  while (pml_jsonread_next(r, &key) == 0 && key.kind == PML_TOKEN_KEY) {
    if (pml_jsonread_next(r, &value) != 0) return -1;
    if (pml_slice_eq(key.text, pml_slice_str("option"))) f->option = value.text;
    if (pml_slice_eq(key.text, pml_slice_str("type"))) f->type = value.text;
    if (pml_slice_eq(key.text, pml_slice_str("tag"))) f->tag = value.text;
    if (pml_jsonread_skip(r, &value) != 0) return -1;
  }
  return f->option.n && f->type.n && f->tag.n ? 0 : -1;
}

static int write_messages(pml_jsonread *r, pml_writer *w, const char *before, int *first);

/* A handshake has definitions parsed, {"x":{"option":"required","type":"uInt32","tag":1},
 * "__messages":{},"__tags":{}}; a file writes {"required uInt32 x":1}. */
static int write_message(pml_jsonread *r, pml_writer *w) {
  pml_token key, value;
  int first = 1;
  put_text(w, "{");
  while (pml_jsonread_next(r, &key) == 0 && key.kind == PML_TOKEN_KEY) {
    if (pml_jsonread_next(r, &value) != 0 || value.kind != PML_TOKEN_OBJECT) return -1;
    if (pml_slice_eq(key.text, pml_slice_str("__tags"))) {
      if (pml_jsonread_skip(r, &value) != 0) return -1;
    } else if (pml_slice_eq(key.text, pml_slice_str("__messages"))) {
      if (write_messages(r, w, "message ", &first) != 0) return -1;
    } else {
      field f;
      if (read_field(r, &f) != 0) return -1;
      comma(w, &first);
      put_text(w, "\"");
      put(w, f.option);
      put_text(w, " ");
      put(w, f.type);
      put_text(w, " ");
      put(w, key.text);
      put_text(w, "\":");
      put(w, f.tag);
    }
  }
  put_text(w, "}");
  return key.kind == PML_TOKEN_OBJECT_END ? 0 : -1;
}

static int write_messages(pml_jsonread *r, pml_writer *w, const char *before, int *first) {
  pml_token key, value;
  while (pml_jsonread_next(r, &key) == 0 && key.kind == PML_TOKEN_KEY) {
    if (pml_jsonread_next(r, &value) != 0 || value.kind != PML_TOKEN_OBJECT) return -1;
    comma(w, first);
    put_text(w, "\"");
    put_text(w, before);
    put(w, key.text);
    put_text(w, "\":");
    if (write_message(r, w) != 0) return -1;
  }
  return key.kind == PML_TOKEN_OBJECT_END ? 0 : -1;
}

/* Appends one side's file. 0 also when there is none. */
static int write_side(pml_slice text, const char *side, pml_writer *w) {
  const char *const path[] = {"sys", "protos", side, NULL};
  pml_jsonread r;
  pml_token t;
  int first = 1;
  if (!find_path(&r, text, path, &t)) return 0;
  put_text(w, "{");
  if (t.kind != PML_TOKEN_OBJECT || write_messages(&r, w, "", &first) != 0) return -1;
  put_text(w, "}");
  return 0;
}

static pml_slice all_of(pml_writer *w) {
  return w->len ? pml_slice_of(pml_writer_at(w, 0), w->len) : (pml_slice){0};
}

load_forms *load_forms_new(pml_slice handshake, char *why, size_t size) {
  pml_writer server = {0}, client = {0};
  pml_protos_error err = {0};
  load_forms *f = pml_alloc0(sizeof *f);
  f->text = pml_buf_from(handshake.p, handshake.n);
  int rc = write_side(handshake, "server", &server) | write_side(handshake, "client", &client);
  if (rc == 0) f->protos = pml_protos_new(all_of(&server), all_of(&client), &err);
  pml_writer_drop(&server);
  pml_writer_drop(&client);
  if (f->protos) return f;
  snprintf(why, size, "the definitions in the handshake: %s%s%s", err.key, err.key[0] ? ": " : "",
           rc ? "they have another form" : err.what);
  pml_buf_unref(f->text);
  pml_free(f);
  return NULL;
}

/* --- messages ---------------------------------------------------------------------------- */

static uint16_t code_of(const load_forms *f, const char *name) {
  const char *const path[] = {"sys", "dict", name, NULL};
  pml_jsonread r;
  pml_token t;
  double code;
  if (!find_path(&r, pml_buf_slice(f->text), path, &t) || t.kind != PML_TOKEN_NUMBER) return 0;
  if (pml_jsonread_number(t.text, &code) != 0 || code < 1 || code > 65535) return 0;
  return (uint16_t)code;
}

load_route load_forms_route(const load_forms *f, const char *name) {
  pml_slice s = pml_slice_str(name);
  return (load_route){
    .name = s,
    .code = code_of(f, name),
    .to = pml_protos_client(f->protos, s),
    .from = pml_protos_server(f->protos, s),
  };
}

int load_forms_write(const load_route *r, pml_message_view *m, pml_writer *w) {
  m->route = r->name;
  m->code = r->code;
  m->compressed = r->code != 0;
  pml_message_write_head(w, m);
  if (r->to) return pml_protobuf_encode(r->to, m->body, PML_PROTOBUF_EMPTY, w, NULL);
  put(w, m->body);
  return 0;
}

int load_forms_is(const load_route *r, const pml_message_view *m) {
  return m->compressed ? r->code && m->code == r->code : pml_slice_eq(m->route, r->name);
}

pml_slice load_forms_read(const load_route *r, pml_slice body, pml_writer *scratch) {
  if (!r->from) return body;
  pml_writer_cut(scratch, 0);
  if (pml_protobuf_decode(r->from, body, scratch) != 0) return (pml_slice){0};
  return all_of(scratch);
}
