#include "wire/http_head.h"

#include "base/err.h"

#include <strings.h>

static pml_slice trim(pml_slice s) {
  while (s.n && (s.p[0] == ' ' || s.p[0] == '\t')) s.p++, s.n--;
  while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t')) s.n--;
  return s;
}

/* Takes the next line off *rest, without its end. 0: there is none. */
static int next_line(pml_slice *rest, pml_slice *line) {
  if (!rest->n) return 0;
  const uint8_t *end = memchr(rest->p, '\n', rest->n);
  size_t n = end ? (size_t)(end - rest->p) : rest->n;
  *line = pml_slice_of(rest->p, n && rest->p[n - 1] == '\r' ? n - 1 : n);
  size_t gone = end ? n + 1 : n;
  *rest = pml_slice_from(*rest, gone);
  return 1;
}

pml_slice pml_http_head_headers(pml_slice head) {
  pml_slice line;
  next_line(&head, &line);
  return head;
}

int pml_http_head_next(pml_slice *rest, pml_slice *name, pml_slice *value) {
  pml_slice line;
  while (next_line(rest, &line)) {
    const uint8_t *colon = line.n ? memchr(line.p, ':', line.n) : NULL;
    if (!colon || colon == line.p) continue;
    *name = pml_slice_of(line.p, (size_t)(colon - line.p));
    *value = trim(pml_slice_of(colon + 1, line.n - name->n - 1));
    return 1;
  }
  return 0;
}

static int is(pml_slice name, const char *text) {
  return name.n == strlen(text) && !strncasecmp((const char *)name.p, text, name.n);
}

uint32_t pml_http_head_find(pml_slice head, const char *name, pml_slice *value) {
  pml_slice rest = pml_http_head_headers(head), one, is_value;
  uint32_t found = 0;
  while (pml_http_head_next(&rest, &one, &is_value))
    if (is(one, name) && !found++) *value = is_value;
  return found;
}

/* ---- X-Forwarded-For ---- */

/* "a.b.c.d", "a.b.c.d:port", IPv6, "[IPv6]" and "[IPv6]:port". */
static int read_address(pml_slice s, pml_address *out, uint16_t *port) {
  const uint8_t *last = s.n ? memrchr(s.p, ':', s.n) : NULL;
  const uint8_t *close = s.n ? memchr(s.p, ']', s.n) : NULL;
  int one = last && memchr(s.p, ':', s.n) == last; /* IPv6 has more */
  uint32_t number = 0;
  *port = 0;
  if (!last || !(close ? close + 1 == last : one)) return pml_address_parse(s, out);
  size_t digits = s.n - (size_t)(last + 1 - s.p);
  if (!digits || digits > 5) return PML_EINVAL;
  for (const uint8_t *c = last + 1; c < pml_slice_end(s); c++) {
    if (*c < '0' || *c > '9') return PML_EINVAL;
    number = number * 10 + *c - '0';
  }
  if (number > 65535) return PML_EINVAL;
  *port = (uint16_t)number;
  return pml_address_parse(pml_slice_of(s.p, (size_t)(last - s.p)), out);
}

typedef struct {
  int found;   /* from and port are set */
  int decided; /* from is not trusted, or what stands before it is no address */
  pml_address from;
  uint16_t port;
} forwarded;

/* Of one header. */
static forwarded from_right(pml_slice list, const pml_cidr_list *trusted) {
  forwarded f = {0};
  while (list.n && !f.decided) {
    const uint8_t *comma = memrchr(list.p, ',', list.n);
    size_t begin = comma ? (size_t)(comma + 1 - list.p) : 0;
    pml_slice one = trim(pml_slice_of(list.p + begin, list.n - begin));
    list.n = comma ? begin - 1 : 0;
    pml_address a;
    uint16_t port;
    if (!one.n) continue;
    if (read_address(one, &a, &port)) {
      f.decided = 1;
      break;
    }
    f.from = a;
    f.port = port;
    f.found = 1;
    f.decided = pml_cidr_list_find(trusted, &a) < 0;
  }
  return f;
}

int pml_http_head_forwarded(pml_slice head, const pml_cidr_list *trusted, pml_address *from,
                            uint16_t *port) {
  pml_slice rest = pml_http_head_headers(head), name, value;
  forwarded all = {0};
  while (pml_http_head_next(&rest, &name, &value)) {
    if (!is(name, "X-Forwarded-For")) continue;
    forwarded one = from_right(value, trusted);
    /* A later header counts first; where it has trusted addresses only, those before it do. */
    if (one.decided || !all.found) all = one;
  }
  if (!all.found) return PML_ENOENT;
  *from = all.from;
  *port = all.port;
  return 0;
}
