#include "node/resume.h"

#include "base/container.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/mem.h"
#include "model/backlog.h"
#include "node/state.h"

#define SQUEEZED 64 /* sessions that lose blocks for one package at most */
const pml_counter pml__resume_counters[] = {
  PML_NODE_COUNTER("resumeLost", resume.lost),
  PML_NODE_COUNTER("resumeResumed", resume.resumed),
  PML_NODE_COUNTER("resumeRefused", resume.refused),
  PML_NODE_COUNTER("resumeOverflowed", resume.overflowed),
  PML_NODE_COUNTER("resumeExpired", resume.expired),
  PML_NODE_COUNTER("resumeEvicted", resume.evicted),
  PML_NODE_COUNTER("resumeWaiting", resume.nwaiting),
  PML_NODE_COUNTER("resumeBytes", resume.bytes),
  {NULL, 0},
};

typedef enum { NEW, OPEN, WAITING, SHAKING, OVER } state;

/* What a delivery reads stands first. */
struct pml_resumed {
  pml_sink sink;
  pml_sink *line; /* borrowed; NULL: the connection is gone */
  pml_node *node;
  pml_backlog log;
  uint8_t state;
  uint8_t leaves;    /* the client has said sys.leave */
  uint64_t received; /* DATA packages of the client */
  uint64_t given;    /* WAITING, SHAKING: packages that the last line was given */
  uint64_t seen;     /* SHAKING: packages that the client has taken */
  uint64_t deadline; /* WAITING, SHAKING: of the grace */
  pml_session *session;
  pml_list node_of; /* in waiting, open or over */
  pml_close_reason why;
  pml_buf *text;        /* owned: the text of why, NULL: it is a constant, or none */
  pml_ticket tokens[2]; /* the one that is good, and the one of an answer without an ACK yet */
  pml_seat seat;        /* WAITING */
  int port;
  char ip[PML_ADDRESS_TEXT];
};

static pml_resumed *resumed_of(const pml_session *s) {
  return s->resumes ? PML_CONTAINER(s->sink, pml_resumed, sink) : NULL;
}
static pml_resumed *resumed_at(pml_list *l) { return PML_CONTAINER(l, pml_resumed, node_of); }
static pml_resume *of(const pml_resumed *r) { return &r->node->resume; }

static void settle_later(pml_node *n) {
  n->resume.settling = 1;
  pml_loop_defer(n->loop, &n->resume.settle);
}

static void tokens_forget(pml_resumed *r) {
  for (int i = 0; i < 2; i++) pml_tickets_drop(&of(r)->tokens, &r->tokens[i]);
}

/* --- what is kept ------------------------------------------------------------------- */

static uint64_t total_of(const pml_node *n) { return (uint64_t)n->config.resume_mib << 20; }
static int waits(const pml_resumed *r) { return r->state == WAITING || r->state == SHAKING; }

static void uncharge(pml_resumed *r, size_t cost) {
  of(r)->bytes -= cost;
  if (r->state == OPEN) of(r)->open_bytes -= cost;
}

static size_t drop(pml_resumed *r) {
  size_t cost = pml_backlog_drop(&r->log, &of(r)->refs);
  uncharge(r, cost);
  return cost;
}

static void drop_all(pml_resumed *r) {
  uncharge(r, r->log.bytes);
  pml_backlog_clear(&r->log, &of(r)->refs);
  settle_later(r->node);
}

static void put(pml_resumed *r, pml_buf *frame, uint64_t identity) {
  pml_resume *m = of(r);
  size_t cost = pml_backlog_cost(frame);
  pml_backlog_put(&r->log, pml_refs_take(&m->refs, frame), identity);
  m->bytes += cost;
  if (r->state == OPEN) m->open_bytes += cost;
  if (!m->settling) settle_later(r->node);
}

/* The connected session whose turn it is loses half of what is kept of it. */
static void squeeze(pml_resume *m) {
  pml_list *first = pml_list_pop(&m->open);
  if (!first) return;
  pml_resumed *r = resumed_at(first);
  pml_list_append(&m->open, first);
  for (size_t freed = 0, half = (r->log.bytes + 1) / 2; freed < half;) freed += drop(r);
}

/* --- the end ------------------------------------------------------------------------ */

