#include "node/gather.h"

#include "test/fanout.h"

TEST(gather_ends_when_every_frontend_answered_or_failed) {
  fanout x;
  virtual_record a, b;
  pml_id push, told;
  fanout_open(&x, 0);
  virtual_peer(&x.v, "f1", 1);
  virtual_peer(&x.v, "f2", 1);
  pml_push_target to[] = {
    {virtual_uid("a"), "f1"}, {virtual_uid("b"), "f2"},   {virtual_uid("c"), "gone"},
    {virtual_uid("d"), "f1"}, {virtual_uid("e"), "gone"},
  };
  pml_buf *except = fanout_list("e");
  CHECK_EQ(
    pml_push_uids(x.v.node, to, 5,
                  &(pml_push_what){.frame = x.frame, .except = pml_buf_slice(except), .ms = 1000},
                  &push),
    0);
  CHECK(push != 0);
  CHECK(virtual_take(&x.v, &a) && virtual_take(&x.v, &b));
  pml_buf *fails = fanout_list("d");
  pml_envelope env = {.kind = PML_ENV_ANSWER, .call = a.env.call};
  virtual_deliver(&x.v, "f1", &env, fails->data, fails->len, NULL);
  virtual_deliver(&x.v, "f1", &env, fails->data, fails->len, NULL); /* twice is once */
  pml_loop_settle(x.v.loop);
  fake_script_expect(&x.v.script, "");
  pml_loop_advance(x.v.loop, 1000);
  fake_script_expect(&x.v.script, "pushed good fails: c d b\n");
  told = x.v.script.push;
  CHECK(told == push);
  pml_buf_unref(fails);
  pml_buf_unref(except);
  virtual_drop(&a);
  virtual_drop(&b);
  fanout_close(&x);
}

TEST(gather_fails_when_no_frontend_got_it) {
  fanout x;
  virtual_record r;
  pml_id push;
  fanout_open(&x, 0);
  virtual_peer(&x.v, "f2", 1);
  pml_push_target to[] = {{virtual_uid("a"), "gone"}, {virtual_uid("b"), "f2"}};
  CHECK_EQ(pml_push_uids(x.v.node, to, 2, &(pml_push_what){.frame = x.frame, .ms = 1000}, &push),
           0);
  virtual_peer(&x.v, "f2", 0);
  pml_loop_settle(x.v.loop);
  fake_script_expect(&x.v.script, "pushed all uids push message fail fails: a b\n");
  CHECK(virtual_take(&x.v, &r));
  virtual_drop(&r);
  fanout_close(&x);
}

TEST(gather_to_nobody_ends_well_and_later) {
  fanout x;
  pml_id push;
  fanout_open(&x, 0);
  CHECK_EQ(pml_push_uids(x.v.node, NULL, 0, &(pml_push_what){.frame = x.frame, .ms = 1}, &push), 0);
  fake_script_expect(&x.v.script, "");
  pml_loop_settle(x.v.loop);
  fake_script_expect(&x.v.script, "pushed good fails:\n");
  fanout_close(&x);
}

TEST(gather_runs_out_of_places) {
  fanout x;
  pml_id push;
  fanout_open(&x, 0);
  for (int i = 1; i < 1 << PML_SLOT_BITS; i++)
    CHECK_EQ(pml_push_uids(x.v.node, NULL, 0, &(pml_push_what){.frame = x.frame, .ms = 100}, &push),
             0);
  pml_buf *except = fanout_list("a");
  CHECK_EQ(pml_push_uids(
             x.v.node, NULL, 0,
             &(pml_push_what){.frame = x.frame, .except = pml_buf_slice(except), .ms = 100}, &push),
           PML_EFULL);
  CHECK_EQ(push, 0);
  pml_buf_unref(except);
  fanout_close(&x); /* before any has ended */
}

TEST(gather_is_forgotten_with_its_node) {
  fanout x;
  pml_id push;
  fanout_open(&x, 0);
  virtual_peer(&x.v, "f1", 1);
  pml_push_target to[] = {{virtual_uid("a"), "f1"}};
  pml_buf *except = fanout_list("zoe");
  for (int i = 0; i < 5; i++)
    CHECK_EQ(
      pml_push_uids(x.v.node, to, 1,
                    &(pml_push_what){.frame = x.frame, .except = pml_buf_slice(except), .ms = 1000},
                    &push),
      0);
  virtual_peer(&x.v, "f1", 0); /* they have failed, and nobody was told */
  pml_buf_unref(except);
  fanout_close(&x);
}
