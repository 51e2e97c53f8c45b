#include "node/balance.h"

#include "test/test.h"

static int all(const char *id, void *ud) {
  (void)id;
  (void)ud;
  return 1;
}
static int but(const char *id, void *ud) { return strcmp(id, ud) != 0; }
static int none(const char *id, void *ud) {
  (void)id;
  (void)ud;
  return 0;
}

static const char *route(pml_directory *d, const char *type, const char *uid,
                         int (*alive)(const char *id, void *ud), const char *ud) {
  pml_directory_changed(d);
  pml_server_type *t = pml_directory_type(d, pml_slice_str(type), alive, (void *)(uintptr_t)ud);
  return t ? pml_balance_pick(PML_BALANCE_UID, t, pml_slice_str(uid), NULL, NULL)->id : "-";
}

static void fill(pml_directory *d) {
  pml_directory_init(d);
  pml_directory_add(d, "chat-1", "chat", 0);
  pml_directory_add(d, "connector-1", "connector", 1);
  pml_directory_add(d, "chat-2", "chat", 0);
  pml_directory_add(d, "chat-3", "chat", 0);
}

TEST(directory_finds_by_id) {
  pml_directory d;
  fill(&d);
  CHECK_EQ(d.n, 4);
  const pml_server_info *s = pml_directory_find(&d, "connector-1");
  CHECK(s && s->frontend && strcmp(s->type, "connector") == 0);
  CHECK(!pml_directory_find(&d, "chat-2")->frontend);
  CHECK(pml_directory_find(&d, "chat") == NULL);
  CHECK(pml_directory_find(&d, "") == NULL);
  pml_directory_clear(&d);
  CHECK(pml_directory_find(&d, "chat-1") == NULL);
  pml_directory_add(&d, "chat-1", "room", 0);
  CHECK(strcmp(pml_directory_find(&d, "chat-1")->type, "room") == 0);
  pml_directory_fini(&d);
}

/* The absolute value of the signed checksum, modulo the number of servers: protocol 25.5. */
TEST(directory_routes_as_pomelo_does) {
  pml_directory d;
  fill(&d);
  CHECK(strcmp(route(&d, "chat", "", all, NULL), "chat-1") == 0);
  CHECK(strcmp(route(&d, "chat", NULL, all, NULL), "chat-1") == 0);
  CHECK(strcmp(route(&d, "chat", "1", all, NULL), "chat-3") == 0);
  CHECK(strcmp(route(&d, "chat", "10001", all, NULL), "chat-2") == 0);
  CHECK(strcmp(route(&d, "chat", "alice", all, NULL), "chat-3") == 0);
  CHECK(strcmp(route(&d, "chat", "user*room", all, NULL), "chat-3") == 0);
  pml_directory_fini(&d);
}

TEST(directory_routes_among_the_living) {
  pml_directory d;
  fill(&d);
  CHECK(strcmp(route(&d, "chat", "", but, "chat-1"), "chat-2") == 0);
  for (const char *uid = "abcdefgh"; *uid; uid++)
    CHECK(strcmp(route(&d, "chat", uid, but, "chat-2"), "chat-2") != 0);
  CHECK(strcmp(route(&d, "chat", "1", none, NULL), "-") == 0);
  CHECK(strcmp(route(&d, "lobby", "1", all, NULL), "-") == 0);
  CHECK(strcmp(route(&d, "", "1", all, NULL), "-") == 0);
  pml_directory_fini(&d);
  pml_directory_init(&d);
  CHECK(strcmp(route(&d, "chat", "1", all, NULL), "-") == 0);
  pml_directory_fini(&d);
}

static int asked(const char *id, void *ud) {
  (void)id;
  ++*(int *)ud;
  return 1;
}

TEST(directory_keeps_who_is_there_until_that_changes) {
  pml_directory d;
  int n = 0;
  fill(&d);
  for (int i = 0; i < 8; i++)
    CHECK(pml_directory_type(&d, pml_slice_str("chat"), asked, &n) != NULL);
  CHECK_EQ(n, 4);
  pml_directory_changed(&d);
  CHECK(pml_directory_type(&d, pml_slice_str("chat"), but, "none") != NULL);
  CHECK(pml_directory_type(&d, pml_slice_str("chat"), asked, &n) != NULL);
  CHECK_EQ(n, 4);
  pml_directory_add(&d, "chat-4", "chat", 0);
  CHECK(pml_directory_type(&d, pml_slice_str("chat"), asked, &n) != NULL);
  CHECK_EQ(n, 9);
  pml_directory_fini(&d);
}
