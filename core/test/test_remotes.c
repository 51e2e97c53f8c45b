#include "bus/remotes.h"

#include "base/container.h"
#include "base/err.h"
#include "bus/receiver.h"
#include "bus/sender.h"
#include "test/broker.h"

/* Two processes that know each other, without discovery and without a thread of the bus. */
typedef struct {
  pml_loop *l;
  pml_hub *hub;
  pml_mailbox *records, *commands;
  pml__remotes *remotes;
  pml__receiver *in;
  pml__sender to;
  pml__bus_counters counts;
  pml_task flush;
  pml_transport *t;
  int peers, away, got, bad, want;
  uint64_t next;
} side;

static const char *const names[] = {"0123456789abcdef0123456789abcdef",
                                    "fedcba9876543210fedcba9876543210"};

static int publish(const char *process, pml_slice message, int asks, void *ud) {
  side *s = ud;
  return pml__send_to(&s->to, process, 'r', asks, message);
}

static void forget(const char *id, uint64_t incarnation, void *ud) {
  side *s = ud;
  pml__receiver_forget(s->in, id, incarnation);
}

static void on_record(pml_mail *mail, void *ud) {
  side *s = ud;
  pml__remotes_put(s->remotes, PML_CONTAINER(mail, pml_hub_record, mail));
  pml_loop_defer(s->l, &s->flush);
}

static void on_record_drop(pml_mail *mail, void *ud) {
  (void)ud;
  pml_hub_record_free(PML_CONTAINER(mail, pml_hub_record, mail));
}

static void flush_run(pml_task *t) {
  side *s = PML_CONTAINER(t, side, flush);
  if (pml__remotes_turn(s->remotes, s->to.max_payload)) pml_loop_defer(s->l, t);
}

static void on_command(pml_mail *mail, void *ud) { pml__bus_msg_drop(mail, ud); }

static void on_message(const char *subject, pml_slice data, int nobody, void *ud) {
  side *s = ud;
  pml__receiver_message(s->in, subject, data, nobody);
}

static void on_event(pml__link_event event, uint32_t life, const char *text, void *ud) {
  (void)text;
  (void)event, (void)life, (void)ud;
}

static void on_got(const char *from, pml_slice head, pml_buf *body, pml_buf *extra, void *ud) {
  side *s = ud;
  uint64_t n;
  (void)from;
  memcpy(&n, head.p, sizeof n);
  size_t size = pml_buf_slice(body).n;
  if (n != s->next++ || head.n != sizeof n) s->bad++;
  for (size_t i = 0; i < size; i += 1000)
    if (body->data[i] != (uint8_t)(i / 1000)) s->bad++;
  if (extra && extra->data[0] != 'x') s->bad++;
  if (++s->got == s->want) pml_loop_stop(s->l);
}

static void on_peer(const char *id, uint64_t incarnation, int up, void *ud) {
  side *s = ud;
  (void)id, (void)incarnation;
  s->peers += up ? 1 : -1;
  pml_loop_stop(s->l);
}

static void on_away(const char *id, uint64_t incarnation, void *ud) {
  side *s = ud;
  (void)id, (void)incarnation;
  s->away++;
  pml_loop_stop(s->l);
}