/* WAITING no more. */
static void unseat(pml_resumed *r) {
  r->node->resume.nwaiting--;
  if (r->node->conns) pml_seat_leave(r->node->conns, &r->seat);
}

static void leave_lists(pml_resumed *r) {
  pml_resume *m = of(r);
  if (r->state == OPEN) m->open_bytes -= r->log.bytes;
  if (r->state == WAITING) unseat(r);
  pml_list_remove(&r->node_of);
}

/* Nobody comes back to it. Without a line the scripts hear of its end at the end of the turn. */
static void end(pml_resumed *r) {
  pml_resume *m = of(r);
  if (r->state == OVER) return;
  leave_lists(r);
  r->state = OVER;
  tokens_forget(r);
  drop_all(r);
  if (!r->line) pml_list_append(&m->over, &r->node_of);
}

static const pml_close_reason REASON = {PML_CLOSE_TEXT, {(const uint8_t *)"resume", 6}, 0};

/* The same for want of room, perhaps in the middle of a fan-out: the tables stay as they are. */
static void give_up(pml_resumed *r, uint64_t *counter) {
  (*counter)++;
  r->why = REASON;
  end(r);
  if (r->line) pml_sink_leave(r->line, REASON.text);
}

static void on_settle(pml_task *t) {
  pml_node *n = PML_CONTAINER(t, pml_node, resume.settle);
  pml_list *l;
  n->resume.settling = 0;
  while ((l = pml_list_pop(&n->resume.over))) {
    pml_resumed *r = resumed_at(l);
    pml_close_reason why = r->why;
    pml_buf *text = pml_buf_ref(r->text);
    n->resume.ended(n, r->session, &why); /* r is gone */
    pml_buf_unref(text);
  }
  pml_refs_settle(&n->resume.refs);
}

/* The waiting session that began first, and has no client that is coming back. */
static pml_resumed *longest(const pml_resume *m) {
  for (pml_list *l = m->waiting.next; l != &m->waiting; l = l->next)
    if (resumed_at(l)->state == WAITING) return resumed_at(l);
  return NULL;
}

/* All together is too much, as r, which is connected, has got a package. */
static void make_room(pml_resumed *r) {
  pml_resume *m = of(r);
  uint64_t total = total_of(r->node);
  for (int i = 0; i < SQUEEZED && m->bytes > total; i++) {
    pml_resumed *first = 2 * m->open_bytes > total ? NULL : longest(m);
    if (first) give_up(first, &m->evicted);
    else squeeze(m);
  }
  while (m->bytes > total && drop(r)) {}
}

static void keep_open(pml_resumed *r, pml_buf *frame, uint64_t identity) {
  put(r, frame, identity);
  while (r->log.bytes > r->node->config.resume_bytes) drop(r);
  if (of(r)->bytes > total_of(r->node)) make_room(r);
}

/* Room for so many bytes that r, which waits, gets. 0: there is none, and r is OVER. */
static int make_room_waiting(pml_resumed *r, size_t cost) {
  pml_resume *m = of(r);
  uint64_t total = total_of(r->node), least = r->state == SHAKING ? r->seen : r->given;
  while (r->log.bytes + cost > r->node->config.resume_bytes) {
    if (pml_backlog_first(&r->log) >= least || !drop(r)) {
      give_up(r, &m->overflowed);
      return 0;
    }
  }
  for (int i = 0; i < SQUEEZED && m->bytes + cost > total && 2 * m->open_bytes > total; i++)
    squeeze(m);
  while (m->bytes + cost > total) {
    pml_resumed *first = longest(m);
    give_up(first ? first : r, &m->evicted);
    if (r->state == OVER) return 0;
  }
  return 1;
}

/* A waiting session gets a package. */
static void keep_waiting(pml_resumed *r, pml_buf *frame, uint64_t identity) {
  if (identity) uncharge(r, pml_backlog_take_out(&r->log, &of(r)->refs, identity));
  if (make_room_waiting(r, pml_backlog_cost(frame))) put(r, frame, identity);
}

/* --- the sink ----------------------------------------------------------------------- */

