#include "bus/outbox.h"

#include "base/container.h"
#include "base/err.h"
#include "test/test.h"

/* Two servers here, one there; messages are read as they are sent. */
typedef struct {
  pml_loop *l;
  pml_hub *hub;
  pml_mailbox *box;
  pml__outbox *o;
  pml__route *route;
  pml__target *target;
  pml_hub_member *there;
  pml_transport *a, *b;
  size_t messages, records, parts, largest, asks;
  int fails, peers;
  uint64_t seq_a;
  char order[4096]; /* from whom the records came */
} world;

static int on_message(void *route_ud, pml_slice message, int asks, void *ud) {
  world *w = ud;
  pml_batch_reader r;
  pml_batch_item i;
  CHECK(route_ud == w);
  if (w->fails) return PML_EIO;
  w->messages++;
  w->asks += (size_t)asks;
  if (message.n > w->largest) w->largest = message.n;
  CHECK_EQ(pml_batch_read(&r, message), 0);
  int rc;
  while ((rc = pml_batch_next(&r, &i)) == 1) {
    size_t n = strlen(w->order);
    w->parts += (i.flags & PML_BATCH_PART) != 0;
    w->records++;
    if (n + 1 < sizeof w->order) w->order[n] = i.pair.from[0];
    if (i.pair.from[0] == 'a') w->seq_a = i.seq;
    CHECK_EQ(i.pair.to_incarnation, 77);
  }
  CHECK_EQ(rc, 0);
  return 0;
}

static void on_record(pml_mail *mail, void *ud) {
  world *w = ud;
  pml__outbox_put(w->o, PML_CONTAINER(mail, pml_hub_record, mail));
  pml_loop_stop(w->l);
}

static void on_drop(pml_mail *mail, void *ud) {
  (void)ud;
  pml_hub_record_free(PML_CONTAINER(mail, pml_hub_record, mail));
}

static void ignore(const char *from, pml_slice head, pml_buf *body, pml_buf *extra, void *ud) {
  (void)from, (void)head, (void)body, (void)extra, (void)ud;
}

static void on_peer(const char *id, uint64_t incarnation, int up, void *ud) {
  world *w = ud;
  (void)id, (void)incarnation, (void)up;
  if (++w->peers == 4) pml_loop_stop(w->l);
}

static void world_open(world *w) {
  *w = (world){.l = pml_loop_new(), .hub = pml_hub_new()};
  w->box = pml_mailbox_new(w->l, 100000, 0, on_record, w);
  w->o = pml__outbox_new(on_message, w, 0);
  w->route = pml__route_new(w->o, w);
  w->there = pml_hub_remote_up(w->hub, "there", 77, w->box);
  w->target = pml__target_new(w->route, w->there);
  pml_transport_events ev = {ignore, on_peer, w, NULL, NULL};
  CHECK_EQ(pml_transport_local_join(w->hub, w->l, "a", &ev, &w->a), 0);
  CHECK_EQ(pml_transport_local_join(w->hub, w->l, "b", &ev, &w->b), 0);
  pml_hub_announce(w->hub, "a", w->a->incarnation);
  pml_hub_announce(w->hub, "b", w->b->incarnation);
  while (w->peers < 4) pml_loop_run(w->l);
}

static void world_close(world *w) {
  pml__route_free(w->route);
  pml__outbox_free(w->o);
  pml_hub_remote_down(w->hub, w->there);
  pml_hub_member_unref(w->there);
  pml_transport_close(w->a);
  pml_transport_close(w->b);
  pml_mailbox_close(w->box, on_drop, NULL);
  pml_loop_free(w->l);
  pml_mailbox_unref(w->box);
  pml_hub_unref(w->hub);
}

static void send_many(pml_transport *t, size_t n, pml_buf *body) {
  for (size_t i = 0; i < n; i++)
    CHECK_EQ(pml_transport_send(t, "there", pml_slice_str("h"), body, NULL), 0);
}

TEST(outbox_records_of_a_turn_are_one_message) {
  world w;
  world_open(&w);
  send_many(w.a, 100, NULL);
  CHECK_EQ(pml_transport_ask(w.b, "there", pml_slice_str("h"), NULL, NULL), 0);
  pml_loop_run(w.l);
  CHECK_EQ(pml__outbox_turn(w.o, 1 << 20), 0);
  CHECK_EQ(w.messages, 1);
  CHECK_EQ(w.records, 101);
  CHECK_EQ(w.asks, 1);
  CHECK_EQ(w.seq_a, 100);
  CHECK_EQ(pml__outbox_counters(w.o)->sent, 101);
  world_close(&w);
}

