#include "wire/package.h"

#include "base/err.h"
#include "test/test.h"

typedef struct {
  char text[256]; /* "3: 4:6162 " */
  size_t n;
  int stop_after, rc;
  uint32_t *limit, new_limit; /* set by the first package when limit is there */
  pml_package_parser *ends;   /* freed by the first package when it is there */
  const uint8_t *body;
} heard;

static int on_package(uint8_t type, pml_slice body, void *ud) {
  heard *h = ud;
  h->n += (size_t)snprintf(h->text + h->n, sizeof h->text - h->n, "%d:", type);
  for (size_t i = 0; i < body.n; i++)
    h->n += (size_t)snprintf(h->text + h->n, sizeof h->text - h->n, "%02x", body.p[i]);
  h->n += (size_t)snprintf(h->text + h->n, sizeof h->text - h->n, " ");
  h->body = body.p;
  if (h->limit) *h->limit = h->new_limit;
  if (h->ends) pml_package_fini(h->ends);
  return --h->stop_after == 0 ? h->rc : 0;
}

/* Feeds hex in pieces of `step` bytes; returns the first result that is not 0. */
static int feed(const char *hex, size_t step, uint32_t limit, heard *h) {
  pml_package_parser p = {0};
  uint8_t bytes[512];
  size_t n = test_unhex(hex, bytes);
  int rc = 0;
  for (size_t i = 0; i < n && !rc; i += step)
    rc = pml_package_feed(&p, bytes + i, n - i < step ? n - i : step, &limit, on_package, h);
  pml_package_fini(&p);
  return rc;
}

TEST(package_is_found_whatever_the_pieces) {
  for (size_t step = 1; step <= 14; step++) {
    heard h = {0};
    CHECK_EQ(feed("03000000"
                  "040000026162"
                  "02000000",
                  step, 100, &h),
             0);
    CHECK_BYTES(h.text, h.n, "3: 4:6162 2: ");
  }
}

TEST(package_vectors_are_read) {
  heard h = {0};
  CHECK_EQ(feed("010000027b7d", 100, 100, &h), 0);
  CHECK_EQ(feed("050000117b22726561736f6e223a226b69636b227d", 100, 100, &h), 0);
  CHECK_BYTES(h.text, h.n, "1:7b7d 5:7b22726561736f6e223a226b69636b227d ");
}

TEST(package_vectors_are_written) {
  uint8_t head[PML_PKG_HEAD];
  pml_package_write_head(head, PML_PKG_HEARTBEAT, 0);
  CHECK(test_hex_eq(head, 4, "03000000"));
  pml_package_write_head(head, PML_PKG_ACK, 0);
  CHECK(test_hex_eq(head, 4, "02000000"));
  pml_package_write_head(head, PML_PKG_HANDSHAKE, 2);
  CHECK(test_hex_eq(head, 4, "01000002"));
  pml_package_write_head(head, PML_PKG_KICK, 17);
  CHECK(test_hex_eq(head, 4, "05000011"));
  pml_package_write_head(head, PML_PKG_DATA, PML_PKG_MAX);
  CHECK(test_hex_eq(head, 4, "04ffffff"));
}

TEST(package_of_unknown_type_is_refused_at_its_first_byte) {
  heard h = {0};
  CHECK_EQ(feed("00", 1, 100, &h), PML_EPROTO);
  CHECK_EQ(feed("06", 1, 100, &h), PML_EPROTO);
  CHECK_EQ(feed("4745", 2, 100, &h), PML_EPROTO);
  CHECK_EQ(feed("03000000ff", 1, 100, &h), PML_EPROTO);
  CHECK_BYTES(h.text, h.n, "3: ");
}

TEST(package_above_the_limit_is_refused_at_its_header) {
  heard h = {0};
  for (size_t step = 1; step <= 4; step++) {
    CHECK_EQ(feed("04000003", step, 2, &h), PML_ETOOBIG);
    CHECK_EQ(feed("04000002", step, 2, &h), 0);
    CHECK_EQ(feed("04ffffff", step, PML_PKG_MAX, &h), 0);
  }
  CHECK_EQ(h.n, 0);
}

TEST(package_limit_is_read_anew_for_each_package) {
  pml_package_parser p = {0};
  uint32_t limit = 2;
  heard h = {.limit = &limit, .new_limit = 3};
  uint8_t bytes[32];
  size_t n = test_unhex("010000027b7d"
                        "04000003616263",
                        bytes);
  CHECK_EQ(pml_package_feed(&p, bytes, n, &limit, on_package, &h), 0);
  CHECK_BYTES(h.text, h.n, "1:7b7d 4:616263 ");
  pml_package_fini(&p);
}