static void side_open(side *s, pml_loop *l, const broker *b, int me) {
  char err[512] = "";
  const char *url = b->url, *id = me ? "b" : "a";
  pml__subject subject;
  *s = (side){.l = l, .hub = pml_hub_new()};
  s->records = pml_mailbox_new(l, 1000, 0, on_record, s);
  s->commands = pml_mailbox_new(l, 1000, 0, on_command, s);
  pml_task_init(&s->flush, flush_run);
  CHECK_EQ(pml__subjects_init(&s->to.subjects, "test", names[me]), 0);
  s->in = pml__receiver_new(&s->to.subjects, s->hub, s->commands, &s->counts, 0);
  s->remotes = pml__remotes_new(s->hub, s->records, &(pml__remotes_hooks){publish, forget, s, 0});
  s->to.counts = &s->counts;
  s->to.link = pml__link_new(&(pml__link_options){.urls = &url, .nurls = 1},
                             &(pml__link_events){on_message, on_event, s}, err, sizeof err);
  if (!s->to.link || pml__link_connect(s->to.link, err, sizeof err)) {
    fprintf(stderr, "%s\n", err);
    exit(1);
  }
  pml__subject_process(&s->to.subjects, names[me], '>', subject);
  CHECK_EQ(pml__link_subscribe(s->to.link, subject), 0);
  s->to.max_payload = pml__link_max_payload(s->to.link);
  s->to.up = 1;
  pml__remotes_link(s->remotes, 1);
  pml_transport_events ev = {on_got, on_peer, s, on_away, NULL};
  CHECK_EQ(pml_transport_local_join(s->hub, l, id, &ev, &s->t), 0);
  pml_hub_announce(s->hub, id, s->t->incarnation);
}

static void side_meet(side *s, const side *other, int it) {
  pml_bus_server is = {.id = it ? "b" : "a",
                       .incarnation = other->t->incarnation,
                       .process = names[it],
                       .host = "",
                       .info = "{}"};
  pml__remotes_process(s->remotes, names[it], PML_PROCESS_MET);
  pml__remotes_server(s->remotes, &is, PML_BUS_UP);
  while (s->peers == 0) pml_loop_run(s->l);
  pml__link_flush(s->to.link, 1000);
}

static void side_close(side *s) {
  pml__link_disconnect(s->to.link);
  pml__remotes_free(s->remotes);
  pml_transport_close(s->t);
  pml_mailbox_close(s->records, on_record_drop, NULL);
  pml_mailbox_close(s->commands, pml__bus_msg_drop, NULL);
  pml__receiver_free(s->in);
  CHECK_EQ(pml__link_free(s->to.link), 0);
  pml_hub_unref(s->hub);
  pml_mailbox_unref(s->records);
  pml_mailbox_unref(s->commands);
}

typedef struct {
  broker broker;
  pml_loop *l;
  side a, b;
} world;

static void world_open(world *w) {
  broker_need();
  broker_start(&w->broker);
  w->l = pml_loop_new();
  side_open(&w->a, w->l, &w->broker, 0);
  side_open(&w->b, w->l, &w->broker, 1);
  side_meet(&w->a, &w->b, 1);
  side_meet(&w->b, &w->a, 0);
}

static void world_close(world *w) {
  side_close(&w->a);
  side_close(&w->b);
  pml_loop_free(w->l);
  broker_kill(&w->broker);
}

static int send_number(side *s, const char *to, uint64_t n, pml_buf *body, pml_buf *extra) {
  return pml_transport_send(s->t, to, pml_slice_of(&n, sizeof n), body, extra);
}

static pml_buf *body_of(size_t n) {
  pml_buf *b = pml_buf_new(n);
  for (size_t i = 0; i < n; i++) b->data[i] = (uint8_t)(i / 1000);
  return b;
}

TEST(remotes_records_go_over_a_broker_in_order) {
  world w;
  world_open(&w);
  pml_buf *body = body_of(100), *extra = pml_buf_from("x", 1);
  w.a.want = w.b.want = 5000;
  for (uint64_t i = 0; i < 5000; i++) {
    CHECK_EQ(send_number(&w.a, "b", i, i % 3 ? body : NULL, i % 2 ? extra : NULL), 0);
    CHECK_EQ(send_number(&w.b, "a", i, NULL, NULL), 0);
  }
  while (w.a.got < 5000 || w.b.got < 5000) pml_loop_run(w.l);
  CHECK_EQ(w.a.bad + w.b.bad, 0);
  CHECK_EQ(w.a.counts.received, 5000);
  CHECK(w.a.counts.messages_sent < 500); /* many records are one message */
  CHECK_EQ(w.a.counts.gaps + w.a.counts.strangers + w.a.counts.full, 0);
  CHECK_EQ(pml__remotes_counters(w.a.remotes)->sent, 5000);
  pml_buf_unref(body);
  pml_buf_unref(extra);
  world_close(&w);
}

