#include "bus/discovery.h"

#include "bus/claims.h"
#include "test/discovery_world.h"

TEST(discovery_servers_are_known_to_those_before_and_those_after) {
  two();
  start(2);
  pass(10);
  CHECK_STR(directory(2), "chat-1 101, gate-1 100");
  serve(2, "area-1", 103);
  serve(2, "area-2", 104);
  pass(3);
  CHECK_STR(told(0), "up area-1 103, up area-2 104");
  CHECK_STR(told(1), "up area-1 103, up area-2 104");
  CHECK_STR(directory(2), "chat-1 101, gate-1 100"); /* its own are not among the others */
  leave(2, "area-1");
  pass(3);
  CHECK_STR(told(1), "down area-1 103");
  pass(60000);
  CHECK_STR(told(0), "down area-1 103");
  CHECK_STR(told(1), "");
  world_fini();
}

TEST(discovery_tells_a_new_info_and_who_is_leaving) {
  two();
  CHECK_EQ(pml_discovery_serve(w.p[1].d, "chat-1", 101, "{\"weight\":2}"), 0);
  pass(3);
  CHECK_STR(told(0), "info chat-1 101");
  pml_discovery_leaving(w.p[1].d, "chat-1");
  pass(3);
  CHECK_STR(told(0), "leaving chat-1 101");
  start(2);
  pass(10);
  CHECK_STR(told(2), "up gate-1 100, up chat-1 101, leaving chat-1 101");
  leave(1, "chat-1");
  pass(3);
  CHECK_STR(told(0), "down chat-1 101");
  world_fini();
}

TEST(discovery_a_goodbye_counts_at_once) {
  two();
  pml_discovery_goodbye(w.p[1].d);
  pass(2);
  CHECK_STR(told(0), "down chat-1 101");
  CHECK_STR(told_processes(0), "gone 1");
  CHECK_EQ(pml_discovery_counters(w.p[0].d)->gone, 0);
  world_fini();
}

TEST(discovery_a_silent_process_is_gone_after_the_timeout) {
  two();
  pass(3000);
  freeze(1);
  uint64_t last = w.now;
  while (w.p[0].text[0] == 0 && w.now < last + 60000) pass(1);
  CHECK_STR(told(0), "down chat-1 101");
  CHECK_STR(told_processes(0), "gone 1");
  CHECK(w.now > last + TIMEOUT - HEARTBEAT && w.now <= last + TIMEOUT + WAY_MS);
  CHECK_EQ(pml_discovery_counters(w.p[0].d)->gone, 1);
  CHECK_EQ(pml_discovery_reach(w.p[0].d, w.p[1].name), PML_ENOENT);
  world_fini();
}

TEST(discovery_of_two_timeouts_the_longer_one_counts_for_both) {
  world_init();
  begin_with(0, 0, 0, 100, 500);
  begin_with(1, 1, 0, 500, 2500);
  for (int i = 0; i < 2; i++) link_set(i, 1);
  serve(0, "gate-1", 100);
  serve(1, "chat-1", 101);
  pass(60000);
  CHECK_STR(told(0), "up chat-1 101");
  CHECK_STR(told(1), "up gate-1 100");
  CHECK_EQ(pml_discovery_counters(w.p[0].d)->gone, 0);
  CHECK_EQ(pml_discovery_counters(w.p[1].d)->gone, 0);
  freeze(1);
  pass(1900); /* a heartbeat of it may have come just before, or be due */
  CHECK_STR(told(0), "");
  pass(700);
  CHECK_STR(told(0), "down chat-1 101");
  world_fini();
}

