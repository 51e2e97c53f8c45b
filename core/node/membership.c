#include "node/membership.h"

#include "base/container.h"
#include "base/mem.h"
#include "node/state.h"

/* One change; its texts lie behind it: name, uid, sid with a NUL. */
typedef struct {
  pml_list node;
  int told; /* scripts hear of it */
  pml_member_event e;
  char text[];
} item;

static const char *put(char **at, const void *p, size_t n) {
  char *to = *at;
  if (n) memcpy(to, p, n);
  *at += n;
  return to;
}

/* Keeps a copy of e. */
static void keep(pml_node *n, const pml_member_event *e, int told) {
  pml_membership *m = &n->membership;
  size_t sid = e->sid ? strlen(e->sid) + 1 : 0;
  item *it = pml_alloc(sizeof *it + e->name.n + e->uid.n + sid);
  char *at = it->text;
  it->told = told;
  it->e = *e;
  it->e.name.p = (const uint8_t *)put(&at, e->name.p, e->name.n);
  if (e->uid.s) it->e.uid.s = put(&at, e->uid.s, e->uid.n);
  if (sid) it->e.sid = put(&at, e->sid, sid);
  it->e.restored = m->restoring != 0;
  pml_list_append(&m->queue, &it->node);
  pml_loop_defer(n->loop, &m->task);
}

static pml_member_event event_of(pml_member_change change, const pml_channel *c) {
  return (pml_member_event){.change = change, .id = pml_channel_id(c), .name = pml_channel_name(c)};
}

static void seen(const pml_channel_event *from, void *ud) {
  static const pml_member_change as[] = {
    [PML_CHANNEL_MADE] = PML_MEMBER_MADE,
    [PML_CHANNEL_JOINED] = PML_MEMBER_JOINED,
    [PML_CHANNEL_LEFT] = PML_MEMBER_LEFT,
    [PML_CHANNEL_GONE] = PML_MEMBER_GONE,
  };
  pml_node *n = ud;
  int left = from->change == PML_CHANNEL_LEFT;
  int told = n->membership.told || (left && from->tied);
  if (!told && !(left && !pml_channel_count(from->channel))) return;
  pml_member_event e = event_of(as[from->change], from->channel);
  e.uid = from->uid;
  e.sid = from->sid;
  e.why = from->why;
  keep(n, &e, told);
}

/* All is told: channels go that members have left and that are empty. */
static void remove_empty(pml_node *n) {
  for (pml_list *at; (at = pml_list_pop(&n->membership.left));) {
    item *it = PML_CONTAINER(at, item, node);
    pml_channel *c = pml_channels_get(n->channels, it->e.id);
    if (c && !pml_channel_count(c)) pml_channels_destroy(n->channels, c);
    pml_free(it);
  }
}

/* Tells what stood in the queue when it began: scripts may go on for ever. Empty channels go
 * when nothing is left to tell, so that they are there when the script hears of their members. */
static void on_end(pml_task *t) {
  pml_node *n = PML_CONTAINER(t, pml_node, membership.task);
  pml_membership *m = &n->membership;
  pml_list *last = m->queue.prev;
  for (pml_list *at = NULL; at != last && (at = pml_list_pop(&m->queue));) {
    item *it = PML_CONTAINER(at, item, node);
    if (it->told && n->script.on_member) n->script.on_member(n->script.ud, &it->e);
    if (m->remove_empty && it->e.change == PML_MEMBER_LEFT) pml_list_append(&m->left, at);
    else pml_free(it);
  }
  if (pml_list_empty(&m->queue)) remove_empty(n);
  else pml_loop_defer(n->loop, &m->task);
}

static void member_is_there(pml_node *n, pml_channel *c) {
  for (pml_group *g = pml_channel_first(c); g; g = pml_group_next(c, g)) {
    pml_slice uids = pml_buf_slice(pml_group_uids(g));
    pml_member_event e = event_of(PML_MEMBER_JOINED, c);
    e.sid = pml_group_sid(g);
    while (pml_uids_next(&uids, &e.uid) > 0) keep(n, &e, 1);
  }
}

static void channel_is_there(pml_channel *c, void *ud) {
  pml_node *n = ud;
  pml_member_event e = event_of(PML_MEMBER_MADE, c);
  keep(n, &e, 1);
  member_is_there(n, c);
}

void pml_node_watch_channels(pml_node *n, int told, int remove_empty) {
  pml_membership *m = &n->membership;
  m->remove_empty |= remove_empty;
  if (told && !m->told) {
    m->told = 1;
    pml_channels_each(n->channels, channel_is_there, n);
  }
  if (m->told || m->remove_empty) pml_channels_watch(n->channels, seen, n);
}

void pml_node_member_again(pml_node *n, const pml_channel *c, pml_uid uid, const char *sid) {
  if (!n->membership.told) return;
  pml_member_event e = event_of(PML_MEMBER_AGAIN, c);
  e.uid = uid;
  e.sid = sid;
  keep(n, &e, 1);
}

void pml_node_member_tied(pml_node *n, pml_channel *c, pml_uid uid, const char *sid,
                          pml_id session) {
  pml_member_event e = event_of(PML_MEMBER_TIED, c);
  e.uid = uid;
  e.sid = sid;
  e.session = session;
  keep(n, &e, 1);
  pml_channel_tie(c, uid, sid);
  pml_channels_watch(n->channels, seen, n);
}

void pml_node_member_after(pml_node *n, pml_id number) {
  pml_member_event e = {.change = PML_MEMBER_AFTER, .id = number};
  keep(n, &e, 1);
}

void pml_node_restoring(pml_node *n, int on) { n->membership.restoring = on; }

void pml__membership_pushed(pml_node *n, pml_channel *c) {
  pml_channel_mark(c, 0);
  if (!n->membership.told) return;
  pml_member_event e = event_of(PML_MEMBER_PUSHED, c);
  keep(n, &e, 1);
}

void pml__membership_init(pml_node *n) {
  pml_list_init(&n->membership.queue);
  pml_list_init(&n->membership.left);
  pml_task_init(&n->membership.task, on_end);
}

void pml__membership_clear(pml_node *n) {
  pml_membership *m = &n->membership;
  pml_list *at;
  pml_channels_watch(n->channels, NULL, NULL);
  pml_task_cancel(&m->task);
  while ((at = pml_list_pop(&m->queue)) || (at = pml_list_pop(&m->left)))
    pml_free(PML_CONTAINER(at, item, node));
}