static void on_send(pml_sink *s, pml_buf *frame) {
  pml_resumed *r = PML_CONTAINER(s, pml_resumed, sink);
  if (r->state == OPEN) {
    keep_open(r, frame, 0);
    pml_sink_send(r->line, frame);
  } else if (waits(r)) {
    keep_waiting(r, frame, 0);
  }
}

static pml_offered on_offer(pml_sink *s, pml_buf *frame, pml_delivery how) {
  pml_resumed *r = PML_CONTAINER(s, pml_resumed, sink);
  if (r->state != OPEN) {
    if (waits(r) && how.policy != PML_DROP) keep_waiting(r, frame, how.identity);
    return pml_offered_nowhere(how);
  }
  pml_offered what = pml_sink_offer(r->line, frame, how);
  if (what == PML_OFFER_DROPPED) return what;
  if (what == PML_OFFER_REPLACED) {
    size_t cost = pml_backlog_take_out(&r->log, &of(r)->refs, how.identity);
    if (!cost) pml_backlog_uncount(&r->log);
    uncharge(r, cost);
  }
  keep_open(r, frame, how.identity);
  return what;
}

/* Its end is asked for. Without a line the listeners get the reason from here. */
static void end_asked(pml_resumed *r, pml_slice reason) {
  if (!r->line && r->state != OVER) {
    pml_buf_unref(r->text);
    r->text = reason.p ? pml_buf_from(reason.p, reason.n) : NULL;
    r->why = (pml_close_reason){.kind = reason.p ? PML_CLOSE_TEXT : PML_CLOSE_NIL,
                                .text = pml_buf_slice(r->text)};
  }
  end(r);
}

static void on_close(pml_sink *s, pml_slice reason) {
  pml_resumed *r = PML_CONTAINER(s, pml_resumed, sink);
  end_asked(r, reason);
  if (r->line) pml_sink_close(r->line, reason);
}

static void on_leave(pml_sink *s, pml_slice reason) {
  pml_resumed *r = PML_CONTAINER(s, pml_resumed, sink);
  end_asked(r, reason);
  if (r->line) pml_sink_leave(r->line, reason);
}

static void on_move(pml_sink *s, pml_slice reason) {
  pml_resumed *r = PML_CONTAINER(s, pml_resumed, sink);
  end_asked(r, reason);
  if (r->line) pml_sink_move(r->line, reason);
}

static void on_end(pml_sink *s, int why, pml_slice text) {
  pml_resumed *r = PML_CONTAINER(s, pml_resumed, sink);
  end_asked(r, pml_slice_str(pml_end_name((pml_end)why)));
  if (r->line) pml_sink_end(r->line, why, text);
}

static void on_address(pml_sink *s, char ip[PML_ADDRESS_TEXT], int *port) {
  const pml_resumed *r = PML_CONTAINER(s, pml_resumed, sink);
  memcpy(ip, r->ip, PML_ADDRESS_TEXT);
  *port = r->port;
  if (r->line) pml_sink_address(r->line, ip, port);
}

static void on_hand(pml_sink *s, pml_session *to) { (void)s, (void)to; } /* nobody asks for it */

static const pml_sink_calls calls = {on_send, on_offer, on_close,   on_leave,
                                     on_move, on_end,   on_address, on_hand};

void pml__resume_warm(const pml_sink *s) {
  const pml_resumed *r = PML_CONTAINER(s, pml_resumed, sink);
  const pml_backlog *b = &r->log;
  if (r->line) pml_sink_warm(r->line);
  if (!b->cap) return;
  __builtin_prefetch(&b->at[b->head]);
  __builtin_prefetch(&b->at[(b->head + b->count) & (b->cap - 1)], 1);
}

/* --- the line is lost, and comes back ------------------------------------------------- */

int pml__resume_keep(pml_node *n, pml_session *s, char text[PML_RESUME_TOKEN + 1]) {
  uint8_t bytes[PML_TICKET_BYTES];
  if (s->resumes || !s->sink || !n->config.resume_s) return PML_EINVAL;
  if (pml_ticket_make(bytes, text)) return PML_EIO;
  pml_resumed *r = pml_alloc0(sizeof *r);
  r->sink.calls = &calls;
  r->line = s->sink;
  r->node = n;
  r->session = s;
  pml_list_init(&r->node_of);
  pml_tickets_put(&of(r)->tokens, &r->tokens[0], r, bytes);
  s->sink = &r->sink;
  s->resumes = 1;
  n->resume.all++;
  return 0;
}

