#include "wire/proto.h"

#include "base/digest.h"
#include "base/hash.h"
#include "base/mem.h"
#include "wire/proto_read.h"

#include <openssl/evp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

/* One file's definitions, and its routes by their hash. */
typedef struct {
  pml__proto_file file;
  const pml_proto **routes;
  uint32_t mask;
} side;

struct pml_protos {
  atomic_uint refs;
  side server, client;
  pml_buf *json;
  char version[PML_PROTO_VERSION];
};

/* ---- the parsed form: the text that JSON.stringify gives for what pomelo-protobuf's parser makes,
 * since Pomelo's version is a sum over it ---- */

typedef struct {
  uint64_t rank;
  uint32_t at;
  const void *what;
} member;

/* JavaScript puts keys that are whole numbers first, smallest first; others stay in their order. */
static uint64_t rank_of(pml_slice key) {
  uint64_t n = 0;
  if (key.n == 0 || key.n > 10 || (key.p[0] == '0' && key.n > 1)) return UINT64_MAX;
  for (size_t i = 0; i < key.n; i++) {
    if (key.p[i] < '0' || key.p[i] > '9') return UINT64_MAX;
    n = n * 10 + (uint64_t)(key.p[i] - '0');
  }
  return n < UINT32_MAX ? n : UINT64_MAX;
}

static int compare(const void *a, const void *b) {
  const member *x = a, *y = b;
  if (x->rank != y->rank) return x->rank < y->rank ? -1 : 1;
  return x->at < y->at ? -1 : x->at > y->at;
}

static void put(pml_writer *w, const char *text) { pml_writer_put(w, text, strlen(text)); }

/* Names hold nothing that JSON escapes: wire/proto_read sees to it. */
static void put_name(pml_writer *w, pml_slice name) {
  pml_writer_byte(w, '"');
  pml_writer_put(w, name.p, name.n);
  pml_writer_byte(w, '"');
}

static void put_key(pml_writer *w, pml_slice name) {
  put_name(w, name);
  pml_writer_byte(w, ':');
}

static void put_field(pml_writer *w, const pml_proto_field *f) {
  static const char *const options[] = {"optional", "required", "repeated"};
  char tag[32];
  put(w, "{\"option\":\"");
  put(w, options[f->option]);
  put(w, "\",\"type\":");
  put_name(w, f->type);
  snprintf(tag, sizeof tag, ",\"tag\":%u}", f->tag);
  put(w, tag);
}

static void put_fields(pml_writer *w, const pml_proto *m) {
  member *list = pml_alloc((m->count + 1) * sizeof *list);
  for (uint32_t i = 0; i < m->count; i++)
    list[i] = (member){rank_of(m->fields[i].name), i, &m->fields[i]};
  qsort(list, m->count, sizeof *list, compare);
  for (uint32_t i = 0; i < m->count; i++) {
    const pml_proto_field *f = list[i].what;
    put_key(w, f->name);
    put_field(w, f);
    pml_writer_byte(w, ',');
  }
  pml_free(list);
}

static void put_list(pml_writer *w, const pml_proto *first);

/* The depth is that of the file, which wire/jsonread bounds. */
static void put_message(pml_writer *w, const pml_proto *m) {
  pml_writer_byte(w, '{');
  put_fields(w, m);
  put(w, "\"__messages\":");
  put_list(w, m->nested);
  put(w, ",\"__tags\":{");
  for (uint32_t i = 0; i < m->count; i++) {
    const pml_proto_field *f = &m->fields[m->by_tag[i]];
    char tag[32];
    snprintf(tag, sizeof tag, "%s\"%u\":", i ? "," : "", f->tag);
    put(w, tag);
    put_name(w, f->name);
  }
  put(w, "}}");
}

static void put_list(pml_writer *w, const pml_proto *first) {
  uint32_t n = 0;
  for (const pml_proto *m = first; m; m = m->next) n++;
  member *list = pml_alloc((n + 1) * sizeof *list);
  n = 0;
  for (const pml_proto *m = first; m; m = m->next, n++) list[n] = (member){rank_of(m->name), n, m};
  qsort(list, n, sizeof *list, compare);
  pml_writer_byte(w, '{');
  for (uint32_t i = 0; i < n; i++) {
    const pml_proto *m = list[i].what;
    if (i) pml_writer_byte(w, ',');
    put_key(w, m->name);
    put_message(w, m);
  }
  pml_writer_byte(w, '}');
  pml_free(list);
}

/* ---- the set ---- */

static void index_routes(side *s) {
  uint32_t n = 0, size = 4;
  for (const pml_proto *m = s->file.first; m; m = m->next) n++;
  while (size < 2 * n) size *= 2;
  s->mask = size - 1;
  s->routes = pml__proto_file_alloc(&s->file, size * sizeof *s->routes);
  for (const pml_proto *m = s->file.first; m; m = m->next) {
    if (m->shared) continue;
    uint32_t at = pml_hash_ours(m->name.p, m->name.n) & s->mask;
    while (s->routes[at]) at = (at + 1) & s->mask;
    s->routes[at] = m;
  }
}

