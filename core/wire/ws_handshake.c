#include "wire/ws_handshake.h"

#include "base/err.h"
#include "base/mem.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <strings.h>

#define FIRST_CAP 512u
#define KEY_LEN 24
#define KEY_GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#define PROTOCOL_MAX 256u /* of one subprotocol's name that is echoed */

/* Where the scan of a head stands. */
enum { HEAD_OPEN = 0, HEAD_BAD = -1, HEAD_TOO_BIG = -2 };

/* What of a request decides the answer. The slices borrow the head. */
typedef struct {
  pml_slice method;
  int minor;             /* of HTTP/1.x */
  int upgrade;           /* Upgrade names websocket */
  int connection;        /* Connection names upgrade */
  int versions, version; /* how many Sec-WebSocket-Version; its value, 0: not a good one */
  int keys;
  pml_slice key;
  pml_slice protocol; /* first offered subprotocol */
  int body;           /* a body is announced */
} request;

static int is_token_char(uint8_t c) {
  if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')) return 1;
  return c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

static int is_token(pml_slice s) {
  for (size_t i = 0; i < s.n; i++) {
    if (!is_token_char(s.p[i])) return 0;
  }
  return s.n > 0;
}

static int is_word(pml_slice s, const char *word) {
  return s.n == strlen(word) && strncasecmp((const char *)s.p, word, s.n) == 0;
}

static pml_slice trim(pml_slice s) {
  while (s.n && (s.p[0] == ' ' || s.p[0] == '\t')) s.p++, s.n--;
  while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t')) s.n--;
  return s;
}

/* Takes what stands before the first `by` off *s, and `by` itself; all of it
 * when there is none. 0 when *s is empty. */
static int cut(pml_slice *s, char by, pml_slice *out) {
  if (s->n == 0) return 0;
  const uint8_t *at = memchr(s->p, by, s->n);
  size_t n = at ? (size_t)(at - s->p) : s->n;
  *out = pml_slice_of(s->p, n);
  size_t gone = at ? n + 1 : n;
  s->p += gone;
  s->n -= gone;
  return 1;
}

/* The next element of a comma list that is not empty. */
static int element(pml_slice *list, pml_slice *out) {
  while (cut(list, ',', out)) {
    *out = trim(*out);
    if (out->n) return 1;
  }
  return 0;
}

static int names(pml_slice list, const char *word) {
  pml_slice one;
  while (element(&list, &one)) {
    if (is_word(one, word)) return 1;
  }
  return 0;
}

/* Goes over the bytes from..n of a head. Returns the head's length once its
 * empty line is there, or one of the values above. Line ends are CR LF only,
 * and a byte that no head has ends it at once. */
static int scan(const uint8_t *p, size_t from, size_t n) {
  for (size_t i = from; i < n; i++) {
    if (i >= PML_WS_HANDSHAKE_HEAD_MAX) return HEAD_TOO_BIG;
    uint8_t c = p[i], before = i ? p[i - 1] : 0;
    if ((before == '\r') != (c == '\n')) return HEAD_BAD;
    if ((c < 0x20 && c != '\r' && c != '\n' && c != '\t') || c == 0x7f) return HEAD_BAD;
    if (c == '\n' && i >= 3 && p[i - 2] == '\n') return (int)(i + 1);
  }
  return n < PML_WS_HANDSHAKE_HEAD_MAX ? HEAD_OPEN : HEAD_TOO_BIG;
}

/* The next line without its CR LF. */
static int next_line(pml_slice *in, pml_slice *out) {
  if (!cut(in, '\n', out)) return 0;
  out->n--; /* scan has seen a CR before every LF */
  return 1;
}

static int read_request_line(pml_slice line, request *r) {
  pml_slice target;
  if (!cut(&line, ' ', &r->method) || !is_token(r->method)) return 0;
  if (!cut(&line, ' ', &target) || !target.n || memchr(target.p, '\t', target.n)) return 0;
  if (line.n != 8 || memcmp(line.p, "HTTP/1.", 7) != 0) return 0;
  r->minor = line.p[7] - '0';
  return r->minor >= 0 && r->minor <= 9;
}

static int read_header(pml_slice line, request *r) {
  pml_slice name, value = line;
  if (!memchr(line.p, ':', line.n)) return 0;
  if (!cut(&value, ':', &name) || !is_token(name)) return 0; /* a folded line fails here too */
  value = trim(value);
  if (is_word(name, "Upgrade")) {
    r->upgrade |= names(value, "websocket");
  } else if (is_word(name, "Connection")) {
    r->connection |= names(value, "upgrade");
  } else if (is_word(name, "Sec-WebSocket-Key")) {
    r->keys++;
    r->key = value;
  } else if (is_word(name, "Sec-WebSocket-Version")) {
    r->versions++;
    r->version = is_word(value, "13") ? 13 : is_word(value, "8") ? 8 : 0;
  } else if (is_word(name, "Sec-WebSocket-Protocol")) {
    if (!r->protocol.n && element(&value, &r->protocol) &&
        (!is_token(r->protocol) || r->protocol.n > PROTOCOL_MAX))
      return 0;
  } else if (is_word(name, "Content-Length")) {
    r->body |= !is_word(value, "0");
  } else if (is_word(name, "Transfer-Encoding")) {
    r->body = 1;
  }
  return 1;
}

static int read_request(pml_slice head, request *r) {
  pml_slice line;
  if (!next_line(&head, &line) || !read_request_line(line, r)) return 0;
  while (next_line(&head, &line) && line.n) {
    if (!read_header(line, r)) return 0;
  }
  return 1;
}

/* 16 bytes in base64: 22 digits and two signs of filling. */
static int good_key(pml_slice key) {
  if (key.n != KEY_LEN || key.p[22] != '=' || key.p[23] != '=') return 0;
  for (size_t i = 0; i < 22; i++) {
    uint8_t c = key.p[i];
    if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '+' ||
          c == '/'))
      return 0;
  }
  return 1;
}