TEST(outbox_pairs_take_turns) {
  world w;
  world_open(&w);
  pml_buf *body = pml_buf_new(10000);
  memset(body->data, 0, body->len);
  send_many(w.a, 1000, body);
  send_many(w.b, 1, NULL);
  pml_loop_run(w.l);
  pml__outbox_turn(w.o, 1 << 20);
  const char *b = strchr(w.order, 'b');
  CHECK(b && b - w.order <= 4); /* 32 KB of the other pair are before it */
  CHECK(w.largest <= 256 << 10);
  while (pml__outbox_turn(w.o, 1 << 20)) continue;
  CHECK_EQ(w.records, 1001);
  pml_buf_unref(body);
  world_close(&w);
}

TEST(outbox_cuts_what_is_larger_than_a_message) {
  world w;
  world_open(&w);
  pml_buf *body = pml_buf_new(100000);
  memset(body->data, 0, body->len);
  send_many(w.a, 2, body);
  send_many(w.b, 50, NULL);
  pml_loop_run(w.l);
  while (pml__outbox_turn(w.o, 1024)) continue;
  CHECK(w.largest <= 1024);
  CHECK(w.parts > 200);
  CHECK_EQ(w.seq_a, 2);
  CHECK_EQ(strncmp(w.order, "ab", 2), 0); /* others travel between the parts */
  CHECK_EQ(pml__outbox_counters(w.o)->sent, 52);
  pml_buf_unref(body);
  world_close(&w);
}

TEST(outbox_lost_records_have_their_numbers) {
  world w;
  world_open(&w);
  send_many(w.a, 3, NULL);
  pml_loop_run(w.l);
  pml__route_drop(w.route);
  CHECK_EQ(pml__outbox_turn(w.o, 1 << 20), 0);
  send_many(w.a, 1, NULL);
  pml_loop_run(w.l);
  w.fails = 1;
  CHECK_EQ(pml__outbox_turn(w.o, 1 << 20), 0);
  w.fails = 0;
  send_many(w.a, 1, NULL);
  pml_loop_run(w.l);
  CHECK_EQ(pml__outbox_turn(w.o, 1 << 20), 0);
  CHECK_EQ(w.seq_a, 5);
  CHECK_EQ(pml__outbox_counters(w.o)->unsent, 4);
  world_close(&w);
}

TEST(outbox_of_a_server_that_ended_begins_anew) {
  world w;
  world_open(&w);
  send_many(w.a, 2, NULL);
  pml_loop_run(w.l);
  pml__outbox_forget(w.o, "a"); /* what it sent still goes */
  pml__outbox_turn(w.o, 1 << 20);
  CHECK_EQ(w.seq_a, 2);
  send_many(w.a, 1, NULL);
  pml_loop_run(w.l);
  pml__outbox_turn(w.o, 1 << 20);
  CHECK_EQ(w.seq_a, 1);
  pml__target_free(w.target);
  send_many(w.a, 1, NULL);
  pml_loop_run(w.l);
  pml__outbox_turn(w.o, 1 << 20);
  CHECK_EQ(pml__outbox_counters(w.o)->unsent, 1);
  world_close(&w);
}

TEST(outbox_full_server_is_told_at_once) {
  world w;
  world_open(&w);
  pml_buf *body = pml_buf_new(PML_RECORD_MAX - 1);
  memset(body->data, 0, body->len);
  int rc = 0, n = 0;
  while (n < 10 && (rc = pml_transport_send(w.a, "there", pml_slice_str("h"), body, NULL)) == 0)
    n++;
  CHECK_EQ(rc, PML_EFULL);
  CHECK_EQ(pml_transport_answer(w.a, "there", pml_slice_str("h"), NULL), 0);
  pml_loop_run(w.l);
  while (pml__outbox_turn(w.o, 1 << 20)) continue;
  CHECK_EQ(pml_transport_send(w.a, "there", pml_slice_str("h"), body, NULL), 0);
  pml_buf_unref(body);
  world_close(&w);
}
