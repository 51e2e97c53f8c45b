#include "wire/dictionary.h"

#include "base/digest.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/json_char.h"
#include "base/mem.h"
#include "wire/message.h"
#include "wire/utf8.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

/* A route with the code that is sent for it. */
typedef struct {
  pml_slice route; /* in text */
  uint16_t code;
} entry;

struct pml_dictionary {
  atomic_uint refs;
  uint32_t count;    /* of routes */
  uint32_t n_codes;  /* codes that stand for a route */
  uint32_t code_cap; /* the highest code and one */
  uint32_t mask;     /* of slots; their number is a power of two, at least twice the routes */
  entry *entries;    /* in the order in which the routes came first */
  pml_slice *by_code;
  uint32_t *slots; /* place in entries and one, by hash of the route; 0: empty */
  uint8_t *text;   /* the routes */
  char version[PML_DICTIONARY_VERSION + 1];
};

/* The slot of the route, or the empty one where it belongs. */
static uint32_t *slot_of(const pml_dictionary *d, pml_slice route) {
  uint32_t at = pml_hash_ours(route.p, route.n) & d->mask;
  while (d->slots[at] && !pml_slice_eq(d->entries[d->slots[at] - 1].route, route))
    at = (at + 1) & d->mask;
  return &d->slots[at];
}

uint16_t pml_dictionary_code(const pml_dictionary *d, pml_slice route) {
  uint32_t at = *slot_of(d, route);
  return at ? d->entries[at - 1].code : 0;
}

pml_slice pml_dictionary_route(const pml_dictionary *d, uint16_t code) {
  return code < d->code_cap ? d->by_code[code] : pml_slice_of(NULL, 0);
}

size_t pml_dictionary_count(const pml_dictionary *d) { return d->n_codes; }

const char *pml_dictionary_version(const pml_dictionary *d) { return d->version; }

/* --- JSON text --------------------------------------------------------------------- */

/* raw: a character above U+FFFF as it is, which is what Pomelo's version is made of. */
static void put_route(pml_writer *w, pml_slice route, int raw) {
  pml_writer_byte(w, '"');
  for (size_t i = 0; i < route.n;) {
    if (raw && route.p[i] >= 0xf0) {
      pml_writer_put(w, route.p + i, 4);
      i += 4;
    } else {
      i += pml_json_put_char(w, route.p + i);
    }
  }
  pml_writer_byte(w, '"');
}

static void put_number(pml_writer *w, unsigned code) {
  char digits[16];
  pml_writer_put(w, digits, (size_t)snprintf(digits, sizeof digits, "%u", code));
}

/* An array index as JavaScript sees one: such keys of an object come first, in their order. -1:
 * none. */
static int64_t index_of(pml_slice route) {
  if (route.n == 0 || route.n > 10 || (route.n > 1 && route.p[0] == '0')) return -1;
  int64_t v = 0;
  for (size_t i = 0; i < route.n; i++) {
    if (route.p[i] < '0' || route.p[i] > '9') return -1;
    v = v * 10 + (route.p[i] - '0');
  }
  return v < 0xffffffff ? v : -1;
}

typedef struct {
  int64_t index;
  const entry *e;
} indexed;

static int by_index(const void *a, const void *b) {
  int64_t x = ((const indexed *)a)->index, y = ((const indexed *)b)->index;
  return x < y ? -1 : x > y;
}

static void put_entry(pml_writer *w, const entry *e, int raw, int *first) {
  if (!*first) pml_writer_byte(w, ',');
  *first = 0;
  put_route(w, e->route, raw);
  pml_writer_byte(w, ':');
  put_number(w, e->code);
}

/* {"route":code}, in the order of JavaScript. */
static void put_codes(const pml_dictionary *d, pml_writer *w, int raw) {
  int first = 1;
  size_t n = 0;
  indexed *own = pml_alloc((d->count + 1) * sizeof *own);
  for (uint32_t i = 0; i < d->count; i++) {
    int64_t index = index_of(d->entries[i].route);
    if (index >= 0) own[n++] = (indexed){index, &d->entries[i]};
  }
  qsort(own, n, sizeof *own, by_index);
  pml_writer_byte(w, '{');
  for (size_t i = 0; i < n; i++) put_entry(w, own[i].e, raw, &first);
  for (uint32_t i = 0; i < d->count; i++) {
    if (index_of(d->entries[i].route) < 0) put_entry(w, &d->entries[i], raw, &first);
  }
  pml_writer_byte(w, '}');
  pml_free(own);
}

