/* The half of a bus that speaks to the broker, with its link (bus/bus_thread_link.c), seen through
 * bus/bus. */
#include "test/bus_side.h"

TEST(bus_thread_broker_that_comes_back_finds_everybody_there) {
  world w;
  world_open(&w);
  broker_kill(&w.broker);
  UNTIL(w.l, !w.a.up && !w.b.up && w.a.away && w.b.away);
  CHECK_EQ(send_number(&w.a, "b-1", 0, NULL, NULL), PML_ENOENT); /* at once */
  CHECK_EQ(pml_bus_is_up(w.a.bus), 0);
  broker_start_with(&w.broker, w.broker.port, NULL);
  uint64_t there = pml_clock_ms();
  /* What is sent while one of the two is not back yet may be lost; at once, or on its way. */
  for (uint64_t n = 0; w.b.records == 0; n++) {
    int rc = send_number(&w.a, "b-1", n, NULL, NULL);
    CHECK(rc == 0 || rc == PML_ENOENT);
    run_for(w.l, 20);
    CHECK(pml_clock_ms() < there + 20000);
  }
  CHECK_EQ(w.a.peers + w.b.peers, 2); /* they were there all the time */
  world_close(&w);
}

TEST(bus_thread_claims_of_a_server_that_came_during_an_outage_are_heard) {
  world w;
  world_open(&w);
  broker_kill(&w.broker);
  UNTIL(w.l, !w.a.up && !w.b.up);
  pml_bus_serve(w.a.bus, "a-2", w.a.t->incarnation + 1, "{\"serverType\":\"test\"}");
  broker_start_with(&w.broker, w.broker.port, NULL);
  UNTIL(w.l, w.a.up && w.b.up && w.b.came == 2); /* so the broker knows what a asks for */
  pml_bus_claim(w.b.bus, "a-2");
  UNTIL(w.l, w.b.claimed);
  CHECK_EQ(w.b.claimed, 2); /* taken */
  world_close(&w);
}

TEST(bus_thread_last_records_of_a_server_go_before_it_is_gone) {
  world w;
  world_open(&w);
  for (int i = 0; i < 20000; i++) pml_bus_leaving(w.a.bus, "nobody"); /* it has much to do */
  for (uint64_t n = 0; n < 3; n++) CHECK_EQ(send_number(&w.a, "b-1", n, NULL, NULL), 0);
  pml_transport_close(w.a.t);
  pml_bus_leave(w.a.bus, "a-1");
  UNTIL(w.l, w.b.peers == 0);
  CHECK_EQ(w.b.records, 3);
  CHECK_EQ(w.b.bad, 0);
  pml_bus_close(w.a.bus, 200);
  pml_hub_unref(w.a.hub);
  side_close(&w.b);
  pml_loop_free(w.l);
  broker_kill(&w.broker);
}

TEST(bus_thread_claim_is_free_at_once_without_a_broker) {
  broker_need();
  pml_loop *l = pml_loop_new();
  side a;
  side_open(&a, l, "nats://127.0.0.1:1", "a-1");
  pml_bus_claim(a.bus, "b-1");
  UNTIL(l, a.claimed == 1 && a.links == 1);
  CHECK_EQ(a.up, 0);
  CHECK_STR(a.text, "no broker answers at nats://127.0.0.1:1");
  side_close(&a);
  pml_loop_free(l);
}

TEST(bus_thread_tls_that_the_broker_does_not_offer_is_refused) {
  broker_need();
  broker b;
  char url[80];
  side a;
  broker_start(&b);
  pml_loop *l = pml_loop_new();
  snprintf(url, sizeof url, "tls://127.0.0.1:%d", b.port);
  side_open(&a, l, url, "a-1");
  UNTIL(l, a.links == 1);
  CHECK_EQ(a.up, 0);
  CHECK(strstr(a.text, "offers no TLS"));
  side_close(&a);
  pml_loop_free(l);
  broker_kill(&b);
}

TEST(bus_thread_wrong_options_are_said_in_a_sentence) {
  static const char *const bad[][2] = {{"http://127.0.0.1:1", NULL},
                                       {"nats://127.0.0.1:1", "tls://127.0.0.1:1"}};
  pml_loop *l = pml_loop_new();
  pml_hub *h = pml_hub_new();
  pml_bus_events ev = {0};
  pml_bus *b = NULL;
  for (size_t i = 0; i < 2; i++) {
    char err[256] = "";
    pml_bus_options o = {
      .urls = bad[i], .nurls = 1 + (bad[i][1] != NULL), .cluster = "c", .host = "h"};
    CHECK_EQ(pml_bus_open(l, h, &o, &ev, &b, err, sizeof err), PML_EINVAL);
    CHECK(*err && !b);
  }
  pml_hub_unref(h);
  pml_loop_free(l);
}
