#include "wire/ws_frame.h"

#include "base/err.h"
#include "test/test.h"

#define LIMIT 70000u

typedef struct {
  char text[512]; /* "text Hello. " "bin a b. " "ctl9 x. " */
  size_t n, bytes;
  int messages, empty; /* empty: fragments, not the last of a message */
  uint8_t open;        /* op of the message in the middle */
  int stop;
  pml_ws_frame *ends;
} heard;

static void say(heard *h, const char *format, const void *p, size_t n) {
  size_t room = sizeof h->text - h->n;
  int k = snprintf(h->text + h->n, room, format, (int)n, n ? (const char *)p : "");
  if (k > 0 && (size_t)k < room) h->n += (size_t)k;
}

static int on_data(uint8_t op, pml_slice piece, int fin, void *ud) {
  heard *h = ud;
  if (h->open) CHECK_EQ(h->open, op);
  else say(h, op == PML_WS_TEXT ? "text %.*s" : "bin %.*s", "", 0);
  h->open = fin ? 0 : op;
  h->bytes += piece.n;
  h->empty += !piece.n && !fin;
  if (piece.n < 100) say(h, "%.*s", piece.p, piece.n);
  if (fin) say(h, "%.*s. ", "", 0), h->messages++;
  if (h->ends) pml_ws_frame_fini(h->ends);
  return h->stop;
}

static int on_control(uint8_t op, pml_slice payload, void *ud) {
  heard *h = ud;
  say(h,
      op == PML_WS_PING   ? "<ping %.*s>"
      : op == PML_WS_PONG ? "<pong %.*s>"
                          : "<close %.*s>",
      payload.p, payload.n);
  if (h->ends) pml_ws_frame_fini(h->ends);
  return h->stop;
}

static const pml_ws_frame_hooks hooks = {on_data, on_control};

/* Appends a client's frame, masked, to out; returns the new length. */
static size_t client(uint8_t *out, size_t at, uint8_t first, const void *payload, size_t n) {
  static const uint8_t mask[4] = {0x37, 0xfa, 0x21, 0x3d};
  uint8_t head[10];
  size_t k = pml_ws_frame_write_head(head, 0, 0, n);
  head[0] = first;
  head[1] |= 0x80;
  memcpy(out + at, head, k);
  memcpy(out + at + k, mask, 4);
  for (size_t i = 0; i < n; i++) out[at + k + 4 + i] = ((const uint8_t *)payload)[i] ^ mask[i & 3];
  return at + k + 4 + n;
}

static int feed(pml_ws_frame *p, const uint8_t *bytes, size_t n, size_t step, heard *h) {
  static uint8_t copy[200000]; /* a feed unmasks in place */
  memcpy(copy, bytes, n);
  int rc = 0;
  for (size_t i = 0; i < n && !rc; i += step)
    rc = pml_ws_frame_feed(p, copy + i, n - i < step ? n - i : step, LIMIT, &hooks, h);
  return rc;
}

/* Feeds bytes in pieces of every size, and checks what is heard. */
static void check_text(const uint8_t *bytes, size_t n, const char *want) {
  for (size_t step = 1; step <= n; step++) {
    pml_ws_frame p = {0};
    heard h = {0};
    CHECK_EQ(feed(&p, bytes, n, step, &h), 0);
    CHECK_BYTES(h.text, h.n, want);
    CHECK(p.ctl == NULL);
    pml_ws_frame_fini(&p);
  }
}

static void check_error(const uint8_t *bytes, size_t n, int rc, int code) {
  for (size_t step = 1; step <= n; step++) {
    pml_ws_frame p = {0};
    heard h = {0};
    CHECK_EQ(feed(&p, bytes, n, step, &h), rc);
    CHECK_EQ(p.code, code);
    pml_ws_frame_fini(&p);
  }
}

static void check_hex_error(const char *hex, int rc, int code) {
  uint8_t bytes[256];
  check_error(bytes, test_unhex(hex, bytes), rc, code);
}

TEST(ws_frame_reads_the_masked_hello_of_the_rfc) {
  uint8_t bytes[32];
  size_t n = test_unhex("818537fa213d7f9f4d5158", bytes);
  check_text(bytes, n, "text Hello. ");
}

