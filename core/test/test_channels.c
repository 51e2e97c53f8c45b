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
