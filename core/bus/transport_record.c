#include "bus/transport_record.h"

#include "base/container.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/mem.h"

typedef struct {
  pml_list node;
  char *to; /* owned */
  pml_buf *head, *body, *extra;
} record;

typedef struct {
  UT_hash_handle hh;
  uint64_t incarnation;
  char id[];
} peer;

typedef struct {
  pml_transport base;
  pml_transport_events ev;
  peer *peers;
  pml_list kept; /* of record */
  uint64_t last; /* incarnation given out */
} recorder;

static recorder *of(pml_transport *t) { return PML_CONTAINER(t, recorder, base); }

static peer *peer_find(const recorder *x, const char *id) {
  size_t n = strlen(id);
  peer *p;
  HASH_FIND_BYHASHVALUE(hh, x->peers, id, n, pml_hash_ours(id, n), p);
  return p;
}

static int record_send(pml_transport *t, const char *to, pml_slice head, pml_buf *body,
                       pml_buf *extra, uint64_t series, int flags) {
  (void)series;
  (void)flags;
  recorder *x = of(t);
  if (head.n + pml_buf_slice(body).n + pml_buf_slice(extra).n > PML_RECORD_MAX) {
    return PML_ETOOBIG;
  }
  if (!peer_find(x, to)) return PML_ENOENT;
  record *r = pml_alloc(sizeof *r);
  r->to = pml_strdup(to);
  r->head = pml_buf_from(head.p, head.n);
  r->body = pml_buf_ref(body);
  r->extra = pml_buf_ref(extra);
  pml_list_append(&x->kept, &r->node);
  return 0;
}

int pml_transport_record_take(pml_transport *t, char **to, pml_buf **head, pml_buf **body,
                              pml_buf **extra) {
  pml_list *n = pml_list_pop(&of(t)->kept);
  if (!n) return 0;
  record *r = PML_CONTAINER(n, record, node);
  *to = r->to;
  *head = r->head;
  *body = r->body;
  *extra = r->extra;
  pml_free(r);
  return 1;
}

static void record_close(pml_transport *t) {
  recorder *x = of(t);
  char *to;
  pml_buf *head, *body, *extra;
  while (pml_transport_record_take(t, &to, &head, &body, &extra)) {
    pml_free(to);
    pml_buf_unref(head);
    pml_buf_unref(body);
    pml_buf_unref(extra);
  }
  peer *p, *next;
  HASH_ITER (hh, x->peers, p, next) {
    HASH_DELETE(hh, x->peers, p);
    pml_free(p);
  }
  pml_free(x);
}

pml_transport *pml_transport_record_new(const pml_transport_events *ev) {
  recorder *x = pml_alloc0(sizeof *x);
  x->base.send = record_send;
  x->base.close = record_close;
  x->base.incarnation = x->last = 1;
  x->ev = *ev;
  pml_list_init(&x->kept);
  return &x->base;
}

void pml_transport_record_deliver(pml_transport *t, const char *from, pml_buf *head, pml_buf *body,
                                  pml_buf *extra) {
  recorder *x = of(t);
  x->ev.on_record(from, pml_buf_slice(head), body, extra, x->ev.ud);
}

void pml_transport_record_peer(pml_transport *t, const char *id, int up) {
  recorder *x = of(t);
  peer *p = peer_find(x, id);
  if (!up == !p) return; /* nothing has changed */
  uint64_t incarnation = p ? p->incarnation : x->last + 1;
  if (up) {
    size_t n = strlen(id);
    p = pml_alloc(sizeof *p + n + 1);
    memcpy(p->id, id, n + 1);
    p->incarnation = ++x->last;
    HASH_ADD_KEYPTR_BYHASHVALUE(hh, x->peers, p->id, n, pml_hash_ours(id, n), p);
  } else {
    HASH_DELETE(hh, x->peers, p);
    pml_free(p);
  }
  if (x->ev.on_peer) x->ev.on_peer(id, incarnation, up, x->ev.ud);
}
