#include "store/redis_link.h"

#include "base/container.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/mem.h"
#include "store/redis_command.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define READ_ROOM 65536
#define FEED 16384 /* at once: hiredis moves what is left of it in front at each reply */
#define KEEPALIVE_S 30
#define PAUSE_FIRST_MS 100
#define PAUSE_MAX_MS 5000

typedef enum { LOOKING, CONNECTING, LOGIN, UP, CLOSED } stage;

/* What the login waits for; others are answered in this order. */
typedef enum { GREET_AUTH, GREET_SELECT, GREET_DONE } greeting;

typedef struct {
  pml__redis_link open;
  const pml__redis_link_options *o;
  const pml__redis_link_events *events;
  stage stage;
  greeting greeting;
  pml_names_ask ask;
  uint32_t address; /* of those that the ask has found */
  pml_timer timer;  /* until it is up */
  uv_tcp_t tcp;
  int tcp_closing;
  uv_connect_t connecting;
  pml__redis_reader *reader;
  pml_task flush, resume;
  pml_writer out;
  pml_buf *writing; /* what the system has not taken whole */
  uv_write_t write;
  char read[READ_ROOM];
} redis_link;

static redis_link *of(pml__redis_link *l) { return PML_CONTAINER(l, redis_link, open); }

static void on_closed(uv_handle_t *h);

/* ---- its end ---- */

static void close_tcp(redis_link *l) {
  if (l->tcp_closing) return;
  l->tcp_closing = 1;
  uv_close((uv_handle_t *)&l->tcp, on_closed);
}

void pml__redis_link_close(pml__redis_link *open) {
  redis_link *l = of(open);
  if (l->stage == CLOSED) return;
  l->stage = CLOSED;
  open->is_up = 0;
  open->is_closed = 1;
  pml_names_cancel(&l->ask);
  pml_timer_stop(l->o->loop, &l->timer);
  pml_task_cancel(&l->flush);
  pml_task_cancel(&l->resume);
  close_tcp(l);
}

__attribute__((format(printf, 2, 3))) static void break_off(redis_link *l, const char *fmt, ...) {
  char why[512];
  va_list args;
  va_start(args, fmt);
  vsnprintf(why, sizeof why, fmt, args);
  va_end(args);
  pml__redis_link_close(&l->open);
  l->events->down(&l->open, why);
}

/* ---- sending ---- */

static void on_written(uv_write_t *req, int status) {
  redis_link *l = req->data;
  l->open.unsent -= l->writing->len;
  pml_buf_unref(l->writing);
  l->writing = NULL;
  if (l->stage == CLOSED) return;
  if (status) {
    break_off(l, "the connection to redis at %s broke: %s", l->o->where->name, uv_strerror(status));
    return;
  }
  if (l->out.len) pml_loop_defer(l->o->loop, &l->flush);
  if (l->stage == UP) l->events->sent(&l->open);
}

/* What was not taken at once is left to libuv, from byte `from`. */
static int write_rest(redis_link *l, size_t from) {
  uv_buf_t b = uv_buf_init((char *)l->writing->data + from, (unsigned)(l->writing->len - from));
  l->write.data = l;
  return uv_write(&l->write, (uv_stream_t *)&l->tcp, &b, 1, on_written);
}

static void on_flush(pml_task *t) {
  redis_link *l = PML_CONTAINER(t, redis_link, flush);
  if (l->writing || !l->out.len) return;
  l->writing = pml_writer_finish(&l->out);
  uv_buf_t b = uv_buf_init((char *)l->writing->data, l->writing->len);
  int n = uv_try_write((uv_stream_t *)&l->tcp, &b, 1), rc = n;
  if (n == UV_EAGAIN) n = rc = 0;
  if (n >= 0 && (uint32_t)n < l->writing->len) rc = write_rest(l, (size_t)n);
  if (rc >= 0 && (uint32_t)n < l->writing->len) return;
  l->open.unsent -= l->writing->len;
  pml_buf_unref(l->writing);
  l->writing = NULL;
  if (rc < 0)
    break_off(l, "the connection to redis at %s broke: %s", l->o->where->name, uv_strerror(rc));
  else if (l->stage == UP) l->events->sent(&l->open);
}