/* For both sides, so that neither keeps what the other has dropped. */
TEST(discovery_a_process_that_comes_back_was_gone_for_both_sides) {
  two();
  pass(3000);
  freeze(1);
  pass(TIMEOUT + 3000);
  CHECK_STR(told(0), "down chat-1 101");
  CHECK_STR(told(1), "");
  wake(1);
  pass(HEARTBEAT + 10);
  CHECK_STR(told(0), "up chat-1 101");
  CHECK_STR(told(1), "down gate-1 100, up gate-1 100");
  CHECK_STR(told_processes(0), "gone 1, met 1");
  CHECK_STR(told_processes(1), "gone 0, met 0");
  pass(60000);
  CHECK_STR(told(0), "");
  CHECK_STR(told(1), "");
  world_fini();
}

TEST(discovery_a_process_that_stands_still_for_less_than_the_timeout_misses_nothing) {
  two();
  pass(3000);
  freeze(1);
  pass(3000);
  serve(0, "gate-2", 110);
  pass(500);
  wake(1);
  pass(10);
  CHECK_STR(told(1), "up gate-2 110");
  pass(60000);
  CHECK_STR(told(0), "");
  CHECK_STR(told(1), "");
  CHECK_STR(told_processes(1), "");
  world_fini();
}

TEST(discovery_a_broker_that_is_away_for_longer_than_the_timeout_makes_nobody_gone) {
  two();
  pass(3000);
  links(0);
  CHECK_EQ(pml_discovery_reach(w.p[0].d, w.p[1].name), PML_ENOENT);
  pass(10 * TIMEOUT);
  link_set(1, 1);
  pass(900); /* the other one comes later */
  link_set(0, 1);
  CHECK_EQ(pml_discovery_reach(w.p[0].d, w.p[1].name), 0);
  pass(60000);
  CHECK_STR(told(0), "");
  CHECK_STR(told(1), "");
  CHECK_STR(told_processes(0), "");
  world_fini();
}

TEST(discovery_a_process_that_does_not_come_back_with_the_broker_is_gone) {
  two();
  pass(3000);
  links(0);
  pass(10 * TIMEOUT);
  end(1);
  link_set(0, 1);
  pass(TIMEOUT - 1);
  CHECK_STR(told(0), "");
  pass(HEARTBEAT);
  CHECK_STR(told(0), "down chat-1 101");
  world_fini();
}

TEST(discovery_a_broker_that_stands_still_makes_nobody_gone) {
  for (uint32_t ms = 500; ms < 4 * TIMEOUT; ms += 700) {
    two();
    pass(3000 + ms % 1000);
    broker_still(1);
    pass(ms);
    broker_still(0);
    pass(60000);
    CHECK_STR(told(0), "");
    CHECK_STR(told(1), "");
    CHECK_STR(told_processes(0), "");
    world_fini();
  }
}

TEST(discovery_what_changed_while_the_broker_was_away_is_known_afterwards) {
  two();
  links(0);
  serve(1, "chat-2", 120);
  leave(0, "gate-1");
  pass(8000);
  links(1);
  pass(10);
  CHECK_STR(told(0), "up chat-2 120");
  CHECK_STR(told(1), "down gate-1 100");
  world_fini();
}

/* Records. */

TEST(discovery_no_record_comes_before_the_server_that_sent_it) {
  two();
  serve(1, "chat-2", 120);
  CHECK_EQ(send_record(1, "chat-2", 0), 0); /* in the same turn */
  pass(5);
  CHECK_EQ(w.records, 1);
  start(2);
  serve(2, "area-1", 130);
  while (send_record(2, "area-1", 0)) pass(1); /* as soon as it can */
  pass(5);
  CHECK_EQ(w.records, 2);
  links(0);
  pass(100);
  serve(2, "area-2", 140);
  links(1);
  CHECK_EQ(send_record(2, "area-2", 1), 0); /* before 2 has heard anything */
  pass(5);
  CHECK_EQ(w.records, 3);
  world_fini();
}

