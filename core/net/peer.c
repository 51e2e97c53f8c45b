#include "net/peer.h"

#include "base/json_char.h"
#include "base/container.h"
#include "base/err.h"
#include "base/mem.h"
#include "wire/frame.h"
#include "wire/package.h"
#include "wire/utf8.h"
#include "wire/ws_frame.h"

#define BEAT_EVERY_MS 1000u
/* A client's beat may come early by this much: timers and networks are not exact. */
#define BEAT_EARLY_MS 500u

/* The fields that a send reads come last, next to the host's data. */
struct pml_peer {
  pml_timer timer; /* handshake, then heartbeat */
  union {
    pml_package_parser parser;
    pml_behind behind; /* once it has moved */
  };
  pml_buf *reason;    /* of pml_peer_close, owned */
  uint32_t limit;     /* of a package, as of now */
  uint32_t beat_at;   /* when the next heartbeat may be answered; milliseconds, cut */
  uint32_t late_turn; /* the turn in which the timer first fired */
  uint8_t state;
  unsigned open : 1;   /* on_open was called */
  unsigned asked : 1;  /* the handshake was given to the host */
  unsigned bytes : 1;  /* the WebSocket message under way has some */
  unsigned beaten : 1; /* beat_at means something */
  unsigned late : 1;   /* late_turn means something */
  unsigned moved : 1;  /* pml_peer_move */
};

static pml_peer_host *host_of(pml_peer *p) { return pml_conn_owner(pml_peer_conn(p)); }
pml_conn *pml_peer_conn(pml_peer *p) { return pml_conn_of_user(p); }
void *pml_peer_user(pml_peer *p) { return p + 1; }
pml_peer *pml_peer_of_user(void *user) { return (pml_peer *)user - 1; }
pml_peer_state pml_peer_state_of(const pml_peer *p) { return (pml_peer_state)p->state; }

/* ---- time ---- */

static uint64_t timeout_ms(const pml_peer_host *h) {
  return 1000 * (uint64_t)(h->timeout_s ? h->timeout_s : 2 * (uint64_t)h->heartbeat_s);
}

/* Without heartbeats: traffic that keeps proxies from closing the connection, and that lets the
 * system find out whether the client is there. A client that does not answer is not closed. */
static void ping(pml_peer *p) {
  pml_conn *c = pml_peer_conn(p);
  uint32_t all = 1000 * host_of(p)->ping_s, quiet = pml_conn_quiet(c);
  if (quiet >= all) {
    pml_conn_ping(c);
    quiet = 0;
  }
  pml_timer_start(pml_conn_loop(c), &p->timer, all - quiet);
}

static void on_timer(pml_timer *t) {
  pml_peer *p = PML_CONTAINER(t, pml_peer, timer);
  pml_conn *c = pml_peer_conn(p);
  pml_loop *l = pml_conn_loop(c);
  if (p->state == PML_PEER_WORKING && !host_of(p)->heartbeat_s) {
    ping(p);
    return;
  }
  if (p->state == PML_PEER_WORKING) {
    uint64_t all = timeout_ms(host_of(p)), quiet = pml_conn_quiet(c);
    if (quiet < all) { /* bytes came since */
      p->late = 0;
      pml_timer_start(l, t, all - quiet);
      return;
    }
  }
  /* A loop that was late may not have read yet what came in time: it has two more turns before the
   * client is blamed. */
  uint32_t turn = (uint32_t)pml_loop_turn(l);
  if (!p->late) {
    p->late = 1;
    p->late_turn = turn;
  }
  if (turn - p->late_turn < 2) {
    pml_timer_start(l, t, 1);
    return;
  }
  pml_conn_close(c, p->state == PML_PEER_WORKING ? PML_END_HEARTBEAT : PML_END_HANDSHAKE, 0);
  p->state = PML_PEER_CLOSED;
}

static void beat(pml_peer *p) {
  pml_peer_host *h = host_of(p);
  if (!h->beat) h->beat = pml_frame_of(PML_PKG_HEARTBEAT, NULL, 0);
  pml_conn_send(pml_peer_conn(p), h->beat);
}

static int noise_of(pml_peer *p, unsigned messages, size_t bytes) {
  pml_peer_host *h = host_of(p);
  return h->on_noise ? h->on_noise(p, messages, bytes, h) : 0;
}

static int noise(pml_peer *p, size_t bytes) { return noise_of(p, 1, bytes); }

static int on_heartbeat(pml_peer *p, size_t bytes) {
  pml_conn *c = pml_peer_conn(p);
  if (!host_of(p)->heartbeat_s) return noise(p, bytes);
  uint32_t now = (uint32_t)pml_loop_now(pml_conn_loop(c));
  int32_t early = p->beaten ? (int32_t)(p->beat_at - now) : 0;
  if (early > (int32_t)BEAT_EARLY_MS) {
    pml_conn_counts(c)->heartbeats_unanswered++;
    return noise(p, bytes);
  }
  p->beaten = 1;
  p->beat_at = (early > 0 ? p->beat_at : now) + BEAT_EVERY_MS;
  beat(p);
  return bytes ? noise_of(p, 0, bytes) : 0;
}

