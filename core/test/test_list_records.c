/* Lists of uids on their way from a server to one of another process: bus/outbox, bus/inbox and the
 * hubs of both together, without a broker. */
#include "base/clock.h"
#include "base/container.h"
#include "bus/inbox.h"
#include "bus/outbox.h"
#include "loop/mailbox.h"
#include "test/fanout.h"
#include "test/test.h"
#include "wire/bus_record.h"

enum { HEAD = 60, PAYLOAD = 4096 }; /* bytes of a message beside its blocks, at most */

typedef struct side side;
typedef struct world world;

/* A process with one server. */
struct side {
  world *w;
  side *other;
  pml_hub *hub;
  pml_mailbox *box; /* of records to the other one */
  pml_transport *t;
  pml_hub_member *remote;
  pml__outbox *out;
  pml__route *route;
  pml__inbox *in;
  pml_task flush;
  int gaps;
  int lose;  /* so many messages more are lost */
  int pause; /* the loop stops after a message */
  uint64_t messages, bytes, last;
  pml_writer got;     /* the lists of all records that came, one after the other */
  pml_buf *block;     /* of the last one; counted */
  int records, until; /* that came; at how many the loop stops */
};

struct world {
  pml_loop *l;
  side chat, front;
};

static int publish(void *route_ud, pml_slice message, int asks, void *ud) {
  side *s = route_ud;
  (void)asks;
  CHECK(ud == (void *)s);
  s->messages++;
  s->bytes += s->last = message.n;
  CHECK(message.n <= PAYLOAD);
  if (s->pause) pml_loop_stop(s->w->l);
  if (s->lose && s->lose--) return 0;
  pml__inbox_take(s->other->in, message, NULL);
  return 0;
}

static int knows(const pml_batch_pair *p, void *ud) { return pml_hub_knows(((side *)ud)->hub, p); }

static int deliver(const pml_batch_pair *p, int flags, pml_slice head, pml_buf *body,
                   pml_buf *extra, void *ud) {
  return pml_hub_deliver(((side *)ud)->hub, p, flags, head, body, extra);
}

static void gap(const pml_batch_pair *p, void *ud) {
  CHECK(pml_hub_knows(((side *)ud)->hub, p));
  ((side *)ud)->gaps++;
}

static void back(const pml_batch_pair *p, pml_slice head, void *ud) {
  pml_hub_back(((side *)ud)->hub, p, head);
}

static void on_mail(pml_mail *mail, void *ud) {
  side *s = ud;
  pml__outbox_put(s->out, PML_CONTAINER(mail, pml_hub_record, mail));
  pml_loop_defer(s->w->l, &s->flush);
}

static void on_drop(pml_mail *mail, void *ud) {
  (void)ud;
  pml_hub_record_free(PML_CONTAINER(mail, pml_hub_record, mail));
}

static void on_flush(pml_task *t) {
  side *s = PML_CONTAINER(t, side, flush);
  while (pml__outbox_turn(s->out, PAYLOAD)) continue;
}

static void on_record(const char *from, pml_slice head, pml_buf *body, pml_buf *extra, void *ud) {
  side *s = ud;
  (void)from;
  (void)body;
  CHECK_EQ(head.n, 1);
  CHECK_EQ(head.p[0], 'a' + s->records % 26); /* in order */
  pml_writer_put(&s->got, extra ? extra->data : NULL, pml_buf_slice(extra).n);
  pml_buf_unref(s->block);
  s->block = pml_buf_ref(extra);
  if (++s->records == s->until) pml_loop_stop(s->w->l);
}

static void open_side(world *w, side *s, side *other, const char *id) {
  s->w = w;
  s->other = other;
  s->hub = pml_hub_new();
  s->box = pml_mailbox_new(w->l, 1000, 0, on_mail, s);
  pml_task_init(&s->flush, on_flush);
  pml_transport_events ev = {.on_record = on_record, .ud = s};
  CHECK_EQ(pml_transport_local_join(s->hub, w->l, id, &ev, &s->t), 0);
  pml_hub_announce(s->hub, id, s->t->incarnation);
  s->out = pml__outbox_new(publish, s, 1 << 20);
  s->in = pml__inbox_new(&(pml__inbox_hooks){knows, deliver, gap, s, back, 1 << 20}, 1 << 20);
}

