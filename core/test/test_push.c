#include "node/push.h"

#include "node/frontend.h"
#include "test/fanout.h"
#include "test/node_count.h"

TEST(push_reaches_every_session_of_a_uid_with_one_block) {
  fanout x;
  pml_id push;
  fanout_open(&x, 1);
  fanout_clients(&x, (const char *const[]){"ann", "bob", "ann", "-"}, 4);
  pml_channel *c = pml_channels_create(pml_node_channels(x.v.node), pml_slice_str("hall"));
  pml_channel_add(c, virtual_uid("ann"), "f1");
  CHECK_EQ(pml_push_channel(x.v.node, c, &(pml_push_what){.frame = x.frame}, &push), 0);
  CHECK_EQ(push, 0);
  fanout_expect(&x, 4, "1010");
  pml_loop_settle(x.v.loop);
  fake_script_expect(&x.v.script, "");
  fanout_close(&x);
}

TEST(push_sends_one_record_for_each_frontend_and_shares_its_blocks) {
  fanout x;
  virtual_record r[3], none;
  pml_id push;
  char uid[16], sid[16];
  fanout_open(&x, 0);
  pml_channel *c = pml_channels_create(pml_node_channels(x.v.node), pml_slice_str("hall"));
  for (int i = 0; i < 30; i++) {
    snprintf(uid, sizeof uid, "u%d", i);
    snprintf(sid, sizeof sid, "f%d", i % 3);
    virtual_peer(&x.v, sid, 1);
    CHECK_EQ(pml_channel_add(c, virtual_uid(uid), sid), 1);
  }
  CHECK_EQ(pml_push_channel(x.v.node, c, &(pml_push_what){.frame = x.frame}, &push), 0);
  pml_group *g = pml_channel_first(c);
  for (int i = 0; i < 3; i++, g = pml_group_next(c, g)) {
    CHECK(virtual_take(&x.v, &r[i]));
    CHECK(r[i].body == x.frame);
    CHECK(r[i].extra == pml_group_uids(g));
    CHECK_EQ(r[i].env.kind, PML_ENV_PUSH);
    CHECK_EQ(r[i].env.call, 0);
    CHECK(strcmp(r[i].to, pml_group_sid(g)) == 0);
    virtual_drop(&r[i]);
  }
  CHECK(!virtual_take(&x.v, &none));
  fanout_close(&x);
}

TEST(push_to_everybody_of_other_frontends_is_one_record_each) {
  fanout x;
  virtual_record r;
  pml_id push;
  fanout_open(&x, 0);
  virtual_peer(&x.v, "f1", 1);
  virtual_peer(&x.v, "f2", 1);
  const char *const sids[] = {"f1", "gone", "f2"};
  pml_push_broadcast_to to = {.sids = sids, .count = 3, .binded = 1, .filtered = 1};
  to.param = pml_slice_str("{}");
  CHECK_EQ(pml_push_broadcast(x.v.node, &to, &(pml_push_what){.frame = x.frame, .ms = 1000}, &push),
           0);
  for (int i = 1; i <= 2; i++) {
    CHECK(virtual_take(&x.v, &r));
    CHECK_EQ(r.env.kind, PML_ENV_BROADCAST);
    CHECK_EQ(r.env.flags, PML_ENV_BINDED | PML_ENV_FILTER);
    CHECK_BYTES(r.env.param.p, r.env.param.n, "{}");
    CHECK(r.body == x.frame);
    if (i == 1) virtual_answer(&x.v, "f1", r.env.call, 0, "");
    virtual_drop(&r);
  }
  CHECK(!virtual_take(&x.v, &r));
  pml_loop_advance(x.v.loop, 1000);
  fake_script_expect(&x.v.script, "pushed good fails:\n");
  CHECK_EQ(pml_push_broadcast(x.v.node, &to, &(pml_push_what){.frame = x.frame, .ms = 1000}, &push),
           0);
  pml_loop_advance(x.v.loop, 1000);
  fake_script_expect(&x.v.script, "pushed broadcast fails fails:\n");
  fanout_close(&x);
}

