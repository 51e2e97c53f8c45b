#include "node/cluster.h"

#include "node/push.h"
#include "node/state.h"
#include "test/fanout.h"
#include "test/node_count.h"
#include "wire/interest_list.h"

/* A frontend tells. channels: "+hall -yard ", all of one part. */
static void told(fanout *x, const char *from, int op, uint64_t seq, uint32_t part, int last,
                 const char *channels) {
  pml_writer w = {0};
  pml_interest_list_begin(
    &w, &(pml_interest_list){.op = (uint8_t)op, .last = (uint8_t)last, .part = part, .seq = seq});
  while (*channels) {
    size_t n = strcspn(channels, " ");
    pml_interest_list_put(&w, pml_slice_of(channels + 1, n - 1), *channels == '+');
    channels += n + (channels[n] == ' ');
  }
  pml_envelope env = {.kind = PML_ENV_INTEREST};
  pml_buf *b = pml_writer_finish(&w);
  virtual_deliver(&x->v, from, &env, b->data, b->len, NULL);
  pml_buf_unref(b);
}

static void list(fanout *x, const char *from, uint64_t seq, const char *channels) {
  told(x, from, PML_INTEREST_LIST, seq, 0, 1, channels);
}
static void changes(fanout *x, const char *from, uint64_t seq, const char *channels) {
  told(x, from, PML_INTEREST_CHANGES, seq, 0, 0, channels);
}

/* What left: "f1?7 " is a question with the change that is known, "f1?" with none; "f1!hall " a
 * push; other records are left out. */
static void expect(fanout *x, const char *text) {
  char got[256] = "";
  virtual_record r;
  pml_interest_list l;
  while (virtual_take(&x->v, &r)) {
    size_t n = strlen(got);
    if (r.env.kind == PML_ENV_CHANNEL) {
      CHECK(r.body == x->frame);
      snprintf(got + n, sizeof got - n, "%s!%.*s ", r.to, (int)r.env.route.n,
               (const char *)r.env.route.p);
    } else if (r.env.kind == PML_ENV_INTEREST) {
      CHECK_EQ(pml_interest_list_read(pml_buf_slice(r.body), &l), 0);
      CHECK_EQ(l.op, PML_INTEREST_ASK);
      if (l.seq == PML_INTEREST_NOTHING) snprintf(got + n, sizeof got - n, "%s? ", r.to);
      else snprintf(got + n, sizeof got - n, "%s?%d ", r.to, (int)l.seq);
    }
    virtual_drop(&r);
  }
  if (strcmp(got, text) != 0) printf("got %s\n", got);
  CHECK(strcmp(got, text) == 0);
}

static void push(fanout *x, const char *name) {
  pml_id id;
  pml_push_what what = {.frame = x->frame};
  CHECK_EQ(pml_push_cluster(x->v.node, pml_slice_str(name), &what, &id), 0);
}

static void open_world(fanout *x) {
  fanout_open(x, 0);
  pml_directory *d = pml_node_directory(x->v.node);
  pml_directory_add(d, "f1", "connector", 1);
  pml_directory_add(d, "f2", "connector", 1);
  pml_directory_add(d, "chat-1", "chat", 0);
  pml_directory_add(d, "chat-2", "chat", 0);
  virtual_peer(&x->v, "f1", 1);
  virtual_peer(&x->v, "f2", 1);
  virtual_peer(&x->v, "chat-2", 1);
}

TEST(cluster_costs_nothing_before_it_is_used) {
  fanout x;
  open_world(&x);
  pml_loop_advance(x.v.loop, 5000);
  list(&x, "f1", 0, ""); /* meant for another life of this server */
  expect(&x, "");
  pml_cluster_use(x.v.node);
  pml_cluster_use(x.v.node);
  expect(&x, "f1? f2? ");
  fanout_close(&x);
}

TEST(cluster_pushes_go_to_the_frontends_with_members) {
  fanout x;
  open_world(&x);
  push(&x, "hall"); /* nothing is known yet */
  expect(&x, "f1? f2? f1!hall f2!hall ");
  list(&x, "f1", 4, "+hall +yard");
  list(&x, "f2", 0, "");
  push(&x, "hall");
  push(&x, "nowhere");
  expect(&x, "f1!hall ");
  changes(&x, "f2", 1, "+hall");
  changes(&x, "f1", 5, "-hall +shop");
  CHECK_EQ(node_count(x.v.node, "clusterKnown"), 3);
  push(&x, "hall");
  push(&x, "shop");
  expect(&x, "f2!hall f1!shop ");
  pml_loop_advance(x.v.loop, 1000);
  expect(&x, "f1?5 f2?1 ");
  fanout_close(&x);
}

