#include "wire/message.h"

#include "base/err.h"

#define FLAG_COMPRESSED 0x01u
#define FLAG_GZIP 0x10u
#define ID_BYTES 5 /* 7 bits each: enough for 31 */

static int has_id(unsigned type) { return type == PML_MSG_REQUEST || type == PML_MSG_RESPONSE; }

static int has_route(unsigned type) { return type <= PML_MSG_PUSH && type != PML_MSG_RESPONSE; }

static int read_id(const uint8_t **at, const uint8_t *end, uint32_t *out) {
  uint64_t id = 0;
  for (int i = 0; i < ID_BYTES; i++) {
    if (*at == end) return PML_EPROTO;
    uint8_t c = *(*at)++;
    id |= (uint64_t)(c & 0x7fu) << (7 * i);
    if (c & 0x80u) continue;
    if (id > PML_MSG_ID_MAX) return PML_EPROTO;
    *out = (uint32_t)id;
    return 0;
  }
  return PML_EPROTO;
}

int pml_message_read(pml_slice in, pml_message_view *out) {
  if (in.n == 0) return PML_EPROTO;
  const uint8_t *at = in.p, *end = pml_slice_end(in);
  pml_message_view m = {0};
  unsigned flag = *at++;
  m.type = (uint8_t)(flag >> 1 & 7u);
  m.gzip = (flag & FLAG_GZIP) != 0;
  if (has_id(m.type) && read_id(&at, end, &m.id)) return PML_EPROTO;
  if (has_route(m.type)) {
    if (flag & FLAG_COMPRESSED) {
      if (end - at < 2) return PML_EPROTO;
      m.compressed = 1;
      m.code = (uint16_t)((unsigned)at[0] << 8 | at[1]);
      at += 2;
    } else {
      if (at == end) return PML_EPROTO;
      size_t n = *at++;
      if ((size_t)(end - at) < n) return PML_EPROTO;
      m.route = pml_slice_of(at, n);
      at += n;
    }
  }
  m.body = pml_slice_of(at, (size_t)(end - at));
  *out = m;
  return 0;
}

int pml_message_write_head(pml_writer *w, const pml_message_view *m) {
  uint8_t head[1 + ID_BYTES + 2];
  size_t n = 0;
  unsigned type = m->type & 7u;
  int routed = has_route(type), coded = routed && m->compressed;
  if (routed && !coded && m->route.n > PML_MSG_ROUTE_MAX) return PML_ETOOBIG;
  if (has_id(type) && m->id > PML_MSG_ID_MAX) return PML_EINVAL;
  head[n++] = (uint8_t)(type << 1 | (coded ? FLAG_COMPRESSED : 0) | (m->gzip ? FLAG_GZIP : 0));
  if (has_id(type)) {
    uint32_t id = m->id;
    for (; id > 0x7f; id >>= 7) head[n++] = (uint8_t)(id | 0x80u);
    head[n++] = (uint8_t)id;
  }
  if (coded) {
    head[n++] = (uint8_t)(m->code >> 8);
    head[n++] = (uint8_t)m->code;
  } else if (routed) {
    head[n++] = (uint8_t)m->route.n;
  }
  pml_writer_put(w, head, n);
  if (routed && !coded) pml_writer_put(w, m->route.p, m->route.n);
  return 0;
}
