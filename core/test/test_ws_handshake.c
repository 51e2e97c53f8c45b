#include "wire/ws_handshake.h"

#include "base/err.h"
#include "test/test.h"

#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define UPGRADE "Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"
#define GET "GET /chat HTTP/1.1\r\nHost: server.example.com\r\n"

static char last[1024]; /* the answer of the last ask */

/* Feeds the text in pieces; returns the status, 0 when more is wanted. */
static int ask_in(const char *text, size_t n, size_t step, size_t *used) {
  pml_ws_handshake h = {0};
  pml_ws_handshake_result r;
  last[0] = '\0';
  for (size_t i = 0; i < n; i += step) {
    size_t k = n - i < step ? n - i : step;
    int rc = pml_ws_handshake_feed(&h, (const uint8_t *)text + i, k, &r);
    if (rc == PML_EAGAIN) continue;
    CHECK_EQ(rc, 0);
    pml_ws_handshake_fini(&h);
    snprintf(last, sizeof last, "%.*s", (int)r.answer->len, (const char *)r.answer->data);
    pml_buf_unref(r.answer);
    if (used) *used = i + r.used;
    return r.status;
  }
  pml_ws_handshake_fini(&h);
  return 0;
}

/* The answer is the same whatever the pieces. */
static int ask(const char *text) {
  char whole[sizeof last];
  size_t n = strlen(text);
  int status = ask_in(text, n, n, NULL);
  strcpy(whole, last);
  for (size_t step = 1; step < n; step = step < 4 ? step + 1 : step * 2) {
    CHECK_EQ(ask_in(text, n, step, NULL), status);
    CHECK(strcmp(whole, last) == 0);
  }
  return status;
}

static int says(const char *what) { return strstr(last, what) != NULL; }

TEST(ws_handshake_answers_the_handshake_of_the_rfc) {
  CHECK_EQ(ask(GET UPGRADE KEY "Origin: http://example.com\r\n" VERSION "\r\n"), 101);
  CHECK(strcmp(last, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                     "Connection: Upgrade\r\n"
                     "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n") == 0);
}

TEST(ws_handshake_echoes_the_first_subprotocol) {
  CHECK_EQ(ask(GET UPGRADE KEY VERSION "Sec-WebSocket-Protocol: , chat.v2 , superchat\r\n"
                                       "Sec-WebSocket-Protocol: third\r\n\r\n"),
           101);
  CHECK(says("\r\nSec-WebSocket-Protocol: chat.v2\r\n\r\n"));
  CHECK_EQ(ask(GET UPGRADE KEY VERSION "Sec-WebSocket-Protocol: a b\r\n\r\n"), 400);
}

TEST(ws_handshake_accepts_no_extension) {
  CHECK_EQ(ask(GET UPGRADE KEY VERSION "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"),
           101);
  CHECK(!says("Extensions"));
}

TEST(ws_handshake_reads_names_and_tokens_in_any_case_and_in_lists) {
  CHECK_EQ(ask("GET / HTTP/1.1\r\nupgrade: h2c,\tWebSocket\r\nCONNECTION:keep-alive , uPGRADE\r\n"
               "sec-websocket-key:dGhlIHNhbXBsZSBub25jZQ==  \r\nsec-websocket-version:13\r\n\r\n"),
           101);
  CHECK_EQ(ask("GET / HTTP/1.1\r\nUpgrade: h2c\r\nUpgrade: websocket\r\nConnection: keep-alive\r\n"
               "Connection: upgrade\r\n" KEY VERSION "\r\n"),
           101);
}

TEST(ws_handshake_leaves_the_frames_behind_the_head) {
  const char *text = GET UPGRADE KEY VERSION "\r\n\x81\x85";
  size_t n = strlen(text), used = 0;
  for (size_t step = 1; step <= n; step++) {
    CHECK_EQ(ask_in(text, n, step, &used), 101);
    CHECK_EQ(used, n - 2);
  }
}

TEST(ws_handshake_waits_for_the_empty_line) {
  CHECK_EQ(ask("G"), 0);
  CHECK_EQ(ask(GET UPGRADE KEY VERSION), 0);
  CHECK_EQ(ask(GET UPGRADE KEY VERSION "\r"), 0);
}

TEST(ws_handshake_speaks_versions_8_and_13) {
  CHECK_EQ(ask(GET UPGRADE KEY "Sec-WebSocket-Version: 8\r\n\r\n"), 101);
  CHECK_EQ(ask(GET UPGRADE KEY "Sec-WebSocket-Version: 7\r\n\r\n"), 400);
  CHECK(says("\r\nSec-WebSocket-Version: 13, 8\r\n"));
  CHECK_EQ(ask(GET UPGRADE KEY "\r\n"), 400);
  CHECK(says("\r\nSec-WebSocket-Version: 13, 8\r\n"));
  CHECK_EQ(ask(GET UPGRADE KEY "Sec-WebSocket-Version: 013\r\n\r\n"), 400);
  CHECK_EQ(ask(GET UPGRADE KEY VERSION VERSION "\r\n"), 400);
}

