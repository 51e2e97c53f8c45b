#include "wire/message.h"

#include "base/err.h"
#include "test/test.h"

static int read_hex(const char *hex, pml_message_view *m, uint8_t bytes[512]) {
  return pml_message_read(pml_slice_of(bytes, test_unhex(hex, bytes)), m);
}

static int refuses(const char *hex) {
  uint8_t bytes[512];
  pml_message_view m = {.type = 99};
  int rc = read_hex(hex, &m, bytes);
  CHECK_EQ(m.type, 99); /* untouched on failure */
  return rc == PML_EPROTO;
}

typedef struct {
  const char *hex;
  int type, compressed, gzip;
  uint32_t id;
  uint16_t code;
  const char *route, *body;
} vector;

static const vector vectors[] = {
  {"000105612e622e637b7d", PML_MSG_REQUEST, 0, 0, 1, 0, "a.b.c", "{}"},
  {"01800100057b7d", PML_MSG_REQUEST, 1, 0, 128, 5, "", "{}"},
  {"0205612e622e637b7d", PML_MSG_NOTIFY, 0, 0, 0, 0, "a.b.c", "{}"},
  {"04017b7d", PML_MSG_RESPONSE, 0, 0, 1, 0, "", "{}"},
  {"07012c7b7d", PML_MSG_PUSH, 1, 0, 0, 300, "", "{}"},
  {"16036f6e587b7d", PML_MSG_PUSH, 0, 1, 0, 0, "onX", "{}"},
  {"000000", PML_MSG_REQUEST, 0, 0, 0, 0, "", ""},
  {"030005", PML_MSG_NOTIFY, 1, 0, 0, 5, "", ""},
  {"00ffffffff0700", PML_MSG_REQUEST, 0, 0, PML_MSG_ID_MAX, 0, "", ""},
};
#define VECTORS (sizeof vectors / sizeof *vectors)

TEST(message_vectors_are_read) {
  for (size_t i = 0; i < VECTORS; i++) {
    const vector *v = &vectors[i];
    uint8_t bytes[512];
    pml_message_view m;
    CHECK_EQ(read_hex(v->hex, &m, bytes), 0);
    CHECK_EQ(m.type, v->type);
    CHECK_EQ(m.compressed, v->compressed);
    CHECK_EQ(m.gzip, v->gzip);
    CHECK_EQ(m.id, v->id);
    CHECK_EQ(m.code, v->code);
    CHECK_BYTES(m.route.p, m.route.n, v->route);
    CHECK_BYTES(m.body.p, m.body.n, v->body);
  }
}

TEST(message_vectors_are_written) {
  for (size_t i = 0; i < VECTORS; i++) {
    const vector *v = &vectors[i];
    pml_writer w = {0};
    pml_message_view m = {
      .type = (uint8_t)v->type,
      .compressed = (uint8_t)v->compressed,
      .gzip = (uint8_t)v->gzip,
      .id = v->id,
      .code = v->code,
      .route = pml_slice_str(v->route),
    };
    CHECK_EQ(pml_message_write_head(&w, &m), 0);
    pml_writer_put(&w, v->body, strlen(v->body));
    pml_buf *b = pml_writer_finish(&w);
    CHECK(test_hex_eq(b->data, b->len, v->hex));
    pml_buf_unref(b);
  }
}

TEST(message_id_is_at_most_31_bits_in_5_bytes) {
  uint8_t bytes[512];
  pml_message_view m;
  CHECK(refuses("00ffffffff0f0161")); /* -1 to Pomelo */
  CHECK(refuses("00808080800800"));   /* 2^31 */
  CHECK(refuses("0080808080800100")); /* a sixth byte */
  CHECK(refuses("04808080808000"));
  CHECK_EQ(read_hex("00818080800000", &m, bytes), 0); /* long form of 1 */
  CHECK_EQ(m.id, 1);
}

TEST(message_cut_anywhere_is_refused) {
  CHECK(refuses(""));
  CHECK(refuses("00"));
  CHECK(refuses("0080"));
  CHECK(refuses("0001"));
  CHECK(refuses("000105"));
  CHECK(refuses("000105612e622e"));
  CHECK(refuses("010100"));
  CHECK(refuses("02"));
  CHECK(refuses("0300"));
  CHECK(refuses("04"));
  CHECK(refuses("04ff"));
  CHECK(refuses("06"));
  CHECK(refuses("07"));
}

TEST(message_response_and_unknown_types_have_no_route) {
  uint8_t bytes[512];
  pml_message_view m;
  CHECK_EQ(read_hex("050141", &m, bytes), 0);
  CHECK_EQ(m.type, PML_MSG_RESPONSE);
  CHECK_EQ(m.compressed, 0);
  CHECK_BYTES(m.body.p, m.body.n, "A");
  for (int type = 4; type <= 7; type++) {
    char hex[16];
    snprintf(hex, sizeof hex, "%02x41", type << 1 | 1);
    CHECK_EQ(read_hex(hex, &m, bytes), 0);
    CHECK_EQ(m.type, type);
    CHECK_EQ(m.id, 0);
    CHECK_EQ(m.route.n, 0);
    CHECK_BYTES(m.body.p, m.body.n, "A");
  }
  CHECK_EQ(read_hex("e4017b7d", &m, bytes), 0); /* bits 5..7 say nothing */
  CHECK_EQ(m.type, PML_MSG_RESPONSE);
}

TEST(message_route_has_at_most_255_bytes) {
  char route[256];
  memset(route, 'r', sizeof route);
  pml_writer w = {0};
  pml_message_view m = {.type = PML_MSG_PUSH, .route = pml_slice_of(route, 256)};
  CHECK_EQ(pml_message_write_head(&w, &m), PML_ETOOBIG);
  CHECK_EQ(w.len, 0);
  m.route.n = 255;
  CHECK_EQ(pml_message_write_head(&w, &m), 0);
  pml_buf *b = pml_writer_finish(&w);
  CHECK_EQ(b->len, 257);
  CHECK_EQ(pml_message_read(pml_buf_slice(b), &m), 0);
  CHECK_EQ(m.route.n, 255);
  CHECK_EQ(m.body.n, 0);
  pml_buf_unref(b);
}

TEST(message_head_with_too_great_an_id_is_not_written) {
  pml_writer w = {0};
  pml_message_view m = {.type = PML_MSG_RESPONSE, .id = PML_MSG_ID_MAX + 1u};
  CHECK_EQ(pml_message_write_head(&w, &m), PML_EINVAL);
  CHECK_EQ(w.len, 0);
}