static void meet(side *s, const char *other) {
  s->remote = pml_hub_remote_up(s->hub, other, s->other->t->incarnation, s->box);
  s->route = pml__route_new(s->out, s);
  pml__target_new(s->route, s->remote);
}

static void run_until(world *w, int records) {
  w->front.until = records;
  w->chat.pause = w->front.pause = 0;
  if (w->front.records < records) pml_loop_run(w->l);
  CHECK_EQ(w->front.records, records);
}

static void world_open(world *w) {
  memset(w, 0, sizeof *w);
  w->l = pml_loop_new();
  open_side(w, &w->chat, &w->front, "chat-1");
  open_side(w, &w->front, &w->chat, "connector-1");
  meet(&w->chat, "connector-1");
  meet(&w->front, "chat-1");
  /* Each hears of the other by its own mailbox, on a turn. */
  for (int rc = 1; rc;) {
    rc = pml_transport_send(w->chat.t, "connector-1", pml_slice_str("a"), NULL, NULL);
    w->front.until = 1;
    if (!rc) break;
    CHECK_EQ(pml_transport_send(w->front.t, "connector-1", pml_slice_str("a"), NULL, NULL), 0);
    pml_loop_run(w->l);
    w->front.records = 0;
  }
  run_until(w, 1);
}

static void close_side(side *s) {
  pml_task_cancel(&s->flush);
  pml_transport_close(s->t);
  pml__route_free(s->route);
  pml_hub_remote_down(s->hub, s->remote);
  pml_hub_member_unref(s->remote);
  pml__outbox_free(s->out);
  pml__inbox_free(s->in);
  pml_mailbox_close(s->box, on_drop, NULL);
  pml_mailbox_unref(s->box);
  pml_hub_unref(s->hub);
  pml_writer_drop(&s->got);
  pml_buf_unref(s->block);
}

static void world_close(world *w) {
  close_side(&w->chat);
  close_side(&w->front);
  pml_loop_free(w->l);
}

/* A push of a body of 100 bytes to the list of a series; n: which record it is. */
static void push(world *w, int n, pml_buf *list, uint64_t series) {
  char head = (char)('a' + n % 26);
  pml_buf *body = pml_buf_new(100);
  memset(body->data, 'x', 100);
  CHECK_EQ(
    pml_transport_send_list(w->chat.t, "connector-1", pml_slice_of(&head, 1), body, list, series),
    0);
  pml_buf_unref(body);
}

static void came(world *w, pml_buf *const *lists, size_t n) {
  pml_writer want = {0};
  for (size_t i = 0; i < n; i++) pml_writer_put(&want, lists[i]->data, lists[i]->len);
  CHECK(want.len == w->front.got.len);
  CHECK(memcmp(pml_writer_at(&want, 0), pml_writer_at(&w->front.got, 0), want.len) == 0);
  pml_writer_drop(&want);
}

static pml_buf *members(int first, int count) {
  pml_writer w = {0};
  for (int i = first; i < first + count; i++) {
    char text[16];
    int n = snprintf(text, sizeof text, "user-%06d", i);
    pml_uids_put(&w, (pml_uid){text, (uint32_t)n, 0});
  }
  return pml_writer_finish(&w);
}

TEST(list_records_carry_a_list_once) {
  world w;
  world_open(&w);
  for (int count = 10; count <= 10000; count *= 1000) {
    pml_buf *list = members(0, count), *more = members(0, count + 1);
    int n = w.front.records;
    push(&w, n++, list, 7 + (uint64_t)count);
    run_until(&w, n);
    pml_buf *first = pml_buf_ref(w.front.block);
    CHECK(pml_slice_eq(pml_buf_slice(first), pml_buf_slice(list)));
    push(&w, n++, list, 7 + (uint64_t)count);
    run_until(&w, n);
    CHECK(w.front.block == first); /* so that the sessions behind it are remembered */
    CHECK(w.chat.last < 100 + HEAD);
    push(&w, n++, more, 7 + (uint64_t)count);
    run_until(&w, n);
    CHECK(pml_slice_eq(pml_buf_slice(w.front.block), pml_buf_slice(more)));
    CHECK(w.chat.last < 100 + HEAD + 14 + 6);
    pml_buf_unref(first);
    pml_buf_unref(list);
    pml_buf_unref(more);
  }
  world_close(&w);
}

