#include "wire/jwt.h"

#include "base/err.h"
#include "wire/jsonread.h"
#include "wire/utf8.h"

#define DECODED_MAX (PML_JWT_MAX / 4 * 3)
#define LAST_TIME 253402300799.0 /* the end of the year 9999 */

static const char *const why[] = {
  [PML_JWT_GOOD] = "is good",
  [PML_JWT_TOOLONG] = "is longer than 4096 bytes",
  [PML_JWT_FORM] = "is not three parts of base64url with points between",
  [PML_JWT_HEADER] = "has a header that is no JSON object with one alg",
  [PML_JWT_CRIT] = "has crit in its header, which demands extensions",
  [PML_JWT_KID] = "has a kid that no key has",
  [PML_JWT_ALG] = "has an alg that is not the one of its key",
  [PML_JWT_SIGNATURE] = "has a signature of no key",
  [PML_JWT_CLAIMS] = "has claims that are no JSON object, or doubly named",
  [PML_JWT_SUB] = "has no sub, a text that is not empty",
  [PML_JWT_EXP] = "has no exp, or an exp, nbf or iat that is no time",
  [PML_JWT_EXPIRED] = "has expired",
  [PML_JWT_EARLY] = "is not valid yet: its nbf or iat is later",
  [PML_JWT_AUDIENCE] = "has another aud",
  [PML_JWT_ISSUER] = "has another iss",
};

const char *pml_jwt_why(pml_jwt_error e) { return why[e]; }

/* ---- base64url: RFC 4648, section 5, without padding ---- */

static int value_of(uint8_t c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '-' ? 62 : c == '_' ? 63 : -1;
}

/* out: room for DECODED_MAX bytes; in.n is at most PML_JWT_MAX. 0; PML_EPROTO, also when another
 * text would mean the same bytes: the bits behind the last byte must be 0. */
static int decode(pml_slice in, uint8_t *out, size_t *n) {
  uint32_t bits = 0;
  unsigned have = 0;
  size_t len = 0;
  if (in.n % 4 == 1) return PML_EPROTO;
  for (size_t i = 0; i < in.n; i++) {
    int v = value_of(in.p[i]);
    if (v < 0) return PML_EPROTO;
    bits = bits << 6 | (uint32_t)v;
    have += 6;
    if (have < 8) continue;
    have -= 8;
    out[len++] = (uint8_t)(bits >> have);
    bits &= (1u << have) - 1;
  }
  if (bits) return PML_EPROTO;
  *n = len;
  return 0;
}

static void encode(pml_writer *w, pml_slice in) {
  static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  uint32_t bits = 0;
  unsigned have = 0;
  for (size_t i = 0; i < in.n; i++) {
    bits = (bits & 0x3f) << 8 | in.p[i];
    for (have += 8; have >= 6; have -= 6)
      pml_writer_byte(w, (uint8_t)letters[bits >> (have - 6) & 0x3f]);
  }
  if (have) pml_writer_byte(w, (uint8_t)letters[bits << (6 - have) & 0x3f]);
}

/* ---- the members of an object, each once ---- */

/* The names so far, one behind the other. */
typedef struct {
  pml_jsonread r;
  pml_writer keys;
  size_t ends[PML_JWT_MEMBERS]; /* where each key ends */
  size_t n;
} members;

/* 0; PML_EPROTO: the text does not begin with an object, or is not UTF-8. */
static int members_begin(members *m, pml_slice text) {
  pml_token t;
  memset(m, 0, sizeof *m);
  pml_jsonread_init(&m->r, text);
  if (!pml_utf8_valid(text.p, text.n) || pml_jsonread_next(&m->r, &t) != 0) return PML_EPROTO;
  return t.kind == PML_TOKEN_OBJECT ? 0 : PML_EPROTO;
}

static void members_end(members *m) { pml_writer_drop(&m->keys); }

/* The name of member i, which lives until the next member is read. */
static pml_slice key_at(members *m, size_t i) {
  size_t from = i ? m->ends[i - 1] : 0;
  return pml_slice_of(m->ends[i] > from ? pml_writer_at(&m->keys, from) : NULL, m->ends[i] - from);
}

