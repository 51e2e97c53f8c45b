#include "node/cluster_members.h"

#include "node/push.h"
#include "test/fanout.h"
#include "test/node_count.h"
#include "wire/interest_list.h"

static int join(fanout *x, const char *name, const char *uid, pml_id session) {
  size_t joined;
  pml_cluster_who who = {virtual_uid(uid), session};
  int rc = pml_cluster_join(x->v.node, pml_slice_str(name), &who, &joined);
  return rc ? rc : (int)joined;
}

static size_t leave(fanout *x, const char *name, pml_uid uid, pml_id session) {
  return pml_cluster_leave(x->v.node, pml_slice_str(name), &(pml_cluster_who){uid, session});
}

static void asks(fanout *x, const char *from, uint64_t seq) {
  pml_writer w = {0};
  pml_interest_list_begin(&w, &(pml_interest_list){.op = PML_INTEREST_ASK, .seq = seq});
  pml_envelope env = {.kind = PML_ENV_INTEREST};
  pml_buf *b = pml_writer_finish(&w);
  virtual_deliver(&x->v, from, &env, b->data, b->len, NULL);
  pml_buf_unref(b);
}

/* The next record: "list 2: +hall " or "changes 3: -hall ", to a server. */
static void expect(fanout *x, const char *to, const char *text) {
  virtual_record r;
  pml_interest_list l;
  pml_slice name;
  int there;
  char got[256];
  CHECK(virtual_take(&x->v, &r));
  CHECK(strcmp(r.to, to) == 0);
  CHECK_EQ(r.env.kind, PML_ENV_INTEREST);
  CHECK_EQ(pml_interest_list_read(pml_buf_slice(r.body), &l), 0);
  int n =
    snprintf(got, sizeof got, "%s %d:", l.op == PML_INTEREST_LIST ? "list" : "changes", (int)l.seq);
  while (pml_interest_list_next(&l.channels, &name, &there))
    n += snprintf(got + n, sizeof got - (size_t)n, " %c%.*s", there ? '+' : '-', (int)name.n,
                  (const char *)name.p);
  if (strcmp(got, text) != 0) printf("got %s\n", got);
  CHECK(strcmp(got, text) == 0);
  virtual_drop(&r);
}

static void nothing(fanout *x) {
  virtual_record r;
  CHECK(!virtual_take(&x->v, &r));
}

TEST(cluster_members_get_a_push_once_each_session) {
  fanout x;
  pml_id push;
  fanout_open(&x, 1);
  fanout_clients(&x, (const char *const[]){"ann", "bob", "ann", "-", "cat"}, 5);
  CHECK_EQ(join(&x, "hall", "ann", 0), 2);
  CHECK_EQ(join(&x, "hall", "ann", x.s[0]->id), 0);
  CHECK_EQ(join(&x, "hall", "bob", x.s[1]->id), 1);
  CHECK_EQ(join(&x, "hall", "bob", x.s[0]->id), PML_ENOENT); /* the session is of another */
  CHECK_EQ(join(&x, "hall", "bob", x.s[3]->id), PML_ENOENT);
  CHECK_EQ(join(&x, "hall", "nobody", 0), PML_ENOENT);
  pml_slice hall = pml_slice_str("hall");
  CHECK_EQ(pml_push_cluster(x.v.node, hall, &(pml_push_what){.frame = x.frame}, &push), 0);
  fanout_expect(&x, 5, "11100");
  pml_buf *except = fanout_list("ann nobody");
  pml_push_what what = {.frame = x.frame, .except = pml_buf_slice(except), .ms = 1000};
  CHECK_EQ(pml_push_cluster(x.v.node, hall, &what, &push), 0);
  fanout_expect(&x, 5, "01000");
  pml_loop_settle(x.v.loop);
  fake_script_expect(&x.v.script, "pushed good fails:\n");
  pml_buf_unref(except);
  CHECK_EQ(pml_cluster_members_here(x.v.node, hall, NULL), 2);
  CHECK_EQ(leave(&x, "hall", virtual_uid("ann"), x.s[0]->id), 1);
  CHECK_EQ(pml_cluster_members_here(x.v.node, hall, NULL), 2);
  CHECK_EQ(leave(&x, "hall", virtual_uid("ann"), 0), 1);
  CHECK_EQ(leave(&x, "hall", virtual_uid("ann"), 0), 0);
  CHECK_EQ(leave(&x, "hall", (pml_uid){0}, 0), 1);
  CHECK_EQ(node_count(x.v.node, "clusterChannels"), 0);
  CHECK_EQ(node_count(x.v.node, "clusterJoins"), 3);
  CHECK_EQ(node_count(x.v.node, "clusterLeaves"), 3);
  fanout_close(&x);
}

