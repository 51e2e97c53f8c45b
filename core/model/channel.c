#include "model/channel.h"

#include "base/limits.h"
#include "base/container.h"
#include "base/err.h"
#include "base/list.h"
#include "base/mem.h"
#include "model/channel_private.h"

/* A group's uids fit one block with room to spare: see pml_group_uids. */
#define GROUP_BYTES_MAX (PML_BUF_MAX / 2)
#define UID_HEAD 3u /* what pml_uids_put adds to the text */

/* One block per pair. Of the pairs that share a uid only the one that joined
 * last is in the table; the others hang behind it, newest first. */
typedef struct pml_member {
  pml_group *group;
  pml_list in_group;
  struct pml_member *older, *newer;
  pml_link link;    /* in by_uid */
  pml_link by_user; /* in the table of all channels, when there is one */
  uint16_t n;
  uint8_t is_number;
  uint8_t tied;
  char uid[];
} member;

struct pml_group {
  pml_channel *channel;
  pml_list members; /* in the order of joining */
  size_t count;
  size_t bytes;  /* of the block of uids */
  pml_buf *uids; /* owned; NULL: to be made again */
  UT_hash_handle hh;
  char sid[];
};

pml_channel *pml__channel_new(pml_slice name, pml_channel_shared *shared) {
  pml_channel *c = pml_alloc0(sizeof *c + name.n);
  c->shared = shared;
  c->name_len = (uint32_t)name.n;
  pml_slice_copy(c->name, name);
  return c;
}

static pml_group *group_find(const pml_channel *c, const char *sid, size_t n) {
  pml_group *g;
  uint32_t h = pml_hash(&c->shared->key, sid, n);
  HASH_FIND_BYHASHVALUE(hh, c->groups, sid, n, h, g);
  return g;
}

static pml_group *group_add(pml_channel *c, const char *sid, size_t n) {
  pml_group *g = pml_alloc0(sizeof *g + n + 1);
  pml_list_init(&g->members);
  g->channel = c;
  memcpy(g->sid, sid, n);
  uint32_t h = pml_hash(&c->shared->key, g->sid, n);
  HASH_ADD_KEYPTR_BYHASHVALUE(hh, c->groups, g->sid, n, h, g);
  return g;
}

static void group_changed(pml_group *g) {
  pml_buf_unref(g->uids);
  g->uids = NULL;
}

static pml_uid uid_of(const member *m) { return (pml_uid){m->uid, m->n, m->is_number}; }

static void tell(const pml_channel *c, const pml_channel_event *e) {
  if (c->shared->seen) c->shared->seen(e, c->shared->ud);
}

static void tell_member(const member *m, pml_channel_change change, pml_left why) {
  const pml_channel *c = m->group->channel;
  tell(c, &(pml_channel_event){change, c, uid_of(m), m->group->sid, why, m->tied});
}

void pml__channel_tell(const pml_channel *c, pml_channel_change change) {
  tell(c, &(pml_channel_event){.change = change, .channel = c});
}

static member *newest(const pml_channel *c, pml_uid uid) {
  if (!uid.s || uid.n == 0) return NULL;
  pml_link *l = pml_table_first(&c->by_uid, pml_hash(&c->shared->key, uid.s, uid.n));
  for (; l; l = pml_table_next(l)) {
    member *m = PML_CONTAINER(l, member, link);
    if (m->n == uid.n && memcmp(m->uid, uid.s, uid.n) == 0) return m;
  }
  return NULL;
}

static member *pair_find(member *first, const pml_group *g) {
  while (first && first->group != g) first = first->older;
  return first;
}

static uint32_t hash_of(const pml_channel *c, const member *m) {
  return pml_hash(&c->shared->key, m->uid, m->n);
}

static void index_add(pml_channel *c, member *m) {
  pml_table_add(&c->by_uid, &m->link, hash_of(c, m));
}

int pml_channel_add(pml_channel *c, pml_uid uid, const char *sid) {
  size_t sid_len = sid ? strnlen(sid, PML_SERVER_ID_MAX + 1) : 0;
  if (!uid.s || uid.n == 0 || uid.n > PML_UID_MAX) return PML_EINVAL;
  if (sid_len == 0 || sid_len > PML_SERVER_ID_MAX) return PML_EINVAL;

  pml_group *g = group_find(c, sid, sid_len);
  member *older = newest(c, uid);
  if (g) {
    if (pair_find(older, g)) return 0;
    if (g->bytes + UID_HEAD + uid.n > GROUP_BYTES_MAX) return PML_EFULL;
  } else {
    g = group_add(c, sid, sid_len);
  }

  member *m = pml_alloc0(sizeof *m + uid.n);
  m->group = g;
  m->n = (uint16_t)uid.n;
  m->is_number = uid.is_number != 0;
  memcpy(m->uid, uid.s, uid.n);
  if (older) {
    pml_table_remove(&c->by_uid, &older->link);
    older->newer = m;
    m->older = older;
  }
  index_add(c, m);
  pml_list_append(&g->members, &m->in_group);
  group_changed(g);
  g->count++;
  g->bytes += UID_HEAD + uid.n;
  c->count++;
  if (c->shared->indexed) pml_table_add(&c->shared->by_user, &m->by_user, hash_of(c, m));
  tell_member(m, PML_CHANNEL_JOINED, PML_LEFT_ASKED);
  return 1;
}

