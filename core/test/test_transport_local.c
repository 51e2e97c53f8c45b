#include "bus/transport_local.h"

#include "base/limits.h"
#include "base/clock.h"
#include "base/container.h"
#include "base/err.h"
#include "loop/loop.h"
#include "test/test.h"

#include <pthread.h>

/* Servers of one thread: two transports on one loop, which runs until told. */
typedef struct {
  pml_loop *l;
  pml_transport *t;
  char log[512];
  int records, stop_after, closes;
  uint64_t turn;
} server;

static void note(server *s, const char *what, const char *id) {
  size_t n = strlen(s->log);
  snprintf(s->log + n, sizeof s->log - n, "%s%s ", what, id);
}

static void on_record(const char *from, pml_slice head, pml_buf *body, pml_buf *extra, void *ud) {
  server *s = ud;
  (void)extra;
  s->records++;
  s->turn = pml_loop_turn(s->l);
  char text[64];
  snprintf(text, sizeof text, ":%.*s%.*s", (int)head.n, (const char *)head.p,
           (int)pml_buf_slice(body).n, body ? (const char *)body->data : "");
  if (s->closes) pml_transport_close(s->t);
  note(s, from, text); /* from is still there */
  if (s->records == s->stop_after) pml_loop_stop(s->l);
}

static void on_peer(const char *id, uint64_t incarnation, int up, void *ud) {
  CHECK(incarnation > 0);
  server *s = ud;
  note(s, up ? "+" : "-", id);
  if (s->stop_after < 0 && ++s->stop_after == 0) pml_loop_stop(s->l);
}

static void on_away(const char *id, uint64_t incarnation, void *ud) {
  server *s = ud;
  CHECK(incarnation > 0);
  note(s, "~", id);
  if (s->stop_after < 0 && ++s->stop_after == 0) pml_loop_stop(s->l);
}

static void join(server *s, pml_hub *h, pml_loop *l, const char *id) {
  memset(s, 0, sizeof *s);
  s->l = l;
  pml_transport_events ev = {on_record, on_peer, s, on_away, NULL};
  CHECK_EQ(pml_transport_local_join(h, l, id, &ev, &s->t), 0);
}

/* Both on one loop, and told of each other. */
static void join_two(server *a, server *b, pml_hub *h, pml_loop *l) {
  join(a, h, l, "a");
  join(b, h, l, "b");
  a->stop_after = -1;
  pml_loop_run(l);
  while (!*b->log) {
    b->stop_after = -1;
    pml_loop_run(l);
  }
  CHECK_BYTES(a->log, strlen(a->log), "+b ");
  CHECK_BYTES(b->log, strlen(b->log), "+a ");
  a->stop_after = b->stop_after = 0;
  a->log[0] = b->log[0] = '\0';
}

TEST(transport_local_delivers_in_order_on_a_later_turn) {
  pml_hub *h = pml_hub_new();
  pml_loop *l = pml_loop_new();
  server a, b;
  join_two(&a, &b, h, l);
  pml_buf *x = pml_buf_from("x", 1), *y = pml_buf_from("y", 1);
  uint64_t before = pml_loop_turn(l);
  CHECK_EQ(pml_transport_send(a.t, "b", pml_buf_slice(x), NULL, NULL), 0);
  CHECK_EQ(pml_transport_send(a.t, "b", pml_buf_slice(y), x, NULL), 0);
  CHECK_EQ(pml_transport_send(a.t, "b", pml_buf_slice(x), y, x), 0);
  CHECK_EQ(b.records, 0);
  CHECK_EQ(pml_transport_local_sent(a.t), 3);
  b.stop_after = 3;
  pml_loop_run(l);
  CHECK_BYTES(b.log, strlen(b.log), "a:x a:yx a:xy ");
  CHECK(b.turn >= before);
  CHECK_EQ(a.records, 0);
  pml_transport_close(a.t);
  pml_transport_close(b.t);
  pml_loop_free(l);
  pml_hub_unref(h);
  CHECK_EQ(x->refs, 1); /* shared, and given back */
  CHECK_EQ(y->refs, 1);
  pml_buf_unref(x);
  pml_buf_unref(y);
}