TEST(ws_frame_reads_fragments_with_a_ping_between) {
  uint8_t b[256];
  size_t n = client(b, 0, PML_WS_BINARY, "one ", 4);
  n = client(b, n, 0x80 | PML_WS_PING, "here?", 5);
  n = client(b, n, PML_WS_CONT, "", 0);
  n = client(b, n, PML_WS_CONT, "two ", 4);
  n = client(b, n, 0x80 | PML_WS_PONG, "", 0);
  n = client(b, n, 0x80 | PML_WS_CONT, "three", 5);
  n = client(b, n, 0x80 | PML_WS_TEXT, "next", 4);
  check_text(b, n, "bin one <ping here?>two <pong >three. text next. ");
}

TEST(ws_frame_reports_empty_messages) {
  uint8_t b[64];
  size_t n = client(b, 0, 0x80 | PML_WS_BINARY, "", 0);
  n = client(b, n, 0x80 | PML_WS_TEXT, "", 0);
  n = client(b, n, PML_WS_TEXT, "", 0);
  n = client(b, n, 0x80 | PML_WS_CONT, "", 0);
  check_text(b, n, "bin . text . text . ");
}

TEST(ws_frame_reports_each_empty_fragment) {
  uint8_t b[64];
  heard h = {0};
  pml_ws_frame p = {0};
  size_t n = client(b, 0, PML_WS_TEXT, "", 0);
  n = client(b, n, PML_WS_CONT, "", 0);
  n = client(b, n, PML_WS_CONT, "ab", 2);
  n = client(b, n, PML_WS_CONT, "", 0);
  n = client(b, n, 0x80 | PML_WS_CONT, "", 0);
  for (size_t i = 0; i < n; i++) CHECK_EQ(pml_ws_frame_feed(&p, b + i, 1, LIMIT, &hooks, &h), 0);
  CHECK_EQ(h.empty, 3);
  CHECK_EQ(h.messages, 1);
  pml_ws_frame_fini(&p);
}

TEST(ws_frame_unmasks_every_length_at_every_cut) {
  uint8_t plain[80], b[128];
  for (size_t i = 0; i < sizeof plain; i++) plain[i] = (uint8_t)('A' + i % 26);
  for (size_t len = 1; len <= sizeof plain; len++) {
    char want[128];
    snprintf(want, sizeof want, "bin %.*s. ", (int)len, (const char *)plain);
    size_t n = client(b, 0, 0x80 | PML_WS_BINARY, plain, len);
    check_text(b, n, want);
  }
}

TEST(ws_frame_reads_both_wide_lengths) {
  static uint8_t big[LIMIT], b[LIMIT + 64];
  memset(big, 'x', sizeof big);
  size_t sizes[] = {125, 126, 127, 65535, 65536, LIMIT}, steps[] = {1, 7, 1000, sizeof b};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    size_t n = client(b, 0, 0x80 | PML_WS_TEXT, big, sizes[i]);
    for (size_t k = 0; k < 4; k++) {
      pml_ws_frame p = {0};
      heard h = {0};
      CHECK_EQ(feed(&p, b, n, steps[k], &h), 0);
      CHECK_EQ(h.bytes, sizes[i]);
      CHECK_EQ(h.messages, 1);
    }
  }
}

TEST(ws_frame_length_needs_not_be_the_shortest_form) {
  uint8_t b[64];
  size_t n = test_unhex("82fe00020000000061"
                        "62",
                        b);
  check_text(b, n, "bin ab. ");
  n = test_unhex("82ff00000000000000020000000061"
                 "62",
                 b);
  check_text(b, n, "bin ab. ");
}

TEST(ws_frame_refuses_what_the_rfc_forbids) {
  check_hex_error("8205", PML_EPROTO, PML_WS_PROTOCOL); /* not masked */
  check_hex_error("c2", PML_EPROTO, PML_WS_PROTOCOL);   /* reserved bits */
  check_hex_error("a2", PML_EPROTO, PML_WS_PROTOCOL);
  check_hex_error("92", PML_EPROTO, PML_WS_PROTOCOL);
  check_hex_error("83", PML_EPROTO, PML_WS_PROTOCOL); /* reserved opcodes */
  check_hex_error("87", PML_EPROTO, PML_WS_PROTOCOL);
  check_hex_error("8b", PML_EPROTO, PML_WS_PROTOCOL);
  check_hex_error("8f", PML_EPROTO, PML_WS_PROTOCOL);
  check_hex_error("09", PML_EPROTO, PML_WS_PROTOCOL);             /* a fragmented ping */
  check_hex_error("89fe", PML_EPROTO, PML_WS_PROTOCOL);           /* a ping of 126 bytes */
  check_hex_error("80", PML_EPROTO, PML_WS_PROTOCOL);             /* nothing to continue */
  check_hex_error("02800000000082", PML_EPROTO, PML_WS_PROTOCOL); /* another inside of one */
  check_hex_error("82ff80", PML_ETOOBIG, PML_WS_PROTOCOL);        /* top bit of the length */
}

