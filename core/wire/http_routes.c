#include "wire/http_routes.h"

#include "base/err.h"
#include "base/mem.h"
#include "wire/http_query.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};
enum { GET, HEAD, OPTIONS = 6, METHODS };

typedef struct {
  char *text; /* owned */
  uint32_t methods, count;
  pml_slice segment[PML_HTTP_SEGMENTS_MAX]; /* of the text; a name begins with ":" */
} pattern;

struct pml_http_routes {
  atomic_uint refs;
  size_t count;
  pattern *list; /* owned; no two of one shape */
};

/* --- patterns --------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static int fail(char *why, const char *format, ...) {
  va_list ap;
  va_start(ap, format);
  vsnprintf(why, PML_HTTP_ROUTES_WHY, format, ap);
  va_end(ap);
  return -1;
}

static int is_name(pml_slice s) { return s.n && s.p[0] == ':'; }

static int method_of(pml_slice text) {
  for (int i = 0; i < METHODS; i++)
    if (pml_slice_eq(text, pml_slice_str(methods[i]))) return i;
  return -1;
}

/* Takes the next segment of a text that begins with "/". */
static pml_slice next_segment(pml_slice *rest) {
  *rest = pml_slice_from(*rest, 1);
  const uint8_t *end = rest->n ? memchr(rest->p, '/', rest->n) : NULL;
  pml_slice s = pml_slice_of(rest->p, end ? (size_t)(end - rest->p) : rest->n);
  *rest = pml_slice_from(*rest, s.n);
  return s;
}

static int check_segment(const pattern *p, pml_slice s, char *why) {
  for (size_t i = 0; i < s.n; i++) {
    uint8_t c = s.p[i];
    int letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    if (c <= ' ' || c == 0x7f || c == '?' || c == '#' || c == '%' || c == '*')
      return fail(why, "%s: a path has no blanks, and none of ? # %% *", p->text);
    if (is_name(s) && i && !letter && !(i > 1 && c >= '0' && c <= '9'))
      return fail(why, "%s: a name such as :id has letters, digits and _", p->text);
  }
  if (is_name(s) && s.n == 1) return fail(why, "%s: there is no name behind \":\"", p->text);
  if ((s.n == 1 && s.p[0] == '.') || (s.n == 2 && s.p[0] == '.' && s.p[1] == '.'))
    return fail(why, "%s: clients take . and .. out of a path before they ask", p->text);
  for (uint32_t i = 0; is_name(s) && i < p->count; i++)
    if (pml_slice_eq(s, p->segment[i]))
      return fail(why, "%s: it has the name %.*s twice", p->text, (int)s.n, (const char *)s.p);
  return 0;
}

static int read_pattern(pattern *p, char *why) {
  pml_slice rest = pml_slice_str(p->text);
  if (!rest.n || rest.p[0] != '/') return fail(why, "\"%s\": a path begins with \"/\"", p->text);
  if (rest.n > PML_HTTP_PATTERN_MAX)
    return fail(why, "%.40s...: a path has at most %u bytes", p->text, PML_HTTP_PATTERN_MAX);
  while (rest.n) {
    pml_slice s = next_segment(&rest);
    if (p->count == PML_HTTP_SEGMENTS_MAX)
      return fail(why, "%s: a path has at most %u segments", p->text, PML_HTTP_SEGMENTS_MAX);
    if (check_segment(p, s, why) != 0) return -1;
    p->segment[p->count++] = s;
  }
  return 0;
}

/* Whether two patterns fit the same paths. */
static int is_same(const pattern *a, const pattern *b) {
  if (a->count != b->count) return 0;
  for (uint32_t i = 0; i < a->count; i++)
    if (is_name(a->segment[i]) ? !is_name(b->segment[i])
                               : !pml_slice_eq(a->segment[i], b->segment[i]))
      return 0;
  return 1;
}

/* Adds a method to the pattern of that shape, or the pattern p, which is taken then. */
static int put(pml_http_routes *r, pattern *p, int method, char *why) {
  for (size_t i = 0; i < r->count; i++) {
    pattern *q = &r->list[i];
    if (!is_same(p, q)) continue;
    if (strcmp(p->text, q->text) != 0)
      return fail(why, "%s and %s fit the same paths: give their names alike", q->text, p->text);
    if (q->methods & 1u << method)
      return fail(why, "%s %s is there twice", methods[method], p->text);
    q->methods |= 1u << method;
    pml_free(p->text);
    return 0;
  }
  p->methods = 1u << method;
  r->list[r->count++] = *p;
  return 0;
}

