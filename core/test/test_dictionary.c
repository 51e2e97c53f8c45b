#include "wire/dictionary.h"

#include "base/err.h"
#include "base/mem.h"
#include "test/test.h"

#include <pthread.h>

typedef struct {
  const char *route;
  uint16_t code;
} row;

static pml_dictionary *of(const row *rows, size_t n) {
  pml_dictionary_pair pairs[16];
  pml_dictionary *d = NULL;
  for (size_t i = 0; i < n; i++)
    pairs[i] = (pml_dictionary_pair){pml_slice_str(rows[i].route), rows[i].code};
  CHECK_EQ(pml_dictionary_new(pairs, n, &d), 0);
  return d;
}

/* The vector of protocol 25.4. */
static const row vector[] = {
  {"chat.renamed.Zed", 1},
  {"chat.renamed.send", 2},
  {"connector.entryHandler._private", 3},
  {"connector.entryHandler.enter", 4},
  {"connector.entryHandler.entry", 5},
  {"connector.entryHandler.fnprop", 6},
  {"onChat", 7},
  {"onAdd", 8},
  {"chat.renamed.send", 9},
};

static uint16_t code(const pml_dictionary *d, const char *route) {
  return pml_dictionary_code(d, pml_slice_str(route));
}

static int route_is(const pml_dictionary *d, uint16_t c, const char *want) {
  return pml_slice_eq(pml_dictionary_route(d, c), pml_slice_str(want));
}

TEST(dictionary_vector_of_the_protocol) {
  pml_dictionary *d = of(vector, 9);
  CHECK_STR(pml_dictionary_version(d), "qGvl+3Dapp/FjaRKE9tv+g==");
  CHECK_EQ(pml_dictionary_count(d), 9);
  CHECK_EQ(code(d, "chat.renamed.Zed"), 1);
  CHECK_EQ(code(d, "chat.renamed.send"), 9); /* the last number is the one that is sent */
  CHECK_EQ(code(d, "onAdd"), 8);
  CHECK_EQ(code(d, "onad"), 0);
  CHECK_EQ(code(d, ""), 0);
  CHECK(route_is(d, 2, "chat.renamed.send")); /* and both are understood */
  CHECK(route_is(d, 9, "chat.renamed.send"));
  CHECK(route_is(d, 7, "onChat"));
  CHECK(pml_dictionary_route(d, 0).p == NULL);
  CHECK(pml_dictionary_route(d, 10).p == NULL);
  CHECK(pml_dictionary_route(d, 65535).p == NULL);
  pml_dictionary_unref(d);
}

TEST(dictionary_fields_of_a_handshake) {
  static const row rows[] = {{"a.b.c", 3}, {"say \"\\\xf0\x9f\x98\x80", 1}, {"a.b.c", 4}};
  pml_dictionary *d = of(rows, 3);
  pml_writer w = {0};
  pml_dictionary_put_fields(d, &w);
  pml_buf *b = pml_writer_finish(&w);
  CHECK_BYTES(b->data, b->len,
              "\"dict\":{\"a.b.c\":4,\"say \\\"\\\\\\ud83d\\ude00\":1},"
              "\"routeToCode\":{\"a.b.c\":4,\"say \\\"\\\\\\ud83d\\ude00\":1},"
              "\"codeToRoute\":{\"1\":\"say \\\"\\\\\\ud83d\\ude00\",\"3\":\"a.b.c\","
              "\"4\":\"a.b.c\"},\"dictVersion\":\"D+xYe6UnU7D3KxP48mLq0Q==\"");
  pml_buf_unref(b);
  pml_dictionary_unref(d);
}

TEST(dictionary_numbers_as_names_stand_first_as_in_javascript) {
  static const row rows[] = {{"b", 1}, {"10", 2}, {"9", 3}, {"01", 4}, {"4294967295", 5}};
  pml_dictionary *d = of(rows, 5);
  pml_writer w = {0};
  pml_dictionary_put_fields(d, &w);
  pml_buf *b = pml_writer_finish(&w);
  static const char want[] = "\"dict\":{\"9\":3,\"10\":2,\"b\":1,\"01\":4,\"4294967295\":5}";
  CHECK(b->len > sizeof want);
  CHECK_BYTES(b->data, sizeof want - 1, want);
  pml_buf_unref(b);
  pml_dictionary_unref(d);
}

TEST(dictionary_of_nothing) {
  pml_dictionary *d = of(vector, 0);
  CHECK_STR(pml_dictionary_version(d), "mZFLkyvTelC5g8XnyQrpOw=="); /* of {} */
  CHECK_EQ(code(d, "a"), 0);
  CHECK(pml_dictionary_route(d, 1).p == NULL);
  pml_dictionary_unref(d);
  pml_dictionary_unref(NULL);
  CHECK(pml_dictionary_ref(NULL) == NULL);
}

static int refused(const char *route, size_t n, uint16_t c, uint16_t second) {
  pml_dictionary_pair pairs[2] = {{pml_slice_of(route, n), c}, {pml_slice_str("x"), second}};
  pml_dictionary *d = NULL;
  int rc = pml_dictionary_new(pairs, 2, &d);
  CHECK(d == NULL);
  return rc;
}

TEST(dictionary_refuses_what_cannot_be_sent) {
  char longer[256];
  memset(longer, 'r', sizeof longer);
  CHECK_EQ(refused(longer, 256, 1, 2), PML_ETOOBIG);
  CHECK_EQ(refused("", 0, 1, 2), PML_EINVAL);
  CHECK_EQ(refused("\xff", 1, 1, 2), PML_EINVAL);
  CHECK_EQ(refused("a", 1, 0, 2), PML_EINVAL);
  CHECK_EQ(refused("a", 1, 2, 2), PML_EEXIST);
}

TEST(dictionary_holds_65535_routes_and_not_one_more) {
  size_t n = PML_DICTIONARY_MAX + 1;
  char *text = pml_alloc(n * 8);
  pml_dictionary_pair *pairs = pml_alloc(n * sizeof *pairs);
  for (size_t i = 0; i < n; i++) {
    int len = snprintf(text + i * 8, 8, "r%zu", i + 1);
    pairs[i] = (pml_dictionary_pair){pml_slice_of(text + i * 8, (size_t)len), (uint16_t)(i + 1)};
  }
  pml_dictionary *d = NULL;
  CHECK_EQ(pml_dictionary_new(pairs, n, &d), PML_ETOOBIG);
  CHECK(d == NULL);
  CHECK_EQ(pml_dictionary_new(pairs, n - 1, &d), 0);
  memset(text, 0, n * 8); /* it keeps its own copy */
  for (unsigned i = 1; i < n; i++) {
    char route[8];
    snprintf(route, sizeof route, "r%u", i);
    CHECK_EQ(code(d, route), i);
    CHECK(route_is(d, (uint16_t)i, route));
  }
  pml_dictionary_unref(d);
  pml_free(pairs);
  pml_free(text);
}

static void *reads(void *ud) {
  pml_dictionary *d = ud;
  for (int i = 0; i < 10000; i++) {
    pml_dictionary *mine = pml_dictionary_ref(d);
    CHECK_EQ(code(mine, "onChat"), 7);
    pml_dictionary_unref(mine);
  }
  pml_dictionary_unref(d);
  return NULL;
}

TEST(dictionary_is_shared_by_threads) {
  pml_dictionary *d = of(vector, 9);
  pthread_t threads[4];
  for (int i = 0; i < 4; i++)
    CHECK_EQ(pthread_create(&threads[i], NULL, reads, pml_dictionary_ref(d)), 0);
  pml_dictionary_unref(d);
  for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
}
