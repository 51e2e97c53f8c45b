/* Fed whole and in pieces: the same events in the same order, pieces of one message counting as
 * one, and the same end. Never more memory than has come. */
#include "base/err.h"
#include "fuzz/chunks.h"
#include "wire/reader.h"

#define FRAME_MAX 300u

typedef struct {
  tape events;
  int opened, ended, kind; /* kind: of the message or stream under way, -1 none */
  unsigned pause;          /* of each so many pieces half is taken only; 0: never */
  unsigned seen;
} run;

static int on_opened(int is_ws, void *ud) {
  run *r = ud;
  MUST(!r->opened && !r->ended);
  r->opened = 1 + is_ws;
  tape_put(&r->events, is_ws ? "W" : "S", 1);
  return 0;
}

static int on_piece(int kind, pml_slice bytes, int fin, void *ud) {
  run *r = ud;
  MUST(r->opened && !r->ended);
  MUST((kind == PML_STREAM) == (r->opened == 1));
  MUST(r->kind < 0 || r->kind == kind);
  MUST(bytes.n || kind != PML_STREAM);
  MUST(!fin || kind != PML_STREAM);
  size_t left = r->pause && ++r->seen % r->pause == 0 ? (bytes.n + 1) / 2 : 0;
  if (left) fin = 0;
  if (r->kind < 0) tape_put(&r->events, &"stb"[kind], 1);
  r->kind = fin ? -1 : kind;
  tape_put(&r->events, bytes.p, bytes.n - left);
  if (fin) tape_put(&r->events, "|", 1);
  return (int)left;
}

static int on_reply(pml_buf *block, void *ud) {
  run *r = ud;
  MUST(!r->ended);
  MUST(block->len <= (r->opened ? 127u : 1024u));
  tape_put(&r->events, block->data, block->len);
  pml_buf_unref(block);
  return 0;
}

static void on_refused(pml_buf *answer, void *ud) {
  run *r = ud;
  MUST(!r->opened && !r->ended);
  r->ended = 1;
  tape_put(&r->events, answer->data, answer->len);
  pml_buf_unref(answer);
}

static void on_closed(uint16_t code, pml_buf *answer, void *ud) {
  run *r = ud;
  MUST(r->opened == 2 && !r->ended && code >= 1000);
  MUST(answer->len == (code == PML_WS_NO_STATUS ? 2u : 4u));
  r->ended = 1;
  tape_put(&r->events, &code, sizeof code);
  pml_buf_unref(answer);
}

static const pml_reader_hooks hooks = {on_opened, on_piece, on_reply, on_refused,
                                       on_closed, NULL,     NULL};

static int feed(pml_reader *p, const uint8_t *d, size_t n, run *r) {
  uint8_t *copy = malloc(n ? n : 1);
  memcpy(copy, d, n);
  int rc = pml_reader_feed(p, copy, n, FRAME_MAX, &hooks, r);
  free(copy);
  MUST((rc > 0 && rc <= (int)n) || rc == 0 || rc == PML_EPROTO || rc == PML_ETOOBIG ||
       rc == PML_ECLOSED);
  MUST((rc == PML_ECLOSED) == r->ended);
  MUST(r->opened || r->ended || p->in.shake.cap <= 2 * PML_WS_HANDSHAKE_HEAD_MAX);
  return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n) {
  if (n < 1) return 0;
  chunks c = chunks_of(d[0]);
  d++, n--;
  pml_reader p = {0}, q = {0};
  run whole = {.kind = -1}, pieces = {.kind = -1};
  int want = feed(&p, d, n, &whole), rc = 0;
  pieces.pause = c.x % 4 + (c.x % 4 > 0); /* 1 would take nothing of the last byte, for ever */
  for (size_t i = 0, k; i < n && !rc; i += k) {
    k = chunks_next(&c, n - i);
    rc = feed(&q, d + i, k, &pieces);
    if (rc > 0) k -= (size_t)rc, rc = 0;
  }
  MUST(rc == want);
  MUST(p.code == q.code);
  if (rc == PML_EPROTO || rc == PML_ETOOBIG) { /* of a bad text more or less was reported before */
    size_t m = whole.events.n < pieces.events.n ? whole.events.n : pieces.events.n;
    MUST(m == 0 || memcmp(whole.events.p, pieces.events.p, m) == 0);
  } else {
    MUST(tape_eq(&whole.events, &pieces.events));
  }
  pml_reader_fini(&p);
  pml_reader_fini(&q);
  free(whole.events.p);
  free(pieces.events.p);
  return 0;
}
