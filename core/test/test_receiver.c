#include "bus/receiver.h"

#include "base/clock.h"
#include "base/container.h"
#include "base/err.h"
#include "test/test.h"
#include "wire/announce.h"

#include <pthread.h>

#define ME "0123456789abcdef0123456789abcdef"
#define IT "fedcba9876543210fedcba9876543210"

typedef struct {
  pml_loop *l;
  pml_hub *hub;
  pml_mailbox *box;
  pml__subjects subjects;
  pml__bus_counters counts;
  pml__receiver *in;
  pml_hub_member *it;
  int kinds[PML__BUS_ANSWERED + 1], takes;
  atomic_int returned;
  int gaps;
  char text[PML_SERVER_ID_MAX + 1];
} world;

static void on_command(pml_mail *mail, void *ud) {
  world *w = ud;
  pml__bus_msg *m = PML_CONTAINER(mail, pml__bus_msg, mail);
  w->kinds[m->kind]++;
  snprintf(w->text, sizeof w->text, "%s", m->text);
  if (m->kind == PML__BUS_CONTROL && m->flag && w->takes) {
    CHECK_EQ(w->returned, 0); /* it waits */
    pml__receiver_taken(w->in);
  }
  pml__bus_msg_free(m);
  pml_loop_stop(w->l);
}

static void world_open(world *w) {
  memset(w, 0, sizeof *w);
  w->l = pml_loop_new();
  w->hub = pml_hub_new();
  w->box = pml_mailbox_new(w->l, 1, 0, on_command, w);
  CHECK_EQ(pml__subjects_init(&w->subjects, "test", ME), 0);
  w->in = pml__receiver_new(&w->subjects, w->hub, w->box, &w->counts, 0);
  w->it = pml_hub_remote_up(w->hub, "it", 7, w->box);
}

static void world_close(world *w) {
  pml_hub_remote_down(w->hub, w->it);
  pml_hub_member_unref(w->it);
  pml_mailbox_close(w->box, pml__bus_msg_drop, NULL);
  pml__receiver_free(w->in);
  pml_loop_free(w->l);
  pml_mailbox_unref(w->box);
  pml_hub_unref(w->hub);
}

TEST(receiver_hands_on_what_is_for_the_thread_of_the_bus) {
  world w;
  world_open(&w);
  pml_slice data = pml_slice_str("data");
  pml__receiver_message(w.in, "pml.test.all", data, 0);
  pml__receiver_message(w.in, "pml.test.id.chat-1", data, 0);
  pml__receiver_message(w.in, "pml.test.p." ME ".q", data, 0);
  pml__receiver_message(w.in, "pml.test.p." ME ".a", data, 0);
  pml__receiver_message(w.in, "pml.test.p." ME ".n.id.chat-1", data, 1);
  pml__receiver_message(w.in, "pml.test.p." ME ".n." IT, data,
                        0); /* a person's, not the broker's */
  pml__receiver_message(w.in, "pml.other.all", data, 0);
  for (int i = 0; i < 5; i++) pml_loop_run(w.l);
  CHECK_EQ(w.kinds[PML__BUS_CONTROL], 2);
  CHECK_EQ(w.kinds[PML__BUS_MAIL], 2);
  CHECK_EQ(w.kinds[PML__BUS_NOBODY], 1);
  CHECK_STR(w.text, "chat-1");
  CHECK_EQ(w.counts.strangers, 1);
  CHECK_EQ(w.counts.messages_received, 7);
  world_close(&w);
}

static void *deliver_control(void *ud) {
  world *w = ud;
  pml__receiver_message(w->in, "pml.test.p." ME ".c", pml_slice_str("list"), 0);
  w->returned = 1;
  return NULL;
}

TEST(receiver_takes_what_is_in_order_with_records_in_before_them) {
  world w;
  pthread_t th;
  world_open(&w);
  w.takes = 1;
  CHECK_EQ(pthread_create(&th, NULL, deliver_control, &w), 0);
  pml_loop_run(w.l);
  pthread_join(th, NULL);
  w.takes = 0;
  w.returned = 0;
  CHECK_EQ(pthread_create(&th, NULL, deliver_control, &w), 0);
  pml_loop_run(w.l);
  pml__receiver_release(w.in, 1); /* the thread of the bus waits for it */
  pthread_join(th, NULL);
  world_close(&w);
}

static void *deliver_list(void *ud) {
  world *w = ud;
  pml_announce a = {.protocol = PML_BUS_PROTOCOL, .kind = PML_ANNOUNCE_LIST, .version = 1};
  pml_writer m = {0};
  pml_announce_put(&m, &a);
  pml__receiver_message(w->in, "pml.test.all", pml_slice_of(pml_writer_at(&m, 0), m.len), 0);
  CHECK_EQ(w->kinds[PML__BUS_CONTROL], 1);
  pml_writer_drop(&m);
  return NULL;
}

TEST(receiver_takes_a_list_that_has_changed_in_before_the_records_behind_it) {
  world w;
  pthread_t th;
  world_open(&w);
  w.takes = 1;
  CHECK_EQ(pthread_create(&th, NULL, deliver_list, &w), 0);
  pml_loop_run(w.l);
  pthread_join(th, NULL);
  world_close(&w);
}

static void on_record(const char *from, pml_slice head, pml_buf *body, pml_buf *extra, void *ud) {
  world *w = ud;
  (void)body, (void)extra;
  CHECK_STR(from, "it");
  CHECK_BYTES(head.p, head.n, "head");
  pml_loop_stop(w->l);
}

static void on_gap(const char *id, uint64_t incarnation, void *ud) {
  world *w = ud;
  CHECK_STR(id, "it");
  CHECK_EQ(incarnation, 7);
  w->gaps++;
}

TEST(receiver_hands_records_to_their_server_and_counts_gaps) {
  world w;
  pml_transport *t;
  char pair[2 * PML_SERVER_ID_MAX + 8];
  world_open(&w);
  pml_transport_events ev = {on_record, NULL, &w, NULL, on_gap};
  CHECK_EQ(pml_transport_local_join(w.hub, w.l, "me", &ev, &t), 0);
  pml_hub_announce(w.hub, "me", t->incarnation);
  for (int life = 7; life <= 8; life++) { /* 8 is another life of its, which is not known */
    pml_writer m = {0};
    pml_batch_begin(&m);
    pml_batch_pair_put(&m, &(pml_batch_pair){"it", "me", (uint64_t)life, t->incarnation}, 3);
    pml_batch_record_put(&m, 0, pml_slice_str("head"), NULL, NULL);
    pml__receiver_message(w.in, "pml.test.p." ME ".r", pml_slice_of(pml_writer_at(&m, 0), m.len),
                          0);
    pml_writer_drop(&m);
  }
  pml_loop_run(w.l);
  CHECK_EQ(w.counts.received, 1);
  CHECK_EQ(w.gaps, 1);
  CHECK_EQ(w.counts.gaps, 2);
  CHECK_EQ(w.counts.strangers, 1);
  CHECK_EQ(pml__receiver_missed(w.in, pair), 2);
  CHECK_STR(pair, "it to me");
  CHECK_EQ(pml__receiver_missed(w.in, pair), 0);
  pml_transport_close(t);
  world_close(&w);
}
