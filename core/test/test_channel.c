#include "base/err.h"
#include "model/channels.h"
#include "test/test.h"

static pml_uid uid(const char *s) { return (pml_uid){s, (uint32_t)strlen(s), 0}; }

static pml_channel *fresh(pml_channels **t) {
  *t = pml_channels_new(NULL);
  return pml_channels_create(*t, pml_slice_str("room"));
}

/* "a b c": the uids of a group, and "connector-1: a b|connector-2: c" of a channel. */
static const char *text_of(pml_channel *c) {
  static char out[512]; /* of this test alone: one test is one process */
  char *p = out;
  *p = '\0';
  for (pml_group *g = pml_channel_first(c); g; g = pml_group_next(c, g)) {
    if (p > out) *p++ = '|';
    p += sprintf(p, "%s:", pml_group_sid(g));
    pml_slice in = pml_buf_slice(pml_group_uids(g));
    size_t n = 0;
    pml_uid u;
    while (pml_uids_next(&in, &u) == 1) {
      p += sprintf(p, " %.*s", (int)u.n, u.s);
      CHECK(pml_group_has(c, g, u));
      n++;
    }
    CHECK_EQ(n, pml_group_count(g));
  }
  return out;
}
#define CHECK_TEXT(c, want) CHECK(strcmp(text_of(c), want) == 0)

TEST(channel_add_and_leave) {
  pml_channels *t;
  pml_channel *c = fresh(&t);
  CHECK_EQ(pml_channel_add(c, uid("ann"), "c-1"), 1);
  CHECK_EQ(pml_channel_add(c, uid("bob"), "c-2"), 1);
  CHECK_EQ(pml_channel_add(c, uid("cid"), "c-1"), 1);
  CHECK_EQ(pml_channel_add(c, uid("ann"), "c-1"), 0); /* changes nothing */
  CHECK_EQ(pml_channel_count(c), 3);
  CHECK_TEXT(c, "c-1: ann cid|c-2: bob");
  CHECK_EQ(pml_channel_leave(c, uid("ann"), "c-2", PML_LEFT_ASKED), 0);
  CHECK_EQ(pml_channel_leave(c, uid("ann"), "c-3", PML_LEFT_ASKED), 0);
  CHECK_EQ(pml_channel_leave(c, uid("ann"), "c-1", PML_LEFT_ASKED), 1);
  CHECK_EQ(pml_channel_leave(c, uid("ann"), "c-1", PML_LEFT_ASKED), 0);
  CHECK_TEXT(c, "c-1: cid|c-2: bob");
  CHECK_EQ(pml_channel_leave(c, uid("cid"), "c-1", PML_LEFT_ASKED), 1); /* the emptied group goes */
  CHECK_TEXT(c, "c-2: bob");
  CHECK_EQ(pml_channel_add(c, uid("cid"), "c-1"), 1); /* and comes back last */
  CHECK_TEXT(c, "c-2: bob|c-1: cid");
  pml_channels_free(t);
}

TEST(channel_refuses_what_is_no_member) {
  static char lengthy[PML_UID_MAX + 2];
  memset(lengthy, 'x', sizeof lengthy - 1);
  pml_channels *t;
  pml_channel *c = fresh(&t);
  CHECK_EQ(pml_channel_add(c, uid(""), "c-1"), PML_EINVAL);
  CHECK_EQ(pml_channel_add(c, (pml_uid){NULL, 0, 0}, "c-1"), PML_EINVAL);
  CHECK_EQ(pml_channel_add(c, uid(lengthy), "c-1"), PML_EINVAL);
  CHECK_EQ(pml_channel_add(c, uid("a"), ""), PML_EINVAL);
  CHECK_EQ(pml_channel_add(c, uid("a"), NULL), PML_EINVAL);
  CHECK_EQ(pml_channel_add(c, uid("a"), lengthy), PML_EINVAL);
  CHECK_EQ(pml_channel_leave(c, uid("a"), lengthy, PML_LEFT_ASKED), 0);
  CHECK_EQ(pml_channel_leave(c, uid("a"), NULL, PML_LEFT_ASKED), 0);
  CHECK_EQ(pml_channel_leave(c, (pml_uid){NULL, 0, 0}, "c-1", PML_LEFT_ASKED), 0);
  CHECK(pml_channel_first(c) == NULL);
  lengthy[PML_UID_MAX] = '\0';
  CHECK_EQ(pml_channel_add(c, uid(lengthy), "c-1"), 1);
  CHECK_EQ(pml_channel_count(c), 1);
  pml_channels_free(t);
}

