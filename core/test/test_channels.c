#include "model/channels.h"

#include "test/test.h"

TEST(channels_one_per_name) {
  pml_channels *t = pml_channels_new(NULL);
  pml_slice room = pml_slice_str("room");
  CHECK(pml_channels_find(t, room) == NULL);
  pml_channel *c = pml_channels_create(t, room);
  CHECK(c && pml_channels_create(t, room) == c);
  CHECK(pml_channels_find(t, room) == c);
  CHECK(pml_channels_get(t, pml_channel_id(c)) == c);
  CHECK(pml_slice_eq(pml_channel_name(c), room));
  CHECK(pml_channels_create(t, pml_slice_str("room2")) != c);
  CHECK_EQ(pml_channels_count(t), 2);
  pml_channels_free(t);
  pml_channels_free(NULL);
}

TEST(channels_stale_id_does_not_find_the_successor) {
  pml_channels *t = pml_channels_new(NULL);
  pml_slice room = pml_slice_str("room");
  pml_channel *c = pml_channels_create(t, room);
  pml_id old = pml_channel_id(c);
  CHECK(pml_channel_add(c, (pml_uid){"a", 1, 0}, "c-1") == 1);
  pml_channels_destroy(t, c);
  CHECK(pml_channels_find(t, room) == NULL);
  CHECK(pml_channels_get(t, old) == NULL);
  c = pml_channels_create(t, room);
  CHECK(pml_channel_id(c) != old && pml_channels_get(t, old) == NULL);
  CHECK_EQ(pml_channel_count(c), 0);
  pml_channels_free(t);
}

TEST(channels_any_bytes_are_a_name) {
  static uint8_t lengthy[65536];
  pml_channels *t = pml_channels_new(NULL);
  pml_channel *none = pml_channels_create(t, pml_slice_of(NULL, 0));
  pml_channel *zero = pml_channels_create(t, pml_slice_of("a\0b", 3));
  pml_channel *cut = pml_channels_create(t, pml_slice_of("a\0c", 3));
  CHECK(none && zero && cut && none != zero && zero != cut);
  CHECK(pml_channels_find(t, pml_slice_of("", 0)) == none);
  CHECK(pml_channels_find(t, pml_slice_of("a\0b", 3)) == zero);
  CHECK(pml_channels_create(t, pml_slice_of(lengthy, 65536)) == NULL);
  CHECK(pml_channels_create(t, pml_slice_of(lengthy, 65535)) != NULL);
  pml_channels_free(t);
}

TEST(channels_places_run_out_and_come_back) {
  pml_channels *t = pml_channels_new(NULL);
  char name[16];
  int n = 0;
  for (; n < 64; n++) {
    sprintf(name, "%d", n);
    if (!pml_channels_create(t, pml_slice_str(name))) break;
  }
  CHECK_EQ(n, (1 << PML_SLOT_BITS) - 1);
  CHECK(pml_channels_find(t, pml_slice_str(name)) == NULL); /* nothing half made */
  pml_channels_destroy(t, pml_channels_find(t, pml_slice_str("0")));
  CHECK(pml_channels_create(t, pml_slice_str(name)) != NULL);
  pml_channels_free(t);
}

TEST(channels_lose_all_members_behind_a_frontend) {
  pml_channels *t = pml_channels_new(NULL);
  pml_channel *a = pml_channels_create(t, pml_slice_str("a"));
  pml_channel *b = pml_channels_create(t, pml_slice_str("b"));
  pml_uid ann = {"ann", 3, 0}, bob = {"bob", 3, 0};
  CHECK_EQ(pml_channel_add(a, ann, "f1"), 1);
  CHECK_EQ(pml_channel_add(a, bob, "f1"), 1);
  CHECK_EQ(pml_channel_add(a, ann, "f2"), 1);
  CHECK_EQ(pml_channel_add(b, bob, "f1"), 1);
  CHECK_EQ(pml_channels_drop(t, "f3"), 0);
  CHECK_EQ(pml_channels_drop(t, "f1"), 3);
  CHECK_EQ(pml_channels_drop(t, "f1"), 0);
  CHECK_EQ(pml_channel_count(a), 1);
  CHECK_EQ(pml_channel_count(b), 0);
  CHECK(strcmp(pml_channel_member(a, ann, NULL), "f2") == 0);
  CHECK(pml_channel_member(a, bob, NULL) == NULL);
  CHECK(pml_channel_first(b) == NULL);
  CHECK_EQ(pml_channel_add(a, bob, "f1"), 1); /* who joins since is a member */
  CHECK_EQ(pml_channel_count(a), 2);
  pml_channels_free(t);
}