TEST(ws_frame_refuses_a_length_above_the_limit_before_its_bytes) {
  check_hex_error("82ff0000000000011171", PML_ETOOBIG, PML_WS_TOO_BIG); /* LIMIT + 1 */
  check_hex_error("82ff7fffffffffffffff", PML_ETOOBIG, PML_WS_TOO_BIG);
}

static void check_utf8(const char *one, const char *two, int rc) {
  uint8_t b[64];
  size_t n = client(b, 0, PML_WS_TEXT, one, strlen(one));
  n = client(b, n, 0x80 | PML_WS_CONT, two, strlen(two));
  if (rc) {
    check_error(b, n, rc, PML_WS_BAD_DATA);
    return;
  }
  char want[64];
  snprintf(want, sizeof want, "text %s%s. ", one, two);
  check_text(b, n, want);
}

TEST(ws_frame_checks_text_across_fragments) {
  check_utf8("\xf0\x9f", "\x98\x80", 0);
  check_utf8("gr\xc3", "\xbc\xc3\x9f", 0);
  check_utf8("gr\xc3", "x", PML_EPROTO);
  check_utf8("gr\xc3", "", PML_EPROTO);
  check_utf8("\xed\xa0\x80", "", PML_EPROTO);
}

TEST(ws_frame_fails_at_the_first_bad_byte_of_a_text) {
  uint8_t b[64];
  size_t n = client(b, 0, 0x80 | PML_WS_TEXT, "ab\xff rest that never comes", 26);
  check_error(b, n - 20, PML_EPROTO, PML_WS_BAD_DATA);
  n = client(b, 0, 0x80 | PML_WS_BINARY, "\xff\xfe", 2);
  check_text(b, n, "bin \xff\xfe. ");
}

static int close_with(unsigned code, const char *reason, uint16_t *out) {
  uint8_t payload[128] = {(uint8_t)(code >> 8), (uint8_t)code}, b[160];
  size_t n = strlen(reason);
  memcpy(payload + 2, reason, n);
  n = client(b, 0, 0x80 | PML_WS_CLOSE, payload, n + 2);
  pml_ws_frame p = {0};
  heard h = {0};
  int rc = feed(&p, b, n, n, &h);
  *out = p.code;
  CHECK_EQ(rc == 0, h.n > 0);
  return rc;
}

TEST(ws_frame_accepts_only_close_codes_that_may_travel) {
  uint16_t code;
  for (unsigned c = 0; c < 6000; c++) {
    int ok = (c >= 1000 && c <= 1003) || (c >= 1007 && c <= 1014) || (c >= 3000 && c <= 4999);
    CHECK_EQ(close_with(c, "bye", &code), ok ? 0 : PML_EPROTO);
    if (!ok) CHECK_EQ(code, PML_WS_PROTOCOL);
  }
  CHECK_EQ(close_with(1000, "gr\xc3\xbc", &code), 0);
  CHECK_EQ(close_with(1000, "gr\xc3", &code), PML_EPROTO);
  CHECK_EQ(code, PML_WS_BAD_DATA);
}

TEST(ws_frame_close_has_no_payload_or_at_least_two_bytes) {
  uint8_t b[32];
  check_text(b, client(b, 0, 0x80 | PML_WS_CLOSE, "", 0), "<close >");
  check_error(b, client(b, 0, 0x80 | PML_WS_CLOSE, "x", 1), PML_EPROTO, PML_WS_PROTOCOL);
}