TEST(cluster_heals_what_it_has_missed) {
  fanout x;
  open_world(&x);
  pml_cluster_use(x.v.node);
  list(&x, "f1", 1, "+hall");
  list(&x, "f2", 1, "+yard");
  expect(&x, "f1? f2? ");
  changes(&x, "f1", 3, "+shop"); /* the second one was lost */
  CHECK_EQ(node_count(x.v.node, "clusterMissed"), 1);
  push(&x, "yard");
  expect(&x, "f1? f2!yard f1!yard ");
  changes(&x, "f1", 4, "-shop"); /* comes before the list: it has it */
  list(&x, "f1", 4, "+hall +park");
  push(&x, "yard");
  push(&x, "park");
  push(&x, "shop");
  expect(&x, "f2!yard f1!park ");
  /* A list of which a part is lost is none; it is asked for again. */
  told(&x, "f1", PML_INTEREST_LIST, 5, 0, 0, "+hall");
  told(&x, "f1", PML_INTEREST_LIST, 5, 2, 1, "+shop");
  push(&x, "x");
  expect(&x, "f1!x ");
  pml_loop_advance(x.v.loop, 1000);
  expect(&x, "f1? f2?1 ");
  told(&x, "f1", PML_INTEREST_LIST, 5, 0, 0, "+hall");
  told(&x, "f1", PML_INTEREST_LIST, 5, 1, 1, "+shop");
  push(&x, "shop");
  push(&x, "park");
  expect(&x, "f1!shop ");
  fanout_close(&x);
}

TEST(cluster_asks_at_once_when_records_were_lost) {
  fanout x;
  open_world(&x);
  pml_transport_events ev = pml_rpc_transport_events(x.v.node->rpc);
  ev.on_gap("f1", pml_node_incarnation(x.v.node, "f1"), ev.ud);
  expect(&x, ""); /* nothing is known that could be wrong */
  pml_cluster_use(x.v.node);
  list(&x, "f1", 1, "+hall");
  expect(&x, "f1? f2? ");
  ev.on_gap("f1", pml_node_incarnation(x.v.node, "f1"), ev.ud);
  ev.on_gap("chat-2", pml_node_incarnation(x.v.node, "chat-2"), ev.ud);
  expect(&x, "f1?1 ");
  fanout_close(&x);
}

TEST(cluster_forgets_a_frontend_that_went_and_asks_the_next_one) {
  fanout x;
  open_world(&x);
  pml_cluster_use(x.v.node);
  list(&x, "f1", 1, "+hall");
  list(&x, "f2", 1, "+hall");
  expect(&x, "f1? f2? ");
  virtual_peer(&x.v, "f1", 0);
  push(&x, "hall");
  expect(&x, "f2!hall ");
  virtual_peer(&x.v, "f1", 1);
  push(&x, "hall");
  expect(&x, "f1? f2!hall f1!hall ");
  list(&x, "f1", 0, "");
  pml_directory_add(pml_node_directory(x.v.node), "f3", "connector", 1);
  virtual_peer(&x.v, "f3", 1); /* added at run time */
  pml_loop_advance(x.v.loop, 1000);
  expect(&x, "f2?1 f1?0 f3? ");
  push(&x, "hall");
  expect(&x, "f2!hall f3!hall ");
  fanout_close(&x);
}

TEST(cluster_pushes_with_a_callback_say_when_a_frontend_fails) {
  fanout x;
  virtual_record r;
  pml_id id;
  open_world(&x);
  pml_cluster_use(x.v.node);
  list(&x, "f1", 1, "+hall");
  list(&x, "f2", 1, "+hall");
  expect(&x, "f1? f2? ");
  pml_push_what what = {.frame = x.frame, .ms = 500};
  for (int both = 1; both >= 0; both--) {
    CHECK_EQ(pml_push_cluster(x.v.node, pml_slice_str("hall"), &what, &id), 0);
    for (int i = 0; i < 2; i++) {
      CHECK(virtual_take(&x.v, &r));
      if (i == 0 || both) virtual_answer(&x.v, r.to, r.env.call, 0, "");
      virtual_drop(&r);
    }
    pml_loop_advance(x.v.loop, 500);
    fake_script_expect(&x.v.script, both
                                      ? "pushed good fails:\n"
                                      : "pushed a frontend has not acknowledged the push fails:\n");
  }
  fanout_close(&x);
}

TEST(cluster_records_that_cannot_be_read_are_left_alone) {
  fanout x;
  open_world(&x);
  pml_cluster_use(x.v.node);
  pml_envelope env = {.kind = PML_ENV_INTEREST};
  virtual_deliver(&x.v, "f1", &env, "\x09", 1, NULL);
  CHECK(strstr(x.v.log, "a list of cluster channels from server f1 cannot be read"));
  list(&x, "chat-2", 1, "+hall"); /* no frontend */
  CHECK_EQ(node_count(x.v.node, "clusterKnown"), 0);
  fanout_close(&x);
}