static int add(pml_http_routes *r, const pml_http_route *route, char *why) {
  pattern p = {0};
  int method = method_of(route->method);
  if (method < 0)
    return fail(why, "%.*s: the methods are GET, POST, PUT, PATCH, DELETE, HEAD and OPTIONS",
                route->method.n < 20 ? (int)route->method.n : 20, (const char *)route->method.p);
  if (route->pattern.n && memchr(route->pattern.p, 0, route->pattern.n))
    return fail(why, "a path has no NUL");
  p.text = pml_strndup((const char *)route->pattern.p, route->pattern.n);
  int rc = read_pattern(&p, why);
  if (rc == 0) rc = put(r, &p, method, why);
  if (rc != 0) pml_free(p.text);
  return rc;
}

pml_http_routes *pml_http_routes_new(const pml_http_route *v, size_t n,
                                     char why[PML_HTTP_ROUTES_WHY]) {
  if (n > PML_HTTP_ROUTES_MAX) {
    fail(why, "there are more than %u routes", PML_HTTP_ROUTES_MAX);
    return NULL;
  }
  pml_http_routes *r = pml_alloc0(sizeof *r);
  atomic_init(&r->refs, 1);
  r->list = pml_alloc((n + 1) * sizeof *r->list);
  for (size_t i = 0; i < n; i++) {
    if (add(r, &v[i], why) == 0) continue;
    pml_http_routes_unref(r);
    return NULL;
  }
  return r;
}

pml_http_routes *pml_http_routes_ref(pml_http_routes *r) {
  if (r) atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
  return r;
}

void pml_http_routes_unref(pml_http_routes *r) {
  if (!r || atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) != 1) return;
  for (size_t i = 0; i < r->count; i++) pml_free(r->list[i].text);
  pml_free(r->list);
  pml_free(r);
}

/* --- paths ------------------------------------------------------------------------------ */

/* Whether an encoded segment is that text. */
static int is_text(pml_slice encoded, pml_slice text) {
  uint8_t plain[PML_HTTP_PATTERN_MAX];
  if (encoded.n < text.n || encoded.n > 3 * text.n) return 0;
  if (!memchr(encoded.p ? encoded.p : plain, '%', encoded.n)) return pml_slice_eq(encoded, text);
  uint8_t *room = encoded.n <= sizeof plain ? plain : pml_alloc(encoded.n);
  size_t n = pml_http_decode(encoded, 0, room);
  int same = pml_slice_eq(pml_slice_of(room, n), text);
  if (room != plain) pml_free(room);
  return same;
}

static int fits(const pattern *p, const pml_slice *segment) {
  for (uint32_t i = 0; i < p->count; i++) {
    if (is_name(p->segment[i]) ? !segment[i].n : !is_text(segment[i], p->segment[i])) return 0;
  }
  return 1;
}

/* Whether a, which fits a path that b fits, too, has a text where b has a name, further left. */
static int is_before(const pattern *a, const pattern *b) {
  for (uint32_t i = 0; i < a->count; i++)
    if (is_name(a->segment[i]) != is_name(b->segment[i])) return is_name(b->segment[i]);
  return 0;
}

int pml_http_routes_find(const pml_http_routes *r, pml_slice path, pml_http_match *out) {
  pml_slice rest = path, segment[PML_HTTP_SEGMENTS_MAX];
  const pattern *best = NULL;
  uint32_t count = 0;
  if (!path.n || path.p[0] != '/') return PML_ENOENT;
  for (; rest.n; segment[count++] = next_segment(&rest))
    if (count == PML_HTTP_SEGMENTS_MAX) return PML_ENOENT;
  for (size_t i = 0; i < r->count; i++) {
    const pattern *p = &r->list[i];
    if (p->count == count && fits(p, segment) && (!best || is_before(p, best))) best = p;
  }
  if (!best) return PML_ENOENT;
  if (!pml_http_is_encoded(path)) return PML_EINVAL;
  out->pattern = pml_slice_str(best->text);
  out->methods = best->methods;
  out->count = 0;
  for (uint32_t i = 0; i < count; i++) {
    if (!is_name(best->segment[i])) continue;
    out->name[out->count] = pml_slice_from(best->segment[i], 1);
    out->value[out->count++] = segment[i];
  }
  return 0;
}

const char *pml_http_match_method(const pml_http_match *m, pml_slice method) {
  int i = method_of(method);
  if (i >= 0 && m->methods & 1u << i) return methods[i];
  return i == HEAD && m->methods & 1u << GET ? methods[GET] : NULL;
}

void pml_http_match_allow(const pml_http_match *m, char out[PML_HTTP_ALLOW]) {
  size_t n = 0;
  uint32_t all = m->methods | 1u << OPTIONS;
  if (all & 1u << GET) all |= 1u << HEAD;
  for (int i = 0; i < METHODS; i++)
    if (all & 1u << i)
      n += (size_t)snprintf(out + n, PML_HTTP_ALLOW - n, "%s%s", n ? ", " : "", methods[i]);
}
