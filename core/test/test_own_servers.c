#include "bus/own_servers.h"

#include "base/err.h"
#include "test/test.h"

/* "chat-1 100, chat-2 101 leaving" */
static const char *text_of(const pml_own_servers *o) {
  static char out[512];
  pml_writer w = {0};
  pml_announce a = {.protocol = 1, .kind = PML_ANNOUNCE_LIST}, back;
  pml_announce_server s;
  pml_announce_put(&w, &a);
  pml_own_servers_write(o, &w);
  CHECK_EQ(pml_announce_read(pml_slice_of(w.b->data, w.len), 1, &back), 0);
  out[0] = 0;
  while (pml_announce_next(&back, &s))
    snprintf(out + strlen(out), sizeof out - strlen(out), "%s%.*s %d%s", out[0] ? ", " : "",
             (int)s.id.n, (const char *)s.id.p, (int)s.incarnation, s.leaving ? " leaving" : "");
  pml_writer_drop(&w);
  return out;
}

TEST(own_servers_are_written_as_a_list) {
  pml_own_servers o;
  pml_own_servers_init(&o);
  CHECK_STR(text_of(&o), "");
  CHECK_EQ(pml_own_servers_put(&o, "chat-1", 100, "{}"), 0);
  CHECK_EQ(pml_own_servers_put(&o, "chat-2", 101, "{}"), 0);
  CHECK_EQ(pml_own_servers_leaving(&o, "chat-2"), 1);
  CHECK_EQ(pml_own_servers_leaving(&o, "chat-2"), 0);
  CHECK_EQ(pml_own_servers_leaving(&o, "chat-3"), 0);
  CHECK_STR(text_of(&o), "chat-1 100, chat-2 101 leaving");
  CHECK_EQ(pml_own_servers_put(&o, "chat-2", 101, "{\"a\":1}"), 0);
  CHECK_STR(text_of(&o), "chat-1 100, chat-2 101 leaving"); /* the same life */
  CHECK_EQ(pml_own_servers_put(&o, "chat-2", 102, "{}"), 0);
  CHECK_STR(text_of(&o), "chat-1 100, chat-2 102");
  CHECK_EQ(pml_own_servers_remove(&o, "chat-1"), 1);
  CHECK_EQ(pml_own_servers_remove(&o, "chat-1"), 0);
  CHECK_STR(text_of(&o), "chat-2 102");
  pml_own_servers_fini(&o);
}

TEST(own_servers_refuses_what_others_could_not_read) {
  pml_own_servers o;
  pml_own_servers_init(&o);
  CHECK_EQ(pml_own_servers_put(&o, "", 1, "{}"), PML_EINVAL);
  CHECK_EQ(pml_own_servers_put(&o, "a b", 1, "{}"), PML_EINVAL);
  CHECK_EQ(pml_own_servers_put(&o, "chat-1", 0, "{}"), PML_EINVAL);
  CHECK_EQ(pml_own_servers_put(&o, "chat-1", (1ull << 53) + 1, "{}"), PML_EINVAL);
  CHECK_EQ(pml_own_servers_put(&o, "chat-1", 1, "1"), PML_EINVAL);
  CHECK_STR(text_of(&o), "");
  pml_own_servers_fini(&o);
}