TEST(transport_local_delivers_to_oneself) {
  pml_hub *h = pml_hub_new();
  pml_loop *l = pml_loop_new();
  server a;
  join(&a, h, l, "a");
  pml_buf *x = pml_buf_from("x", 1);
  CHECK_EQ(pml_transport_send(a.t, "a", pml_buf_slice(x), NULL, NULL), 0);
  CHECK_EQ(a.records, 0);
  a.stop_after = 1;
  pml_loop_run(l);
  CHECK_BYTES(a.log, strlen(a.log), "a:x ");
  pml_transport_close(a.t);
  pml_loop_free(l);
  pml_hub_unref(h);
  pml_buf_unref(x);
}

TEST(transport_local_gives_each_life_of_a_server_a_higher_incarnation) {
  pml_loop *l = pml_loop_new();
  uint64_t last = 0;
  for (int program = 0; program < 2; program++) { /* a hub each, as a program started again */
    pml_hub *h = pml_hub_new();
    for (int life = 0; life < 3; life++) {
      server a;
      join(&a, h, l, "a");
      CHECK(a.t->incarnation > (life ? last : 0));
      CHECK(a.t->incarnation >= last && a.t->incarnation < 1ull << 53);
      last = a.t->incarnation;
      pml_transport_close(a.t);
    }
    pml_hub_unref(h);
    uint64_t now = pml_clock_wall_ms();
    while (pml_clock_wall_ms() < now + 4) continue;
  }
  pml_loop_free(l);
}

TEST(transport_local_tells_of_the_end_after_the_last_record) {
  pml_hub *h = pml_hub_new();
  pml_loop *l = pml_loop_new();
  server a, b;
  join_two(&a, &b, h, l);
  pml_buf *x = pml_buf_from("x", 1);
  CHECK_EQ(pml_transport_send(a.t, "b", pml_buf_slice(x), NULL, NULL), 0);
  pml_transport_close(a.t); /* what it sent in this turn still leaves */
  b.stop_after = -1;
  pml_loop_run(l);
  CHECK_BYTES(b.log, strlen(b.log), "a:x -a ");
  CHECK_EQ(pml_transport_send(b.t, "a", pml_buf_slice(x), NULL, NULL), PML_ENOENT);
  pml_transport_close(b.t);
  pml_loop_free(l);
  pml_hub_unref(h);
  pml_buf_unref(x);
}

TEST(transport_local_refuses_at_once_what_cannot_be_delivered) {
  pml_hub *h = pml_hub_new();
  pml_loop *l = pml_loop_new();
  server a, b;
  join_two(&a, &b, h, l);
  pml_buf *x = pml_buf_from("x", 1), *big = pml_buf_new(PML_RECORD_MAX - 1);
  CHECK_EQ(pml_transport_send(a.t, "nobody", pml_buf_slice(x), NULL, NULL), PML_ENOENT);
  CHECK_EQ(pml_transport_send(a.t, "b", pml_buf_slice(big), x, x), PML_ETOOBIG);
  CHECK_EQ(pml_transport_send(a.t, "b", pml_buf_slice(x), big, NULL), 0);
  int rc = 0, n = 1;
  while (n < 100 && (rc = pml_transport_send(a.t, "b", pml_buf_slice(x), big, NULL)) == 0) n++;
  CHECK_EQ(rc, PML_EFULL);
  CHECK(n < 10);
  for (n = 0; n < 10; n++) CHECK_EQ(pml_transport_answer(a.t, "b", pml_buf_slice(x), big), 0);
  CHECK_EQ(pml_transport_answer(a.t, "b", pml_buf_slice(big), x), 0);
  CHECK_EQ(pml_transport_send(a.t, "b", pml_buf_slice(x), big, NULL), PML_EFULL);
  CHECK_EQ(pml_transport_send(a.t, "a", pml_buf_slice(x), NULL, NULL),
           0); /* another's queue is another's */
  b.log[0] = '\0';
  pml_transport_close(b.t);
  CHECK_EQ(pml_transport_send(a.t, "b", pml_buf_slice(x), NULL, NULL),
           PML_ENOENT); /* not told yet */
  CHECK_EQ(pml_transport_answer(a.t, "b", pml_buf_slice(x), NULL), PML_ENOENT);
  pml_transport_close(a.t);
  pml_loop_free(l);
  pml_hub_unref(h);
  CHECK_EQ(x->refs, 1);
  CHECK_EQ(big->refs, 1);
  pml_buf_unref(x);
  pml_buf_unref(big);
}

