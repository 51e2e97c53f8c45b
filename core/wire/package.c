#include "wire/package.h"

#include "base/err.h"
#include "base/mem.h"

#include <assert.h>

#define FIRST_CAP 256u

static uint32_t body_length(const uint8_t *head) {
  return (uint32_t)head[1] << 16 | (uint32_t)head[2] << 8 | head[3];
}

static int bad_type(uint8_t type) { return type < PML_PKG_HANDSHAKE || type > PML_PKG_KICK; }

/* Keeps n bytes of a cut body of the given total. The block doubles with what
 * has arrived, so an announced length alone costs nothing. */
static void keep(pml_package_parser *p, const uint8_t *bytes, uint32_t n, uint32_t total) {
  uint32_t need = p->have + n;
  if (need > p->cap) {
    uint32_t cap = p->cap ? p->cap * 2 : FIRST_CAP;
    if (cap < need) cap = need;
    if (cap > total) cap = total;
    p->part = pml_realloc(p->part, cap);
    p->cap = cap;
  }
  memcpy(p->part + p->have, bytes, n);
  p->have = need;
}

/* Takes bytes for the package that an earlier feed has begun. 1 when it is
 * whole: then *body is it, in place or in p->part; 0 when it needs more. */
static int resume(pml_package_parser *p, const uint8_t **at, const uint8_t *end,
                  const uint32_t *limit, pml_slice *body) {
  if (p->nhead < PML_PKG_HEAD) {
    while (p->nhead < PML_PKG_HEAD) {
      if (*at == end) return 0;
      p->head[p->nhead++] = *(*at)++;
    }
    if (body_length(p->head) > *limit) return PML_ETOOBIG;
  }
  uint32_t total = body_length(p->head), miss = total - p->have;
  size_t here = (size_t)(end - *at);
  if (here < miss) {
    if (here) keep(p, *at, (uint32_t)here, total);
    *at = end;
    return 0;
  }
  if (p->have) {
    keep(p, *at, miss, total);
    *body = pml_slice_of(p->part, total);
  } else {
    *body = pml_slice_of(*at, miss); /* only the header was cut */
  }
  *at += miss;
  return 1;
}

int pml_package_feed(pml_package_parser *p, const uint8_t *bytes, size_t n, const uint32_t *limit,
                     pml_package_on_fn on_package, void *ud) {
  if (n == 0) return 0;
  const uint8_t *at = bytes, *end = bytes + n;
  if (p->nhead) {
    pml_slice body;
    int rc = resume(p, &at, end, limit, &body);
    if (rc <= 0) return rc;
    /* The parser is idle before on_package is called, because that may end the
     * connection and the parser with it. */
    uint8_t *part = p->part, type = p->head[0];
    *p = (pml_package_parser){.whole = (uint16_t)(p->whole + 1)};
    rc = on_package(type, body, ud);
    pml_free(part);
    if (rc == PML_EAGAIN) return (int)(end - at);
    if (rc) return rc;
  }
  while (at < end) {
    if (bad_type(at[0])) return PML_EPROTO;
    size_t here = (size_t)(end - at);
    if (here < PML_PKG_HEAD) {
      memcpy(p->head, at, here);
      p->nhead = (uint8_t)here;
      return 0;
    }
    uint32_t total = body_length(at);
    if (total > *limit) return PML_ETOOBIG;
    here -= PML_PKG_HEAD;
    if (here < total) {
      memcpy(p->head, at, PML_PKG_HEAD);
      p->nhead = PML_PKG_HEAD;
      if (here) keep(p, at + PML_PKG_HEAD, (uint32_t)here, total);
      return 0;
    }
    const uint8_t *body = at + PML_PKG_HEAD;
    uint8_t type = at[0];
    at = body + total;
    int rc = on_package(type, pml_slice_of(body, total), ud);
    if (rc == PML_EAGAIN) return (int)(end - at);
    if (rc) return rc;
  }
  return 0;
}

int pml_package_partial(const pml_package_parser *p) { return p->nhead != 0; }

/* A package that is whole in one feed need not be counted: the one behind it begins in that feed,
 * and the one before it was counted when it ended. */
uint32_t pml_package_number(const pml_package_parser *p) { return p->nhead ? p->whole + 1u : 0; }

void pml_package_fini(pml_package_parser *p) {
  pml_free(p->part);
  memset(p, 0, sizeof *p);
}

void pml_package_write_head(uint8_t out[PML_PKG_HEAD], uint8_t type, size_t n) {
  assert(n <= PML_PKG_MAX); /* ours: frame and the binding refuse longer ones */
  out[0] = type;
  out[1] = (uint8_t)(n >> 16);
  out[2] = (uint8_t)(n >> 8);
  out[3] = (uint8_t)n;
}