TEST(discovery_a_process_without_receivers_is_unreachable_and_not_gone) {
  two();
  pass(3000);
  link_set(1, 0);
  CHECK_EQ(send_record(0, "gate-1", 1), 0);
  pass(5);
  CHECK_STR(told_processes(0), "unreachable 1");
  CHECK_EQ(send_record(0, "gate-1", 1), PML_ENOENT);
  pass(3000);
  CHECK_STR(told_processes(0), "");
  CHECK_STR(told(0), "");
  link_set(1, 1);
  pass(5);
  CHECK_STR(told_processes(0), "met 1");
  CHECK_EQ(send_record(0, "gate-1", 1), 0);
  pass(5);
  CHECK_EQ(w.records, 1);
  end(1);
  CHECK_EQ(send_record(0, "gate-1", 1), 0);
  pass(5);
  CHECK_STR(told_processes(0), "unreachable 1");
  pass(TIMEOUT);
  CHECK_STR(told_processes(0), "gone 1");
  CHECK_STR(told(0), "down chat-1 101");
  CHECK_STR(told(1), "");
  world_fini();
}

/* Claims and lives. */

TEST(discovery_a_server_restarted_in_its_process_is_another_life) {
  two();
  leave(1, "chat-1");
  serve(1, "chat-1", 200);
  pass(5);
  CHECK_STR(told(0), "down chat-1 101, up chat-1 200");
  world_fini();
}

TEST(discovery_a_holder_that_stands_still_loses_the_id_and_learns_it) {
  two();
  pass(2500);
  freeze(1);
  start(2); /* it has never heard of the holder */
  claim(2, "chat-1");
  pass(PML_CLAIM_MS - 1);
  CHECK_STR(told(2), "up gate-1 100");
  pass(2);
  CHECK_STR(told(2), "chat-1 free above 101"); /* process 0 knew */
  serve(2, "chat-1", 200);
  pass(5);
  CHECK_STR(told(0), "down chat-1 101, up chat-1 200");
  pass(1000);
  wake(1);
  pass(200);
  CHECK_STR(told(1), "chat-1 superseded by 200, up chat-1 200"); /* when its own had ended */
  pml_discovery_goodbye(w.p[1].d);
  end(1);
  pass(60000);
  CHECK_STR(told(0), "");
  CHECK_STR(directory(0), "chat-1 200");
  CHECK_STR(directory(2), "gate-1 100");
  world_fini();
}

/* The winner ends before the loser wakes, and the loser has missed it all. */
TEST(discovery_a_life_that_lost_its_id_never_gets_it_back) {
  two();
  pass(2500);
  freeze(1);
  start(2);
  claim(2, "chat-1");
  pass(PML_CLAIM_MS + 10);
  serve(2, "chat-1", 200);
  pass(5);
  CHECK_STR(told(0), "down chat-1 101, up chat-1 200");
  pml_discovery_goodbye(w.p[2].d);
  pass(2);
  end(2);
  CHECK_STR(told(0), "down chat-1 200");
  mail_drop(&w.p[1]);
  wake(1);
  CHECK_EQ(pml_discovery_serve(w.p[1].d, "chat-1", 101, "{\"weight\":2}"), 0);
  pass(1200);
  CHECK_STR(told(1), "chat-1 superseded by 200");
  pass(60000);
  CHECK_STR(told(0), "");
  world_fini();
}

TEST(discovery_an_id_given_back_is_its_holders_again) {
  two();
  pass(2500);
  freeze(1);
  start(2);
  claim(2, "chat-1");
  pass(PML_CLAIM_MS + 10);
  CHECK_STR(told(2), "up gate-1 100, chat-1 free above 101");
  wake(1);
  pml_discovery_leave(w.p[2].d, "chat-1"); /* its server could not start */
  pass(2000);
  CHECK_STR(directory(2), "chat-1 101, gate-1 100");
  CHECK_STR(directory(0), "chat-1 101");
  world_fini();
}

/* Partitions. */

static void parted(int group, int a, int b) {
  w.p[a].group = group;
  if (b >= 0) w.p[b].group = group;
}