static void put(pml_writer *w, const char *text) { pml_writer_put(w, text, strlen(text)); }

/* bare: the answer to HEAD, which has the headers only. */
static void refuse(pml_ws_handshake_result *out, int bare, int status, const char *reason,
                   const char *headers, const char *body) {
  char line[96];
  pml_writer w = {0};
  snprintf(line, sizeof line, "HTTP/1.1 %d %s\r\n", status, reason);
  put(&w, line);
  put(&w, headers);
  snprintf(line, sizeof line, "Content-Length: %zu\r\n", strlen(body));
  put(&w, line);
  put(&w, "Content-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n");
  if (!bare) put(&w, body);
  out->status = status;
  out->answer = pml_writer_finish(&w);
}

static void refuse_bad(pml_ws_handshake_result *out, int bare, const char *why) {
  refuse(out, bare, 400, "Bad Request", "", why);
}

/* RFC 6455 4.2.2, step 5. */
static void accept_key(pml_slice key, pml_slice protocol, pml_ws_handshake_result *out) {
  char text[KEY_LEN + sizeof KEY_GUID];
  unsigned char sum[EVP_MAX_MD_SIZE], accept[64];
  unsigned n = 0;
  memcpy(text, key.p, KEY_LEN);
  memcpy(text + KEY_LEN, KEY_GUID, sizeof KEY_GUID);
  if (!EVP_Digest(text, strlen(text), sum, &n, EVP_sha1(), NULL)) {
    refuse(out, 0, 500, "Internal Server Error", "", "SHA-1 is not available here.\n");
    return;
  }
  EVP_EncodeBlock(accept, sum, (int)n);
  pml_writer w = {0};
  put(&w, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
          "Sec-WebSocket-Accept: ");
  put(&w, (const char *)accept);
  if (protocol.n) {
    put(&w, "\r\nSec-WebSocket-Protocol: ");
    pml_writer_put(&w, protocol.p, protocol.n);
  }
  put(&w, "\r\n\r\n");
  out->status = 101;
  out->answer = pml_writer_finish(&w);
}

