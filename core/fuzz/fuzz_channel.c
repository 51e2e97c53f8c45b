/* Commands from the fuzzer against a plain array as the truth: one channel by the
 * side of others of the same table; two bytes are one command. */
#include "base/err.h"
#include "model/channels.h"

#include <stdlib.h>

#define NAMES 4
#define SIDS 4
#define UIDS 8
#define MUST(x) \
  do { \
    if (!(x)) abort(); \
  } while (0)

typedef struct {
  unsigned joined; /* 0: no member; else a rising number */
  int is_number;
} pair;

typedef struct {
  pml_channel *c;
  pml_id id;
  pair p[SIDS][UIDS];
  unsigned group_at[SIDS]; /* when the group was made */
} truth;

static const char *const sids[SIDS] = {"c-1", "c-2", "connector-server-number-3", "d"};

static pml_uid uid_of(int i, int is_number) {
  static const char *const texts[UIDS] = {"0",   "1",   "2", "3",
                                          "ann", "bob", "c", "a long name, too"};
  return (pml_uid){texts[i], (uint32_t)strlen(texts[i]), (uint32_t)is_number};
}

static size_t group_count(const truth *t, int s) {
  size_t n = 0;
  for (int u = 0; u < UIDS; u++) n += t->p[s][u].joined != 0;
  return n;
}

static int sid_index(const char *sid) {
  int s = 0;
  while (s < SIDS && strcmp(sids[s], sid) != 0) s++;
  MUST(s < SIDS);
  return s;
}

static void check_group(const truth *t, pml_group *g, int s) {
  MUST(pml_group_count(g) == group_count(t, s) && pml_group_count(g) > 0);
  pml_slice in = pml_buf_slice(pml_group_uids(g));
  unsigned before = 0;
  size_t n = 0;
  for (pml_uid got; pml_uids_next(&in, &got) == 1; n++) {
    int u = 0;
    while (u < UIDS && !pml_uid_eq(uid_of(u, 0), got)) u++;
    MUST(u < UIDS && t->p[s][u].joined > before);
    MUST((int)got.is_number == t->p[s][u].is_number);
    before = t->p[s][u].joined;
  }
  MUST(in.n == 0 && n == pml_group_count(g));
  for (int u = 0; u < UIDS; u++) {
    MUST(pml_group_has(t->c, g, uid_of(u, 0)) == (t->p[s][u].joined != 0));
  }
}

static void check(const truth *t) {
  size_t count = 0, groups = 0;
  unsigned before = 0;
  for (pml_group *g = pml_channel_first(t->c); g; g = pml_group_next(t->c, g)) {
    int s = sid_index(pml_group_sid(g));
    MUST(t->group_at[s] > before);
    before = t->group_at[s];
    check_group(t, g, s);
    count += pml_group_count(g);
    groups++;
  }
  MUST(pml_channel_count(t->c) == count);
  for (int s = 0; s < SIDS; s++) groups -= group_count(t, s) > 0;
  MUST(groups == 0);
  for (int u = 0; u < UIDS; u++) {
    int last = -1;
    for (int s = 0; s < SIDS; s++) {
      if (t->p[s][u].joined && (last < 0 || t->p[s][u].joined > t->p[last][u].joined)) last = s;
    }
    pml_uid as;
    const char *sid = pml_channel_member(t->c, uid_of(u, 1), &as);
    MUST((sid != NULL) == (last >= 0));
    if (sid) MUST(sid_index(sid) == last && (int)as.is_number == t->p[last][u].is_number);
  }
}

static void add(truth *t, int s, int u, int is_number, unsigned now) {
  int was = t->p[s][u].joined != 0;
  MUST(pml_channel_add(t->c, uid_of(u, is_number), sids[s]) == !was);
  if (was) return;
  if (group_count(t, s) == 0) t->group_at[s] = now;
  t->p[s][u] = (pair){now, is_number};
}

static void leave(truth *t, int s, int u) {
  MUST(pml_channel_leave(t->c, uid_of(u, 0), sids[s], PML_LEFT_ASKED) == (t->p[s][u].joined != 0));
  t->p[s][u].joined = 0;
}

static void command(pml_channels *all, truth *t, int which, uint8_t op, uint8_t arg, unsigned now) {
  pml_slice name = pml_slice_of("room", (size_t)which);
  if (!t->c) {
    MUST(!pml_channels_find(all, name) && !pml_channels_get(all, t->id));
    pml_id old = t->id;
    memset(t, 0, sizeof *t);
    t->c = pml_channels_create(all, name);
    MUST(t->c && pml_channel_id(t->c) != old);
    t->id = pml_channel_id(t->c);
  }
  MUST(pml_channels_create(all, name) == t->c && pml_channels_get(all, t->id) == t->c);
  int s = arg & 3, u = arg >> 2 & 7;
  switch (op & 7) {
  case 7:
    if (arg < 64) {
      pml_channels_destroy(all, t->c);
      t->c = NULL;
      return;
    }
    break;
  case 4:
  case 5:
  case 6: leave(t, s, u); break;
  default: add(t, s, u, arg >> 5 & 1, now);
  }
  check(t);
}

/* --- all channels together --------------------------------------------------------- */

static void count_one(pml_channel *c, void *ud) {
  MUST(pml_channel_count(c) > 0);
  ++*(int *)ud;
}

static int in_channel(const truth *t, int u) {
  for (int s = 0; t->c && s < SIDS; s++)
    if (t->p[s][u].joined) return 1;
  return 0;
}

/* The channels of a user by the index of all members, or all of them leave. */
static void user(pml_channels *all, truth *v, uint8_t op, int u) {
  int found = 0, expected = 0;
  size_t pairs = 0;
  for (int i = 0; i < NAMES; i++) {
    expected += in_channel(&v[i], u);
    for (int s = 0; v[i].c && s < SIDS; s++) pairs += v[i].p[s][u].joined != 0;
  }
  pml_channels_of(all, uid_of(u, 1), count_one, &found);
  MUST(found == expected);
  if (op & 32) return;
  MUST(pml_channels_leave(all, uid_of(u, 0), PML_LEFT_ASKED) == pairs);
  for (int i = 0; i < NAMES; i++)
    for (int s = 0; s < SIDS; s++) v[i].p[s][u].joined = 0;
}

static long seen_pairs, seen_channels;

static void seen(const pml_channel_event *e, void *ud) {
  (void)ud;
  switch (e->change) {
  case PML_CHANNEL_MADE: seen_channels++; break;
  case PML_CHANNEL_GONE: seen_channels--; break;
  case PML_CHANNEL_JOINED: seen_pairs++; break;
  case PML_CHANNEL_LEFT: seen_pairs--; break;
  }
}

/* Who has watched from the start has counted right. */
static void check_seen(pml_channels *all, const truth *v) {
  long pairs = 0;
  for (int i = 0; i < NAMES; i++) pairs += v[i].c ? (long)pml_channel_count(v[i].c) : 0;
  MUST(seen_pairs == pairs && seen_channels == (long)pml_channels_count(all));
}

int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n) {
  pml_channels *all = pml_channels_new(NULL);
  truth v[NAMES];
  memset(v, 0, sizeof v);
  seen_pairs = seen_channels = 0;
  pml_channels_watch(all, seen, NULL);
  for (size_t i = 0; i + 1 < n && i < 4096; i += 2) {
    int which = d[i] >> 3 & 3;
    if (d[i] >= 0xC0) user(all, v, d[i], d[i + 1] & 7);
    command(all, &v[which], which, d[i], d[i + 1], (unsigned)i + 1);
  }
  check_seen(all, v);
  pml_channels_free(all);
  return 0;
}