/* Out of the table, the group and the counts; an emptied group goes. */
static void member_remove(pml_channel *c, member *m, pml_left why) {
  pml_group *g = m->group;
  if (c->shared->indexed) pml_table_remove(&c->shared->by_user, &m->by_user);
  if (m->older) m->older->newer = m->newer;
  if (m->newer) {
    m->newer->older = m->older;
  } else {
    pml_table_remove(&c->by_uid, &m->link);
    if (m->older) index_add(c, m->older);
  }
  pml_list_remove(&m->in_group);
  group_changed(g);
  g->count--;
  g->bytes -= UID_HEAD + m->n;
  c->count--;
  tell_member(m, PML_CHANNEL_LEFT, why);
  pml_free(m);
  if (g->count == 0) {
    HASH_DELETE(hh, c->groups, g);
    pml_free(g);
  }
}

static member *find_pair(const pml_channel *c, pml_uid uid, const char *sid) {
  size_t sid_len = sid ? strnlen(sid, PML_SERVER_ID_MAX + 1) : 0;
  if (sid_len == 0 || sid_len > PML_SERVER_ID_MAX) return NULL;
  pml_group *g = group_find(c, sid, sid_len);
  return g ? pair_find(newest(c, uid), g) : NULL;
}

int pml_channel_leave(pml_channel *c, pml_uid uid, const char *sid, pml_left why) {
  member *m = find_pair(c, uid, sid);
  if (!m) return 0;
  member_remove(c, m, why);
  return 1;
}

void pml_channel_tie(pml_channel *c, pml_uid uid, const char *sid) {
  member *m = find_pair(c, uid, sid);
  if (m) m->tied = 1;
}

size_t pml_channel_drop(pml_channel *c, const char *sid) {
  pml_group *g = group_find(c, sid, strlen(sid));
  size_t n = g ? g->count : 0;
  for (size_t i = 0; i < n; i++)
    member_remove(c, PML_CONTAINER(g->members.next, member, in_group), PML_LEFT_SERVER);
  return n;
}

void pml__channel_empty(pml_channel *c, pml_left why) {
  while (c->groups) member_remove(c, PML_CONTAINER(c->groups->members.next, member, in_group), why);
}

void pml__channel_index(pml_channel *c) {
  for (pml_group *g = c->groups; g; g = g->hh.next) {
    for (pml_list *n = g->members.next; n != &g->members; n = n->next) {
      member *m = PML_CONTAINER(n, member, in_group);
      pml_table_add(&c->shared->by_user, &m->by_user, hash_of(c, m));
    }
  }
}

/* The first pair of uid from l on. */
static member *of_user(pml_link *l, pml_uid uid) {
  for (; l; l = pml_table_next(l)) {
    member *m = PML_CONTAINER(l, member, by_user);
    if (pml_uid_eq(uid_of(m), uid)) return m;
  }
  return NULL;
}

static member *first_of_user(const pml_channel_shared *s, pml_uid uid) {
  if (!uid.s || uid.n == 0) return NULL;
  return of_user(pml_table_first(&s->by_user, pml_hash(&s->key, uid.s, uid.n)), uid);
}

void pml__channel_of_user(const pml_channel_shared *s, pml_uid uid,
                          void (*fn)(pml_channel *c, void *ud), void *ud) {
  for (member *m = first_of_user(s, uid); m; m = of_user(pml_table_next(&m->by_user), uid))
    if (!m->newer) fn(m->group->channel, ud);
}

int pml__channel_leave_one(pml_channel_shared *s, pml_uid uid, pml_left why) {
  member *m = first_of_user(s, uid);
  if (m) member_remove(m->group->channel, m, why);
  return m != NULL;
}

void pml__channel_free(pml_channel *c) {
  pml_table_fini(&c->by_uid);
  for (pml_group *g = c->groups, *next; g; g = next) {
    next = g->hh.next;
    for (pml_list *n; (n = pml_list_pop(&g->members));) {
      pml_free(PML_CONTAINER(n, member, in_group));
    }
    pml_buf_unref(g->uids);
    HASH_DELETE(hh, c->groups, g);
    pml_free(g);
  }
  pml_free(c);
}

const char *pml_channel_member(const pml_channel *c, pml_uid uid, pml_uid *as) {
  member *m = newest(c, uid);
  if (!m) return NULL;
  if (as) *as = (pml_uid){m->uid, m->n, m->is_number};
  return m->group->sid;
}

size_t pml_channel_count(const pml_channel *c) { return c->count; }
pml_slice pml_channel_name(const pml_channel *c) { return pml_slice_of(c->name, c->name_len); }
pml_id pml_channel_id(const pml_channel *c) { return c->id; }
void pml_channel_mark(pml_channel *c, int on) { c->marked = on != 0; }
int pml_channel_is_marked(const pml_channel *c) { return c->marked; }

/* uthash keeps its items in the order of adding. */
pml_group *pml_channel_first(const pml_channel *c) { return c->groups; }
pml_group *pml_group_next(const pml_channel *c, const pml_group *g) {
  (void)c;
  return g->hh.next;
}
const char *pml_group_sid(const pml_group *g) { return g->sid; }
size_t pml_group_count(const pml_group *g) { return g->count; }

pml_buf *pml_group_uids(pml_group *g) {
  if (g->uids) return g->uids;
  pml_writer w = {0};
  pml_writer_grow(&w, g->bytes);
  for (pml_list *n = g->members.next; n != &g->members; n = n->next) {
    pml_uids_put(&w, uid_of(PML_CONTAINER(n, member, in_group)));
  }
  return g->uids = pml_writer_finish(&w);
}

int pml_group_has(const pml_channel *c, const pml_group *g, pml_uid uid) {
  return pair_find(newest(c, uid), g) != NULL;
}