TEST(ws_handshake_key_is_16_bytes_in_base64_once) {
  CHECK_EQ(ask(GET UPGRADE VERSION "\r\n"), 400);
  CHECK_EQ(ask(GET UPGRADE VERSION KEY KEY "\r\n"), 400);
  CHECK_EQ(ask(GET UPGRADE VERSION "Sec-WebSocket-Key:\r\n\r\n"), 400);
  CHECK_EQ(ask(GET UPGRADE VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j\r\n\r\n"), 400);
  CHECK_EQ(ask(GET UPGRADE VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQQ=\r\n\r\n"), 400);
  CHECK_EQ(ask(GET UPGRADE VERSION "Sec-WebSocket-Key: dGhlIHNhb*BsZSBub25jZQ==\r\n\r\n"), 400);
  CHECK_EQ(ask(GET UPGRADE VERSION "Sec-WebSocket-Key: dGhlIHNhb=BsZSBub25jZQ==\r\n\r\n"), 400);
}

TEST(ws_handshake_needs_the_connection_header) {
  CHECK_EQ(ask(GET "Upgrade: websocket\r\n" KEY VERSION "\r\n"), 400);
  CHECK_EQ(ask(GET "Upgrade: websocket\r\nConnection: close\r\n" KEY VERSION "\r\n"), 400);
}

TEST(ws_handshake_tells_plain_http_what_this_port_is) {
  CHECK_EQ(ask(GET "\r\n"), 426);
  CHECK(says("HTTP/1.1 426 Upgrade Required\r\n"));
  CHECK(says("\r\nUpgrade: websocket\r\n"));
  CHECK(says("\r\nConnection: close\r\n"));
  char *body = strstr(last, "\r\n\r\n");
  char length[64];
  CHECK(body && strlen(body) > 4 && strstr(body, "Pomelua"));
  snprintf(length, sizeof length, "\r\nContent-Length: %zu\r\n", strlen(body) - 4);
  CHECK(says(length));
  CHECK_EQ(ask(GET "Upgrade: h2c\r\nConnection: Upgrade\r\n\r\n"), 426);
  CHECK_EQ(ask("GET / HTTP/1.0\r\n" UPGRADE KEY VERSION "\r\n"), 426);
  CHECK_EQ(ask("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\na=b"), 426);
}

TEST(ws_handshake_answers_head_without_a_body) {
  CHECK_EQ(ask("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n"), 426);
  CHECK(says("\r\nContent-Length: "));
  CHECK(strcmp(last + strlen(last) - 4, "\r\n\r\n") == 0);
}

TEST(ws_handshake_is_opened_with_get_only) {
  CHECK_EQ(ask("POST / HTTP/1.1\r\n" UPGRADE KEY VERSION "\r\n"), 405);
  CHECK(says("\r\nAllow: GET\r\n"));
  CHECK_EQ(ask("get / HTTP/1.1\r\n" UPGRADE KEY VERSION "\r\n"), 405);
}

TEST(ws_handshake_takes_no_body) {
  CHECK_EQ(ask(GET UPGRADE KEY VERSION "Content-Length: 0\r\n\r\n"), 101);
  CHECK_EQ(ask(GET UPGRADE KEY VERSION "Content-Length: 5\r\n\r\n"), 400);
  CHECK_EQ(ask(GET UPGRADE KEY VERSION "Transfer-Encoding: chunked\r\n\r\n"), 400);
}

TEST(ws_handshake_refuses_what_is_not_http) {
  CHECK_EQ(ask("GET\r\n\r\n"), 400);
  CHECK_EQ(ask("GET /\r\n\r\n"), 400);
  CHECK_EQ(ask("GET  HTTP/1.1\r\n\r\n"), 400);
  CHECK_EQ(ask("GET / / HTTP/1.1\r\n\r\n"), 400);
  CHECK_EQ(ask("GET / HTTP/2.0\r\n\r\n"), 400);
  CHECK_EQ(ask("GET / HTTP/1.x\r\n\r\n"), 400);
  CHECK_EQ(ask("G{}T / HTTP/1.1\r\n\r\n"), 400);
  CHECK_EQ(ask("\r\n\r\n"), 400);
  CHECK_EQ(ask(GET "no colon\r\n\r\n"), 400);
  CHECK_EQ(ask(GET ": no name\r\n\r\n"), 400);
  CHECK_EQ(ask(GET "Name : space\r\n\r\n"), 400);
  CHECK_EQ(ask(GET "A: b\r\n folded\r\n\r\n"), 400);
  CHECK_EQ(ask("GET / HTTP/1.1\n"), 400); /* at once: no line ends so */
  CHECK_EQ(ask("GET / HTTP/1.1\rX"), 400);
  CHECK_EQ(ask("GET /\x01"), 400);
  CHECK_EQ(ask_in("GET /\0", 6, 6, NULL), 400);
}

TEST(ws_handshake_head_has_a_limit) {
  static char text[PML_WS_HANDSHAKE_HEAD_MAX + 64];
  const char *start = GET UPGRADE KEY VERSION "X: ";
  memset(text, 'a', sizeof text);
  memcpy(text, start, strlen(start));
  memcpy(text + PML_WS_HANDSHAKE_HEAD_MAX - 4, "\r\n\r\n", 5);
  CHECK_EQ(ask(text), 101);
  text[PML_WS_HANDSHAKE_HEAD_MAX - 4] = 'a';
  memcpy(text + PML_WS_HANDSHAKE_HEAD_MAX - 3, "\r\n\r\n", 5);
  CHECK_EQ(ask(text), 431);
  memset(text + 200, 'a', sizeof text - 201);
  text[sizeof text - 1] = '\0';
  CHECK_EQ(ask(text), 431);
  CHECK_EQ(ask_in(text, PML_WS_HANDSHAKE_HEAD_MAX - 1, 100, NULL), 0);
}