/* ---- packages ---- */

static void on_ack(pml_peer *p) {
  pml_peer_host *h = host_of(p);
  pml_conn *c = pml_peer_conn(p);
  p->state = PML_PEER_WORKING;
  pml_conn_finished(c);
  p->limit = h->package_after;
  p->late = 0;
  pml_timer_stop(pml_conn_loop(c), &p->timer);
  if (h->heartbeat_s) {
    pml_timer_start(pml_conn_loop(c), &p->timer, timeout_ms(h));
    beat(p);
  } else if (h->ping_s && pml_conn_is_ws(c)) {
    pml_timer_start(pml_conn_loop(c), &p->timer, 1000 * h->ping_s);
  }
  h->on_working(p, h);
}

static int on_package(uint8_t type, pml_slice body, void *ud) {
  pml_peer *p = ud;
  pml_peer_host *h = host_of(p);
  int r = 0;
  switch (type) {
  case PML_PKG_HANDSHAKE:
    if (p->state != PML_PEER_INITED || p->asked) {
      r = noise(p, body.n);
      break;
    }
    p->asked = 1;
    h->on_handshake(p, body, h);
    break;
  case PML_PKG_ACK:
    if (p->state == PML_PEER_WAIT_ACK) on_ack(p);
    else r = noise(p, body.n);
    break;
  case PML_PKG_HEARTBEAT:
    r = p->state == PML_PEER_WORKING ? on_heartbeat(p, body.n) : noise(p, body.n);
    break;
  case PML_PKG_DATA:
    r = p->state == PML_PEER_WORKING ? h->on_data(p, body, h) : noise(p, body.n);
    break;
  default: return PML_EPROTO; /* KICK is the server's to send */
  }
  if (r) return r;
  if (pml_conn_closing(pml_peer_conn(p))) return PML_ECLOSED;
  return pml_conn_had_share(pml_peer_conn(p)) ? PML_EAGAIN : 0;
}

static int on_bytes(pml_conn *c, int kind, pml_slice bytes, int fin) {
  pml_peer *p = pml_conn_user(c);
  if (bytes.n) {
    p->bytes = 1;
    int r = pml_package_feed(&p->parser, bytes.p, bytes.n, &p->limit, on_package, p);
    if (p->moved) return 0;
    pml_conn_cut(c, pml_package_number(&p->parser), pml_package_held(&p->parser));
    if (r) return r == PML_ECLOSED ? 0 : r;
  }
  if (kind == PML_STREAM) return 0;
  if (!fin) return bytes.n ? 0 : noise(p, 0); /* an empty fragment */
  int any = p->bytes;
  p->bytes = 0;
  if (!any) return kind == PML_BINARY ? PML_EPROTO : noise(p, 0);
  return pml_package_partial(&p->parser) ? PML_EPROTO : 0;
}

static void tell_behind(pml_peer *p, const pml_behind_counts *c) {
  pml_peer_host *h = host_of(p);
  if (h->on_behind && (c->requests || c->notifies)) h->on_behind(h, c);
}

static void on_behind(pml_conn *c, pml_slice bytes) {
  pml_peer *p = pml_conn_user(c);
  pml_behind_counts counts = {0};
  if (!p->moved) return;
  pml_behind_feed(&p->behind, bytes, &counts);
  tell_behind(p, &counts);
}

/* ---- life ---- */

static int on_ping(pml_conn *c) {
  pml_peer *p = pml_conn_user(c);
  return p->open ? noise(p, 0) : 0;
}

static void on_open(pml_conn *c) {
  pml_peer *p = pml_conn_user(c);
  pml_peer_host *h = pml_conn_owner(c);
  uint32_t waited = pml_conn_age(c);
  p->open = 1;
  p->limit = h->package_before;
  h->peers++;
  pml_timer_init(&p->timer, on_timer);
  pml_timer_start(pml_conn_loop(c), &p->timer,
                  h->handshake_ms > waited ? h->handshake_ms - waited : 1);
  h->on_open(p, h);
}

