#include "wire/proto_read.h"

#include "base/err.h"
#include "base/hash.h"
#include "base/mem.h"
#include "wire/jsonread.h"

#include <stdio.h>
#include <strings.h>

#define BLOCK_BYTES 4096
#define ROUTE_MAX 255

typedef struct pml__proto_block {
  struct pml__proto_block *next;
  size_t used, size;
  _Alignas(16) uint8_t data[];
} block;

/* The way from the file to where we are, for messages. */
typedef struct step {
  const struct step *up;
  pml_slice key;
} step;

/* A field while its message is read. */
typedef struct node {
  struct node *next;
  pml_proto_field field;
} node;

typedef struct {
  pml_jsonread r;
  pml_slice text;
  pml__proto_file *f;
  pml_protos_error *err;
} job;

typedef struct {
  const char *name;
  uint8_t kind, wire;
} simple_type;

static const simple_type simple_types[] = {
  {"uInt32", PML_PROTO_UNSIGNED, 0}, {"int32", PML_PROTO_SIGNED, 0},
  {"sInt32", PML_PROTO_SIGNED, 0},   {"uInt64", PML_PROTO_UNSIGNED, 0},
  {"sInt64", PML_PROTO_SIGNED, 0},   {"bool", PML_PROTO_BOOL, 0},
  {"float", PML_PROTO_FLOAT, 5},     {"double", PML_PROTO_DOUBLE, 1},
  {"string", PML_PROTO_STRING, 2},
};
#define SIMPLE_TYPES (sizeof simple_types / sizeof *simple_types)

/* What people write who know other protobufs. */
static const char *const meant[][2] = {
  {"int64", "sInt64"},    {"uint", "uInt32"},     {"int", "int32"},      {"boolean", "bool"},
  {"number", "double"},   {"text", "string"},     {"fixed32", "uInt32"}, {"fixed64", "uInt64"},
  {"sfixed32", "sInt32"}, {"sfixed64", "sInt64"}, {"str", "string"},
};
#define MEANT (sizeof meant / sizeof *meant)

/* ---- memory ---- */

void *pml__proto_file_alloc(pml__proto_file *f, size_t n) {
  block *b = f->blocks;
  n = (n + 15) & ~(size_t)15;
  if (!b || b->size - b->used < n) {
    size_t size = n > BLOCK_BYTES ? n : BLOCK_BYTES;
    b = pml_alloc0(sizeof *b + size);
    b->size = size;
    b->next = f->blocks;
    f->blocks = b;
  }
  void *p = b->data + b->used;
  b->used += n;
  return p;
}

void pml__proto_file_fini(pml__proto_file *f) {
  while (f->blocks) {
    block *b = f->blocks;
    f->blocks = b->next;
    pml_free(b);
  }
  f->first = NULL;
}

/* ---- messages ---- */

static size_t put_path(char *out, size_t size, const step *at) {
  if (!at) return 0;
  size_t n = put_path(out, size, at->up);
  int k = snprintf(out + n, size - n, "%s%.*s", n ? " > " : "", (int)at->key.n, at->key.p);
  return k < 0 || (size_t)k >= size - n ? size - 1 : n + (size_t)k;
}

/* what is set already. */
static int fail_at(job *x, const step *at, size_t offset) {
  pml_protos_error *e = x->err;
  e->line = 1;
  for (size_t i = 0; i < offset && i < x->text.n; i++) e->line += x->text.p[i] == '\n';
  e->key[0] = 0;
  put_path(e->key, sizeof e->key, at);
  return PML_EINVAL;
}

#define FAIL(x, at, offset, ...) \
  (snprintf((x)->err->what, sizeof(x)->err->what, __VA_ARGS__), fail_at(x, at, offset))

static int broken(job *x, const step *at, int rc) {
  return FAIL(x, at, pml_jsonread_offset(&x->r), "%s",
              rc == PML_ETOOBIG ? "too many objects in each other" : "this is no JSON");
}

/* ---- keys ---- */

static pml_slice keep(job *x, const pml_token *t) {
  pml_writer w = {0};
  pml_jsonread_text(&w, t);
  uint8_t *p = pml__proto_file_alloc(x->f, w.len + 1);
  if (w.len) memcpy(p, pml_writer_at(&w, 0), w.len);
  pml_slice s = pml_slice_of(p, w.len);
  pml_writer_drop(&w);
  return s;
}

