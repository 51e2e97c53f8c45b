/* Numbers are big-endian. The head, and the whole of REFUSE, are the same in every protocol:
 *
 *    0 "PML"   3 protocol u8   4 kind u8   5 flags u8   6 process, 16 bytes
 *
 *   BEAT    22 number u32   26 links u32   30 version u32
 *   REFUSE  22 host text
 *   GREET   22 mine u64   30 theirs u64   38 with LISTED: met u32, a list
 *           mine: timeout u32 in ms, 0 when it is not said; number u32
 *   LIST    22 a list
 *   BYE     nothing
 *   CLAIM   22 number u32   26 id text
 *   HELD    22 number u32   26 incarnation u64   34 pid u32   38 id text, host text
 *
 *   a list: version u32, pid u32, host text, and to the end of the message servers:
 *           incarnation u64, leaving u8, id text, info length u16 and bytes
 *   a text: length u8 and bytes */
#include "wire/announce.h"

#include "base/bigendian.h"
#include "base/err.h"
#include "wire/jsonread.h"
#include "wire/utf8.h"

#define HEAD 22
#define INCARNATION_MAX (1ull << 53)

static const uint8_t magic[3] = {'P', 'M', 'L'};
/* Which flags a message of a kind may have. */
static const uint8_t flags_of[] = {
  [PML_ANNOUNCE_BEAT] = PML_ANNOUNCE_TOOL,
  [PML_ANNOUNCE_REFUSE] = PML_ANNOUNCE_SETTLED,
  [PML_ANNOUNCE_GREET] = PML_ANNOUNCE_TOOL | PML_ANNOUNCE_WANT | PML_ANNOUNCE_LISTED,
  [PML_ANNOUNCE_LIST] = 0,
  [PML_ANNOUNCE_BYE] = 0,
  [PML_ANNOUNCE_CLAIM] = 0,
  [PML_ANNOUNCE_HELD] = PML_ANNOUNCE_LIVES,
};

static void put_u32(pml_writer *w, uint32_t v) { pml_put32(pml_writer_more(w, 4), v); }
static void put_u64(pml_writer *w, uint64_t v) { pml_put64(pml_writer_more(w, 8), v); }
static void put_text(pml_writer *w, pml_slice s) {
  pml_writer_byte(w, (uint8_t)s.n);
  pml_writer_put(w, s.p, s.n);
}
static void put_list(pml_writer *w, const pml_announce *a) {
  put_u32(w, a->version);
  put_u32(w, a->pid);
  put_text(w, a->host);
}

uint64_t pml_announce_mine(uint32_t timeout_ms, uint32_t number) {
  return (uint64_t)timeout_ms << 32 | number;
}

uint32_t pml_announce_timeout(const pml_announce *greet) {
  uint64_t ms = greet->mine >> 32;
  return ms < PML_ANNOUNCE_TIMEOUT_MAX ? (uint32_t)ms : PML_ANNOUNCE_TIMEOUT_MAX;
}

void pml_announce_put(pml_writer *w, const pml_announce *a) {
  pml_writer_put(w, magic, sizeof magic);
  pml_writer_byte(w, a->protocol);
  pml_writer_byte(w, a->kind);
  pml_writer_byte(w, a->flags);
  pml_writer_put(w, a->process, PML_PROCESS_BYTES);
  switch (a->kind) {
  case PML_ANNOUNCE_BEAT:
    put_u32(w, a->number);
    put_u32(w, a->links);
    put_u32(w, a->version);
    break;
  case PML_ANNOUNCE_REFUSE: put_text(w, a->host); break;
  case PML_ANNOUNCE_GREET:
    put_u64(w, a->mine);
    put_u64(w, a->theirs);
    if (a->flags & PML_ANNOUNCE_LISTED) {
      put_u32(w, a->met);
      put_list(w, a);
    }
    break;
  case PML_ANNOUNCE_LIST: put_list(w, a); break;
  case PML_ANNOUNCE_CLAIM:
    put_u32(w, a->number);
    put_text(w, a->id);
    break;
  case PML_ANNOUNCE_HELD:
    put_u32(w, a->number);
    put_u64(w, a->incarnation);
    put_u32(w, a->pid);
    put_text(w, a->id);
    put_text(w, a->host);
    break;
  }
}

void pml_announce_put_server(pml_writer *w, const pml_announce_server *s) {
  put_u64(w, s->incarnation);
  pml_writer_byte(w, s->leaving);
  put_text(w, s->id);
  pml_put16(pml_writer_more(w, 2), (uint16_t)s->info.n);
  pml_writer_put(w, s->info.p, s->info.n);
}

/* What is left to read. Each take_ is 0 or PML_EPROTO. */
typedef struct {
  const uint8_t *p;
  size_t n;
} rest;

static int take(rest *r, size_t n, const uint8_t **out) {
  if (n > r->n) return PML_EPROTO;
  *out = r->p;
  r->p += n;
  r->n -= n;
  return 0;
}
static int take_u8(rest *r, uint8_t *out) {
  const uint8_t *p;
  if (take(r, 1, &p)) return PML_EPROTO;
  *out = *p;
  return 0;
}
static int take_u32(rest *r, uint32_t *out) {
  const uint8_t *p;
  if (take(r, 4, &p)) return PML_EPROTO;
  *out = pml_get32(p);
  return 0;
}
static int take_u64(rest *r, uint64_t *out) {
  const uint8_t *p;
  if (take(r, 8, &p)) return PML_EPROTO;
  *out = pml_get64(p);
  return 0;
}
static int take_incarnation(rest *r, uint64_t *out) {
  if (take_u64(r, out)) return PML_EPROTO;
  return *out >= 1 && *out <= INCARNATION_MAX ? 0 : PML_EPROTO;
}
static int take_text(rest *r, pml_slice *out) {
  uint8_t n;
  const uint8_t *p;
  if (take_u8(r, &n) || take(r, n, &p)) return PML_EPROTO;
  *out = pml_slice_of(p, n);
  return 0;
}