void pml__redis_link_send(pml__redis_link *open, pml_slice bytes) {
  redis_link *l = of(open);
  if (l->stage == CLOSED) return;
  pml_writer_put(&l->out, bytes.p, bytes.n);
  open->unsent += bytes.n;
  pml_loop_defer(l->o->loop, &l->flush);
}

/* ---- the login ---- */

static void greet(redis_link *l, const pml_slice *words, size_t n) {
  pml_writer w = {0};
  pml__redis_command_plain(l->o->library, words, n, &w);
  pml_buf *b = pml_writer_finish(&w);
  pml__redis_link_send(&l->open, pml_buf_slice(b));
  pml_buf_unref(b);
}

/* SELECT even of 0: its answer shows that the server lets us in, and that it is there. */
static void log_in(redis_link *l) {
  const pml__redis_where *w = l->o->where;
  char database[16];
  snprintf(database, sizeof database, "%u", w->database);
  l->stage = LOGIN;
  l->greeting = w->password ? GREET_AUTH : GREET_SELECT;
  pml_slice auth[3] = {pml_slice_str("AUTH")}, select[2] = {pml_slice_str("SELECT")};
  size_t n = 1;
  if (w->password && w->user) auth[n++] = pml_slice_str(w->user);
  if (w->password) auth[n++] = pml_slice_str(w->password);
  select[1] = pml_slice_str(database);
  if (w->password) greet(l, auth, n);
  greet(l, select, 2);
}

/* The text of an error reply, or only its first word when the server repeats the password. */
static void refusal(redis_link *l, pml__redis_reply *r, char *out, size_t n) {
  const char *password = l->o->where->password;
  pml_slice s = r->values.n ? pml_data_slice(&r->values, r->values.v) : pml_slice_str("no answer");
  snprintf(out, n, "%.*s", (int)(s.n < 300 ? s.n : 300), (const char *)s.p);
  if (password && *password && strstr(out, password)) out[strcspn(out, " ")] = 0;
  for (char *c = out; *c; c++)
    if (*c < ' ' || *c > '~') *c = '?';
}

static void on_greeted(redis_link *l, pml__redis_reply *r) {
  char why[320];
  int refused = r->rc != 0;
  if (refused) refusal(l, r, why, sizeof why);
  pml_data_drop(&r->values);
  if (refused) {
    break_off(l,
              l->greeting == GREET_AUTH ? "redis at %s refused the user or the password: %s"
                                        : "redis at %s refused the connection: %s",
              l->o->where->name, why);
    return;
  }
  if (++l->greeting < GREET_DONE) return;
  pml_timer_stop(l->o->loop, &l->timer);
  l->stage = UP;
  l->open.is_up = 1;
  l->events->up(&l->open);
}

/* ---- reading ---- */

static void on_alloc(uv_handle_t *h, size_t hint, uv_buf_t *b) {
  (void)hint;
  *b = uv_buf_init(((redis_link *)h->data)->read, READ_ROOM);
}

/* Whether the link goes on. */
static int read_piece(redis_link *l, const char *p, size_t n) {
  pml__redis_reply r;
  int rc = pml__redis_reader_feed(l->reader, p, n);
  while (!rc && l->stage != CLOSED && (rc = pml__redis_reader_next(l->reader, &r)) == 1) {
    rc = 0;
    if (l->stage == LOGIN) on_greeted(l, &r);
    else l->events->reply(&l->open, &r);
  }
  if (l->stage == CLOSED) return 0;
  if (!rc) return 1;
  break_off(l, "the connection to redis at %s was closed: %s", l->o->where->name,
            rc == PML_ENOMEM ? "no memory" : pml__redis_reader_why(l->reader));
  return 0;
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b) {
  redis_link *l = s->data;
  if (n == 0 || l->stage == CLOSED) return;
  if (n < 0) {
    break_off(l, "redis at %s ended the connection%s%s", l->o->where->name, n == UV_EOF ? "" : ": ",
              n == UV_EOF ? "" : uv_strerror((int)n));
    return;
  }
  l->open.heard = pml_loop_now(l->o->loop);
  /* libuv would read on and on: others have their turn before the next piece. */
  if (n == READ_ROOM) {
    uv_read_stop(s);
    pml_loop_defer(l->o->loop, &l->resume);
  }
  for (size_t at = 0, size; at < (size_t)n; at += size) {
    size = (size_t)n - at < FEED ? (size_t)n - at : FEED;
    if (!read_piece(l, b->base + at, size)) return;
  }
}