TEST(ws_frame_control_payload_may_be_125_bytes_in_any_pieces) {
  uint8_t b[256], payload[125];
  char want[160];
  memset(payload, 'p', sizeof payload);
  snprintf(want, sizeof want, "<ping %.*s>", 125, (const char *)payload);
  check_text(b, client(b, 0, 0x80 | PML_WS_PING, payload, 125), want);
}

TEST(ws_frame_hook_may_stop_the_feed_and_end_the_parser) {
  uint8_t b[64];
  size_t n = client(b, 0, 0x80 | PML_WS_PING, "x", 1);
  n = client(b, n, 0x80 | PML_WS_BINARY, "y", 1);
  for (size_t step = 1; step <= n; step++) {
    pml_ws_frame p = {0};
    heard h = {.stop = PML_ECLOSED, .ends = &p};
    CHECK_EQ(feed(&p, b, n, step, &h), PML_ECLOSED);
    CHECK_BYTES(h.text, h.n, "<ping x>");
  }
}

TEST(ws_frame_server_headers_are_the_shortest_and_not_masked) {
  uint8_t h[10];
  CHECK_EQ(pml_ws_frame_write_head(h, PML_WS_BINARY, 1, 125), 2);
  CHECK(test_hex_eq(h, 2, "827d"));
  CHECK_EQ(pml_ws_frame_write_head(h, PML_WS_TEXT, 0, 126), 4);
  CHECK(test_hex_eq(h, 4, "017e007e"));
  CHECK_EQ(pml_ws_frame_write_head(h, PML_WS_BINARY, 1, 65535), 4);
  CHECK(test_hex_eq(h, 4, "827effff"));
  CHECK_EQ(pml_ws_frame_write_head(h, PML_WS_BINARY, 1, 65536), 10);
  CHECK(test_hex_eq(h, 10, "827f0000000000010000"));
}

static void check_buf(pml_buf *b, const char *hex) {
  CHECK(test_hex_eq(b->data, b->len, hex));
  pml_buf_unref(b);
}

TEST(ws_frame_control_frames_are_written) {
  check_buf(pml_ws_frame_control(PML_WS_PONG, "ab", 2), "8a026162");
  check_buf(pml_ws_frame_control(PML_WS_PING, NULL, 0), "8900");
  check_buf(pml_ws_frame_close(PML_WS_NORMAL, NULL), "880203e8");
  check_buf(pml_ws_frame_close(PML_WS_PROTOCOL, "no"), "880403ea6e6f");
  check_buf(pml_ws_frame_close(PML_WS_NO_STATUS, "never sent"), "8800");
}

TEST(ws_frame_close_reason_is_cut_between_characters) {
  char reason[200];
  memset(reason, 'r', sizeof reason);
  strcpy(reason + 122, "\xc3\xbc and more");
  pml_buf *b = pml_ws_frame_close(PML_WS_POLICY, reason);
  CHECK_EQ(b->len, 2 + 2 + 122);
  pml_buf_unref(b);
  memset(reason, 'r', 150);
  reason[150] = '\0';
  b = pml_ws_frame_close(PML_WS_POLICY, reason);
  CHECK_EQ(b->len, 2 + 125);
  pml_buf_unref(b);
}

TEST(ws_frame_what_is_cut_has_a_number_of_its_own) {
  pml_ws_frame p = {0};
  heard h = {0};
  uint8_t b[64];
  size_t one = client(b, 0, 2, "ab", 2);        /* a fragment */
  size_t two = client(b, one, 0x89, "x", 1);    /* a ping */
  size_t three = client(b, two, 0x80, "c", 1);  /* the message ends */
  size_t four = client(b, three, 0x8a, "y", 1); /* a pong */
  size_t five = client(b, four, 0x82, "z", 1);
  CHECK_EQ(pml_ws_frame_number(&p), 0);
  uint32_t first = 0, last = 0;
  for (size_t i = 0; i < five; i++) {
    CHECK_EQ(feed(&p, b + i, 1, 1, &h), 0);
    uint32_t now = pml_ws_frame_number(&p);
    if (i == 0) first = now;
    if (i + 1 < three) CHECK(now && now == first);
    else if (i + 1 == three || i + 1 == four || i + 1 == five) CHECK_EQ(now, 0);
    else CHECK(now && now != first);
    if (i + 1 == four - 1) last = now;
    if (i == four) CHECK(now != last);
  }
}
