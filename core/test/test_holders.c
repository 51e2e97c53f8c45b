#include "bus/holders.h"

#include "base/err.h"
#include "test/test.h"

static char text[1024];

static void note(const char *format, const char *id, unsigned long long incarnation) {
  size_t n = strlen(text);
  snprintf(text + n, sizeof text - n, n ? ", " : "%s", "");
  n = strlen(text);
  snprintf(text + n, sizeof text - n, format, id, incarnation);
}
static void on_server(const pml_bus_server *s, pml_bus_state state, void *ud) {
  (void)ud;
  note(state == PML_BUS_UP     ? "up %s %llu"
       : state == PML_BUS_DOWN ? "down %s %llu"
                               : "leaving %s %llu",
       s->id, s->incarnation);
}
static void on_superseded(const char *id, const pml_bus_server *by, void *ud) {
  (void)ud;
  note("%s superseded by %llu", id, by->incarnation);
}
static void on_lost(const pml_holder *p, const char *id, uint64_t above, void *ud) {
  (void)p;
  (void)ud;
  note("%s lost to %llu", id, above);
}
static const char *told(void) {
  static char out[sizeof text];
  memcpy(out, text, sizeof out);
  text[0] = 0;
  return out;
}

static pml_holders *holders;
static pml_holder one, two;

static void init(void) {
  const pml_holders_events ev = {on_server, on_superseded, on_lost, NULL};
  uint8_t name[PML_PROCESS_BYTES] = {0x10};
  holders = pml_holders_new("80000000000000000000000000000000", &ev);
  pml_holder_init(&one, name);
  name[0] = 0xf0;
  pml_holder_init(&two, name);
  text[0] = 0;
}
static void fini(void) {
  pml_holder_fini(&one);
  pml_holder_fini(&two);
  pml_holders_free(holders);
}

/* The list of p is chat-1 with this incarnation; 0: it is empty. */
static void set(pml_holder *p, uint64_t incarnation) {
  pml_writer w = {0};
  pml_announce a = {.protocol = 1, .kind = PML_ANNOUNCE_LIST}, back;
  pml_announce_server s = {pml_slice_str("chat-1"), incarnation, 0, pml_slice_str("{}")};
  pml_announce_put(&w, &a);
  if (incarnation) pml_announce_put_server(&w, &s);
  CHECK_EQ(pml_announce_read(pml_slice_of(w.b->data, w.len), 1, &back), 0);
  CHECK_EQ(pml_holders_set(holders, p, &back), 0);
  pml_writer_drop(&w);
}

TEST(holders_the_highest_life_has_the_id_and_the_lower_never_again) {
  init();
  set(&one, 100);
  CHECK_STR(told(), "up chat-1 100");
  set(&two, 200);
  CHECK_STR(told(), "down chat-1 100, up chat-1 200");
  pml_holders_remind(holders, &one);
  CHECK_STR(told(), "chat-1 lost to 200");
  pml_holders_remind(holders, &two);
  CHECK_STR(told(), "");
  pml_holders_drop(holders, &two);
  CHECK_STR(told(), "down chat-1 200");
  set(&one, 100);
  CHECK_STR(told(), "");
  set(&one, 0);
  set(&one, 50); /* another life: who may have it is asked by claims */
  CHECK_STR(told(), "up chat-1 50");
  CHECK_EQ(pml_holders_highest(holders, pml_slice_str("chat-1")), 200);
  fini();
}

TEST(holders_a_higher_life_takes_the_id_from_a_later_one_when_it_is_heard) {
  init();
  set(&one, 200);
  set(&two, 100);
  CHECK_STR(told(), "up chat-1 200");
  pml_holders_live(holders, &two);
  pml_holders_remind(holders, &two);
  CHECK_STR(told(), ""); /* whether the first one lives is not known */
  pml_holders_live(holders, &one);
  pml_holders_remind(holders, &two);
  CHECK_STR(told(), "chat-1 lost to 200");
  pml_holders_drop(holders, &one);
  CHECK_STR(told(), "down chat-1 200"); /* for good */
  fini();
  init();
  set(&one, 200);
  set(&two, 100);
  pml_holders_drop(holders, &one); /* it was dead */
  pml_holders_remind(holders, &two);
  CHECK_STR(told(), "up chat-1 200, down chat-1 200, up chat-1 100");
  fini();
}

TEST(holders_of_equal_lives_the_greater_name_has_the_id) {
  init();
  set(&two, 100);
  set(&one, 100);
  CHECK_STR(told(), "up chat-1 100");
  pml_slice id = pml_slice_str("chat-1");
  CHECK_EQ(pml_holders_own(holders, id, 100), 0); /* between the two */
  CHECK_STR(told(), "down chat-1 100, chat-1 superseded by 100");
  CHECK_EQ(pml_holders_owned(holders, id), 0);
  fini();
  init();
  set(&one, 100);
  CHECK_EQ(pml_holders_own(holders, id, 100), 0);
  CHECK_STR(told(), "up chat-1 100, down chat-1 100");
  CHECK_EQ(pml_holders_owned(holders, id), 100);
  fini();
}

TEST(holders_what_this_process_has_is_nobody_elses) {
  init();
  pml_slice id = pml_slice_str("chat-1");
  set(&one, 100);
  told();
  CHECK_EQ(pml_holders_own(holders, id, 0), 0);
  CHECK_STR(told(), "down chat-1 100");
  set(&one, 101);
  CHECK_STR(told(), "");
  CHECK_EQ(pml_holders_owned(holders, id), 0); /* it will be */
  CHECK_EQ(pml_holders_own(holders, id, 200), 0);
  CHECK_EQ(pml_holders_owned(holders, id), 200);
  pml_holders_above(holders, id, 199);
  CHECK_STR(told(), "");
  pml_holders_above(holders, id, 300);
  pml_holders_above(holders, id, 301);
  CHECK_STR(told(), "chat-1 superseded by 300"); /* once */
  pml_holders_disown(holders, id);
  CHECK_STR(told(), ""); /* 101 has lost it */
  fini();
}

TEST(holders_forgets_ids_that_nobody_has_when_there_are_too_many) {
  init();
  char id[16];
  for (unsigned i = 0; i < PML_HOLDERS_MAX + 10; i++) {
    snprintf(id, sizeof id, "chat-%u", i);
    CHECK_EQ(pml_holders_own(holders, pml_slice_str(id), 1 + i), 0);
    pml_holders_disown(holders, pml_slice_str(id));
  }
  CHECK_EQ(pml_holders_highest(holders, pml_slice_str("chat-1")), 0);
  CHECK_EQ(pml_holders_highest(holders, pml_slice_str(id)), PML_HOLDERS_MAX + 10);
  for (unsigned i = 0; i < PML_HOLDERS_MAX; i++) {
    snprintf(id, sizeof id, "chat-%u", i);
    CHECK_EQ(pml_holders_own(holders, pml_slice_str(id), 1), 0);
  }
  CHECK_EQ(pml_holders_own(holders, pml_slice_str("one-more"), 1), PML_EFULL);
  fini();
}
