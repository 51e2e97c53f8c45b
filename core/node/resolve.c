#include "node/resolve.h"

#include "base/hash.h"

#define WORTH 8u                /* bytes of a list: below it, looking up is as fast */
#define SEEN_MAX 1024u          /* lists remembered */
#define SESSIONS_MAX (1u << 20) /* sessions remembered, all lists together */
#define BYTES_MAX (32u << 20)   /* of the lists themselves: the resolver may be their last holder */

typedef struct {
  pml_buf *uids;  /* the key: a reference is held, so its address stays its own */
  uint64_t epoch; /* of the sessions, when it was resolved */
  uint64_t used;  /* the resolver's clock */
  int times;      /* pushes in this epoch */
  pml_writer fails;
  pml_resolved out;
  UT_hash_handle hh;
} entry;

struct pml_resolver {
  entry *all;
  uint64_t clock;
  size_t sessions, bytes;
};

pml_resolver *pml_resolver_new(void) {
  pml_resolver *r = pml_alloc0(sizeof *r);
  return r;
}

static void empty(pml_resolver *r, entry *e) {
  r->sessions -= e->out.n;
  pml_free(e->out.v);
  pml_writer_drop(&e->fails);
  e->out = (pml_resolved){0};
}

static void drop(pml_resolver *r, entry *e) {
  HASH_DELETE(hh, r->all, e);
  empty(r, e);
  r->bytes -= e->uids->len;
  pml_buf_unref(e->uids);
  pml_free(e);
}

void pml_resolver_free(pml_resolver *r) {
  entry *e, *next;
  HASH_ITER (hh, r->all, e, next) drop(r, e);
  pml_free(r);
}

/* Lists change with every join and leave; the old list of a channel must not stay. */
static void make_room(pml_resolver *r) {
  entry *e, *next;
  int full = r->sessions >= SESSIONS_MAX || r->bytes >= BYTES_MAX;
  if (HASH_COUNT(r->all) < SEEN_MAX && !full) return;
  HASH_ITER (hh, r->all, e, next) {
    if (full || r->clock - e->used > SEEN_MAX / 2) drop(r, e);
  }
}

static entry *find(pml_resolver *r, pml_buf *uids) {
  entry *e;
  uint32_t h = pml_hash_ours(&uids, sizeof uids);
  HASH_FIND_BYHASHVALUE(hh, r->all, &uids, sizeof uids, h, e);
  if (e) return e;
  make_room(r);
  if (HASH_COUNT(r->all) >= SEEN_MAX) return NULL;
  e = pml_alloc0(sizeof *e);
  e->uids = pml_buf_ref(uids);
  r->bytes += uids->len;
  HASH_ADD_BYHASHVALUE(hh, r->all, uids, sizeof e->uids, h, e);
  return e;
}

static void resolve(pml_resolver *r, const pml_sessions *t, entry *e) {
  pml_slice uids = pml_buf_slice(e->uids);
  size_t cap = 0;
  pml_uid uid;
  while (pml_uids_next(&uids, &uid) > 0) {
    pml_session *s = pml_sessions_by_uid(t, uid);
    if (!s) pml_uids_put(&e->fails, uid);
    for (; s; s = s->uid_next) {
      if (e->out.n == cap) {
        cap = cap ? cap * 2 : 16;
        e->out.v = pml_realloc(e->out.v, cap * sizeof *e->out.v);
      }
      e->out.v[e->out.n++] = s;
    }
  }
  if (e->fails.len) e->out.fails = pml_slice_of(pml_writer_at(&e->fails, 0), e->fails.len);
  r->sessions += e->out.n;
}

const pml_resolved *pml_resolver_get(pml_resolver *r, const pml_sessions *t, pml_buf *uids) {
  if (!uids || uids->len < WORTH) return NULL;
  entry *e = find(r, uids);
  if (!e) return NULL;
  e->used = ++r->clock;
  if (e->epoch != pml_sessions_epoch(t)) {
    e->epoch = pml_sessions_epoch(t);
    e->times = 0;
    empty(r, e);
  }
  if (e->times < 2 && ++e->times == 2) resolve(r, t, e);
  return e->times >= 2 ? &e->out : NULL;
}
