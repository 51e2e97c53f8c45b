#include "base/err.h"
#include "base/mem.h"
#include "bus/bus_private.h"
#include "test/test.h"

TEST(bus_msg_server_is_copied_with_its_texts) {
  char id[] = "chat-1", info[] = "{}";
  pml_bus_server s = {
    .id = id, .incarnation = 7, .process = "p", .host = "h", .pid = 9, .info = info};
  pml_bus_server *c = pml__bus_server_copy(&s);
  id[0] = info[0] = 'x';
  CHECK_STR(c->id, "chat-1");
  CHECK_STR(c->info, "{}");
  CHECK_STR(c->process, "p");
  CHECK_STR(c->host, "h");
  CHECK(c->incarnation == 7 && c->pid == 9);
  pml_free(c);
}

static void on_mail(pml_mail *mail, void *ud) {
  ++*(int *)ud;
  pml__bus_msg_drop(mail, NULL);
}

TEST(bus_msg_to_a_closed_mailbox_is_dropped) {
  int got = 0;
  pml_loop *l = pml_loop_new();
  pml_mailbox *box = pml_mailbox_new(l, 10, 0, on_mail, &got);
  pml__bus_msg *m = pml__bus_msg_new(PML__BUS_SERVE, "chat-1");
  CHECK_STR(m->text, "chat-1");
  m->body = pml_buf_from("{}", 3);
  pml__bus_msg_post(box, m);
  pml_mailbox_close(box, on_mail, &got);
  CHECK_EQ(got, 1);
  pml__bus_msg_post(box, pml__bus_msg_new(PML__BUS_TICK, ""));
  CHECK_EQ(got, 1);
  pml_loop_free(l);
  pml_mailbox_unref(box);
}
