#include "node/balance.h"

#include "test/test.h"

static int all(const char *id, void *ud) { return !ud || strcmp(id, ud) != 0; }

static pml_server_type *chats(pml_directory *d, const char *without) {
  pml_directory_changed(d);
  return pml_directory_type(d, pml_slice_str("chat"), all, (void *)(uintptr_t)without);
}

static void fill(pml_directory *d, int servers) {
  char id[16];
  pml_directory_init(d);
  for (int i = 1; i <= servers; i++) {
    snprintf(id, sizeof id, "chat-%d", i);
    pml_directory_add(d, id, "chat", 0);
  }
}

/* The numbers of the servers that the next picks give, as digits. */
static const char *picks(pml_balance how, pml_server_type *t, int n,
                         size_t (*waiting)(const char *id, void *ud), void *ud) {
  static char text[64];
  for (int i = 0; i < n; i++)
    text[i] = pml_balance_pick(how, t, pml_slice_str("u"), waiting, ud)->id[5];
  text[n] = 0;
  return text;
}

TEST(balance_takes_turns) {
  pml_directory d;
  fill(&d, 3);
  CHECK(strcmp(picks(PML_BALANCE_TURN, chats(&d, NULL), 7, NULL, NULL), "1231231") == 0);
  CHECK(strcmp(picks(PML_BALANCE_TURN, chats(&d, "chat-2"), 4, NULL, NULL), "1313") == 0);
  pml_directory_fini(&d);
}

TEST(balance_gives_each_server_its_weight_and_spreads_it) {
  pml_directory d;
  fill(&d, 3);
  d.v[0].weight = 4;
  CHECK(strcmp(picks(PML_BALANCE_WEIGHTED, chats(&d, NULL), 12, NULL, NULL), "112131112131") == 0);
  d.v[1].weight = 0; /* none at all */
  CHECK(strcmp(picks(PML_BALANCE_WEIGHTED, chats(&d, NULL), 10, NULL, NULL), "1131111311") == 0);
  d.v[0].weight = d.v[2].weight = 0;
  CHECK(strcmp(picks(PML_BALANCE_WEIGHTED, chats(&d, NULL), 3, NULL, NULL), "111") == 0);
  pml_directory_fini(&d);
}

static size_t load(const char *id, void *ud) { return ((size_t *)ud)[id[5] - '1']; }

TEST(balance_takes_the_server_for_which_the_fewest_wait) {
  pml_directory d;
  size_t waiting[3] = {0, 0, 0};
  fill(&d, 3);
  pml_server_type *t = chats(&d, NULL);
  CHECK(strcmp(picks(PML_BALANCE_LEAST, t, 4, load, waiting), "1231") == 0);
  waiting[0] = 2;
  waiting[1] = 1;
  waiting[2] = 5;
  CHECK(strcmp(picks(PML_BALANCE_LEAST, t, 3, load, waiting), "222") == 0);
  waiting[1] = 2; /* one of its calls has begun, and none has ended */
  CHECK(strcmp(picks(PML_BALANCE_LEAST, t, 4, load, waiting), "1212") == 0);
  waiting[2] = 0; /* all of its calls have ended */
  CHECK(strcmp(picks(PML_BALANCE_LEAST, t, 2, load, waiting), "33") == 0);
  pml_directory_fini(&d);
}

static int server_of(pml_server_type *t, int user) {
  char key[16];
  snprintf(key, sizeof key, "user%d", user);
  return pml_balance_pick(PML_BALANCE_HASH, t, pml_slice_str(key), NULL, NULL)->id[5] - '0';
}

TEST(balance_by_hash_moves_only_the_users_of_a_server_that_goes) {
  enum { USERS = 3000 };
  pml_directory d;
  int home[USERS], count[5] = {0};
  fill(&d, 4);
  pml_server_type *t = chats(&d, NULL);
  for (int i = 0; i < USERS; i++) count[home[i] = server_of(t, i)]++;
  for (int s = 1; s <= 4; s++) CHECK(count[s] > USERS / 4 - 150 && count[s] < USERS / 4 + 150);
  t = chats(&d, "chat-3");
  for (int i = 0; i < USERS; i++) {
    if (home[i] == 3) CHECK(server_of(t, i) != 3);
    else CHECK_EQ(server_of(t, i), home[i]);
  }
  pml_directory_fini(&d);
}

/* Servers of other versions must agree: these are the server's, whatever is changed here. */
TEST(balance_by_hash_is_the_same_everywhere) {
  pml_directory d;
  char text[17];
  fill(&d, 4);
  pml_server_type *t = chats(&d, NULL);
  for (int i = 0; i < 16; i++) text[i] = (char)('0' + server_of(t, i));
  text[16] = 0;
  CHECK(strcmp(text, "4144124413412124") == 0);
  CHECK(strcmp(pml_balance_pick(PML_BALANCE_HASH, t, pml_slice_of(NULL, 0), NULL, NULL)->id,
               "chat-4") == 0);
  pml_directory_fini(&d);
}