TEST(package_feed_stops_when_told) {
  for (size_t step = 1; step <= 12; step++) {
    heard h = {.stop_after = 2, .rc = 7};
    CHECK_EQ(feed("03000000"
                  "03000000"
                  "03000000",
                  step, 100, &h),
             7);
    CHECK_BYTES(h.text, h.n, "3: 3: ");
  }
}

TEST(package_partial_tells_a_cut_package) {
  pml_package_parser p = {0};
  uint32_t limit = 100;
  heard h = {0};
  uint8_t bytes[8];
  size_t n = test_unhex("040000026162", bytes);
  CHECK(!pml_package_partial(&p));
  for (size_t i = 0; i < n; i++) {
    CHECK_EQ(pml_package_feed(&p, bytes + i, 1, &limit, on_package, &h), 0);
    CHECK_EQ(pml_package_partial(&p), i + 1 < n);
  }
  CHECK(p.part == NULL); /* an idle parser keeps no block */
}

TEST(package_cut_packages_have_numbers_of_their_own) {
  pml_package_parser p = {0};
  uint32_t limit = 100;
  heard h = {0};
  uint8_t bytes[16];
  size_t n = test_unhex("0400000261620400000161", bytes);
  CHECK_EQ(pml_package_number(&p), 0);
  CHECK_EQ(pml_package_feed(&p, bytes, 1, &limit, on_package, &h), 0);
  uint32_t first = pml_package_number(&p);
  CHECK(first != 0);
  CHECK_EQ(pml_package_feed(&p, bytes + 1, 4, &limit, on_package, &h), 0);
  CHECK_EQ(pml_package_number(&p), first);
  CHECK_EQ(pml_package_held(&p), 2);
  CHECK_EQ(pml_package_feed(&p, bytes + 5, n - 6, &limit, on_package, &h), 0);
  CHECK(pml_package_number(&p) != 0 && pml_package_number(&p) != first);
  CHECK_EQ(pml_package_feed(&p, bytes + n - 1, 1, &limit, on_package, &h), 0);
  CHECK_EQ(pml_package_number(&p), 0);
  CHECK_EQ(pml_package_held(&p), 0);
}

TEST(package_whole_body_is_reported_in_place) {
  pml_package_parser p = {0};
  uint32_t limit = 100;
  heard h = {0};
  uint8_t bytes[8];
  size_t n = test_unhex("040000026162", bytes);
  CHECK_EQ(pml_package_feed(&p, bytes, n, &limit, on_package, &h), 0);
  CHECK(h.body == bytes + 4);
  CHECK_EQ(pml_package_feed(&p, bytes, 4, &limit, on_package, &h), 0);
  CHECK_EQ(pml_package_feed(&p, bytes + 4, 2, &limit, on_package, &h), 0);
  CHECK(h.body == bytes + 4); /* only the header was cut */
}

TEST(package_block_grows_with_what_arrives) {
  pml_package_parser p = {0};
  uint32_t limit = PML_PKG_MAX;
  heard h = {0};
  uint8_t bytes[] = {4, 0xff, 0xff, 0xff, 'a'};
  CHECK_EQ(pml_package_feed(&p, bytes, sizeof bytes, &limit, on_package, &h), 0);
  CHECK(p.cap <= 1024);
  for (int i = 0; i < 5000; i++)
    CHECK_EQ(pml_package_feed(&p, bytes + 4, 1, &limit, on_package, &h), 0);
  CHECK(p.cap <= 2 * 5001);
  pml_package_fini(&p);
}

TEST(package_hook_may_end_the_parser) {
  for (size_t step = 1; step <= 6; step++) {
    pml_package_parser p = {0};
    uint32_t limit = 100;
    heard h = {.ends = &p, .stop_after = 1, .rc = PML_ECLOSED};
    uint8_t bytes[8];
    size_t n = test_unhex("040000026162", bytes);
    int rc = 0;
    for (size_t i = 0; i < n && !rc; i += step)
      rc = pml_package_feed(&p, bytes + i, n - i < step ? n - i : step, &limit, on_package, &h);
    CHECK_EQ(rc, PML_ECLOSED);
  }
}