/* A name that can stand in a line of a log. */
static int plain(pml_slice s) {
  for (size_t i = 0; i < s.n; i++)
    if (s.p[i] <= ' ' || s.p[i] == 0x7f) return 0;
  return pml_utf8_valid(s.p, s.n);
}

int pml_announce_id_ok(pml_slice id) { return id.n && id.n <= PML_SERVER_ID_MAX && plain(id); }

int pml_announce_info_ok(pml_slice info) {
  pml_jsonread r;
  pml_token t;
  if (info.n > PML_ANNOUNCE_INFO_MAX || !pml_utf8_valid(info.p, info.n)) return 0;
  pml_jsonread_init(&r, info);
  if (pml_jsonread_next(&r, &t) || t.kind != PML_TOKEN_OBJECT) return 0;
  return !pml_jsonread_skip(&r, &t) && !pml_jsonread_next(&r, &t) && t.kind == PML_TOKEN_END;
}

static int take_id(rest *r, pml_slice *out) {
  return take_text(r, out) || !pml_announce_id_ok(*out) ? PML_EPROTO : 0;
}
static int take_host(rest *r, pml_slice *out) {
  return take_text(r, out) || !plain(*out) ? PML_EPROTO : 0;
}

static int take_server(rest *r, pml_announce_server *out) {
  const uint8_t *p;
  if (take_incarnation(r, &out->incarnation) || take_u8(r, &out->leaving) || out->leaving > 1 ||
      take_id(r, &out->id) || take(r, 2, &p))
    return PML_EPROTO;
  size_t n = pml_get16(p);
  if (take(r, n, &p)) return PML_EPROTO;
  out->info = pml_slice_of(p, n);
  return 0;
}

static int take_list(rest *r, pml_announce *out) {
  if (take_u32(r, &out->version) || take_u32(r, &out->pid) || take_host(r, &out->host))
    return PML_EPROTO;
  out->servers = pml_slice_of(r->p, r->n);
  while (r->n) {
    pml_announce_server s;
    if (take_server(r, &s) || !pml_announce_info_ok(s.info)) return PML_EPROTO;
  }
  return 0;
}

static int take_body(rest *r, pml_announce *out) {
  switch (out->kind) {
  case PML_ANNOUNCE_BEAT:
    return take_u32(r, &out->number) || take_u32(r, &out->links) || take_u32(r, &out->version);
  case PML_ANNOUNCE_REFUSE: return take_host(r, &out->host);
  case PML_ANNOUNCE_GREET:
    if (take_u64(r, &out->mine) || take_u64(r, &out->theirs) || !out->mine) return 1;
    if (!(out->flags & PML_ANNOUNCE_LISTED)) return 0;
    return take_u32(r, &out->met) || take_list(r, out);
  case PML_ANNOUNCE_LIST: return take_list(r, out);
  case PML_ANNOUNCE_CLAIM: return take_u32(r, &out->number) || take_id(r, &out->id);
  case PML_ANNOUNCE_HELD:
    return take_u32(r, &out->number) || take_incarnation(r, &out->incarnation) ||
           take_u32(r, &out->pid) || take_id(r, &out->id) || take_host(r, &out->host);
  }
  return 0;
}

int pml_announce_read(pml_slice in, uint8_t protocol, pml_announce *out) {
  if (in.n < HEAD || in.n > PML_ANNOUNCE_MAX || memcmp(in.p, magic, sizeof magic) != 0)
    return PML_EPROTO;
  pml_announce a = {.protocol = in.p[3], .kind = in.p[4], .flags = in.p[5]};
  memcpy(a.process, in.p + 6, PML_PROCESS_BYTES);
  if (a.protocol == protocol || a.kind == PML_ANNOUNCE_REFUSE) {
    rest r = {in.p + HEAD, in.n - HEAD};
    if (a.kind < PML_ANNOUNCE_BEAT || a.kind > PML_ANNOUNCE_HELD || (a.flags & ~flags_of[a.kind]))
      return PML_EPROTO;
    if (take_body(&r, &a) || r.n) return PML_EPROTO;
  }
  *out = a;
  return 0;
}

int pml_announce_next(pml_announce *a, pml_announce_server *out) {
  rest r = {a->servers.p, a->servers.n};
  if (!r.n || take_server(&r, out)) return 0;
  a->servers = pml_slice_of(r.p, r.n);
  return 1;
}

void pml_process_text(const uint8_t process[PML_PROCESS_BYTES], char out[PML_PROCESS_NAME]) {
  static const char digits[] = "0123456789abcdef";
  for (int i = 0; i < PML_PROCESS_BYTES; i++) {
    out[2 * i] = digits[process[i] >> 4];
    out[2 * i + 1] = digits[process[i] & 15];
  }
  out[2 * PML_PROCESS_BYTES] = 0;
}

static int digit_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int pml_process_read(const char *text, uint8_t out[PML_PROCESS_BYTES]) {
  uint8_t bytes[PML_PROCESS_BYTES];
  if (strlen(text) != 2 * PML_PROCESS_BYTES) return PML_EINVAL;
  for (int i = 0; i < PML_PROCESS_BYTES; i++) {
    int high = digit_of(text[2 * i]), low = digit_of(text[2 * i + 1]);
    if (high < 0 || low < 0) return PML_EINVAL;
    bytes[i] = (uint8_t)(high << 4 | low);
  }
  memcpy(out, bytes, sizeof bytes);
  return 0;
}