int pml__resume_find(pml_node *n, pml_slice text, double seen, pml_session **out) {
  const pml_ticket *t = n->resume.stopping ? NULL : pml_tickets_find(&n->resume.tokens, text);
  pml_resumed *r = t ? t->of : NULL;
  if (!r || r->state == NEW || r->state == OVER || r->session->left || r->session->moving)
    return PML_ENOENT;
  if (waits(r) && r->deadline <= pml_loop_now(n->loop)) return PML_ENOENT;
  uint64_t given = r->state == OPEN ? r->log.next : r->given;
  if (!(seen >= 0 && seen <= (double)given) || seen != (double)(uint64_t)seen) return PML_ENOENT;
  *out = r->session;
  return (uint64_t)seen < pml_backlog_first(&r->log) ? PML_EFULL : 0;
}

static void look_at_grace(pml_node *n) {
  pml_resume *m = &n->resume;
  if (pml_list_empty(&m->waiting) || pml_timer_running(&m->grace)) return;
  uint64_t now = pml_loop_now(n->loop), due = resumed_at(m->waiting.next)->deadline;
  pml_timer_start(n->loop, &n->resume.grace, due > now ? due - now : 1);
}

/* OPEN no more: what it was given may have arrived, or not. */
static void begin_wait(pml_resumed *r, state s) {
  pml_resume *m = of(r);
  leave_lists(r);
  r->state = (uint8_t)s;
  r->given = r->log.next;
  pml_backlog_fix(&r->log);
  r->deadline = pml_loop_now(r->node->loop) + 1000 * (uint64_t)r->node->config.resume_s;
  pml_list_append(&m->waiting, &r->node_of);
  m->lost++;
  look_at_grace(r->node);
}

/* The token by which a client came is the one that is good; that of an answer is new. One that was
 * in an earlier answer has not arrived. */
static void token_renew(pml_resumed *r, const pml_ticket *used, const uint8_t *fresh) {
  if (used == &r->tokens[1]) pml_tickets_move(&of(r)->tokens, &r->tokens[0], &r->tokens[1]);
  pml_tickets_put(&of(r)->tokens, &r->tokens[1], r, fresh);
}

int pml__resume_take(pml_node *n, pml_session *s, pml_slice text, uint64_t seen, pml_sink *line,
                     pml_resume_answer *out) {
  pml_resumed *r = resumed_of(s);
  const pml_ticket *used = pml_tickets_find(&n->resume.tokens, text);
  uint8_t bytes[PML_TICKET_BYTES];
  if (!r || !used || used->of != r) return PML_ENOENT;
  if (pml_ticket_make(bytes, out->token)) return PML_EIO;
  pml_sink *before = r->line;
  out->was_open = r->state == OPEN;
  out->received = r->received;
  if (r->state == OPEN) begin_wait(r, SHAKING);
  else if (r->state == WAITING) unseat(r);
  r->state = SHAKING;
  r->seen = seen;
  r->line = line;
  if (before) pml_sink_hand(before, NULL);
  pml_sink_hand(line, s);
  token_renew(r, used, bytes);
  return 0;
}

static void send_again(pml_buf *frame, void *ud) { pml_sink_send(ud, frame); }

int pml__resume_acked(pml_node *n, pml_session *s) {
  pml_resumed *r = resumed_of(s);
  int back = r->state == SHAKING;
  if (r->state != NEW && !back) return 0;
  pml_list_remove(&r->node_of);
  if (back) {
    n->resume.resumed++;
    while (pml_backlog_first(&r->log) < r->seen && drop(r)) {}
    pml_backlog_fix(&r->log);
    pml_tickets_move(&n->resume.tokens, &r->tokens[0], &r->tokens[1]);
    n->resume.open_bytes += r->log.bytes;
  }
  r->state = OPEN;
  pml_list_append(&n->resume.open, &r->node_of);
  pml_sink_address(r->line, r->ip, &r->port);
  if (back) pml_backlog_each(&r->log, r->seen, send_again, r->line);
  return back;
}