/* Host is not asked for: nothing here depends on it, and any Origin is good. */
static void answer(pml_slice head, int bare, pml_ws_handshake_result *out) {
  request r = {0};
  if (!read_request(head, &r)) {
    refuse_bad(out, bare, "This is not an HTTP/1.1 request.\n");
  } else if (!r.upgrade || r.minor == 0) {
    refuse(out, bare, 426, "Upgrade Required", "Upgrade: websocket\r\n",
           "This is the WebSocket and TCP port of a Pomelua server, not a web page.\n");
  } else if (!pml_slice_eq(r.method, pml_slice_str("GET"))) {
    refuse(out, bare, 405, "Method Not Allowed", "Allow: GET\r\n",
           "A WebSocket is opened with GET.\n");
  } else if (!r.connection) {
    refuse_bad(out, bare, "The Connection header does not name Upgrade.\n");
  } else if (r.versions != 1 || !r.version) {
    refuse(out, bare, 400, "Bad Request", "Sec-WebSocket-Version: 13, 8\r\n",
           "The WebSocket versions here are 13 and 8.\n");
  } else if (r.keys != 1 || !good_key(r.key)) {
    refuse_bad(out, bare, "Sec-WebSocket-Key is not 16 bytes in base64.\n");
  } else if (r.body) {
    refuse_bad(out, bare, "A request that opens a WebSocket has no body.\n");
  } else {
    accept_key(r.key, r.protocol, out);
  }
}

static void keep(pml_ws_handshake *h, const uint8_t *bytes, size_t n) {
  uint32_t need = h->have + (uint32_t)n;
  if (need > h->cap) {
    uint32_t cap = h->cap ? h->cap * 2 : FIRST_CAP;
    h->cap = cap < need ? need : cap;
    h->part = pml_realloc(h->part, h->cap);
  }
  if (n) memcpy(h->part + h->have, bytes, n);
  h->have = need;
}

int pml_ws_handshake_feed(pml_ws_handshake *h, const uint8_t *bytes, size_t n,
                          pml_ws_handshake_result *out) {
  const uint8_t *p = bytes;
  size_t before = h->have, total = n;
  if (before) { /* a head fits in PML_WS_HANDSHAKE_HEAD_MAX: no more than that is kept */
    size_t room = PML_WS_HANDSHAKE_HEAD_MAX - before;
    keep(h, bytes, n < room ? n : room);
    p = h->part;
    total = h->have;
  }
  if (total >= 6 && memcmp(p, "PROXY ", 6) == 0) return PML_EPROTO;
  int end = scan(p, before, total);
  if (end == HEAD_OPEN) {
    if (!before) keep(h, bytes, n);
    return PML_EAGAIN;
  }
  pml_ws_handshake_result result = {.used = n};
  int bare = total >= 5 && memcmp(p, "HEAD ", 5) == 0;
  if (end == HEAD_BAD) {
    refuse_bad(&result, bare, "This is not an HTTP/1.1 request.\n");
  } else if (end == HEAD_TOO_BIG) {
    refuse(&result, bare, 431, "Request Header Fields Too Large", "",
           "The request head is too long.\n");
  } else {
    result.used = (size_t)end - before;
    result.head = pml_slice_of(p, (size_t)end);
    answer(result.head, bare, &result);
  }
  *out = result;
  return 0;
}

void pml_ws_handshake_refuse(pml_ws_handshake_result *r, int status) {
  pml_buf_unref(r->answer);
  if (status == 429)
    refuse(r, 0, 429, "Too Many Requests", "", "There are too many connections of this address.\n");
  else refuse(r, 0, 403, "Forbidden", "", "This client may not connect.\n");
}

void pml_ws_handshake_fini(pml_ws_handshake *h) {
  pml_free(h->part);
  memset(h, 0, sizeof *h);
}