TEST(cluster_members_of_other_servers_pushes) {
  fanout x;
  virtual_record r;
  fanout_open(&x, 1);
  virtual_peer(&x.v, "chat-1", 1);
  fanout_clients(&x, (const char *const[]){"ann", "bob"}, 2);
  join(&x, "hall", "ann", 0);
  join(&x, "hall", "bob", 0);
  pml_envelope env = {.kind = PML_ENV_CHANNEL, .route = pml_slice_str("hall"), .call = 5};
  pml_buf *except = fanout_list("bob");
  virtual_deliver(&x.v, "chat-1", &env, x.frame->data, x.frame->len, except);
  pml_buf_unref(except);
  CHECK_EQ(x.f[0].frames, 1);
  CHECK_EQ(x.f[1].frames, 0);
  CHECK(virtual_take(&x.v, &r));
  CHECK_EQ(r.env.kind, PML_ENV_ANSWER);
  CHECK_EQ(r.env.status, 0);
  virtual_drop(&r);
  env.route = pml_slice_str("nowhere");
  env.call = 0;
  virtual_deliver(&x.v, "chat-1", &env, x.frame->data, x.frame->len, NULL);
  virtual_deliver(&x.v, "chat-1", &env, "x", 1, NULL); /* no frame */
  nothing(&x);
  CHECK_EQ(x.f[0].frames, 1);
  fake_sink_clear(&x.f[0]);
  fanout_close(&x);
}

TEST(cluster_members_tell_who_has_asked_of_every_change) {
  fanout x;
  fanout_open(&x, 1);
  virtual_peer(&x.v, "chat-1", 1);
  virtual_peer(&x.v, "chat-2", 1);
  fanout_clients(&x, (const char *const[]){"ann", "bob"}, 2);
  join(&x, "hall", "ann", 0);
  nothing(&x);
  asks(&x, "chat-1", PML_INTEREST_NOTHING);
  expect(&x, "chat-1", "list 1: +hall");
  join(&x, "hall", "bob", 0); /* no change: there was one already */
  nothing(&x);
  join(&x, "yard", "bob", 0); /* told before the answer */
  expect(&x, "chat-1", "changes 2: +yard");
  asks(&x, "chat-1", 2);
  nothing(&x);
  asks(&x, "chat-1", 1);
  expect(&x, "chat-1", "list 2: +hall +yard");
  asks(&x, "chat-2", PML_INTEREST_NOTHING);
  expect(&x, "chat-2", "list 2: +hall +yard");
  pml_sessions_close(pml_node_sessions(x.v.node), x.s[1]); /* told at the end of the turn */
  nothing(&x);
  pml_loop_settle(x.v.loop);
  expect(&x, "chat-1", "changes 3: -yard");
  expect(&x, "chat-2", "changes 3: -yard");
  virtual_peer(&x.v, "chat-1", 0);
  leave(&x, "hall", virtual_uid("ann"), 0);
  pml_loop_settle(x.v.loop);
  expect(&x, "chat-2", "changes 4: -hall");
  nothing(&x);
  virtual_peer(&x.v, "chat-1", 1); /* another life of it, which has not asked */
  join(&x, "hall", "ann", 0);
  expect(&x, "chat-2", "changes 5: +hall");
  nothing(&x);
  fanout_close(&x);
}

TEST(cluster_members_are_told_in_parts) {
  enum { CHANNELS = 300 };
  fanout x;
  virtual_record r;
  pml_interest_list l;
  char name[256];
  size_t parts = 0, found = 0;
  pml_slice one;
  int there;
  fanout_open(&x, 1);
  virtual_peer(&x.v, "chat-1", 1);
  fanout_clients(&x, (const char *const[]){"ann"}, 1);
  for (int i = 0; i < CHANNELS; i++) {
    snprintf(name, sizeof name, "%0250d", i);
    CHECK_EQ(join(&x, name, "ann", 0), 1);
  }
  asks(&x, "chat-1", PML_INTEREST_NOTHING);
  while (virtual_take(&x.v, &r)) {
    CHECK_EQ(pml_interest_list_read(pml_buf_slice(r.body), &l), 0);
    CHECK_EQ(l.part, parts++);
    while (pml_interest_list_next(&l.channels, &one, &there)) found++;
    CHECK_EQ(l.last, found == CHANNELS);
    virtual_drop(&r);
  }
  CHECK_EQ(parts, 2);
  CHECK_EQ(found, CHANNELS);
  CHECK_EQ(node_count(x.v.node, "clusterLists"), 1);
  fanout_close(&x);
}

TEST(cluster_members_are_bounded) {
  fanout x;
  double lo, hi;
  fanout_open(&x, 1);
  fanout_clients(&x, (const char *const[]){"ann", "bob"}, 2);
  CHECK_EQ(pml_config_set(pml_node_config(x.v.node), "clusterChannels", 2, &lo, &hi), 0);
  CHECK_EQ(pml_config_set(pml_node_config(x.v.node), "clusterPerSession", 1, &lo, &hi), 0);
  CHECK_EQ(join(&x, "one", "ann", 0), 1);
  CHECK_EQ(join(&x, "two", "ann", 0), PML_ETOOBIG);
  CHECK_EQ(join(&x, "two", "bob", 0), 1);
  fanout_clients(&x, (const char *const[]){"cat"}, 1);
  CHECK_EQ(join(&x, "three", "cat", 0), PML_EFULL);
  CHECK_EQ(join(&x, "one", "cat", 0), 1);
  char longest[258];
  snprintf(longest, sizeof longest, "%0257d", 0);
  CHECK_EQ(join(&x, longest, "cat", 0), PML_EINVAL);
  CHECK_EQ(node_count(x.v.node, "clusterFull"), 3);
  CHECK_EQ(node_count(x.v.node, "clusterMembers"), 3);
  fanout_close(&x);
}
