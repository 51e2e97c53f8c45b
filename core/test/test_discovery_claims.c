#include "bus/claims.h"
#include "test/discovery_world.h"

TEST(discovery_a_claim_is_free_soon_when_nobody_has_the_id) {
  two();
  start(2);
  pass(10);
  CHECK_STR(told(2), "up gate-1 100, up chat-1 101");
  claim(2, "chat-2");
  pass(PML_CLAIM_WIDE_MS);
  CHECK_STR(told(2), "");
  pass(2); /* the others had time to say that they know of nobody */
  CHECK_STR(told(2), "chat-2 free above 0");
  world_fini();
}

/* The clock of its machine went back, or it is on another one. */
TEST(discovery_a_life_after_a_dead_one_of_a_clock_ahead_is_above_it) {
  for (int with_others = 0; with_others < 2; with_others++) {
    two();
    leave(1, "chat-1");
    serve(1, "chat-1", 3600000);
    pass(2500);
    CHECK_STR(told(0), "down chat-1 101, up chat-1 3600000");
    if (with_others) start(3);
    end(1); /* without a goodbye */
    pass(1000);
    start(2);
    claim(2, "chat-1");
    pass(1100);
    CHECK(strstr(told(2), "chat-1 free above 3600000") != NULL);
    serve(2, "chat-1", 3600001);
    pass(10);
    CHECK_STR(told(0), "down chat-1 3600000, up chat-1 3600001");
    pass(60000);
    CHECK_STR(told(0), "");
    CHECK_STR(told(2), "");
    CHECK_STR(directory(0), "chat-1 3600001");
    world_fini();
  }
}

/* Where the answer comes too late, or the new life began without a bus. */
TEST(discovery_a_lower_life_is_not_ended_by_a_dead_one) {
  for (int away = 0; away < 2; away++) {
    two();
    leave(1, "chat-1");
    serve(1, "chat-1", 3600000);
    pass(2500);
    told(0);
    if (away) links(0);
    end(1);
    pass(away ? 10 * TIMEOUT : 1000);
    begin(2);
    if (!away) link_set(2, 1);
    if (away) claim(2, "chat-1");
    serve(2, "chat-1", 200);
    pass(100);
    links(1);
    pass(TIMEOUT + HEARTBEAT);
    CHECK_STR(told(0), "down chat-1 3600000, up chat-1 200");
    CHECK_STR(told(2), away ? "chat-1 free above 0, up gate-1 100" : "up gate-1 100");
    pass(60000);
    CHECK_STR(told(0), "");
    CHECK_STR(told(2), "");
    CHECK_STR(directory(0), "chat-1 200");
    world_fini();
  }
}

/* It stood still for a moment while the other one came. */
TEST(discovery_a_lower_life_is_ended_by_one_that_lives) {
  two();
  leave(1, "chat-1");
  serve(1, "chat-1", 3600000);
  pass(2500);
  told(0);
  freeze(1);
  start(2);
  serve(2, "chat-1", 200); /* without a claim, as without a bus */
  pass(100);
  CHECK_STR(told(0), ""); /* who lives is not known */
  CHECK_STR(told(2), "up gate-1 100");
  mail_drop(&w.p[1]); /* what came while it stood still is lost to it */
  wake(1);
  pass(2 * HEARTBEAT + 10);
  CHECK_STR(told(2), "chat-1 superseded by 3600000, up chat-1 3600000");
  pass(60000);
  CHECK_STR(told(0), "");
  CHECK_STR(told(1), "");
  CHECK_STR(directory(0), "chat-1 3600000");
  world_fini();
}

TEST(discovery_a_claim_is_answered_by_the_server_that_lives) {
  two();
  start(2);
  claim(2, "chat-1"); /* before it knows anybody */
  pass(4);
  CHECK_STR(told(2), "chat-1 held by 1 as 101");
  pass(60000);
  CHECK_STR(told(2), "up gate-1 100, up chat-1 101");
  CHECK_STR(directory(0), "chat-1 101");
  world_fini();
}

TEST(discovery_a_claim_is_free_at_once_without_a_bus) {
  world_init();
  begin(0);
  claim(0, "chat-1");
  CHECK_STR(told(0), "chat-1 free above 0");
  start(1);
  claim(1, "chat-1");
  links(0); /* meanwhile */
  CHECK_STR(told(1), "chat-1 free above 0");
  world_fini();
}

TEST(discovery_the_first_process_has_its_ids_after_a_moment) {
  world_init();
  start(0);
  claim(0, "chat-1");
  pass(199);
  CHECK_STR(told(0), "");
  pass(2);
  CHECK_STR(told(0), "chat-1 free above 0");
  claim(0, "chat-2");
  pass(2);
  CHECK_STR(told(0), "chat-2 free above 0");
  world_fini();
}

TEST(discovery_an_id_is_free_when_all_processes_that_are_there_are_met) {
  two();
  pass(2500);
  w.p[1].frozen = 1;
  start(2);
  claim(2, "chat-9");
  pass(500);
  CHECK_STR(directory(2), "gate-1 100");
  CHECK(!strstr(told(2), "free"));
  w.p[1].frozen = 0;
  pass(10);
  CHECK_STR(directory(2), "chat-1 101, gate-1 100");
  CHECK(strstr(told(2), "chat-9 free above 0") != NULL);
  world_fini();
}

TEST(discovery_a_process_that_stands_still_is_not_waited_for_longer_than_a_second) {
  two();
  pass(2500);
  w.p[1].frozen = 1;
  start(2);
  claim(2, "chat-9");
  pass(999);
  CHECK(!strstr(told(2), "free"));
  pass(3);
  CHECK(strstr(told(2), "chat-9 free above 0") != NULL);
  world_fini();
}

TEST(discovery_a_claim_of_what_can_be_no_id_is_free_and_not_served) {
  world_init();
  start(0);
  char longer[70];
  memset(longer, 'a', sizeof longer);
  longer[64] = 0;
  claim(0, longer);
  CHECK(strstr(told(0), "free above 0") != NULL);
  CHECK_EQ(pml_discovery_serve(w.p[0].d, longer, 1, "{}"), PML_EINVAL);
  CHECK_EQ(pml_discovery_serve(w.p[0].d, "chat-1", 1, "[]"), PML_EINVAL);
  world_fini();
}

TEST(discovery_of_two_that_claim_at_once_one_ends) {
  for (int equal = 0; equal < 2; equal++) {
    two();
    start(2);
    start(3);
    pass(10);
    told(2), told(3);
    claim(2, "area-1");
    claim(3, "area-1");
    pass(PML_CLAIM_WIDE_MS + 2);
    CHECK_STR(told(2), "area-1 free above 0");
    CHECK_STR(told(3), "area-1 free above 0");
    serve(2, "area-1", equal ? 300 : 301);
    serve(3, "area-1", 300); /* of equal ones the greater name stays: that of 3 */
    pass(200);
    CHECK_STR(told(2), equal ? "area-1 superseded by 300, up area-1 300" : "");
    CHECK_STR(told(3), equal ? "" : "area-1 superseded by 301, up area-1 301");
    CHECK_STR(directory(0), equal ? "area-1 300, chat-1 101" : "area-1 301, chat-1 101");
    world_fini();
  }
}
