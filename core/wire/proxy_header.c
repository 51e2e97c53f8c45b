#include "wire/proxy_header.h"

#include "base/err.h"

enum { BEGIN, LINE, BINARY, REST };

#define HEAD_LEN 16u /* of version 2, before the addresses */
#define FOUR_LEN 12u
#define SIX_LEN 36u
#define UNIX_LEN 216u

static const uint8_t first_text[] = {'P', 'R', 'O', 'X', 'Y', ' '};
static const uint8_t first_binary[] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d,
                                       0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};

/* ---- version 1 ---- */

/* The next word, up to one space or the end. */
static pml_slice word(pml_slice *rest) {
  const uint8_t *space = rest->n ? memchr(rest->p, ' ', rest->n) : NULL;
  pml_slice w = pml_slice_of(rest->p, space ? (size_t)(space - rest->p) : rest->n);
  size_t gone = space ? w.n + 1 : w.n;
  *rest = pml_slice_from(*rest, gone);
  return w;
}

static int port_of(pml_slice s, uint16_t *out) {
  uint32_t port = 0;
  if (!s.n || s.n > 5 || (s.n > 1 && s.p[0] == '0')) return PML_EPROTO;
  for (size_t i = 0; i < s.n; i++) {
    if (s.p[i] < '0' || s.p[i] > '9') return PML_EPROTO;
    port = port * 10 + s.p[i] - '0';
  }
  if (port > 65535) return PML_EPROTO;
  *out = (uint16_t)port;
  return 0;
}

static int address_of(pml_slice s, int six, pml_address *out) {
  int colon = s.n && memchr(s.p, ':', s.n) != NULL;
  if (colon != six || !s.n || s.p[0] == '[') return PML_EPROTO;
  return pml_address_parse(s, out) ? PML_EPROTO : 0;
}

/* The line without "PROXY " and without CR LF: "TCP4 <from> <to> <port from> <port to>". */
static int read_line(pml_slice line, pml_proxy_client *out) {
  pml_address to;
  uint16_t port_to;
  pml_slice kind = word(&line);
  out->known = 0;
  if (pml_slice_eq(kind, pml_slice_str("UNKNOWN"))) return 0; /* whatever follows */
  int six = pml_slice_eq(kind, pml_slice_str("TCP6"));
  if (!six && !pml_slice_eq(kind, pml_slice_str("TCP4"))) return PML_EPROTO;
  if (address_of(word(&line), six, &out->from) || address_of(word(&line), six, &to) ||
      port_of(word(&line), &out->port))
    return PML_EPROTO;
  /* A space behind the last port would be one word more. */
  if (!line.n || memchr(line.p, ' ', line.n) || port_of(line, &port_to)) return PML_EPROTO;
  out->known = 1;
  return 0;
}

static int feed_line(pml_proxy_header *h, const uint8_t *p, size_t n, size_t *used,
                     pml_proxy_client *out) {
  for (size_t i = 0; i < n; i++) {
    uint8_t before = h->have ? h->held[h->have - 1] : 0;
    if (p[i] == '\n') {
      size_t from = sizeof first_text;
      if (before != '\r') return PML_EPROTO;
      *used = i + 1;
      return read_line(pml_slice_of(h->held + from, h->have - 1 - from), out);
    }
    if (before == '\r' || p[i] == 0 || h->have >= PML_PROXY_LINE_MAX - 1) return PML_EPROTO;
    h->held[h->have++] = p[i];
  }
  return PML_EAGAIN;
}

/* ---- version 2 ---- */

/* Bytes of addresses that the kind of connection has; 0: they are not looked at; -1: no such kind.
 */
static int addresses_len(uint8_t kind) {
  switch (kind) {
  case 0x11: return FOUR_LEN;
  case 0x21: return SIX_LEN;
  case 0x31: return UNIX_LEN;
  case 0x00: /* not told */
  case 0x12: /* datagrams: not what came */
  case 0x22:
  case 0x32: return 0;
  default: return -1;
  }
}