/* The next member's name and the first token of its value. 1; 0: there is none, and nothing follows
 * the object; PML_EPROTO: also a name that there has been, and too many of them. */
static int members_next(members *m, pml_slice *key, pml_token *value) {
  pml_token t;
  if (pml_jsonread_next(&m->r, &t) != 0) return PML_EPROTO;
  if (t.kind == PML_TOKEN_OBJECT_END)
    return pml_jsonread_next(&m->r, &t) == 0 && t.kind == PML_TOKEN_END ? 0 : PML_EPROTO;
  if (m->n == PML_JWT_MEMBERS) return PML_EPROTO;
  pml_jsonread_text(&m->keys, &t);
  m->ends[m->n++] = m->keys.len;
  *key = key_at(m, m->n - 1);
  for (size_t i = 0; i + 1 < m->n; i++)
    if (pml_slice_eq(key_at(m, i), *key)) return PML_EPROTO;
  return pml_jsonread_next(&m->r, value) == 0 ? 1 : PML_EPROTO;
}

/* The text of a string, owned; NULL: the value is none. */
static pml_buf *text_of(const pml_token *value) {
  if (value->kind != PML_TOKEN_STRING) return NULL;
  pml_writer w = {0};
  pml_jsonread_text(&w, value);
  return w.len ? pml_writer_finish(&w) : pml_buf_new(0);
}

static int is(pml_slice key, const char *name) { return pml_slice_eq(key, pml_slice_str(name)); }

/* ---- the header ---- */

typedef struct {
  pml_buf *alg, *kid; /* owned; kid NULL: none */
} header;

static void header_drop(header *h) {
  pml_buf_unref(h->alg);
  pml_buf_unref(h->kid);
}

static pml_jwt_error header_member(header *h, pml_slice key, const pml_token *value) {
  if (is(key, "crit")) return PML_JWT_CRIT;
  if (is(key, "alg")) return (h->alg = text_of(value)) ? PML_JWT_GOOD : PML_JWT_HEADER;
  if (is(key, "kid")) return (h->kid = text_of(value)) ? PML_JWT_GOOD : PML_JWT_HEADER;
  return PML_JWT_GOOD;
}

static pml_jwt_error read_header(pml_slice text, header *h) {
  members m;
  pml_slice key;
  pml_token value;
  pml_jwt_error e = PML_JWT_GOOD;
  int rc = members_begin(&m, text);
  while (rc == 0 && e == PML_JWT_GOOD && (rc = members_next(&m, &key, &value)) > 0) {
    e = header_member(h, key, &value);
    rc = pml_jsonread_skip(&m.r, &value);
  }
  members_end(&m);
  if (e) return e;
  return rc == 0 && h->alg ? PML_JWT_GOOD : PML_JWT_HEADER;
}

/* ---- the signature ---- */

static int same_alg(const pml_jwt_key *k, const header *h) {
  return pml_slice_eq(pml_buf_slice(h->alg), pml_slice_str(pml_sign_key_alg(k->key)));
}

/* The key says which algorithm it is for, and the token must say the same. */
static pml_jwt_error check_signature(const pml_jwt_rules *r, const header *h, pml_slice text,
                                     pml_slice signature) {
  pml_jwt_error e = h->kid ? PML_JWT_KID : PML_JWT_ALG;
  for (size_t i = 0; i < r->nkeys; i++) {
    const pml_jwt_key *k = &r->keys[i];
    if (h->kid && !(k->kid.p && pml_slice_eq(k->kid, pml_buf_slice(h->kid)))) continue;
    if (!same_alg(k, h)) {
      if (h->kid) return PML_JWT_ALG;
      continue;
    }
    if (pml_sign_key_verify(k->key, text, signature) == 0) return PML_JWT_GOOD;
    e = PML_JWT_SIGNATURE;
  }
  return e;
}

/* ---- the claims ---- */

enum { HAS_EXP = 1, IN_AUDIENCE = 2, IN_ISSUER = 4 };