static char told[4096];

static void note(const pml_channel_event *e, void *ud) {
  static const char *const names[] = {"made", "joined", "left", "gone"};
  size_t n = strlen(told);
  (void)ud;
  snprintf(told + n, sizeof told - n, "%s %.*s %.*s %s %d %zu\n", names[e->change],
           (int)pml_channel_name(e->channel).n, (const char *)pml_channel_name(e->channel).p,
           (int)e->uid.n, e->uid.s ? e->uid.s : "", e->sid ? e->sid : "-", (int)e->why,
           pml_channel_count(e->channel));
}

static void expect(const char *text) {
  CHECK_STR(told, text);
  told[0] = '\0';
}

TEST(channels_tell_who_watches_what_happens) {
  pml_channels *t = pml_channels_new(NULL);
  pml_uid ann = {"ann", 3, 0}, bob = {"bob", 3, 0};
  pml_channel *c = pml_channels_create(t, pml_slice_str("room"));
  pml_channels_watch(t, note, NULL);
  pml_channels_create(t, pml_slice_str("room"));
  pml_channels_create(t, pml_slice_str("hall"));
  pml_channel_add(c, ann, "a");
  pml_channel_add(c, ann, "a");
  pml_channel_add(c, bob, "b");
  expect("made hall  - 0 0\njoined room ann a 0 1\njoined room bob b 0 2\n");
  pml_channel_leave(c, ann, "a", PML_LEFT_CLOSED);
  pml_channel_leave(c, ann, "a", PML_LEFT_CLOSED);
  CHECK_EQ(pml_channels_drop(t, "b"), 1);
  expect("left room ann a 1 1\nleft room bob b 2 0\n");
  pml_channel_add(c, ann, "a");
  pml_channels_destroy(t, c);
  expect("joined room ann a 0 1\nleft room ann a 3 0\ngone room  - 0 0\n");
  pml_channels_watch(t, NULL, NULL);
  pml_channels_create(t, pml_slice_str("yard"));
  pml_channels_watch(t, note, NULL);
  pml_channels_free(t);
  expect(""); /* not of its end */
}

static void add_name(pml_channel *c, void *ud) {
  strncat(ud, (const char *)pml_channel_name(c).p, pml_channel_name(c).n);
}

static void expect_of(pml_channels *t, pml_uid uid, size_t count) {
  char names[64] = "";
  pml_channels_of(t, uid, add_name, names);
  CHECK_EQ(strlen(names), count);
}

TEST(channels_of_a_user_are_found_before_and_after_the_index) {
  pml_channels *t = pml_channels_new(NULL);
  pml_uid ann = {"ann", 3, 0}, seven = {"7", 1, 1}, text = {"7", 1, 0};
  pml_channel *a = pml_channels_create(t, pml_slice_str("a"));
  pml_channel *b = pml_channels_create(t, pml_slice_str("b"));
  pml_channel_add(a, ann, "f1");
  pml_channel_add(a, ann, "f2");
  pml_channel_add(a, seven, "f1");
  expect_of(t, ann, 1);
  expect_of(t, text, 1);
  pml_channel_add(b, ann, "f1");
  expect_of(t, ann, 2);
  pml_channel_leave(a, ann, "f2", PML_LEFT_ASKED);
  expect_of(t, ann, 2);
  pml_channel_leave(a, ann, "f1", PML_LEFT_ASKED);
  expect_of(t, ann, 1);
  pml_channel_add(a, ann, "f1");
  CHECK_EQ(pml_channels_leave(t, ann, PML_LEFT_ASKED), 2);
  CHECK_EQ(pml_channels_leave(t, ann, PML_LEFT_ASKED), 0);
  CHECK_EQ(pml_channels_leave(t, (pml_uid){NULL, 0, 0}, PML_LEFT_ASKED), 0);
  expect_of(t, ann, 0);
  pml_channels_destroy(t, a);
  expect_of(t, seven, 0);
  pml_channel_add(b, ann, "f1");
  pml_channels_drop(t, "f1");
  expect_of(t, ann, 0);
  pml_channel_add(b, ann, "f1");
  pml_channels_free(t);
}