/* The first 16 bytes are there: how many of the rest are kept. */
static int read_head(pml_proxy_header *h) {
  uint8_t command = h->held[12], kind = h->held[13];
  uint32_t rest = (uint32_t)h->held[14] << 8 | h->held[15];
  if ((command != 0x20 && command != 0x21) || rest > PML_PROXY_REST_MAX) return PML_EPROTO;
  int len = command == 0x20 ? 0 : addresses_len(kind);
  if (len < 0 || rest < (uint32_t)len) return PML_EPROTO;
  h->known = len == (int)FOUR_LEN || len == (int)SIX_LEN ? (uint8_t)len : 0;
  h->skip = (uint16_t)(rest - h->known);
  return 0;
}

static void read_addresses(const pml_proxy_header *h, pml_proxy_client *out) {
  static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
  const uint8_t *a = h->held + HEAD_LEN;
  out->known = h->known != 0;
  if (!out->known) return;
  int six = h->known == SIX_LEN;
  const uint8_t *port = a + (six ? 32 : 8);
  if (six) {
    memcpy(out->from.b, a, 16);
  } else {
    memcpy(out->from.b, mapped, sizeof mapped);
    memcpy(out->from.b + sizeof mapped, a, 4);
  }
  out->port = (uint16_t)(port[0] << 8 | port[1]);
}

/* Takes bytes until `need` are held; whether they are. */
static int hold(pml_proxy_header *h, const uint8_t *p, size_t n, size_t *at, size_t need) {
  while (h->have < need && *at < n) h->held[h->have++] = p[(*at)++];
  return h->have >= need;
}

static int feed_binary(pml_proxy_header *h, const uint8_t *p, size_t n, size_t *used,
                       pml_proxy_client *out) {
  size_t at = 0;
  while (h->have < sizeof first_binary) {
    if (at == n) return PML_EAGAIN;
    if (p[at] != first_binary[h->have]) return PML_EPROTO;
    h->held[h->have++] = p[at++];
  }
  if (h->state == BINARY) {
    if (!hold(h, p, n, &at, HEAD_LEN)) return PML_EAGAIN;
    if (read_head(h)) return PML_EPROTO;
    h->state = REST;
  }
  if (!hold(h, p, n, &at, HEAD_LEN + h->known)) return PML_EAGAIN;
  size_t skipped = n - at < h->skip ? n - at : h->skip;
  h->skip = (uint16_t)(h->skip - skipped);
  if (h->skip) return PML_EAGAIN;
  read_addresses(h, out);
  *used = at + skipped;
  return 0;
}

/* ---- both ---- */

int pml_proxy_header_feed(pml_proxy_header *h, const uint8_t *p, size_t n, size_t *used,
                          pml_proxy_client *out) {
  size_t at = 0;
  *used = 0;
  if (n == 0) return PML_EAGAIN;
  if (h->state == BEGIN && h->have == 0 && p[0] == first_binary[0]) h->state = BINARY;
  if (h->state == BINARY || h->state == REST) return feed_binary(h, p, n, used, out);
  uint8_t before = h->have;
  while (h->state == BEGIN && at < n) {
    if (p[at] != first_text[h->have]) {
      h->have = before; /* what these bytes began with is fed by the caller */
      return PML_ENOENT;
    }
    h->held[h->have++] = p[at++];
    if (h->have == sizeof first_text) h->state = LINE;
  }
  if (h->state == BEGIN) return PML_EAGAIN;
  int rc = feed_line(h, p + at, n - at, used, out);
  if (!rc) *used += at;
  return rc;
}

pml_slice pml_proxy_header_taken(const pml_proxy_header *h) {
  return pml_slice_of(first_text, h->state == BEGIN ? h->have : 0);
}

int pml_proxy_header_begins(const uint8_t *p, size_t n) {
  if (n < sizeof first_text) return 0;
  return !memcmp(p, first_text, sizeof first_text) ||
         !memcmp(p, first_binary, n < sizeof first_binary ? n : sizeof first_binary);
}