static void on_end(pml_conn *c, pml_end why, int end_code) {
  pml_peer *p = pml_conn_user(c);
  pml_peer_host *h = pml_conn_owner(c);
  if (!p->open) return;
  p->state = PML_PEER_CLOSED;
  pml_timer_stop(pml_conn_loop(c), &p->timer);
  if (!p->moved) pml_package_fini(&p->parser);
  pml_peer_end end = {
    .why = why,
    .ws_code = why == PML_END_PEER ? end_code : 0,
    .had_error = why == PML_END_ERROR,
    .is_ws = pml_conn_is_ws(c),
  };
  if (why == PML_END_ASKED && p->reason) end.reason = pml_buf_slice(p->reason);
  h->on_end(p, &end, h);
  pml_buf_unref(p->reason);
  p->reason = NULL;
  if (--h->peers) return;
  pml_buf_unref(h->beat);
  h->beat = NULL;
}

pml_conn_hooks pml_peer_hooks(size_t user_size) {
  return (pml_conn_hooks){on_open, on_bytes, on_behind,
                          on_ping, on_end,   sizeof(pml_peer) + user_size};
}

/* ---- called by the host ---- */

static void answer(pml_peer *p, int code, pml_slice json, pml_end why) {
  pml_conn *c = pml_peer_conn(p);
  if (p->state != PML_PEER_INITED || pml_conn_closing(c)) return;
  pml_buf *frame = pml_frame_of(PML_PKG_HANDSHAKE, json.p, json.n);
  if (frame) pml_conn_send(c, frame);
  pml_buf_unref(frame);
  if (code == 200 && frame) {
    p->state = PML_PEER_WAIT_ACK;
    return;
  }
  p->state = PML_PEER_CLOSED;
  pml_conn_close(c, why, PML_WS_NORMAL);
}

void pml_peer_handshake(pml_peer *p, int code, pml_slice json) {
  answer(p, code, json, PML_END_HANDSHAKE);
}

void pml_peer_refuse(pml_peer *p, int code, pml_slice json, pml_end why) {
  answer(p, code, json, why);
}

void pml_peer_send(pml_peer *p, pml_buf *frame) {
  if (p->state == PML_PEER_WORKING) pml_conn_send(pml_peer_conn(p), frame);
}

pml_offered pml_peer_offer(pml_peer *p, pml_buf *frame, pml_delivery how) {
  return p->state == PML_PEER_WORKING ? pml_conn_offer(pml_peer_conn(p), frame, how)
                                      : pml_offered_nowhere(how);
}

static pml_buf *kick_frame(pml_slice reason) {
  static const char before[] = "{\"reason\":\"", after[] = "\"}";
  pml_writer w = {0}, text = {0};
  pml_utf8_mend(&text, reason.p, reason.n);
  pml_buf *mended = pml_writer_finish(&text);
  pml_frame_begin(&w);
  pml_writer_put(&w, before, sizeof before - 1);
  for (size_t i = 0; i < mended->len;) i += pml_json_put_char(&w, mended->data + i);
  pml_buf_unref(mended);
  pml_writer_put(&w, after, sizeof after - 1);
  return pml_frame_end(&w, PML_PKG_KICK);
}

static void end(pml_peer *p, pml_slice reason, uint16_t ws_code) {
  if (reason.p) p->reason = pml_buf_from(reason.p, reason.n);
  p->state = PML_PEER_CLOSED;
  pml_conn_close(pml_peer_conn(p), PML_END_ASKED, ws_code);
}

static void send_kick(pml_peer *p, pml_slice reason) {
  if (!reason.p || p->state != PML_PEER_WORKING) return;
  pml_buf *frame = kick_frame(reason);
  if (frame) pml_conn_send(pml_peer_conn(p), frame);
  pml_buf_unref(frame);
}

void pml_peer_close(pml_peer *p, pml_slice reason) {
  if (pml_conn_closing(pml_peer_conn(p))) return;
  send_kick(p, reason);
  end(p, reason, PML_WS_NORMAL);
}

void pml_peer_end_for(pml_peer *p, pml_end why, pml_slice text) {
  pml_conn *c = pml_peer_conn(p);
  if (pml_conn_closing(c)) return;
  send_kick(p, text);
  p->state = PML_PEER_CLOSED;
  pml_conn_close(c, why, PML_WS_NORMAL);
}

void pml_peer_leave(pml_peer *p, pml_slice reason) {
  if (!pml_conn_closing(pml_peer_conn(p))) end(p, reason, PML_WS_GOING_AWAY);
}

/* Only a client that is WORKING sends messages. */
void pml_peer_move(pml_peer *p, pml_slice reason) {
  pml_conn *c = pml_peer_conn(p);
  pml_behind_counts counts = {0};
  if (pml_conn_closing(c)) return;
  if (reason.p) p->reason = pml_buf_from(reason.p, reason.n);
  if (p->state == PML_PEER_WORKING) {
    pml_behind b = pml_behind_of(&p->parser, &counts);
    pml_package_fini(&p->parser);
    p->behind = b;
    p->moved = 1;
    tell_behind(p, &counts);
  }
  p->state = PML_PEER_CLOSED;
  pml_conn_leave(c, "move");
}