TEST(discovery_a_partition_heals) {
  two();
  start(2);
  start(3);
  serve(2, "area-1", 102);
  serve(3, "area-2", 103);
  pass(2000);
  for (int i = 0; i < 4; i++) told(i);
  parted(1, 2, 3);
  pass(TIMEOUT + HEARTBEAT);
  CHECK_STR(directory(0), "chat-1 101");
  CHECK_STR(directory(2), "area-2 103");
  pass(20000);
  parted(0, 2, 3);
  pass(HEARTBEAT + 10);
  CHECK_STR(directory(0), "area-1 102, area-2 103, chat-1 101");
  CHECK_STR(directory(2), "area-2 103, chat-1 101, gate-1 100");
  CHECK_STR(directory(3), "area-1 102, chat-1 101, gate-1 100");
  for (int i = 0; i < 4; i++) told(i);
  pass(60000);
  for (int i = 0; i < 4; i++) CHECK_STR(told(i), "");
  world_fini();
}

/* Shorter than the timeout: nobody is gone. */
TEST(discovery_a_short_partition_leaves_no_trace) {
  two();
  pass(3000);
  parted(1, 1, -1);
  serve(1, "chat-2", 150);
  pass(TIMEOUT - 2 * HEARTBEAT);
  parted(0, 1, -1);
  pass(HEARTBEAT + 10);
  CHECK_STR(told(0), "up chat-2 150");
  CHECK_STR(told(1), "");
  world_fini();
}

TEST(discovery_after_a_partition_the_higher_life_of_an_id_stays) {
  two();
  start(2);
  pass(2000);
  parted(1, 2, -1);
  claim(2, "chat-1");
  pass(2);
  serve(2, "chat-1", 200);
  pass(20000);
  CHECK_STR(directory(0), "chat-1 101");
  for (int i = 0; i < 3; i++) told(i);
  parted(0, 2, -1);
  pass(HEARTBEAT + 10);
  CHECK_STR(told(0), "down chat-1 101, up chat-1 200");
  CHECK_STR(told(1), "chat-1 superseded by 200");
  CHECK_STR(told(2), "up gate-1 100");
  pass(60000);
  CHECK_STR(directory(0), "chat-1 200");
  CHECK_STR(directory(1), "chat-1 200, gate-1 100");
  CHECK_STR(directory(2), "gate-1 100");
  world_fini();
}

/* What is not ours. */

/* What a process of protocol 2 says: the head is the same in all. */
static void speak_foreign(int to, uint8_t kind, uint8_t flags, const char *name) {
  pml_announce a = {
    .protocol = 2, .kind = kind, .flags = flags, .host = pml_slice_str("elsewhere")};
  pml_writer m = {0};
  CHECK_EQ(pml_process_read(name, a.process), 0);
  pml_announce_put(&m, &a);
  pml_discovery_message(w.p[to].d, pml_slice_of(m.b->data, m.len), w.now);
  pml_writer_drop(&m);
}
#define LESSER "00000000000000000000000000000000"
#define GREATER "ffffffffffffffffffffffffffffffff"

TEST(discovery_a_newcomer_of_another_protocol_is_refused) {
  world_init();
  start(0);
  pass(2);
  speak_foreign(0, PML_ANNOUNCE_BEAT, 0, GREATER); /* there are others: that alone is no refusal */
  CHECK_STR(told(0), "");
  CHECK_EQ(pml_discovery_counters(w.p[0].d)->foreign, 1);
  uint64_t messages = w.messages;
  speak_foreign(0, PML_ANNOUNCE_LIST, 0, GREATER);
  CHECK_EQ(w.messages, messages);
  speak_foreign(0, PML_ANNOUNCE_REFUSE, PML_ANNOUNCE_SETTLED, LESSER);
  CHECK_STR(told(0), "a process on elsewhere speaks protocol 2 of the bus, this one speaks 1: run "
                     "releases of Pomelua with the same protocol, or give this app another cluster "
                     "name");
  speak_foreign(0, PML_ANNOUNCE_REFUSE, PML_ANNOUNCE_SETTLED, LESSER);
  CHECK_STR(told(0), "");
  world_fini();
}