static int is(pml_slice s, const char *word) { return pml_slice_eq(s, pml_slice_str(word)); }

/* Names are written into JSON as they are; and these would mean something else in JavaScript. */
static const char *wrong_name(pml_slice s) {
  if (s.n == 0) return "a name is missing";
  for (size_t i = 0; i < s.n; i++) {
    if (s.p[i] < 0x20 || s.p[i] == '"' || s.p[i] == '\\' || s.p[i] >= 0xf0)
      return "a character that no name can have";
  }
  if (is(s, "__messages") || is(s, "__tags") || is(s, "__proto__"))
    return "a name that Pomelo keeps for itself";
  return NULL;
}

/* The words between single spaces; returns how many there are, of which out has four. */
static int split(pml_slice s, pml_slice out[4]) {
  int n = 0;
  size_t from = 0;
  for (size_t i = 0; i <= s.n; i++) {
    if (i < s.n && s.p[i] != ' ') continue;
    if (n < 4) out[n] = pml_slice_of(s.p + from, i - from);
    n++;
    from = i + 1;
  }
  return n;
}

static const simple_type *simple(pml_slice s) {
  for (size_t i = 0; i < SIMPLE_TYPES; i++)
    if (is(s, simple_types[i].name)) return &simple_types[i];
  return NULL;
}

static const char *near_type(pml_slice s) {
  for (size_t i = 0; i < SIMPLE_TYPES; i++) {
    const char *name = simple_types[i].name;
    if (s.n == strlen(name) && strncasecmp((const char *)s.p, name, s.n) == 0) return name;
  }
  for (size_t i = 0; i < MEANT; i++) {
    const char *name = meant[i][0];
    if (s.n == strlen(name) && strncasecmp((const char *)s.p, name, s.n) == 0) return meant[i][1];
  }
  return NULL;
}

/* ---- fields ---- */

static int read_option(pml_slice word) {
  if (is(word, "optional")) return PML_PROTO_OPTIONAL;
  if (is(word, "required")) return PML_PROTO_REQUIRED;
  if (is(word, "repeated")) return PML_PROTO_REPEATED;
  return -1;
}

static int add_field(job *x, const step *at, const pml_token *value, size_t offset, int option,
                     const pml_slice words[4], pml_proto *m, node ***last) {
  const char *wrong = wrong_name(words[1]);
  if (!wrong) wrong = wrong_name(words[2]);
  if (wrong) return FAIL(x, at, offset, "%s", wrong);
  double tag = 0;
  if (value->kind != PML_TOKEN_NUMBER || pml_jsonread_number(value->text, &tag) || tag < 1 ||
      tag > PML_PROTO_TAG_MAX || tag != (double)(uint32_t)tag)
    return FAIL(x, at, offset, "the tag must be a whole number from 1 to %u", PML_PROTO_TAG_MAX);
  if (m->count == PML_PROTO_FIELDS_MAX)
    return FAIL(x, at, offset, "more than %u fields in one message", PML_PROTO_FIELDS_MAX);
  node *n = pml__proto_file_alloc(x->f, sizeof *n);
  const simple_type *type = simple(words[1]);
  n->field = (pml_proto_field){
    .name = words[2],
    .type = words[1],
    .tag = (uint32_t)tag,
    .option = (uint8_t)option,
    .kind = type ? type->kind : PML_PROTO_MESSAGE,
    .wire = type ? type->wire : 2,
    .offset = (uint32_t)offset,
  };
  **last = n;
  *last = &n->next;
  m->count++;
  return 0;
}

/* Whether the field f of m repeats one that stands before it. */
static int check_unique(job *x, const step *up, const pml_proto *m, const pml_proto_field *f) {
  for (const pml_proto_field *g = m->fields; g < f; g++) {
    char key[200];
    int same_name = pml_slice_eq(f->name, g->name);
    if (!same_name && f->tag != g->tag) continue;
    static const char *const options[] = {"optional", "required", "repeated"};
    int n = snprintf(key, sizeof key, "%s %.*s %.*s", options[f->option], (int)f->type.n, f->type.p,
                     (int)f->name.n, f->name.p);
    step at = {up, pml_slice_of(key, n < (int)sizeof key ? (size_t)n : sizeof key - 1)};
    if (same_name)
      return FAIL(x, &at, f->offset, "there is a field of this name already, with the tag %u",
                  g->tag);
    return FAIL(x, &at, f->offset, "the tag %u belongs to %.*s already", f->tag,
                (int)(g->name.n < 64 ? g->name.n : 64), g->name.p);
  }
  return 0;
}