TEST(remotes_records_above_a_message_are_cut_and_put_together) {
  world w;
  world_open(&w);
#ifdef __SANITIZE_THREAD__ /* it takes its time */
  static const size_t sizes[] = {300000, 1u << 20, 3u << 20};
#else
  static const size_t sizes[] = {300000, 1u << 20, PML_RECORD_MAX - 9};
#endif
  pml_buf *small = body_of(1), *extra = pml_buf_from("x", 1);
  w.b.want = 6;
  for (uint64_t i = 0; i < 3; i++) {
    pml_buf *body = body_of(sizes[i]);
    CHECK_EQ(send_number(&w.a, "b", 2 * i, body, extra), 0);
    CHECK_EQ(send_number(&w.a, "b", 2 * i + 1, small, NULL), 0);
    pml_buf_unref(body);
  }
  while (w.b.got < 6) pml_loop_run(w.l);
  CHECK_EQ(w.b.bad, 0);
  CHECK_EQ(w.b.counts.gaps + w.b.counts.strangers, 0);
  pml_buf_unref(small);
  pml_buf_unref(extra);
  world_close(&w);
}

TEST(remotes_cannot_be_sent_to_while_they_are_away) {
  world w;
  world_open(&w);
  pml__remotes_process(w.a.remotes, names[1], PML_PROCESS_UNREACHABLE);
  CHECK_EQ(send_number(&w.a, "b", 0, NULL, NULL), PML_ENOENT);
  while (!w.a.away) pml_loop_run(w.l);
  pml__remotes_process(w.a.remotes, names[1], PML_PROCESS_MET);
  CHECK_EQ(w.a.peers, 1); /* it was there all the time */
  w.b.want = 1;
  CHECK_EQ(send_number(&w.a, "b", 0, NULL, NULL), 0);
  while (!w.b.got) pml_loop_run(w.l);
  CHECK_EQ(w.b.bad + w.b.counts.gaps, 0);
  pml__remotes_link(w.a.remotes, 0);
  CHECK_EQ(send_number(&w.a, "b", 1, NULL, NULL), PML_ENOENT);
  while (w.a.away < 2) pml_loop_run(w.l);
  pml__remotes_process(w.a.remotes, names[1], PML_PROCESS_GONE);
  while (w.a.peers) pml_loop_run(w.l);
  world_close(&w);
}

TEST(remotes_are_there_for_a_server_that_they_know_of) {
  world w;
  side c = {.peers = 0};
  world_open(&w);
  c.l = w.l;
  pml_transport_events ev = {on_got, on_peer, &c, on_away, NULL};
  CHECK_EQ(pml_transport_local_join(w.a.hub, w.l, "c", &ev, &c.t), 0);
  while (c.peers < 1) pml_loop_run(w.l); /* a, of its own process */
  CHECK_EQ(pml_transport_send(c.t, "b", pml_slice_str("head"), NULL, NULL), PML_ENOENT);
  pml_hub_announce(w.a.hub, "c", c.t->incarnation + 1); /* another life */
  pml_hub_announce(w.a.hub, "c", c.t->incarnation);
  pml_hub_announce(w.a.hub, "c", c.t->incarnation); /* again, with other facts about it */
  while (c.peers < 2) pml_loop_run(w.l);
  CHECK_EQ(pml_transport_send(c.t, "b", pml_slice_str("head"), NULL, NULL), 0);
  pml__remotes_process(w.a.remotes, names[1], PML_PROCESS_GONE);
  while (c.peers > 1) pml_loop_run(w.l);
  pml_transport_close(c.t);
  world_close(&w);
}