int pml__resume_lost(pml_node *n, pml_session *s, const pml_close_reason *why) {
  pml_resumed *r = resumed_of(s);
  r->line = NULL;
  r->why = *why;
  if (n->resume.stopping || s->left || r->leaves) return 0;
  if (r->state == OPEN) begin_wait(r, WAITING);
  else if (r->state != SHAKING) return 0;
  if (r->deadline <= pml_loop_now(n->loop)) {
    n->resume.expired++;
    return 0;
  }
  r->state = WAITING;
  n->resume.nwaiting++;
  return 1;
}

/* Those whose time is over. One whose client is coming back may go on until that fails. */
static void on_grace(pml_timer *t) {
  pml_node *n = PML_CONTAINER(t, pml_node, resume.grace);
  pml_resume *m = &n->resume;
  while (!pml_list_empty(&m->waiting)) {
    pml_resumed *r = resumed_at(m->waiting.next);
    if (r->deadline > pml_loop_now(n->loop)) break;
    pml_list_remove(&r->node_of);
    if (r->state == SHAKING) continue;
    m->expired++;
    end(r);
  }
  look_at_grace(n);
}

/* --- for the frontend ----------------------------------------------------------------- */

void pml__resume_took(pml_session *s) { resumed_of(s)->received++; }
pml_seat *pml__resume_seat(const pml_session *s) { return &resumed_of(s)->seat; }
void pml__resume_leaves(pml_session *s) { resumed_of(s)->leaves = 1; }
int pml__resume_has_left(const pml_session *s) { return s->resumes && resumed_of(s)->leaves; }
int pml__resume_is_waiting(const pml_session *s) { return s->resumes && !resumed_of(s)->line; }

int pml__resume_comes_back(const pml_session *s) {
  return s->resumes && resumed_of(s)->state == SHAKING;
}

pml_sink *pml__resume_line(const pml_session *s) {
  return s->resumes ? resumed_of(s)->line : s->sink;
}

void pml__resume_forget(pml_node *n, pml_session *s) {
  pml_resumed *r = resumed_of(s);
  if (!r) return;
  leave_lists(r);
  if (n->conns) pml_seat_leave(n->conns, &r->seat);
  r->state = OVER;
  tokens_forget(r);
  drop_all(r);
  pml_buf_unref(r->text);
  pml_free(r);
  s->sink = NULL;
  s->resumes = 0;
  n->resume.all--;
}

void pml__resume_not(pml_node *n, int too_late) {
  ++*(too_late ? &n->resume.overflowed : &n->resume.refused);
}

void pml__resume_stop(pml_node *n, pml_slice reason) {
  pml_list *all = &n->resume.waiting;
  n->resume.stopping = 1;
  for (pml_list *l = all->next, *next; reason.p && l != all; l = next) {
    next = l->next;
    if (resumed_at(l)->state == WAITING) end_asked(resumed_at(l), reason);
  }
}

void pml__resume_init(pml_node *n,
                      void (*ended)(pml_node *n, pml_session *s, const pml_close_reason *why)) {
  pml_resume *m = &n->resume;
  m->ended = ended;
  pml_tickets_init(&m->tokens);
  pml_list_init(&m->waiting);
  pml_list_init(&m->open);
  pml_list_init(&m->over);
  pml_timer_init(&m->grace, on_grace);
  pml_task_init(&m->settle, on_settle);
}

void pml__resume_unseat(pml_node *n) {
  for (pml_list *l = n->resume.waiting.next; l != &n->resume.waiting; l = l->next)
    if (n->conns) pml_seat_leave(n->conns, &resumed_at(l)->seat);
}

static int forget_one(pml_session *s, void *ud) {
  pml__resume_forget(ud, s);
  return 0;
}

void pml__resume_clear(pml_node *n) {
  pml_resume *m = &n->resume;
  pml_list *l;
  while ((l = pml_list_pop(&m->over))) {
    pml_session *s = resumed_at(l)->session;
    pml__resume_forget(n, s);
    if (s->left) pml_sessions_close(n->sessions, s);
  }
  pml_sessions_each(n->sessions, forget_one, n);
  pml_timer_stop(n->loop, &m->grace);
  pml_task_cancel(&m->settle);
  pml_refs_settle(&m->refs);
  pml_tickets_fini(&m->tokens);
}