TEST(list_records_of_a_turn_travel_together) {
  world w;
  world_open(&w);
  pml_buf *list = members(0, 10);
  uint64_t before = w.chat.messages;
  for (int i = 1; i < 6; i++) push(&w, i, list, 7);
  run_until(&w, 6);
  CHECK_EQ(w.chat.messages, before + 1);
  pml_buf_unref(list);
  world_close(&w);
}

TEST(list_records_that_were_lost_are_made_good) {
  world w;
  world_open(&w);
  pml_buf *lists[] = {members(0, 1000), members(1, 1000), members(2, 1001)};
  w.chat.lose = 1;
  w.front.until = 0;
  uint64_t before = w.chat.messages;
  char head = 'a';
  /* The list goes with a record of its own, in many messages, of which the first is lost. */
  CHECK_EQ(
    pml_transport_send_list(w.chat.t, "connector-1", pml_slice_of(&head, 1), NULL, lists[0], 7), 0);
  push(&w, 1, lists[1], 7);
  push(&w, 2, lists[2], 7);
  run_until(&w, 3);
  CHECK(w.chat.messages > before + 2);
  came(&w, lists + 1, 2);
  CHECK_EQ(pml__inbox_counters(w.front.in)->gaps, 1);
  CHECK_EQ(pml__inbox_lists(w.front.in)->missed, 1);
  for (int i = 0; i < 3; i++) pml_buf_unref(lists[i]);
  world_close(&w);
}

TEST(list_records_that_cannot_be_made_good_are_gaps) {
  world w;
  char who[2 * PML_SERVER_ID_MAX + 8];
  world_open(&w);
  pml_buf *list = members(0, 10);
  w.chat.pause = w.front.pause = 1;
  w.chat.lose = w.front.lose = 1;
  push(&w, 1, list, 7);
  while (w.chat.lose) pml_loop_run(w.l);
  push(&w, 1, list, 7); /* it is asked for, and the question is lost */
  while (w.front.lose) pml_loop_run(w.l);
  uint64_t before = w.chat.messages;
  push(&w, 1, NULL, 0); /* waits behind it */
  while (w.chat.messages == before) pml_loop_run(w.l);
  CHECK_EQ(w.front.records, 1);
  CHECK_EQ(pml__inbox_tick(w.front.in, 999, who), 0);
  CHECK_EQ(pml__inbox_tick(w.front.in, 1000, who), 1);
  CHECK_STR(who, "chat-1 to connector-1");
  CHECK_EQ(pml__inbox_counters(w.front.in)->gaps, 2);
  CHECK_EQ(w.front.gaps, 2);
  run_until(&w, 2);
  pml_buf_unref(list);
  world_close(&w);
}

TEST(list_records_that_are_strange_are_counted) {
  world w;
  world_open(&w);
  pml__inbox *in = w.front.in;
  pml_batch_pair p = {"chat-1", "connector-1", w.chat.t->incarnation, w.front.t->incarnation};
  uint64_t before = pml__inbox_counters(in)->strangers;
  pml_buf *strange = pml_buf_from("\x03\x00", 2);
  pml_writer b = {0};
  pml_batch_begin(&b);
  pml_batch_pair_put(&b, &p, 100);
  pml_batch_record_put(&b, PML_BATCH_LIST, pml_slice_str("b"), NULL, strange);
  pml_batch_record_put(&b, PML_BATCH_ABOUT, pml_slice_str("b"), NULL, NULL);
  pml_batch_record_put(&b, PML_BATCH_ABOUT, pml_slice_of("\x03\x01", 2), strange, NULL);
  pml_batch_record_put(&b, PML_BATCH_ABOUT, pml_slice_of("\x06\x01", 2), strange, NULL);
  pml_batch_record_put(&b, 0, pml_slice_str("b"), NULL, NULL);
  pml__inbox_take(in, pml_slice_of(pml_writer_at(&b, 0), b.len), NULL);
  CHECK_EQ(pml__inbox_counters(in)->strangers, before + 3);
  run_until(&w, 2);
  pml_writer_drop(&b);
  pml_buf_unref(strange);
  world_close(&w);
}