TEST(discovery_of_two_newcomers_of_different_protocols_one_stays) {
  world_init();
  start(1);
  pass(2);
  speak_foreign(1, PML_ANNOUNCE_REFUSE, 0, LESSER);
  CHECK_STR(told(1), "");
  speak_foreign(1, PML_ANNOUNCE_REFUSE, 0, GREATER);
  CHECK(strstr(told(1), "speaks protocol 2") != NULL);
  world_fini();
}

TEST(discovery_a_process_that_is_there_is_not_refused_by_a_newcomer) {
  two();
  uint64_t messages = w.messages;
  speak_foreign(0, PML_ANNOUNCE_BEAT, 0, GREATER);
  CHECK_EQ(w.messages, messages + 1); /* the newcomer hears that it is refused */
  speak_foreign(0, PML_ANNOUNCE_REFUSE, PML_ANNOUNCE_SETTLED, GREATER);
  CHECK_STR(told(0), "");
  world_fini();
  world_init();
  start(0); /* alone, but for a while */
  pass(TIMEOUT + 1);
  speak_foreign(0, PML_ANNOUNCE_REFUSE, PML_ANNOUNCE_SETTLED, GREATER);
  CHECK_STR(told(0), "");
  world_fini();
}

TEST(discovery_counts_what_it_cannot_read) {
  two();
  for (size_t n = 0; n < 40; n++) {
    uint8_t junk[40] = {'P', 'M', 'L', PML_BUS_PROTOCOL, 77};
    pml_discovery_message(w.p[0].d, pml_slice_of(junk, n), w.now);
  }
  CHECK_EQ(pml_discovery_counters(w.p[0].d)->strangers, 40);
  pass(10000);
  CHECK_STR(told(0), "");
  world_fini();
}

/* Bytes that come from nowhere leave no trace once the processes that they name are silent. */
TEST(discovery_stands_bytes_that_are_almost_ours) {
  two();
  uint32_t x = 12345;
  for (int k = 0; k < 20000; k++) {
    pml_announce a = {.protocol = PML_BUS_PROTOCOL};
    pml_writer m = {0};
    x = x * 1664525u + 1013904223u;
    a.kind = (uint8_t)(1 + (x >> 24) % 7);
    a.flags = (uint8_t)(x >> 16) & (a.kind == PML_ANNOUNCE_GREET  ? 7
                                    : a.kind == PML_ANNOUNCE_BEAT ? 1
                                    : a.kind == PML_ANNOUNCE_HELD ? 16
                                                                  : 0);
    memset(a.process, (int)(x >> 8) % 40, sizeof a.process);
    a.number = x >> 20 & 3;
    a.mine = 1 + (x >> 10 & 3);
    a.theirs = x >> 12 & 7;
    a.version = x >> 14 & 3;
    a.incarnation = 1 + (x >> 18 & 7);
    a.host = pml_slice_str("host");
    a.id = pml_slice_str(x & 1024 ? "area-1" : "area-2");
    pml_announce_put(&m, &a);
    pml_announce_server s = {a.id, a.incarnation, x >> 9 & 1, pml_slice_str("{}")};
    if (a.kind == PML_ANNOUNCE_LIST || a.flags & PML_ANNOUNCE_LISTED)
      if (x & 2048) pml_announce_put_server(&m, &s);
    /* The servers' events are checked by names of processes that the world does not have. */
    pml_announce back;
    CHECK_EQ(pml_announce_read(pml_slice_of(m.b->data, m.len), PML_BUS_PROTOCOL, &back), 0);
    if (a.theirs == 0) pml_discovery_message(w.p[0].d, pml_slice_of(m.b->data, m.len), w.now);
    pml_writer_drop(&m);
    if (k % 100 == 0) pass(1);
  }
  CHECK_EQ(pml_discovery_counters(w.p[0].d)->strangers, 0);
  pass(3 * TIMEOUT);
  told_processes(0);
  CHECK_STR(directory(0), "chat-1 101");
  pass(3 * TIMEOUT);
  CHECK_STR(told_processes(0), "");
  world_fini();
}

