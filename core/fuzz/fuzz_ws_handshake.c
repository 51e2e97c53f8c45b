/* Fed whole and in pieces: the same answer, the same bytes used. An answer is
 * always one whole HTTP head, and 101 only for a request that says websocket. */
#include "base/err.h"
#include "fuzz/chunks.h"
#include "wire/ws_handshake.h"

#include <strings.h>

static void check_answer(const pml_ws_handshake_result *r, const uint8_t *d, size_t n) {
  const pml_buf *a = r->answer;
  char line[16];
  snprintf(line, sizeof line, "HTTP/1.1 %d ", r->status);
  MUST(a->len > strlen(line) && memcmp(a->data, line, strlen(line)) == 0);
  const uint8_t *end = memmem(a->data, a->len, "\r\n\r\n", 4);
  MUST(end != NULL);
  for (const uint8_t *p = a->data; p < end; p++) MUST(*p == '\r' || *p == '\n' || *p >= 0x20);
  if (r->status != 101) return;
  MUST(end + 4 == a->data + a->len);
  MUST(r->used <= n && r->used >= 4 && memcmp(d + r->used - 4, "\r\n\r\n", 4) == 0);
  MUST(memcmp(d, "GET ", 4) == 0);
  int found = 0;
  for (size_t i = 0; i + 9 <= r->used; i++)
    found |= strncasecmp((const char *)d + i, "websocket", 9) == 0;
  MUST(found);
}

int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n) {
  if (n < 1) return 0;
  chunks c = chunks_of(d[0]);
  d++, n--;
  pml_ws_handshake h = {0};
  pml_ws_handshake_result whole = {0}, pieces = {0};
  uint8_t *copy = malloc(n ? n : 1);
  memcpy(copy, d, n);
  int want = pml_ws_handshake_feed(&h, copy, n, &whole);
  free(copy);
  MUST(want == 0 || want == PML_EAGAIN || (want == PML_EPROTO && !memcmp(d, "PROXY ", 6)));
  if (want == 0) check_answer(&whole, d, n);
  pml_ws_handshake_fini(&h);

  int rc = PML_EAGAIN;
  size_t used = 0;
  for (size_t i = 0, k; i < n && rc == PML_EAGAIN; i += k) {
    k = chunks_next(&c, n - i);
    copy = malloc(k);
    memcpy(copy, d + i, k);
    rc = pml_ws_handshake_feed(&h, copy, k, &pieces);
    free(copy);
    MUST(h.cap <= PML_WS_HANDSHAKE_HEAD_MAX * 2);
    used = i + pieces.used;
  }
  MUST(rc == want);
  if (rc == 0) {
    MUST(whole.status == pieces.status);
    MUST(pml_slice_eq(pml_buf_slice(whole.answer), pml_buf_slice(pieces.answer)));
    if (whole.status == 101) MUST(used == whole.used);
  }
  pml_ws_handshake_fini(&h);
  pml_buf_unref(whole.answer);
  pml_buf_unref(pieces.answer);
  return 0;
}