TEST(transport_local_full_server_takes_again_when_it_has_read) {
  pml_hub *h = pml_hub_new();
  pml_loop *l = pml_loop_new();
  server a, b;
  join_two(&a, &b, h, l);
  pml_buf *big = pml_buf_new(PML_RECORD_MAX), *x = pml_buf_from("x", 1);
  memset(big->data, 0, big->len); /* an empty text */
  int n = 0;
  while (pml_transport_send(a.t, "b", pml_buf_slice(big), NULL, NULL) == 0) n++;
  CHECK(n > 0);
  b.stop_after = n;
  pml_loop_run(l);
  CHECK_EQ(pml_transport_send(a.t, "b", pml_buf_slice(x), NULL, NULL), 0);
  b.stop_after = n + 1;
  pml_loop_run(l);
  pml_transport_close(a.t);
  pml_transport_close(b.t);
  pml_loop_free(l);
  pml_hub_unref(h);
  pml_buf_unref(x);
  pml_buf_unref(big);
}

TEST(transport_local_ids_are_taken_once_and_free_again_after_close) {
  pml_hub *h = pml_hub_new();
  pml_loop *l = pml_loop_new();
  pml_loop *v = pml_loop_new_virtual();
  server a;
  pml_transport_events ev = {on_record, on_peer, &a, NULL, NULL};
  char id[PML_SERVER_ID_MAX + 2] = "";
  pml_transport *t = NULL;
  join(&a, h, l, "a");
  CHECK_EQ(pml_transport_local_join(h, l, "a", &ev, &t), PML_EEXIST);
  CHECK_EQ(pml_transport_local_join(h, l, "", &ev, &t), PML_EINVAL);
  CHECK_EQ(pml_transport_local_join(h, v, "v", &ev, &t), PML_EINVAL);
  memset(id, 'x', PML_SERVER_ID_MAX + 1);
  CHECK_EQ(pml_transport_local_join(h, l, id, &ev, &t), PML_EINVAL);
  CHECK(!t);
  id[PML_SERVER_ID_MAX] = '\0';
  CHECK_EQ(pml_transport_local_join(h, l, id, &ev, &t), 0);
  pml_transport_close(t);
  pml_transport_close(a.t);
  join(&a, h, l, "a");
  pml_transport_close(a.t);
  pml_loop_free(l);
  pml_loop_free(v);
  pml_hub_unref(h);
}

TEST(transport_local_may_be_closed_inside_its_event) {
  pml_hub *h = pml_hub_new();
  pml_loop *l = pml_loop_new();
  server a, b;
  join_two(&a, &b, h, l);
  pml_buf *x = pml_buf_from("x", 1);
  CHECK_EQ(pml_transport_send(a.t, "b", pml_buf_slice(x), NULL, NULL), 0);
  CHECK_EQ(pml_transport_send(a.t, "b", pml_buf_slice(x), NULL, NULL), 0); /* is dropped */
  pml_transport_close(a.t);
  b.closes = 1;
  b.stop_after = 1;
  pml_loop_run(l);
  CHECK_BYTES(b.log, strlen(b.log), "a:x ");
  pml_loop_free(l);
  pml_hub_unref(h);
  CHECK_EQ(x->refs, 1);
  pml_buf_unref(x);
}

/* Three servers send each other numbered records while a guest comes and goes. */

enum { SERVERS = 3, RECORDS = 100000, EACH_TURN = 500, VISITS = 30, GIFTS = 10 };

typedef struct {
  pml_hub *hub;
  pthread_t th;
  char id[8];
  pml_loop *l;
  pml_transport *t;
  pml_task task;
  int up; /* of the other servers */
  uint32_t sent, got[SERVERS], total, gifts;
} node;

static const char *const names[SERVERS] = {"s0", "s1", "s2"};

