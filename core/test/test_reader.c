#include "wire/reader.h"

#include "base/err.h"
#include "test/test.h"

#define UPGRADE \
  "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" \
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"

/* The events in their order, as text, and what the hooks answer. */
static char told[1024];
static int stop_opened, stop_piece;

static void tell(const char *what, pml_slice bytes) {
  size_t at = strlen(told);
  snprintf(told + at, sizeof told - at, "%s %.*s;", what, (int)(bytes.n < 40 ? bytes.n : 40),
           bytes.p ? (const char *)bytes.p : "");
}
static int on_opened(int is_ws, void *ud) {
  CHECK(ud == told);
  tell(is_ws ? "opened ws" : "opened", (pml_slice){0});
  return stop_opened;
}
static int on_piece(int kind, pml_slice bytes, int fin, void *ud) {
  static const char *const names[] = {"stream", "text", "binary"};
  char what[16];
  CHECK(ud == told);
  snprintf(what, sizeof what, "%s%s", names[kind], fin ? " fin" : "");
  tell(what, bytes);
  return stop_piece;
}
static int on_reply(pml_buf *block, void *ud) {
  CHECK(ud == told);
  int http = block->len > 12 && memcmp(block->data, "HTTP/1.1", 8) == 0;
  tell("reply", pml_slice_of(block->data + (http ? 9 : 2), http ? 3 : block->len - 2));
  pml_buf_unref(block);
  return 0;
}
static void on_refused(pml_buf *answer, void *ud) {
  CHECK(ud == told);
  tell("refused", pml_slice_of(answer->data + 9, 3));
  pml_buf_unref(answer);
}
static void on_closed(uint16_t code, pml_buf *answer, void *ud) {
  char what[32];
  CHECK(ud == told);
  snprintf(what, sizeof what, "closed %d/%u", code, answer->len);
  tell(what, (pml_slice){0});
  pml_buf_unref(answer);
}

static const pml_reader_hooks hooks = {on_opened, on_piece, on_reply, on_refused,
                                       on_closed, NULL,     NULL};

static int feed(pml_reader *r, const void *p, size_t n) {
  uint8_t *copy = malloc(n ? n : 1);
  memcpy(copy, p, n);
  int rc = pml_reader_feed(r, copy, n, 1000, &hooks, told);
  free(copy);
  return rc;
}

/* n bytes fed to r in pieces of `step`. */
static int feed_by(pml_reader *r, const char *p, size_t n, size_t step) {
  int rc = 0;
  for (size_t i = 0; i < n && !rc; i += step) rc = feed(r, p + i, n - i < step ? n - i : step);
  return rc;
}

static void begin(void) {
  told[0] = 0;
  stop_opened = stop_piece = 0;
}

TEST(reader_first_byte_decides) {
  for (int c = 0; c < 256; c++) {
    pml_reader r = {0};
    uint8_t b = (uint8_t)c;
    begin();
    int rc = feed(&r, &b, 1), package = c >= 1 && c <= 5, http = c >= 'A' && c <= 'Z';
    CHECK_EQ(rc, package || http ? 0 : PML_EPROTO);
    CHECK_EQ(strncmp(told, "opened ;stream ", 15) == 0, package);
    CHECK(package || !told[0]);
    pml_reader_fini(&r);
  }
}

TEST(reader_hands_packages_on_as_a_stream) {
  pml_reader r = {0};
  begin();
  CHECK_EQ(feed(&r, "\4one", 4), 0);
  CHECK_EQ(feed(&r, "GET", 3), 0);
  CHECK_EQ(feed(&r, "", 0), 0);
  CHECK_BYTES(told, strlen(told), "opened ;stream \4one;stream GET;");
  pml_reader_fini(&r);
}

TEST(reader_opens_a_websocket_at_every_cut_and_reads_the_frames_behind) {
  static const char both[] = UPGRADE "\x81\x82\0\0\0\0hi\x82\x80\0\0\0\0";
  for (size_t step = 1; step < sizeof both; step++) {
    pml_reader r = {0};
    begin();
    CHECK_EQ(feed_by(&r, both, sizeof both - 1, step), 0);
    static const char one[] = "reply 101;opened ws ;text fin hi;binary fin ;";
    static const char two[] = "reply 101;opened ws ;text h;text fin i;binary fin ;";
    CHECK(strcmp(told, one) == 0 || strcmp(told, two) == 0);
    pml_reader_fini(&r);
  }
}

