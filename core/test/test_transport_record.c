#include "bus/transport_record.h"

#include "base/err.h"
#include "base/mem.h"
#include "test/test.h"

typedef struct {
  char log[256];
} ears;

static void on_record(const char *from, pml_slice head, pml_buf *body, pml_buf *extra, void *ud) {
  ears *e = ud;
  size_t n = strlen(e->log);
  snprintf(e->log + n, sizeof e->log - n, "%s:%zu/%zu/%zu ", from, head.n, pml_buf_slice(body).n,
           pml_buf_slice(extra).n);
}

static void on_peer(const char *id, uint64_t incarnation, int up, void *ud) {
  CHECK(incarnation > 0);
  ears *e = ud;
  size_t n = strlen(e->log);
  snprintf(e->log + n, sizeof e->log - n, "%c%s ", up ? '+' : '-', id);
}

static pml_transport *record_new(ears *e) {
  memset(e, 0, sizeof *e);
  return pml_transport_record_new(&(pml_transport_events){on_record, on_peer, e, NULL, NULL});
}

TEST(transport_record_gives_back_what_was_sent_in_order) {
  ears e;
  pml_transport *t = record_new(&e);
  pml_buf *a = pml_buf_from("aa", 2), *b = pml_buf_from("bbb", 3), *h, *bo, *x;
  char *to;
  pml_transport_record_peer(t, "chat-1", 1);
  pml_transport_record_peer(t, "chat-2", 1);
  CHECK_EQ(pml_transport_send(t, "chat-1", pml_buf_slice(a), NULL, NULL), 0);
  CHECK_EQ(pml_transport_send(t, "chat-2", pml_buf_slice(b), a, b), 0);
  CHECK_EQ(pml_transport_send(t, "chat-1", pml_buf_slice(a), NULL, NULL),
           0); /* kept: close drops it */
  CHECK_EQ(pml_transport_record_take(t, &to, &h, &bo, &x), 1);
  CHECK(strcmp(to, "chat-1") == 0 && !bo && !x);
  CHECK_BYTES(h->data, h->len, "aa");
  pml_free(to);
  pml_buf_unref(h);
  CHECK_EQ(pml_transport_record_take(t, &to, &h, &bo, &x), 1);
  CHECK(strcmp(to, "chat-2") == 0 && bo == a && x == b);
  CHECK_BYTES(h->data, h->len, "bbb");
  pml_free(to);
  pml_buf_unref(h);
  pml_buf_unref(bo);
  pml_buf_unref(x);
  pml_transport_close(t);
  pml_buf_unref(a);
  pml_buf_unref(b);
}

TEST(transport_record_refuses_unknown_servers_and_large_records) {
  ears e;
  pml_transport *t = record_new(&e);
  pml_buf *a = pml_buf_from("a", 1), *big = pml_buf_new(PML_RECORD_MAX), *h, *b, *x;
  char *to;
  CHECK_EQ(pml_transport_send(t, "chat-1", pml_buf_slice(a), NULL, NULL), PML_ENOENT);
  pml_transport_record_peer(t, "chat-1", 1);
  CHECK_EQ(pml_transport_send(t, "chat-1", pml_buf_slice(a), big, NULL), PML_ETOOBIG);
  pml_transport_record_peer(t, "chat-1", 0);
  CHECK_EQ(pml_transport_send(t, "chat-1", pml_buf_slice(a), NULL, NULL), PML_ENOENT);
  CHECK_EQ(pml_transport_record_take(t, &to, &h, &b, &x), 0);
  pml_transport_close(t);
  pml_buf_unref(a);
  pml_buf_unref(big);
}

static uint64_t lives[3];

static void on_life(const char *id, uint64_t incarnation, int up, void *ud) {
  (void)id;
  int *n = ud;
  if (up) lives[(*n)++] = incarnation;
  else CHECK_EQ(incarnation, lives[*n - 1]);
}

TEST(transport_record_gives_each_life_of_a_server_an_incarnation) {
  int n = 0;
  pml_transport *t =
    pml_transport_record_new(&(pml_transport_events){on_record, on_life, &n, NULL, NULL});
  CHECK(t->incarnation > 0);
  pml_transport_record_peer(t, "x", 1);
  pml_transport_record_peer(t, "x", 0);
  pml_transport_record_peer(t, "x", 1);
  pml_transport_record_peer(t, "y", 1);
  CHECK_EQ(n, 3);
  CHECK(t->incarnation < lives[0] && lives[0] < lives[1] && lives[1] < lives[2]);
  pml_transport_close(t);
}

TEST(transport_record_delivers_what_it_is_told_to) {
  ears e;
  pml_transport *t = record_new(&e);
  pml_buf *a = pml_buf_from("aa", 2);
  pml_transport_record_peer(t, "x", 1);
  pml_transport_record_peer(t, "x", 1); /* no news */
  pml_transport_record_deliver(t, "x", a, NULL, a);
  pml_transport_record_peer(t, "y", 0); /* no news */
  pml_transport_record_peer(t, "x", 0);
  CHECK_BYTES(e.log, strlen(e.log), "+x x:2/0/2 -x ");
  pml_transport_close(t);
  pml_buf_unref(a);
}
