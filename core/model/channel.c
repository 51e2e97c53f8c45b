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
  pml_link link; /* in by_uid */
  uint16_t n;
  uint8_t is_number;
  char uid[];
} member;

struct pml_group {
  pml_list members; /* in the order of joining */
  size_t count;
  size_t bytes;  /* of the block of uids */
  pml_buf *uids; /* owned; NULL: to be made again */
  UT_hash_handle hh;
  char sid[];
};

pml_channel *pml__channel_new(pml_slice name, const pml_hash_key *key) {
  pml_channel *c = pml_alloc0(sizeof *c + name.n);
  c->key = key;
  c->name_len = (uint32_t)name.n;
  if (name.n) memcpy(c->name, name.p, name.n);
  return c;
}

static pml_group *group_find(const pml_channel *c, const char *sid, size_t n) {
  pml_group *g;
  uint32_t h = pml_hash(c->key, sid, n);
  HASH_FIND_BYHASHVALUE(hh, c->groups, sid, n, h, g);
  return g;
}

static pml_group *group_add(pml_channel *c, const char *sid, size_t n) {
  pml_group *g = pml_alloc0(sizeof *g + n + 1);
  pml_list_init(&g->members);
  memcpy(g->sid, sid, n);
  uint32_t h = pml_hash(c->key, g->sid, n);
  HASH_ADD_KEYPTR_BYHASHVALUE(hh, c->groups, g->sid, n, h, g);
  return g;
}

static void group_changed(pml_group *g) {
  pml_buf_unref(g->uids);
  g->uids = NULL;
}

static member *newest(const pml_channel *c, pml_uid uid) {
  if (!uid.s || uid.n == 0) return NULL;
  pml_link *l = pml_table_first(&c->by_uid, pml_hash(c->key, uid.s, uid.n));
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

static void index_add(pml_channel *c, member *m) {
  pml_table_add(&c->by_uid, &m->link, pml_hash(c->key, m->uid, m->n));
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
  return 1;
}

/* Out of the table, the group and the counts; an emptied group goes. */
static void member_remove(pml_channel *c, member *m) {
  pml_group *g = m->group;
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
  pml_free(m);
  if (g->count == 0) {
    HASH_DELETE(hh, c->groups, g);
    pml_free(g);
  }
}

int pml_channel_leave(pml_channel *c, pml_uid uid, const char *sid) {
  size_t sid_len = sid ? strnlen(sid, PML_SERVER_ID_MAX + 1) : 0;
  if (sid_len == 0 || sid_len > PML_SERVER_ID_MAX) return 0;
  pml_group *g = group_find(c, sid, sid_len);
  member *m = g ? pair_find(newest(c, uid), g) : NULL;
  if (!m) return 0;
  member_remove(c, m);
  return 1;
}

size_t pml_channel_drop(pml_channel *c, const char *sid) {
  pml_group *g = group_find(c, sid, strlen(sid));
  size_t n = g ? g->count : 0;
  for (size_t i = 0; i < n; i++) member_remove(c, PML_CONTAINER(g->members.next, member, in_group));
  return n;
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
    member *m = PML_CONTAINER(n, member, in_group);
    pml_uids_put(&w, (pml_uid){m->uid, m->n, m->is_number});
  }
  return g->uids = pml_writer_finish(&w);
}

int pml_group_has(const pml_channel *c, const pml_group *g, pml_uid uid) {
  return pair_find(newest(c, uid), g) != NULL;
}