TEST(reader_refuses_http_that_opens_no_websocket) {
  pml_reader r = {0};
  begin();
  CHECK_EQ(feed(&r, "GET / HTTP/1.1\r\n\r\nmore", 22), PML_ECLOSED);
  CHECK_BYTES(told, strlen(told), "refused 426;");
  pml_reader_fini(&r);
}

/* A reader whose WebSocket is open. */
static pml_reader opened(void) {
  pml_reader r = {0};
  begin();
  CHECK_EQ(feed(&r, UPGRADE, sizeof UPGRADE - 1), 0);
  begin();
  return r;
}

TEST(reader_answers_pings_and_reports_the_close_frame) {
  pml_reader r = opened();
  CHECK_EQ(feed(&r, "\x89\x84\0\0\0\0ping\x8a\x80\0\0\0\0", 16), 0);
  CHECK_BYTES(told, strlen(told), "reply ping;");
  begin();
  CHECK_EQ(feed(&r, "\x88\x86\0\0\0\0\x0f\xa1gone\x82\x80\0\0\0\0", 18), PML_ECLOSED);
  CHECK_BYTES(told, strlen(told), "closed 4001/4 ;");
  pml_reader_fini(&r);
  r = opened();
  CHECK_EQ(feed(&r, "\x88\x80\0\0\0\0", 6), PML_ECLOSED);
  CHECK_BYTES(told, strlen(told), "closed 1005/2 ;");
  pml_reader_fini(&r);
}

TEST(reader_names_the_close_code_of_an_error) {
  static const struct {
    const char *bytes;
    size_t n;
    int rc, code;
  } bad[] = {
    {"\x82\x01x", 3, PML_EPROTO, PML_WS_PROTOCOL}, /* not masked */
    {"\x81\x81\0\0\0\0\xff", 7, PML_EPROTO, PML_WS_BAD_DATA},
    {"\x82\xfe\x10\0", 4, PML_ETOOBIG, PML_WS_TOO_BIG},
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    pml_reader r = opened();
    CHECK_EQ(feed(&r, bad[i].bytes, bad[i].n), bad[i].rc);
    CHECK_EQ(r.code, bad[i].code);
    CHECK(!told[0]);
    pml_reader_fini(&r);
  }
}

TEST(reader_stops_where_a_hook_says_so) {
  pml_reader r = {0};
  begin();
  stop_opened = PML_ECLOSED;
  CHECK_EQ(feed(&r, "\4x", 2), PML_ECLOSED);
  CHECK_BYTES(told, strlen(told), "opened ;");
  pml_reader_fini(&r);
  r = opened();
  stop_piece = PML_EFULL;
  CHECK_EQ(feed(&r, "\x82\x81\0\0\0\0x\x82\x81\0\0\0\0y", 14), PML_EFULL);
  CHECK_BYTES(told, strlen(told), "binary fin x;");
  pml_reader_fini(&r);
}

/* A frame of the largest length that is allowed, and a request head that never ends. */
TEST(reader_keeps_what_came_and_not_what_was_announced) {
  pml_reader r = {0};
  begin();
  for (int i = 0; i < 16000; i++) CHECK_EQ(feed(&r, "G", 1), 0);
  CHECK(r.in.shake.cap <= PML_WS_HANDSHAKE_HEAD_MAX);
  for (int rc = 0; !rc;) rc = feed(&r, "G", 1);
  CHECK_BYTES(told, strlen(told), "refused 431;");
  pml_reader_fini(&r);
  r = opened();
  CHECK_EQ(feed(&r, "\x82\xfe\x03\xe8\0\0\0\0a", 9), 0);
  CHECK(r.in.frame.ctl == NULL);
  CHECK_BYTES(told, strlen(told), "binary a;");
  pml_reader_fini(&r);
}

TEST(reader_knows_what_is_cut_and_what_it_keeps) {
  pml_reader r = {0};
  told[0] = 0;
  CHECK_EQ(pml_reader_number(&r), 0);
  CHECK_EQ(feed(&r, UPGRADE, 10), 0);
  CHECK(pml_reader_number(&r) != 0);
  CHECK(pml_reader_held(&r) >= 10);
  CHECK_EQ(feed(&r, &UPGRADE[10], strlen(UPGRADE) - 10), 0);
  CHECK_EQ(pml_reader_number(&r), 0);
  CHECK_EQ(pml_reader_held(&r), 0);
  CHECK_EQ(feed(&r, "\x82", 1), 0);
  CHECK(pml_reader_number(&r) != 0);
  pml_reader_fini(&r);
  CHECK_EQ(feed(&r, "\4", 1), 0);
  CHECK_EQ(pml_reader_number(&r), 0); /* packages are not its own */
  pml_reader_fini(&r);
}