static void on_resume(pml_task *t) {
  redis_link *l = PML_CONTAINER(t, redis_link, resume);
  uv_read_start((uv_stream_t *)&l->tcp, on_alloc, on_read); /* it has worked before */
}

/* ---- connecting ---- */

static void address_failed(redis_link *l, int rc) {
  pml_timer_stop(l->o->loop, &l->timer);
  if (++l->address < l->ask.n) {
    close_tcp(l);
    return;
  }
  if (rc == UV_ETIMEDOUT)
    break_off(l, "redis at %s did not answer in %u ms", l->o->where->name, l->o->connect_ms);
  else break_off(l, "cannot connect to redis at %s: %s", l->o->where->name, uv_strerror(rc));
}

static void on_connected(uv_connect_t *req, int status) {
  redis_link *l = req->data;
  if (l->stage != CONNECTING || l->tcp_closing) return;
  if (!status) status = uv_read_start((uv_stream_t *)&l->tcp, on_alloc, on_read);
  if (status) {
    address_failed(l, status);
    return;
  }
  uv_tcp_nodelay(&l->tcp, 1);
  uv_tcp_keepalive(&l->tcp, 1, KEEPALIVE_S);
  l->open.heard = pml_loop_now(l->o->loop);
  log_in(l);
}

static void on_late(pml_timer *t) {
  redis_link *l = PML_CONTAINER(t, redis_link, timer);
  if (l->stage == CONNECTING) address_failed(l, UV_ETIMEDOUT);
  else break_off(l, "redis at %s did not answer in %u ms", l->o->where->name, l->o->connect_ms);
}

/* To the address whose turn it is; the handle has done nothing yet. */
static void connect_to(redis_link *l) {
  const struct sockaddr *a = (const struct sockaddr *)&l->ask.at[l->address];
  l->stage = CONNECTING;
  /* Each address has its part of the time. */
  pml_timer_start(l->o->loop, &l->timer, l->o->connect_ms / l->ask.n);
  int rc = uv_tcp_connect(&l->connecting, &l->tcp, a, on_connected);
  if (rc) address_failed(l, rc);
}

static void on_name(pml_names_ask *a) {
  redis_link *l = PML_CONTAINER(a, redis_link, ask);
  if (a->rc) break_off(l, "cannot connect to redis at %s: %s", l->o->where->name, a->why);
  else connect_to(l);
}

static void tcp_init(redis_link *l) {
  uv_tcp_init(pml_loop_uv(l->o->loop), &l->tcp); /* opens no socket yet: cannot fail */
  l->tcp.data = l->connecting.data = l;
}

static void on_closed(uv_handle_t *h) {
  redis_link *l = h->data;
  l->tcp_closing = 0;
  if (l->stage != CLOSED) {
    tcp_init(l);
    connect_to(l);
    return;
  }
  pml__redis_reader_free(l->reader);
  pml_writer_drop(&l->out);
  l->events->gone(&l->open); /* the options may go with it */
  pml_free(l);
}

pml__redis_link *pml__redis_link_open(const pml__redis_link_options *o,
                                      const pml__redis_link_events *events, void *ud) {
  redis_link *l = pml_alloc0(sizeof *l);
  l->o = o;
  l->events = events;
  l->open.ud = ud;
  l->open.heard = pml_loop_now(o->loop);
  l->reader = pml__redis_reader_new(o->library, &o->limits);
  if (!l->reader) abort(); /* no memory, which pml_alloc does not survive either */
  pml_timer_init(&l->timer, on_late);
  pml_task_init(&l->flush, on_flush);
  pml_task_init(&l->resume, on_resume);
  tcp_init(l);
  l->ask.done = on_name;
  pml_names_ask_for(o->names, &l->ask, o->where->host, o->where->port, o->connect_ms);
  return &l->open;
}

uint32_t pml__redis_link_pause(uint32_t failed) {
  uint32_t ms = PAUSE_FIRST_MS;
  uint8_t chance = 0;
  for (uint32_t i = 0; i < failed && ms < PAUSE_MAX_MS; i++) ms *= 2;
  if (ms > PAUSE_MAX_MS) ms = PAUSE_MAX_MS;
  pml_random(&chance, 1);
  return ms - ms / 2 * chance / 255;
}