static void count_process(const char *name, void *ud) {
  (void)name;
  ++*(int *)ud;
}
static void count_server(const pml_bus_server *s, void *ud) {
  (void)s;
  ++*(int *)ud;
}

TEST(discovery_a_tool_sees_all_and_is_not_asked) {
  two();
  begin_ranked(2, 2, 1);
  link_set(2, 1);
  pass(5);
  int asked = 0, seen = 0, of_tool = 0, servers = 0;
  pml_discovery_each_process(w.p[0].d, count_process, &asked);
  pml_discovery_each_process(w.p[2].d, count_process, &seen);
  pml_discovery_each(w.p[2].d, count_server, &servers);
  pml_discovery_each(w.p[0].d, count_server, &of_tool);
  CHECK_EQ(asked, 1); /* process 1 */
  CHECK_EQ(seen, 2);
  CHECK_EQ(servers, 2);
  CHECK_EQ(of_tool, 1);
  CHECK_EQ(send_record(0, "gate-1", 2), 0); /* what it asks is answered */
  world_fini();
}

TEST(discovery_a_list_that_fits_into_no_message_is_refused) {
  world_init();
  start(0);
  char info[PML_ANNOUNCE_INFO_MAX + 2], id[16];
  memset(info, ' ', sizeof info);
  info[0] = '{';
  info[PML_ANNOUNCE_INFO_MAX] = '}';
  info[PML_ANNOUNCE_INFO_MAX + 1] = 0;
  CHECK_EQ(pml_discovery_serve(w.p[0].d, "chat-1", 1, info), PML_ETOOBIG);
  info[PML_ANNOUNCE_INFO_MAX - 1] = '}';
  info[PML_ANNOUNCE_INFO_MAX] = 0;
  int n = 0, rc = 0;
  for (; rc == 0 && n < 200; n++) {
    snprintf(id, sizeof id, "chat-%d", n);
    rc = pml_discovery_serve(w.p[0].d, id, 1, info);
  }
  CHECK_EQ(rc, PML_ETOOBIG);
  CHECK(n > 50 && n < 70);
  pass(10); /* on_send_all checks the size of the message */
  world_fini();
}

/* All of it at random; afterwards everybody knows exactly the servers that are there. */
static uint32_t dice_state;
static uint32_t dice(uint32_t n) {
  dice_state = dice_state * 1664525u + 1013904223u;
  return (dice_state >> 8) % n;
}

static void happen(void) {
  int i = (int)dice(6);
  process *p = &w.p[i];
  char id[16];
  snprintf(id, sizeof id, "chat-%u", dice(8));
  switch (dice(10)) {
  case 0:
    if (p->d && dice(2)) pml_discovery_goodbye(p->d);
    if (p->d) end(i);
    break;
  case 1:
  case 2:
    if (!p->d) begin_ranked(i, dice(99), 0);
    link_set(i, 1);
    break;
  case 3: link_set(i, 0); break;
  case 4: freeze(i); break;
  case 5: p->group = (int)dice(2); break;
  case 6: broker_still((int)dice(2)); break;
  case 7:
    if (p->d && find_in(p->own, SERVERS, id)) leave(i, id);
    break;
  default:
    if (p->d && !p->frozen && !find_in(p->own, SERVERS, id)) pml_discovery_claim(p->d, id, w.now);
  }
  for (int k = 0; k < 6; k++)
    if (dice(3) == 0) wake(k);
}