TEST(push_carries_its_delivery_to_other_servers_and_to_its_own_clients) {
  fanout x;
  virtual_record r;
  pml_id push;
  fanout_open(&x, 1);
  virtual_peer(&x.v, "f2", 1);
  fanout_clients(&x, (const char *const[]){"ann"}, 1);
  pml_push_target to[] = {{virtual_uid("ann"), "f1"}, {virtual_uid("bob"), "f2"}};
  pml_push_what what = {.frame = x.frame, .how = {0x1122334455667788, PML_LATEST}};
  CHECK_EQ(pml_push_uids(x.v.node, to, 2, &what, &push), 0);
  CHECK_EQ(x.f[0].how[0].policy, PML_LATEST);
  CHECK_EQ(x.f[0].how[0].identity, 0x1122334455667788);
  CHECK(virtual_take(&x.v, &r));
  CHECK_EQ(r.env.flags, PML_ENV_LATEST);
  CHECK_EQ(r.env.identity, 0x1122334455667788);
  virtual_drop(&r);
  what.how = (pml_delivery){0, PML_DROP};
  CHECK_EQ(pml_push_uids(x.v.node, to, 2, &what, &push), 0);
  CHECK_EQ(x.f[0].how[1].policy, PML_DROP);
  CHECK(virtual_take(&x.v, &r));
  CHECK_EQ(r.env.flags, PML_ENV_DROP);
  CHECK_EQ(r.env.identity, 0);
  virtual_drop(&r);
  fanout_expect(&x, 1, "2");
  fanout_close(&x);
}

TEST(push_to_one_session_reaches_it_bound_or_not_and_no_other) {
  fanout x;
  fanout_open(&x, 1);
  fanout_clients(&x, (const char *const[]){"-", "ann", "ann"}, 3);
  pml_push_what what = {.frame = x.frame, .how = {9, PML_LATEST}};
  CHECK_EQ(pml_push_session(x.v.node, "f1", 0, x.s[0]->id, &what), 0);
  CHECK_EQ(x.f[0].how[0].identity, 9);
  fanout_expect(&x, 3, "100");
  CHECK_EQ(pml_push_session(x.v.node, "f1", 0, x.s[2]->id, &what), 0);
  fanout_expect(&x, 3, "001");
  CHECK_EQ(pml_push_session(x.v.node, "f1", 0, 12345, &what), PML_ENOENT);
  pml_frontend_kick(x.v.node, x.s[1], pml_slice_str(NULL));
  CHECK_EQ(pml_push_session(x.v.node, "f1", 0, x.s[1]->id, &what), PML_ENOENT);
  CHECK_EQ(node_count(x.v.node, "pushes"), 2);
  CHECK_EQ(node_count(x.v.node, "pushFails"), 2);
  fanout_expect(&x, 3, "000");
  pml_frontend_closed(x.v.node, x.s[1], &(pml_close_reason){.kind = PML_CLOSE_NIL});
  fanout_close(&x);
}

TEST(push_to_a_session_of_another_server_names_the_life_of_that_server) {
  fanout x;
  virtual_record r;
  fanout_open(&x, 0);
  pml_push_what what = {.frame = x.frame};
  CHECK_EQ(pml_push_session(x.v.node, "f1", 0, 77, &what), PML_ENOENT);
  virtual_peer(&x.v, "f1", 1);
  uint64_t life = pml_node_incarnation(x.v.node, "f1");
  CHECK(life != 0);
  CHECK_EQ(pml_push_session(x.v.node, "f1", life, 77, &what), 0);
  CHECK(virtual_take(&x.v, &r));
  CHECK_EQ(r.env.kind, PML_ENV_SEND);
  CHECK_EQ(r.env.session, 77);
  CHECK_EQ(r.env.call, 0);
  CHECK_EQ(r.env.to_incarnation, life);
  CHECK(r.body == x.frame);
  virtual_drop(&r);
  CHECK_EQ(pml_push_session(x.v.node, "f1", life + 1, 77, &what), PML_ENOENT);
  CHECK(!virtual_take(&x.v, &r));
  fanout_close(&x);
}
