#include "base/err.h"
#include "bus/discovery_private.h"
#include "test/test.h"

#define NAME "000102030405060708090a0b0c0d0e0f"

typedef struct {
  pml_buf *all, *one; /* the last message */
  char to[PML_PROCESS_NAME];
} said;

static void on_all(pml_slice message, void *ud) {
  said *s = ud;
  pml_buf_unref(s->all);
  s->all = pml_buf_from(message.p, message.n);
}
static void on_one(const char *process, pml_slice message, void *ud) {
  said *s = ud;
  pml_buf_unref(s->one);
  s->one = pml_buf_from(message.p, message.n);
  snprintf(s->to, sizeof s->to, "%s", process);
}

TEST(discovery_says_its_list_with_a_list_and_with_a_greeting_that_has_one) {
  said s = {0};
  pml_announce a;
  pml_announce_server one;
  pml_discovery *d = pml_discovery_new(
    &(pml_discovery_options){
      .process = NAME, .host = "box", .pid = 7, .heartbeat_ms = 1000, .timeout_ms = 5000},
    &(pml_discovery_events){.send_all = on_all, .send_to = on_one, .ud = &s});
  CHECK_EQ(pml_discovery_serve(d, "chat-1", 5, "{}"), 0);
  a = pml__discovery_message_of(d, PML_ANNOUNCE_LIST, 0);
  pml__discovery_send_all(d, &a);
  CHECK_EQ(pml_announce_read(pml_buf_slice(s.all), PML_BUS_PROTOCOL, &a), 0);
  CHECK_EQ(a.kind, PML_ANNOUNCE_LIST);
  CHECK_EQ(a.pid, 7);
  CHECK(pml_slice_eq(a.host, pml_slice_str("box")));
  CHECK_EQ(pml_announce_next(&a, &one), 1);
  CHECK(pml_slice_eq(one.id, pml_slice_str("chat-1")));
  CHECK_EQ(one.incarnation, 5);
  for (int listed = 0; listed < 2; listed++) {
    a = pml__discovery_message_of(d, PML_ANNOUNCE_GREET, listed ? PML_ANNOUNCE_LISTED : 0);
    a.mine = 1;
    pml__discovery_send_to(d, "ff", &a);
    CHECK_STR(s.to, "ff");
    CHECK_EQ(pml_announce_read(pml_buf_slice(s.one), PML_BUS_PROTOCOL, &a), 0);
    CHECK_EQ(pml_announce_next(&a, &one), listed);
  }
  pml_buf_unref(s.all);
  pml_buf_unref(s.one);
  pml_discovery_free(d);
}