/* The servers of all others but i, by their ids. */
static void expect(int i) {
  char truth[8192] = "";
  for (int c = 0; c < 8; c++) {
    char id[16], line[64];
    uint64_t best = 0;
    int where = -1;
    snprintf(id, sizeof id, "chat-%d", c);
    for (int k = 0; k < 6; k++) {
      server *s = w.p[k].d ? find_in(w.p[k].own, SERVERS, id) : NULL;
      if (!s) continue;
      CHECK(where < 0); /* each id is one server's */
      where = k;
      best = s->incarnation;
    }
    if (where < 0 || where == i) continue;
    snprintf(line, sizeof line, "%s %llu", id, (unsigned long long)best);
    note(truth, sizeof truth, line);
  }
  CHECK_STR(directory(i), truth);
}

TEST(discovery_whatever_happens_all_agree_afterwards) {
  for (uint32_t seed = 1; seed <= 15; seed++) {
    dice_state = seed * 7919;
    world_init();
    w.life = 1000;
    for (int i = 0; i < 6; i++) start(i);
    for (int k = 0; k < 150; k++) {
      happen();
      pass(dice(4) ? dice(300) : dice(3000));
      for (int i = 0; i < 6; i++) {
        w.p[i].text[0] = 0;
        w.p[i].processes[0] = 0;
      }
    }
    broker_still(0);
    for (int i = 0; i < 6; i++) {
      w.p[i].group = 0;
      wake(i);
      link_set(i, 1);
    }
    pass(3 * TIMEOUT);
    for (int i = 0; i < 6; i++)
      if (w.p[i].d) expect(i);
    for (int i = 0; i < 6; i++) w.p[i].text[0] = 0;
    pass(3 * TIMEOUT);
    for (int i = 0; i < 6; i++) CHECK_STR(told(i), "");
    world_fini();
  }
}

/* The figures of the table in docs/cluster.md. */
TEST(discovery_costs_what_the_table_says) {
  world_init();
  uint64_t before = 0;
  for (int i = 0; i < 12; i++) {
    start(i);
    for (int k = 0; k < 5; k++) {
      char id[16];
      snprintf(id, sizeof id, "chat-%d", 5 * i + k);
      serve(i, id, 100);
    }
    before = w.messages;
    pass(10);
    if (i < 11) pass(70);
  }
  CHECK_EQ(w.messages - before, 1 + 1 + 3 * 11); /* its heartbeat, its list, three greetings each */
  for (int i = 0; i < 12; i++) {
    int servers = 0;
    pml_discovery_each(w.p[i].d, count_server, &servers);
    CHECK_EQ(servers, 55);
  }
  pass(5000);
  uint64_t messages = w.messages, bytes = w.bytes, delivered = w.delivered;
  pass(10000);
  CHECK_EQ(w.messages - messages, 12 * 10);
  CHECK_EQ(w.delivered - delivered, 12 * 12 * 10);
  CHECK_EQ(w.bytes - bytes, 12 * 10 * 34); /* whatever the number of servers */
  messages = w.messages;
  leave(3, "chat-15");
  pass(2);
  CHECK_EQ(w.messages - messages, 1); /* a change of a list */
  world_fini();
}

TEST(discovery_a_server_restarted_at_once_is_not_removed_by_the_silence_of_its_former_life) {
  two();
  pass(2500);
  end(1); /* without a goodbye */
  pass(300);
  start(2);
  claim(2, "chat-1");
  pass(1002); /* process 0 knows nothing of the end of process 1, which is waited for a second */
  CHECK(strstr(told(2), "chat-1 free above 101") != NULL);
  serve(2, "chat-1", 200);
  pass(10);
  CHECK_STR(told(0), "down chat-1 101, up chat-1 200");
  pass(60000);
  CHECK_STR(told(0), "");
  CHECK_STR(directory(0), "chat-1 200");
  world_fini();
}
