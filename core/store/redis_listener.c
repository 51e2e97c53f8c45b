#include "store/redis_listener.h"

#include "base/container.h"
#include "base/err.h"
#include "base/mem.h"
#include "store/redis_command.h"
#include "store/redis_link.h"

#include <stdio.h>

#define NAME_BYTES_MAX 512
#define ELEMENTS_MAX 16 /* of what a server sends to one who subscribes: three or four */

typedef struct {
  pml_buf *name;
  uint64_t asked; /* when SUBSCRIBE was sent on this connection, as a number; 0: not, or answered */
  int missed;     /* it was subscribed to on an earlier connection */
} channel;

struct pml_redis_listener {
  pml_loop *loop;
  pml_redis_on_news on_news;
  void *ud;
  uint32_t silent_ms;
  pml__redis_library library;
  pml__redis_where where;
  pml__redis_link_options options;
  pml_names *names;
  pml__redis_link *link; /* owned by itself; NULL: none */
  channel *channels;
  size_t n, cap;
  uint64_t asks;
  pml_timer timer; /* the pause before the next attempt; when it is up, PING and silence */
  uint32_t failed; /* attempts, one after the other */
  uint32_t links;  /* that are on the loop, closed ones too */
  int is_lost;     /* told, and not back yet */
  int closing;
  char why[512]; /* the connection was lost */
};

static const pml__redis_link_events events;

static channel *find(pml_redis_listener *l, pml_slice name) {
  for (size_t i = 0; i < l->n; i++)
    if (pml_slice_eq(pml_buf_slice(l->channels[i].name), name)) return &l->channels[i];
  return NULL;
}

static void tell(pml_redis_listener *l, pml_redis_news what, pml_slice name, pml_slice text) {
  if (!l->closing) l->on_news(what, name, text, l->ud);
}

/* ---- the connection ---- */

static void connect_now(pml_redis_listener *l) {
  l->link = pml__redis_link_open(&l->options, &events, l);
  l->links++;
}

/* Each channel in a command of its own: so an error has one it belongs to. */
static void command(pml_redis_listener *l, const char *word, const channel *c) {
  pml_writer w = {0};
  pml_slice name = c ? pml_buf_slice(c->name) : pml_slice_of(NULL, 0);
  pml__redis_command_plain(&l->library, (const pml_slice[]){pml_slice_str(word), name}, c ? 2 : 1,
                           &w);
  pml_buf *b = pml_writer_finish(&w);
  pml__redis_link_send(l->link, pml_buf_slice(b));
  pml_buf_unref(b);
}

static void ask_for(pml_redis_listener *l, channel *c) {
  c->asked = ++l->asks;
  command(l, "SUBSCRIBE", c);
}

static void on_up(pml__redis_link *link) {
  pml_redis_listener *l = link->ud;
  for (size_t i = 0; i < l->n; i++) ask_for(l, &l->channels[i]);
  pml_timer_start(l->loop, &l->timer, l->silent_ms / 3 + 1);
}

static void on_down(pml__redis_link *link, const char *why) {
  pml_redis_listener *l = link->ud;
  int first = !l->is_lost;
  l->link = NULL;
  l->is_lost = 1;
  if (first) snprintf(l->why, sizeof l->why, "%s", why);
  for (size_t i = 0; i < l->n; i++) l->channels[i].asked = 0;
  pml_timer_start(l->loop, &l->timer, pml__redis_link_pause(l->failed++));
  if (first) tell(l, PML_REDIS_LOST, pml_slice_of(NULL, 0), pml_slice_str(l->why));
}

static void break_off(pml_redis_listener *l, const char *why) {
  pml__redis_link *link = l->link;
  char text[400];
  snprintf(text, sizeof text, "redis at %s %s", l->where.name, why);
  pml__redis_link_close(link);
  on_down(link, text);
}

static void on_timer(pml_timer *t) {
  pml_redis_listener *l = PML_CONTAINER(t, pml_redis_listener, timer);
  if (!l->link) {
    connect_now(l);
  } else if (pml_loop_now(l->loop) - l->link->heard >= l->silent_ms) {
    break_off(l, "does not answer");
  } else {
    command(l, "PING", NULL);
    pml_timer_start(l->loop, &l->timer, l->silent_ms / 3 + 1);
  }
}

/* ---- what the server says ---- */

static void forget(pml_redis_listener *l, channel *c) {
  pml_buf_unref(c->name);
  *c = l->channels[--l->n];
  if (l->n || !l->link) return;
  pml__redis_link_close(l->link);
  l->link = NULL;
  l->is_lost = 0;
  pml_timer_stop(l->loop, &l->timer);
}

/* The channel that the server has been asked for longest ago and has not answered. */
static channel *first_asked(pml_redis_listener *l) {
  channel *first = NULL;
  for (size_t i = 0; i < l->n; i++) {
    channel *c = &l->channels[i];
    if (c->asked && (!first || c->asked < first->asked)) first = c;
  }
  return first;
}

static void on_error(pml_redis_listener *l, pml_slice text) {
  channel *c = first_asked(l);
  if (!c) {
    break_off(l, "answered with an error");
    return;
  }
  pml_buf *name = pml_buf_ref(c->name);
  forget(l, c);
  tell(l, PML_REDIS_REFUSED, pml_buf_slice(name), text);
  pml_buf_unref(name);
}

