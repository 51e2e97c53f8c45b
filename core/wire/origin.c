#include "wire/origin.h"

#include "base/mem.h"

#include <stdio.h>
#include <strings.h>

/* The parts of an origin, borrowed from its text. */
typedef struct {
  pml_slice scheme, host, port; /* port: empty for the scheme's own */
} parts;

typedef struct {
  pml_buf *text; /* owned: what the parts borrow from */
  parts of;
  int below;    /* hosts below of.host, which begins with a dot then */
  int any_port; /* ":*" */
  int null;     /* "null" */
} entry;

struct pml_origins {
  uint32_t n;
  entry v[];
};

static int same(pml_slice a, pml_slice b) {
  return a.n == b.n && (!a.n || !strncasecmp((const char *)a.p, (const char *)b.p, a.n));
}

static int is(pml_slice a, const char *text) { return same(a, pml_slice_str(text)); }

static int is_host_char(uint8_t c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' ||
         c == '.' || c == '_' || c == '*' || c == '[' || c == ']' || c == ':' || c >= 0x80;
}

/* A port without its leading zeros is what browsers send; the scheme's own is left out. */
static int split_port(parts *p, pml_slice port) {
  if (!port.n || port.n > 5) return 0;
  if (!is(port, "*"))
    for (size_t i = 0; i < port.n; i++)
      if (port.p[i] < '0' || port.p[i] > '9') return 0;
  int own =
    (is(p->scheme, "https") && is(port, "443")) || (is(p->scheme, "http") && is(port, "80"));
  if (!own) p->port = port;
  return 1;
}

/* scheme://host[:port]; 0: it is not so. */
static int split(pml_slice text, parts *p) {
  const uint8_t *end = pml_slice_end(text);
  const uint8_t *at = text.n > 3 ? memmem(text.p, text.n, "://", 3) : NULL;
  if (!at || at == text.p) return 0;
  *p = (parts){.scheme = pml_slice_of(text.p, (size_t)(at - text.p))};
  for (const uint8_t *c = text.p; c < at; c++)
    if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
          (c > text.p && memchr("+-.0123456789", *c, 13))))
      return 0;
  const uint8_t *host = at + 3, *colon = memrchr(host, ':', (size_t)(end - host));
  for (const uint8_t *c = host; c < end; c++)
    if (!is_host_char(*c)) return 0;
  if (host < end && *host == '[') { /* IPv6: colons stand inside of the brackets */
    const uint8_t *close = memchr(host, ']', (size_t)(end - host));
    if (!close) return 0;
    colon = close + 1 < end && close[1] == ':' ? close + 1 : NULL;
    if (!colon && close + 1 != end) return 0;
  }
  p->host = pml_slice_of(host, (size_t)((colon ? colon : end) - host));
  if (colon && !split_port(p, pml_slice_of(colon + 1, (size_t)(end - colon - 1)))) return 0;
  return p->host.n > 0 && (host[0] == '[' || !memchr(p->host.p, ':', p->host.n));
}

static int read_entry(pml_slice text, entry *e) {
  e->null = is(text, "null");
  if (e->null) return 1;
  if (!split(text, &e->of)) return 0;
  e->any_port = is(e->of.port, "*");
  e->below = e->of.host.n > 2 && !memcmp(e->of.host.p, "*.", 2);
  if (e->below) e->of.host = pml_slice_of(e->of.host.p + 1, e->of.host.n - 1);
  return !memchr(e->of.host.p, '*', e->of.host.n);
}

static void wrong(pml_slice text, char why[PML_ORIGIN_WHY]) {
  char as[64];
  size_t n = text.n < sizeof as - 1 ? text.n : sizeof as - 1;
  for (size_t i = 0; i < n; i++)
    as[i] = text.p[i] >= 0x20 && text.p[i] < 0x7f ? (char)text.p[i] : '?';
  as[n] = 0;
  snprintf(why, PML_ORIGIN_WHY,
           "'%s' is no origin: write \"https://game.example\" (with a port that is not the "
           "scheme's own, without a path), \"https://*.game.example\" or \"null\"",
           as);
}

pml_origins *pml_origins_new(const pml_slice *v, uint32_t n, char why[PML_ORIGIN_WHY]) {
  pml_origins *o = pml_alloc0(sizeof *o + n * sizeof *o->v);
  for (; o->n < n; o->n++) {
    entry *e = &o->v[o->n];
    e->text = pml_buf_from(v[o->n].p, v[o->n].n);
    if (read_entry(pml_buf_slice(e->text), e)) continue;
    wrong(v[o->n], why);
    o->n++;
    pml_origins_free(o);
    return NULL;
  }
  return o;
}

void pml_origins_free(pml_origins *o) {
  for (uint32_t i = 0; o && i < o->n; i++) pml_buf_unref(o->v[i].text);
  pml_free(o);
}

static int fits(const entry *e, const parts *p) {
  if (e->null || !same(e->of.scheme, p->scheme)) return 0;
  if (!e->any_port && !same(e->of.port, p->port)) return 0;
  if (!e->below) return same(e->of.host, p->host);
  size_t n = e->of.host.n;
  return p->host.n > n && same(e->of.host, pml_slice_of(p->host.p + p->host.n - n, n));
}

int pml_origins_has(const pml_origins *o, pml_slice origin) {
  parts p;
  int null = pml_slice_eq(origin, pml_slice_str("null"));
  if (!null && (!split(origin, &p) || memchr(origin.p, '*', origin.n))) return 0;
  for (uint32_t i = 0; i < o->n; i++)
    if (null ? o->v[i].null : fits(&o->v[i], &p)) return 1;
  return 0;
}