static void node_end_if_done(node *n) {
  if (n->sent == RECORDS && n->total == (SERVERS - 1) * RECORDS) pml_loop_stop(n->l);
}

static void on_numbered(const char *from, pml_slice head, pml_buf *body, pml_buf *extra, void *ud) {
  node *n = ud;
  uint32_t seq;
  CHECK(head.n == sizeof seq && !body && !extra);
  memcpy(&seq, head.p, sizeof seq);
  if (from[0] == 'g') {
    CHECK_EQ(seq, n->gifts++);
    return;
  }
  CHECK_EQ(seq, n->got[from[1] - '0']++);
  n->total++;
  node_end_if_done(n);
}

static void on_other(const char *id, uint64_t incarnation, int up, void *ud) {
  (void)incarnation;
  node *n = ud;
  if (id[0] == 'g') {
    CHECK(n->gifts == 0 || n->gifts == GIFTS); /* none after the end, none missing */
    n->gifts = 0;
  } else if (up && ++n->up == SERVERS - 1) {
    pml_loop_defer(n->l, &n->task);
  }
}

static void node_send(pml_task *task) {
  node *n = PML_CONTAINER(task, node, task);
  for (int k = 0; k < EACH_TURN && n->sent < RECORDS; k++, n->sent++) {
    pml_buf *b = pml_buf_from(&n->sent, sizeof n->sent);
    for (int i = 0; i < SERVERS; i++) {
      if (strcmp(names[i], n->id) == 0) continue;
      int rc = pml_transport_send(n->t, names[i], pml_buf_slice(b), NULL, NULL);
      CHECK_EQ(rc, 0);
    }
    pml_buf_unref(b);
  }
  if (n->sent < RECORDS) pml_loop_defer(n->l, task);
  node_end_if_done(n);
}

static void *node_run(void *arg) {
  node *n = arg;
  n->l = pml_loop_new();
  pml_task_init(&n->task, node_send);
  pml_transport_events ev = {on_numbered, on_other, n, NULL, NULL};
  CHECK_EQ(pml_transport_local_join(n->hub, n->l, n->id, &ev, &n->t), 0);
  pml_loop_run(n->l);
  pml_transport_close(n->t);
  pml_loop_free(n->l);
  return NULL;
}

typedef struct {
  pml_timer t;
  pml_loop *l;
  pml_transport *tr;
  int met;
} guest;

static void guest_ignore(const char *from, pml_slice head, pml_buf *body, pml_buf *extra,
                         void *ud) {
  (void)from, (void)head, (void)body, (void)extra, (void)ud;
}

static void guest_meets(const char *id, uint64_t incarnation, int up, void *ud) {
  (void)incarnation;
  guest *g = ud;
  if (!up || g->met++) return;
  for (uint32_t i = 0; i < GIFTS; i++) {
    pml_buf *b = pml_buf_from(&i, sizeof i);
    int rc = pml_transport_send(g->tr, id, pml_buf_slice(b), NULL, NULL);
    CHECK(rc == 0 || rc == PML_ENOENT);
    pml_buf_unref(b);
  }
  pml_loop_stop(g->l);
}

static void guest_leaves(pml_timer *t) { pml_loop_stop(PML_CONTAINER(t, guest, t)->l); }

static void *guest_run(void *hub) {
  for (int i = 0; i < VISITS; i++) {
    guest g = {.l = pml_loop_new()};
    pml_timer_init(&g.t, guest_leaves);
    pml_timer_start(g.l, &g.t, 2); /* perhaps nobody is there any more */
    pml_transport_events ev = {guest_ignore, guest_meets, &g, NULL, NULL};
    CHECK_EQ(pml_transport_local_join(hub, g.l, "g", &ev, &g.tr), 0);
    pml_loop_run(g.l);
    pml_timer_stop(g.l, &g.t);
    pml_transport_close(g.tr);
    pml_loop_free(g.l);
  }
  return NULL;
}