static const pml_proto *find(const side *s, pml_slice route) {
  uint32_t at = pml_hash_ours(route.p, route.n) & s->mask;
  for (; s->routes[at]; at = (at + 1) & s->mask)
    if (pml_slice_eq(s->routes[at]->name, route)) return s->routes[at];
  return NULL;
}

static void set_version(pml_protos *p, pml_slice server, pml_slice client) {
  pml_writer w = {0};
  uint8_t sum[PML_DIGEST_MAX];
  unsigned char text[2 * PML_DIGEST_MAX];
  size_t n;
  pml_writer_put(&w, client.p, client.n);
  pml_writer_put(&w, server.p, server.n);
  if (pml_digest("md5", pml_slice_of(pml_writer_at(&w, 0), w.len), sum, &n) != 0) {
    /* An OpenSSL that refuses MD5. Any other sum is a version, too; only those that clients keep
     * from a Pomelo server are then another one. */
    if (pml_digest("sha256", pml_slice_of(pml_writer_at(&w, 0), w.len), sum, &n) != 0) abort();
    n = 16;
  }
  EVP_EncodeBlock(text, sum, (int)n);
  memcpy(p->version, text, sizeof p->version); /* 16 bytes are 24 digits and a NUL */
  pml_writer_drop(&w);
}

static void describe(pml_protos *p, int files) {
  pml_writer server = {0}, client = {0}, w = {0};
  put_list(&server, p->server.file.first);
  put_list(&client, p->client.file.first);
  pml_slice s = pml_slice_of(pml_writer_at(&server, 0), server.len);
  pml_slice c = pml_slice_of(pml_writer_at(&client, 0), client.len);
  if (files) set_version(p, s, c);
  put(&w, "{\"server\":");
  pml_writer_put(&w, s.p, s.n);
  put(&w, ",\"client\":");
  pml_writer_put(&w, c.p, c.n);
  put(&w, ",\"version\":\"");
  put(&w, p->version);
  put(&w, "\"}");
  p->json = pml_writer_finish(&w);
  pml_writer_drop(&server);
  pml_writer_drop(&client);
}

static void free_set(pml_protos *p) {
  pml__proto_file_fini(&p->server.file);
  pml__proto_file_fini(&p->client.file);
  pml_buf_unref(p->json);
  pml_free(p);
}

pml_protos *pml_protos_new(pml_slice server, pml_slice client, pml_protos_error *err) {
  pml_protos *p = pml_alloc0(sizeof *p);
  atomic_init(&p->refs, 1);
  err->server = 1;
  int rc = pml__proto_read(&p->server.file, server, err);
  if (!rc) {
    err->server = 0;
    rc = pml__proto_read(&p->client.file, client, err);
  }
  if (rc) {
    free_set(p);
    return NULL;
  }
  index_routes(&p->server);
  index_routes(&p->client);
  describe(p, server.n || client.n);
  return p;
}

pml_protos *pml_protos_ref(pml_protos *p) {
  if (p) atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
  return p;
}

void pml_protos_unref(pml_protos *p) {
  if (p && atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) == 1) free_set(p);
}

const char *pml_protos_version(const pml_protos *p) { return p->version; }

pml_buf *pml_protos_json(const pml_protos *p) { return p->json; }

const pml_proto *pml_protos_server(const pml_protos *p, pml_slice route) {
  return find(&p->server, route);
}

const pml_proto *pml_protos_client(const pml_protos *p, pml_slice route) {
  return find(&p->client, route);
}

/* ---- fields ---- */

const pml_proto_field *pml_proto_by_name(const pml_proto *m, pml_slice name) {
  uint32_t at = pml_hash_ours(name.p, name.n) & m->mask;
  for (; m->by_name[at]; at = (at + 1) & m->mask) {
    const pml_proto_field *f = &m->fields[m->by_name[at] - 1];
    if (pml_slice_eq(f->name, name)) return f;
  }
  return NULL;
}

const pml_proto_field *pml_proto_by_tag(const pml_proto *m, uint64_t tag) {
  if (tag == 0) return NULL;
  /* Most messages count from 1 on. */
  if (tag <= m->count && m->fields[m->by_tag[tag - 1]].tag == tag)
    return &m->fields[m->by_tag[tag - 1]];
  uint32_t from = 0, to = m->count;
  while (from < to) {
    uint32_t mid = (from + to) / 2;
    const pml_proto_field *f = &m->fields[m->by_tag[mid]];
    if (f->tag == tag) return f;
    if (f->tag < tag) from = mid + 1;
    else to = mid;
  }
  return NULL;
}