/* The fields as an array, and the two ways to find one. */
static int index_fields(job *x, const step *up, pml_proto *m, const node *list) {
  uint32_t size = 4;
  while (size < 2 * m->count) size *= 2;
  m->mask = size - 1;
  m->fields = pml__proto_file_alloc(x->f, (m->count + 1) * sizeof *m->fields);
  m->by_name = pml__proto_file_alloc(x->f, size * sizeof *m->by_name);
  m->by_tag = pml__proto_file_alloc(x->f, (m->count + 1) * sizeof *m->by_tag);
  for (uint32_t i = 0; list; list = list->next, i++) {
    pml_proto_field *f = &m->fields[i];
    *f = list->field;
    int rc = check_unique(x, up, m, f);
    if (rc) return rc;
    uint32_t at = pml_hash_ours(f->name.p, f->name.n) & m->mask;
    while (m->by_name[at]) at = (at + 1) & m->mask;
    m->by_name[at] = (uint16_t)(i + 1);
    uint32_t j = i;
    for (; j > 0 && m->fields[m->by_tag[j - 1]].tag > f->tag; j--) m->by_tag[j] = m->by_tag[j - 1];
    m->by_tag[j] = (uint16_t)i;
  }
  return 0;
}

/* ---- definitions ---- */

static int read_message(job *x, const step *up, pml_proto *m);

/* A definition called name, whose object begins with value; it goes to the end of a list. */
static int add_message(job *x, const step *at, const pml_token *value, size_t offset,
                       pml_slice name, pml_proto **list, pml_proto **out) {
  const char *wrong = wrong_name(name);
  if (wrong) return FAIL(x, at, offset, "%s", wrong);
  if (value->kind != PML_TOKEN_OBJECT)
    return FAIL(x, at, offset, "an object with the fields of a message is needed here");
  for (; *list; list = &(*list)->next) {
    if (pml_slice_eq((*list)->name, name)) return FAIL(x, at, offset, "this key stands twice");
  }
  pml_proto *m = pml__proto_file_alloc(x->f, sizeof *m);
  m->name = name;
  *list = *out = m;
  return read_message(x, at, m);
}

static int wrong_message_name(job *x, const step *at, size_t offset, const pml_slice *words,
                              int n) {
  if (n != 2) return FAIL(x, at, offset, "a message has a key of two words, \"message Name\"");
  if (simple(words[1]))
    return FAIL(x, at, offset, "%.*s is a type already", (int)words[1].n, words[1].p);
  return 0;
}

static int read_member(job *x, const step *at, pml_proto *m, size_t offset, node ***last) {
  pml_slice words[4];
  pml_token value;
  pml_proto *nested;
  int n = split(at->key, words), rc = pml_jsonread_next(&x->r, &value);
  if (rc) return broken(x, at, rc);
  if (is(words[0], "message")) {
    rc = wrong_message_name(x, at, offset, words, n);
    return rc ? rc : add_message(x, at, &value, offset, words[1], &m->nested, &nested);
  }
  int option = read_option(words[0]);
  if (option < 0)
    return FAIL(x, at, offset,
                "a key begins with optional, required, repeated or message, not with %.*s",
                (int)(words[0].n < 40 ? words[0].n : 40), words[0].p);
  if (n != 3)
    return FAIL(x, at, offset, "a field has a key of three words, \"optional uInt32 name\"");
  return add_field(x, at, &value, offset, option, words, m, last);
}

/* m's object is open. The depth is bounded by that of the JSON text. */
static int read_message(job *x, const step *up, pml_proto *m) {
  node *list = NULL, **last = &list;
  for (;;) {
    pml_token t;
    int rc = pml_jsonread_next(&x->r, &t);
    if (rc) return broken(x, up, rc);
    if (t.kind == PML_TOKEN_OBJECT_END) break;
    step at = {up, keep(x, &t)};
    size_t offset = (size_t)(t.text.p - x->text.p);
    rc = read_member(x, &at, m, offset, &last);
    if (rc) return rc;
  }
  return index_fields(x, up, m, list);
}