TEST(transport_local_threads_lose_nothing_while_others_come_and_go) {
  static node n[SERVERS];
  pthread_t visitor;
  pml_hub *h = pml_hub_new();
  for (int i = 0; i < SERVERS; i++) {
    n[i].hub = h;
    snprintf(n[i].id, sizeof n[i].id, "%s", names[i]);
    CHECK_EQ(pthread_create(&n[i].th, NULL, node_run, &n[i]), 0);
  }
  CHECK_EQ(pthread_create(&visitor, NULL, guest_run, h), 0);
  for (int i = 0; i < SERVERS; i++) pthread_join(n[i].th, NULL);
  pthread_join(visitor, NULL);
  pml_hub_unref(h);
  for (int i = 0; i < SERVERS; i++) CHECK_EQ(n[i].total, (SERVERS - 1) * RECORDS);
}

static void drop_parcel(pml_mail *mail, void *ud) {
  (void)ud;
  pml_hub_record_free(PML_CONTAINER(mail, pml_hub_record, mail));
}

static void run_until(server *s, const char *log) {
  while (!strstr(s->log, log)) {
    s->stop_after = -1;
    pml_loop_run(s->l);
  }
  s->stop_after = 0;
}

TEST(transport_local_nobody_sends_to_a_server_that_is_not_announced) {
  pml_hub *h = pml_hub_new();
  pml_loop *l = pml_loop_new();
  pml_mailbox *bus = pml_mailbox_new(l, 16, 1 << 20, drop_parcel, NULL);
  server a, b;
  join_two(&a, &b, h, l);
  pml_hub_member *r = pml_hub_remote_up(h, "r", 5, bus);
  pml_batch_pair to_a = {"r", "a", 5, a.t->incarnation};
  CHECK(!pml_hub_knows(h, &to_a));
  CHECK_EQ(pml_hub_deliver(h, &to_a, 0, pml_slice_str("x"), NULL, NULL), PML_ENOENT);
  pml_hub_announce(h, "a", a.t->incarnation);
  CHECK(pml_hub_knows(h, &to_a));
  CHECK_EQ(pml_hub_deliver(h, &to_a, 0, pml_slice_str("x"), NULL, NULL), 0);
  run_until(&a, "r:x ");
  CHECK_STR(a.log, "+r r:x ");
  pml_transport_close(a.t);
  pml_transport_close(b.t);
  pml_hub_remote_down(h, r);
  pml_hub_member_unref(r);
  pml_mailbox_close(bus, drop_parcel, NULL);
  pml_mailbox_unref(bus);
  pml_loop_free(l);
  pml_hub_unref(h);
}

TEST(transport_local_exile_is_nobody_for_servers_of_other_processes) {
  pml_hub *h = pml_hub_new();
  pml_loop *l = pml_loop_new();
  pml_mailbox *bus = pml_mailbox_new(l, 16, 1 << 20, drop_parcel, NULL);
  pml_buf *x = pml_buf_from("x", 1);
  server a, b;
  join_two(&a, &b, h, l);
  pml_hub_announce(h, "a", a.t->incarnation);
  pml_hub_announce(h, "b", b.t->incarnation);
  pml_hub_member *r = pml_hub_remote_up(h, "r", 5, bus);
  run_until(&a, "+r ");
  run_until(&b, "+r ");
  CHECK_EQ(pml_transport_send(a.t, "r", pml_buf_slice(x), NULL, NULL), 0);
  pml_hub_exile(h, "nobody");
  pml_hub_exile(h, "a");
  pml_hub_exile(h, "a");
  run_until(&a, "~r ");
  CHECK_STR(a.log, "+r ~r ");
  CHECK_EQ(pml_transport_send(a.t, "r", pml_buf_slice(x), NULL, NULL), PML_ENOENT);
  CHECK_EQ(pml_transport_send(b.t, "r", pml_buf_slice(x), NULL, NULL), 0);
  b.stop_after = 1;
  CHECK_EQ(pml_transport_send(a.t, "b", pml_buf_slice(x), NULL, NULL), 0);
  pml_loop_run(l);
  CHECK_STR(b.log, "+r a:x ");
  pml_transport_close(a.t);
  pml_transport_close(b.t);
  pml_hub_remote_down(h, r);
  pml_hub_member_unref(r);
  pml_mailbox_close(bus, drop_parcel, NULL);
  pml_mailbox_unref(bus);
  pml_loop_free(l);
  pml_hub_unref(h);
  pml_buf_unref(x);
}