TEST(channel_seven_and_7_are_one_member_given_back_as_given) {
  pml_channels *t;
  pml_channel *c = fresh(&t);
  pml_uid as;
  CHECK_EQ(pml_channel_add(c, (pml_uid){"7", 1, 1}, "c-1"), 1);
  CHECK_EQ(pml_channel_add(c, uid("7"), "c-1"), 0);
  CHECK(strcmp(pml_channel_member(c, uid("7"), &as), "c-1") == 0);
  CHECK(pml_uid_eq(as, uid("7")) && as.is_number);
  CHECK_EQ(pml_channel_leave(c, uid("7"), "c-1", PML_LEFT_ASKED), 1);
  CHECK(pml_channel_member(c, uid("7"), NULL) == NULL);
  pml_channels_free(t);
}

TEST(channel_record_falls_back_to_the_pair_that_joined_last) {
  pml_channels *t;
  pml_channel *c = fresh(&t);
  CHECK_EQ(pml_channel_add(c, uid("u"), "c-1"), 1);
  CHECK_EQ(pml_channel_add(c, uid("u"), "c-2"), 1);
  CHECK_EQ(pml_channel_add(c, uid("u"), "c-3"), 1);
  CHECK_EQ(pml_channel_add(c, uid("u"), "c-1"), 0); /* no new joining */
  CHECK_EQ(pml_channel_count(c), 3);
  CHECK(strcmp(pml_channel_member(c, uid("u"), NULL), "c-3") == 0);
  CHECK_EQ(pml_channel_leave(c, uid("u"), "c-2", PML_LEFT_ASKED), 1); /* from the middle */
  CHECK(strcmp(pml_channel_member(c, uid("u"), NULL), "c-3") == 0);
  CHECK_EQ(pml_channel_leave(c, uid("u"), "c-3", PML_LEFT_ASKED), 1);
  CHECK(strcmp(pml_channel_member(c, uid("u"), NULL), "c-1") == 0);
  CHECK_EQ(pml_channel_leave(c, uid("u"), "c-1", PML_LEFT_ASKED), 1);
  CHECK(pml_channel_member(c, uid("u"), NULL) == NULL);
  pml_channels_free(t);
}

TEST(channel_block_of_uids_is_kept_until_the_group_changes) {
  pml_channels *t;
  pml_channel *c = fresh(&t);
  CHECK_EQ(pml_channel_add(c, uid("a"), "c-1"), 1);
  CHECK_EQ(pml_channel_add(c, uid("b"), "c-2"), 1);
  pml_group *g = pml_channel_first(c);
  pml_buf *b = pml_buf_ref(pml_group_uids(g));
  CHECK(pml_group_uids(g) == b);
  CHECK_EQ(pml_channel_add(c, uid("d"), "c-2"), 1); /* another group */
  CHECK(pml_group_uids(g) == b);
  CHECK_EQ(pml_channel_add(c, uid("d"), "c-1"), 1);
  CHECK(pml_group_uids(g) != b);
  CHECK_EQ(b->len, 4); /* who shares the old one still has it as it was */
  CHECK_EQ(pml_group_uids(g)->len, 8);
  pml_channels_destroy(t, c);
  CHECK(memcmp(b->data, "\0\0\1a", 4) == 0);
  pml_buf_unref(b);
  pml_channels_free(t);
}

TEST(channel_many_members) {
  pml_channels *t;
  pml_channel *c = fresh(&t);
  char name[16], sid[16];
  for (int i = 0; i < 20000; i++) {
    int n = sprintf(name, "%d", i);
    sprintf(sid, "c-%d", i % 7);
    CHECK_EQ(pml_channel_add(c, (pml_uid){name, (uint32_t)n, 1}, sid), 1);
  }
  CHECK_EQ(pml_channel_count(c), 20000);
  for (int i = 0; i < 20000; i++) {
    int n = sprintf(name, "%d", i);
    sprintf(sid, "c-%d", i % 7);
    CHECK_EQ(pml_channel_leave(c, (pml_uid){name, (uint32_t)n, 1}, sid, PML_LEFT_ASKED), 1);
  }
  CHECK(pml_channel_first(c) == NULL);
  pml_channels_free(t);
}