/* What stands at the top of a file: routes, and messages that they share. */
static int read_top(job *x, const step *at, size_t offset) {
  pml_slice words[4];
  pml_token value;
  pml_proto *m;
  int n = split(at->key, words), rc = pml_jsonread_next(&x->r, &value);
  if (rc) return broken(x, at, rc);
  int shared = is(words[0], "message");
  if (shared && (rc = wrong_message_name(x, at, offset, words, n)) != 0) return rc;
  if (n > 1 && !shared && read_option(words[0]) >= 0)
    return FAIL(x, at, offset, "a field stands inside of a route or of a \"message Name\"");
  if (!shared && at->key.n > ROUTE_MAX)
    return FAIL(x, at, offset, "a route has at most %d bytes", ROUTE_MAX);
  rc = add_message(x, at, &value, offset, at->key, &x->f->first, &m);
  if (rc) return rc;
  m->shared = shared;
  return 0;
}

/* ---- types ---- */

static const pml_proto *find_shared(const pml__proto_file *f, pml_slice type) {
  for (const pml_proto *m = f->first; m; m = m->next) {
    if (m->shared && m->name.n == type.n + 8 && memcmp(m->name.p + 8, type.p, type.n) == 0)
      return m;
  }
  return NULL;
}

static const pml_proto *find_type(const pml__proto_file *f, const pml_proto *m, pml_slice type) {
  for (const pml_proto *n = m->nested; n; n = n->next)
    if (pml_slice_eq(n->name, type)) return n;
  return find_shared(f, type);
}

/* As Pomelo looks for them: inside of the message itself, then at the top of the file. */
static int resolve(job *x, const step *at, pml_proto *m) {
  for (uint32_t i = 0; i < m->count; i++) {
    pml_proto_field *f = &m->fields[i];
    if (f->kind != PML_PROTO_MESSAGE) continue;
    f->message = find_type(x->f, m, f->type);
    if (f->message) continue;
    step here = {at, f->name};
    const char *near = near_type(f->type);
    int n = (int)(f->type.n < 64 ? f->type.n : 64);
    if (near)
      return FAIL(x, &here, f->offset, "the type %.*s is unknown; %s is one", n, f->type.p, near);
    return FAIL(x, &here, f->offset,
                "the type %.*s is unknown: no \"message %.*s\" stands beside this field or at the "
                "top of the file",
                n, f->type.p, n, f->type.p);
  }
  for (pml_proto *n = m->nested; n; n = n->next) {
    step inside = {at, n->name};
    int rc = resolve(x, &inside, n);
    if (rc) return rc;
  }
  return 0;
}

static int read_file(job *x) {
  pml_token t;
  int rc = pml_jsonread_next(&x->r, &t);
  if (rc) return broken(x, NULL, rc);
  if (t.kind != PML_TOKEN_OBJECT)
    return FAIL(x, NULL, 0, "an object is needed, { \"onMove\": { … } }");
  for (;;) {
    rc = pml_jsonread_next(&x->r, &t);
    if (rc) return broken(x, NULL, rc);
    if (t.kind == PML_TOKEN_OBJECT_END) break;
    step at = {NULL, keep(x, &t)};
    rc = read_top(x, &at, (size_t)(t.text.p - x->text.p));
    if (rc) return rc;
  }
  rc = pml_jsonread_next(&x->r, &t);
  if (rc) return broken(x, NULL, rc);
  for (pml_proto *m = x->f->first; m; m = m->next) {
    step at = {NULL, m->name};
    rc = resolve(x, &at, m);
    if (rc) return rc;
  }
  return 0;
}

int pml__proto_read(pml__proto_file *f, pml_slice text, pml_protos_error *err) {
  job x = {.text = text, .f = f, .err = err};
  if (text.n == 0) return 0;
  pml_jsonread_init(&x.r, text);
  int rc = read_file(&x);
  if (rc) pml__proto_file_fini(f);
  return rc;
}