/* {"code":"route"} */
static void put_routes(const pml_dictionary *d, pml_writer *w) {
  int first = 1;
  pml_writer_byte(w, '{');
  for (uint32_t code = 1; code < d->code_cap; code++) {
    if (!d->by_code[code].p) continue;
    if (!first) pml_writer_byte(w, ',');
    first = 0;
    pml_writer_byte(w, '"');
    put_number(w, code);
    pml_writer_put(w, "\":", 2);
    put_route(w, d->by_code[code], 0);
  }
  pml_writer_byte(w, '}');
}

static void put_text(pml_writer *w, const char *s) { pml_writer_put(w, s, strlen(s)); }

void pml_dictionary_put_fields(const pml_dictionary *d, pml_writer *w) {
  put_text(w, "\"dict\":");
  put_codes(d, w, 0);
  put_text(w, ",\"routeToCode\":");
  put_codes(d, w, 0);
  put_text(w, ",\"codeToRoute\":");
  put_routes(d, w);
  put_text(w, ",\"dictVersion\":\"");
  put_text(w, d->version);
  pml_writer_byte(w, '"');
}

static int make_version(pml_dictionary *d) {
  uint8_t sum[PML_DIGEST_MAX];
  size_t n;
  pml_writer w = {0};
  put_codes(d, &w, 1);
  pml_buf *text = pml_writer_finish(&w);
  int rc = pml_digest("md5", pml_buf_slice(text), sum, &n);
  pml_buf_unref(text);
  if (!rc) EVP_EncodeBlock((unsigned char *)d->version, sum, (int)n);
  return rc;
}

/* --- life -------------------------------------------------------------------------- */

static int check(const pml_dictionary_pair *pairs, size_t n, size_t *bytes) {
  if (n > PML_DICTIONARY_MAX) return PML_ETOOBIG;
  *bytes = 0;
  for (size_t i = 0; i < n; i++) {
    pml_slice route = pairs[i].route;
    if (route.n > PML_MSG_ROUTE_MAX) return PML_ETOOBIG;
    if (route.n == 0 || pairs[i].code == 0 || pml_utf8_valid(route.p, route.n) == 0)
      return PML_EINVAL;
    *bytes += route.n;
  }
  return 0;
}

static int fill(pml_dictionary *d, const pml_dictionary_pair *pairs, size_t n) {
  uint8_t *text = d->text;
  for (size_t i = 0; i < n; i++) {
    pml_slice route = pml_slice_of(text, pairs[i].route.n);
    pml_slice_copy(text, pairs[i].route);
    text += route.n;
    if (d->by_code[pairs[i].code].p) return PML_EEXIST;
    d->by_code[pairs[i].code] = route;
    uint32_t *slot = slot_of(d, route);
    if (!*slot) {
      d->entries[d->count].route = route;
      *slot = ++d->count;
    }
    d->entries[*slot - 1].code = pairs[i].code;
  }
  d->n_codes = (uint32_t)n;
  return make_version(d);
}

static void release(pml_dictionary *d) {
  pml_free(d->entries);
  pml_free(d->by_code);
  pml_free(d->slots);
  pml_free(d->text);
  pml_free(d);
}

int pml_dictionary_new(const pml_dictionary_pair *pairs, size_t n, pml_dictionary **out) {
  size_t bytes;
  int rc = check(pairs, n, &bytes);
  if (rc) return rc;
  pml_dictionary *d = pml_alloc0(sizeof *d);
  atomic_init(&d->refs, 1);
  for (size_t i = 0; i < n; i++) {
    if (pairs[i].code >= d->code_cap) d->code_cap = pairs[i].code + 1u;
  }
  uint32_t slots = 4;
  while (slots < 2 * n) slots *= 2;
  d->mask = slots - 1;
  d->entries = pml_alloc0((n + 1) * sizeof *d->entries);
  d->by_code = pml_alloc0((d->code_cap + 1u) * sizeof *d->by_code);
  d->slots = pml_alloc0(slots * sizeof *d->slots);
  d->text = pml_alloc(bytes + 1);
  rc = fill(d, pairs, n);
  if (rc) release(d);
  else *out = d;
  return rc;
}

pml_dictionary *pml_dictionary_ref(pml_dictionary *d) {
  if (d) atomic_fetch_add_explicit(&d->refs, 1, memory_order_relaxed);
  return d;
}

void pml_dictionary_unref(pml_dictionary *d) {
  if (d && atomic_fetch_sub_explicit(&d->refs, 1, memory_order_acq_rel) == 1) release(d);
}