typedef struct {
  pml_buf *sub;
  double exp, latest_start; /* latest_start: the later of nbf and iat; 0: there is none */
  unsigned has;
} claims;

static int time_of(const pml_token *value, double *out) {
  if (value->kind != PML_TOKEN_NUMBER || pml_jsonread_number(value->text, out) != 0)
    return PML_EPROTO;
  return *out >= 0 && *out <= LAST_TIME ? 0 : PML_EPROTO;
}

/* U+FFFD: it may stand for what is no text, so that two users would have one name. */
static int is_name(pml_slice s) {
  return s.n && !memchr(s.p, 0, s.n) && !memmem(s.p, s.n, "\xef\xbf\xbd", 3);
}

static int is_audience(const pml_jwt_rules *r, const pml_token *value) {
  pml_buf *text = text_of(value);
  int found = 0;
  for (size_t i = 0; text && i < r->naudience; i++)
    found |= pml_slice_eq(r->audience[i], pml_buf_slice(text));
  pml_buf_unref(text);
  return found;
}

/* A text, or an array of texts; reads to the value's end. */
static int read_audience(const pml_jwt_rules *r, members *m, pml_token *value, claims *c) {
  int rc = 0;
  if (value->kind != PML_TOKEN_ARRAY) {
    if (is_audience(r, value)) c->has |= IN_AUDIENCE;
    return pml_jsonread_skip(&m->r, value);
  }
  pml_token t;
  while ((rc = pml_jsonread_next(&m->r, &t)) == 0 && t.kind != PML_TOKEN_ARRAY_END) {
    if (t.kind != PML_TOKEN_STRING) return PML_EPROTO;
    if (is_audience(r, &t)) c->has |= IN_AUDIENCE;
  }
  return rc;
}

/* Reads a member to its end. */
static pml_jwt_error read_claim(const pml_jwt_rules *r, members *m, pml_slice key, pml_token *value,
                                claims *c) {
  double start;
  if (is(key, "sub")) {
    c->sub = text_of(value);
    if (!c->sub || !is_name(pml_buf_slice(c->sub))) return PML_JWT_SUB;
  } else if (is(key, "exp")) {
    if (time_of(value, &c->exp) != 0) return PML_JWT_EXP;
    c->has |= HAS_EXP;
  } else if (is(key, "nbf") || is(key, "iat")) {
    if (time_of(value, &start) != 0) return PML_JWT_EXP;
    if (start > c->latest_start) c->latest_start = start;
  } else if (is(key, "iss") && r->issuer.p) {
    pml_buf *iss = text_of(value);
    if (iss && pml_slice_eq(pml_buf_slice(iss), r->issuer)) c->has |= IN_ISSUER;
    pml_buf_unref(iss);
  } else if (is(key, "aud")) {
    return read_audience(r, m, value, c) ? PML_JWT_CLAIMS : PML_JWT_GOOD;
  }
  return pml_jsonread_skip(&m->r, value) ? PML_JWT_CLAIMS : PML_JWT_GOOD;
}

static pml_jwt_error read_claims(const pml_jwt_rules *r, pml_slice text, claims *c) {
  members m;
  pml_slice key;
  pml_token value;
  pml_jwt_error e = PML_JWT_GOOD;
  int rc = members_begin(&m, text);
  while (rc == 0 && e == PML_JWT_GOOD && (rc = members_next(&m, &key, &value)) > 0) {
    e = read_claim(r, &m, key, &value, c);
    rc = 0;
  }
  members_end(&m);
  if (e) return e;
  return rc == 0 ? PML_JWT_GOOD : PML_JWT_CLAIMS;
}

static pml_jwt_error judge(const pml_jwt_rules *r, const claims *c) {
  if (!c->sub) return PML_JWT_SUB;
  if (!(c->has & HAS_EXP)) return PML_JWT_EXP;
  if (!(r->now < c->exp + r->leeway)) return PML_JWT_EXPIRED;
  if (c->latest_start > r->now + r->leeway) return PML_JWT_EARLY;
  if (r->naudience && !(c->has & IN_AUDIENCE)) return PML_JWT_AUDIENCE;
  if (r->issuer.p && !(c->has & IN_ISSUER)) return PML_JWT_ISSUER;
  return PML_JWT_GOOD;
}