static void on_subscribed(pml_redis_listener *l, pml_slice name) {
  channel *c = find(l, name);
  l->failed = 0;
  if (!c) return;
  int missed = c->missed && l->is_lost;
  c->asked = 0;
  c->missed = 1;
  if (!first_asked(l)) l->is_lost = 0;
  if (missed) tell(l, PML_REDIS_MISSED, name, pml_slice_str(l->why));
}

/* The three texts of what the server sends; the third may be a number. */
static void on_words(pml_redis_listener *l, pml_data *d) {
  pml_slice kind = pml_data_slice(d, &d->v[1]), name = pml_data_slice(d, &d->v[2]);
  if (pml_slice_eq(kind, pml_slice_str("subscribe"))) on_subscribed(l, name);
  else if (pml_slice_eq(kind, pml_slice_str("message")) && d->n == 4 &&
           d->v[3].kind == PML_DATUM_TEXT && find(l, name))
    tell(l, PML_REDIS_MESSAGE, name, pml_data_slice(d, &d->v[3]));
}

static void on_reply(pml__redis_link *link, pml__redis_reply *r) {
  pml_redis_listener *l = link->ud;
  pml_data *d = &r->values;
  if (r->rc == PML_ETOOBIG) break_off(l, "sent a message that is too large");
  else if (r->rc == PML_EIO) on_error(l, pml_data_slice(d, d->v));
  /* Else: an answer to UNSUBSCRIBE of the last channel has no text, one to PING is no array. */
  else if (d->n >= 3 && d->v[0].kind == PML_DATUM_ARRAY && d->v[1].kind == PML_DATUM_TEXT &&
           d->v[2].kind == PML_DATUM_TEXT)
    on_words(l, d);
  pml_data_drop(d);
}

static void on_sent(pml__redis_link *link) { (void)link; }

static void listener_free(pml_redis_listener *l) {
  while (l->n) pml_buf_unref(l->channels[--l->n].name);
  pml_free(l->channels);
  pml__redis_where_drop(&l->where);
  pml_free(l);
}

static void on_gone(pml__redis_link *link) {
  pml_redis_listener *l = link->ud;
  if (--l->links == 0 && l->closing) listener_free(l);
}

static const pml__redis_link_events events = {on_up, on_reply, on_sent, on_down, on_gone};

/* ---- what the owner asks ---- */

int pml_redis_listener_add(pml_redis_listener *l, pml_slice name) {
  if (!name.n || name.n > NAME_BYTES_MAX) return PML_EINVAL;
  if (find(l, name)) return PML_EEXIST;
  if (l->n == PML_REDIS_CHANNELS_MAX) return PML_EFULL;
  if (l->n == l->cap)
    l->channels = pml_realloc(l->channels, (l->cap = l->cap ? l->cap * 2 : 8) * sizeof(channel));
  channel *c = &l->channels[l->n++];
  *c = (channel){.name = pml_buf_from(name.p, name.n)};
  if (l->link && l->link->is_up) ask_for(l, c);
  else if (!l->link && !pml_timer_running(&l->timer)) connect_now(l);
  return 0;
}

void pml_redis_listener_remove(pml_redis_listener *l, pml_slice name) {
  channel *c = find(l, name);
  if (!c) return;
  if (l->n > 1 && l->link && l->link->is_up) command(l, "UNSUBSCRIBE", c);
  forget(l, c);
}

int pml_redis_listener_is_up(const pml_redis_listener *l) {
  if (!l->link || !l->link->is_up) return 0;
  for (size_t i = 0; i < l->n; i++)
    if (l->channels[i].asked) return 0;
  return 1;
}

void pml_redis_listener_close(pml_redis_listener *l) {
  l->closing = 1;
  pml_timer_stop(l->loop, &l->timer);
  if (l->link) pml__redis_link_close(l->link);
  l->link = NULL;
  pml_names_close(l->names);
  if (!l->links) listener_free(l);
}

pml_redis_listener *pml_redis_listener_open(pml_loop *loop, const pml_redis_options *o,
                                            const pml_store_limits *limits,
                                            pml_redis_on_news on_news, void *ud, char *err,
                                            size_t nerr) {
  pml__redis_library library;
  pml__redis_where where;
  if (pml_loop_is_virtual(loop)) {
    snprintf(err, nerr, "a server in virtual time has no sockets, and so no redis");
    return NULL;
  }
  if (pml__redis_load(&library, err, nerr)) return NULL;
  if (pml__redis_where_set(&where, o, err, nerr)) return NULL;
  pml_redis_listener *l = pml_alloc0(sizeof *l);
  *l = (pml_redis_listener){.loop = loop,
                            .on_news = on_news,
                            .ud = ud,
                            .silent_ms = o->silent_ms,
                            .library = library,
                            .where = where,
                            .names = pml_names_new(loop, NULL)};
  size_t max_bytes = limits ? limits->max_bytes : PML_STORE_LIMITS.max_bytes;
  l->options = (pml__redis_link_options){.loop = loop,
                                         .library = &l->library,
                                         .names = l->names,
                                         .where = &l->where,
                                         .limits = {max_bytes, ELEMENTS_MAX},
                                         .connect_ms = o->connect_ms};
  pml_timer_init(&l->timer, on_timer);
  return l;
}
