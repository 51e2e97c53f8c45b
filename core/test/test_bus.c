#include "bus/bus.h"

#include "test/bus_side.h"

TEST(bus_records_go_over_it_in_order) {
  world w;
  world_open(&w);
  pml_buf *body = pml_buf_from("body", 4);
  for (uint64_t i = 0; i < 2000; i++) {
    CHECK_EQ(send_number(&w.a, "b-1", i, body, i % 2 ? body : NULL), 0);
    CHECK_EQ(send_number(&w.b, "a-1", i, NULL, NULL), 0);
  }
  UNTIL(w.l, w.a.records == 2000 && w.b.records == 2000);
  CHECK_EQ(w.a.bad + w.b.bad, 0);
  pml_bus_counts c;
  do {
    pml_bus_counts_get(w.a.bus, &c);
    run_for(w.l, 1);
  } while (c.sent < 2000); /* counted after the turn in which the last ones went */
  CHECK_EQ(c.received, 2000);
  CHECK(c.messages_sent < 1000); /* many records are one message */
  CHECK_EQ(c.gaps + c.strangers + c.full + c.unsent, 0);
  pml_buf_unref(body);
  world_close(&w);
}

TEST(bus_server_that_says_goodbye_is_gone) {
  world w;
  world_open(&w);
  side_close(&w.b);
  UNTIL(w.l, w.a.peers == 0);
  CHECK_EQ(send_number(&w.a, "b-1", 0, NULL, NULL), PML_ENOENT);
  side_open(&w.b, w.l, w.broker.url, "b-1");
  UNTIL(w.l, w.a.peers == 1 && w.b.peers == 1);
  CHECK_EQ(send_number(&w.a, "b-1", 0, NULL, NULL), 0);
  UNTIL(w.l, w.b.records == 1);
  world_close(&w);
}

TEST(bus_claim_is_refused_while_the_server_lives) {
  world w;
  world_open(&w);
  pml_bus_claim(w.a.bus, "b-1");
  UNTIL(w.l, w.a.claimed == 2);
  w.a.claimed = 0;
  pml_bus_claim(w.a.bus, "c-1");
  UNTIL(w.l, w.a.claimed == 1);
  world_close(&w);
}

TEST(bus_server_with_the_id_of_another_supersedes_it) {
  world w;
  side c;
  world_open(&w);
  side_open(&c, w.l, w.broker.url, "b-1"); /* without a claim, as after a partition */
  UNTIL(w.l, w.b.superseded);
  CHECK_EQ(c.superseded, 0);
  side_close(&w.b);
  UNTIL(w.l, c.peers == 1 && w.a.came == 2); /* a knows the later life of b-1 */
  int rc;
  while ((rc = send_number(&w.a, "b-1", 0, NULL, NULL)) != 0) pml_loop_run(w.l);
  UNTIL(w.l, c.records == 1);
  side_close(&w.a);
  side_close(&c);
  pml_loop_free(w.l);
  broker_kill(&w.broker);
}

TEST(bus_questions_are_answered) {
  world w;
  world_open(&w);
  CHECK_EQ(pml_bus_ask(w.a.bus, "nobody", pml_slice_str("list"), 100, on_answer, &w.a), PML_ENOENT);
  w.a.text[0] = '\0';
  CHECK_EQ(pml_bus_ask(w.a.bus, NULL, pml_slice_str("list"), 3000, on_answer, &w.a), 0);
  UNTIL(w.l, w.a.ended);
  CHECK_EQ(w.a.answers, 2);
  CHECK_EQ(w.a.late, 0);
  CHECK_STR(w.a.text, "list b-1 ");
  world_close(&w);
}