/* ---- the whole ---- */

/* Where the parts of a token end; 0: they are three, and none is empty. */
static int split(pml_slice text, pml_slice part[3]) {
  const uint8_t *at = text.p, *end = pml_slice_end(text);
  if (!text.n) return PML_EPROTO;
  for (int i = 0; i < 3; i++) {
    const uint8_t *point = memchr(at, '.', (size_t)(end - at));
    if ((point == NULL) != (i == 2)) return PML_EPROTO;
    if (!point) point = end;
    if (point == at) return PML_EPROTO;
    part[i] = pml_slice_of(at, (size_t)(point - at));
    at = point + 1;
  }
  return 0;
}

pml_jwt_error pml_jwt_verify(pml_slice text, const pml_jwt_rules *rules, pml_jwt *out) {
  uint8_t bytes[DECODED_MAX], signature[DECODED_MAX];
  pml_slice part[3];
  size_t n, nsignature;
  header h = {0};
  claims c = {0};
  if (text.n > PML_JWT_MAX) return PML_JWT_TOOLONG;
  if (!text.n || split(text, part) != 0 || decode(part[0], bytes, &n) != 0 ||
      decode(part[2], signature, &nsignature) != 0)
    return PML_JWT_FORM;
  pml_jwt_error e = read_header(pml_slice_of(bytes, n), &h);
  if (!e)
    e = check_signature(rules, &h, pml_slice_of(text.p, part[0].n + 1 + part[1].n),
                        pml_slice_of(signature, nsignature));
  header_drop(&h);
  if (e) return e;
  if (decode(part[1], bytes, &n) != 0) return PML_JWT_FORM;
  e = read_claims(rules, pml_slice_of(bytes, n), &c);
  if (!e) e = judge(rules, &c);
  if (e) {
    pml_buf_unref(c.sub);
    return e;
  }
  *out = (pml_jwt){pml_buf_from(bytes, n), c.sub, c.exp};
  return PML_JWT_GOOD;
}

void pml_jwt_drop(pml_jwt *t) {
  pml_buf_unref(t->claims);
  pml_buf_unref(t->sub);
  *t = (pml_jwt){0};
}

int pml_jwt_kid_valid(pml_slice kid) {
  if (!kid.n || kid.n > PML_JWT_KID_MAX) return 0;
  for (size_t i = 0; i < kid.n; i++)
    if (kid.p[i] < 0x20 || kid.p[i] > 0x7e || kid.p[i] == '"' || kid.p[i] == '\\') return 0;
  return 1;
}

static void put(pml_writer *w, const char *text) { pml_writer_put(w, text, strlen(text)); }

int pml_jwt_sign(const pml_jwt_key *key, pml_slice claims_text, pml_buf **out) {
  if (claims_text.n > DECODED_MAX) return PML_ETOOBIG;
  pml_writer head = {0}, w = {0};
  put(&head, "{\"alg\":\"");
  put(&head, pml_sign_key_alg(key->key));
  put(&head, "\",\"typ\":\"JWT\"");
  if (key->kid.p) {
    put(&head, ",\"kid\":\"");
    pml_writer_put(&head, key->kid.p, key->kid.n);
    put(&head, "\"");
  }
  put(&head, "}");
  encode(&w, pml_slice_of(pml_writer_at(&head, 0), head.len));
  pml_writer_drop(&head);
  pml_writer_byte(&w, '.');
  encode(&w, claims_text);
  uint8_t signature[PML_SIGNATURE_MAX];
  size_t n = 0;
  int rc = pml_sign_key_sign(key->key, pml_slice_of(pml_writer_at(&w, 0), w.len), signature, &n);
  if (!rc) {
    pml_writer_byte(&w, '.');
    encode(&w, pml_slice_of(signature, n));
    if (w.len > PML_JWT_MAX) rc = PML_ETOOBIG;
  }
  if (rc) pml_writer_drop(&w);
  else *out = pml_writer_finish(&w);
  return rc;
}
