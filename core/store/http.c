#include "store/http.h"

#include "base/container.h"
#include "base/err.h"
#include "base/mem.h"
#include "store/http_request.h"

#include <stdio.h>
#include <unistd.h>

typedef struct {
  pml__http_shared shared;
  pml_loop *loop;
  CURLM *multi; /* NULL: nothing has been asked for a while */
  uint32_t per_host, total, idle_ms;
  pml_list running; /* requests in the multi handle */
  uint32_t n_running;
  pml_list watched; /* sockets whose readiness libcurl wants to hear of */
  uint32_t handles; /* of libuv, that are open or closing */
  pml_timer timer;  /* libcurl's */
  pml_timer idle;
  pml_task kick; /* new requests begin at the end of this turn */
  int depth;     /* inside of a function that still uses this */
  int closing;
  void (*closed)(void *ud);
  void *closed_ud;
} http;

typedef struct {
  uv_poll_t poll;
  pml_list node; /* of watched */
  curl_socket_t fd;
  http *h;
} watched;

/* The end: when nothing is left on the loop, and nobody stands on the ground that goes. */
static void end_if_done(http *h) {
  if (!h->closing || h->handles || h->depth) return;
  void (*closed)(void *ud) = h->closed;
  void *ud = h->closed_ud;
  pml_cidr_list_free(h->shared.allow);
  pml_free(h->shared.ca_file);
  pml_free(h);
  if (closed) closed(ud);
}

/* Sockets. */

static void on_poll_closed(uv_handle_t *p) {
  watched *w = p->data;
  http *h = w->h;
  pml_free(w);
  h->handles--;
  end_if_done(h);
}

static void unwatch(watched *w) {
  pml_list_remove(&w->node);
  uv_close((uv_handle_t *)&w->poll, on_poll_closed);
}

static void collect(http *h);

static void on_ready(uv_poll_t *p, int status, int events) {
  watched *w = p->data;
  http *h = w->h;
  int flags = 0, running;
  if (status < 0) flags = CURL_CSELECT_ERR;
  if (events & UV_READABLE) flags |= CURL_CSELECT_IN;
  if (events & UV_WRITABLE) flags |= CURL_CSELECT_OUT;
  h->shared.curl.curl_multi_socket_action(h->multi, w->fd, flags, &running);
  collect(h);
}

static watched *watch(http *h, curl_socket_t fd) {
  watched *w = pml_alloc0(sizeof *w);
  w->h = h;
  w->fd = fd;
  w->poll.data = w;
  if (uv_poll_init(pml_loop_uv(h->loop), &w->poll, fd)) {
    pml_free(w);
    return NULL;
  }
  h->handles++;
  pml_list_append(&h->watched, &w->node);
  h->shared.curl.curl_multi_assign(h->multi, fd, w);
  return w;
}

/* libcurl wants to hear of a socket, of something else of it, or no more. */
static int on_socket(CURL *e, curl_socket_t fd, int what, void *ud, void *socket_ud) {
  http *h = ud;
  watched *w = socket_ud;
  (void)e;
  if (what == CURL_POLL_REMOVE) {
    if (!w) return 0;
    h->shared.curl.curl_multi_assign(h->multi, fd, NULL);
    unwatch(w);
    return 0;
  }
  if (!w) w = watch(h, fd);
  if (!w) return -1;
  int events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
  return uv_poll_start(&w->poll, events, on_ready) ? -1 : 0;
}

/* libcurl may close a socket without a word to on_socket, and epoll does not forgive that. */
static int close_socket(void *ud, curl_socket_t fd) {
  http *h = ud;
  for (pml_list *n = h->watched.next; n != &h->watched; n = n->next) {
    watched *w = PML_CONTAINER(n, watched, node);
    if (w->fd != fd) continue;
    h->shared.curl.curl_multi_assign(h->multi, fd, NULL);
    unwatch(w);
    break;
  }
  h->shared.sockets--;
  return close(fd);
}

/* Time. */

static void on_timer(pml_timer *t) {
  http *h = PML_CONTAINER(t, http, timer);
  int running;
  h->shared.curl.curl_multi_socket_action(h->multi, CURL_SOCKET_TIMEOUT, 0, &running);
  collect(h);
}

static int on_timeout(CURLM *m, long ms, void *ud) {
  http *h = ud;
  (void)m;
  if (ms < 0) pml_timer_stop(h->loop, &h->timer);
  else pml_timer_start(h->loop, &h->timer, (uint64_t)ms);
  return 0;
}

/* A request that was added begins with libcurl's next step: a timer would cost it a millisecond. */
static void on_kick(pml_task *t) { on_timer(&PML_CONTAINER(t, http, kick)->timer); }

/* The multi handle, with its connections. */

static void multi_begin(http *h) {
  pml__curl *l = &h->shared.curl;
  CURLM *m = h->multi = l->curl_multi_init();
  l->curl_multi_setopt(m, CURLMOPT_SOCKETFUNCTION, on_socket);
  l->curl_multi_setopt(m, CURLMOPT_SOCKETDATA, h);
  l->curl_multi_setopt(m, CURLMOPT_TIMERFUNCTION, on_timeout);
  l->curl_multi_setopt(m, CURLMOPT_TIMERDATA, h);
  l->curl_multi_setopt(m, CURLMOPT_MAX_HOST_CONNECTIONS, (long)h->per_host);
  l->curl_multi_setopt(m, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)h->total);
  l->curl_multi_setopt(m, CURLMOPT_MAXCONNECTS, (long)h->total);
}

static void multi_end(http *h) {
  if (h->multi) h->shared.curl.curl_multi_cleanup(h->multi);
  h->multi = NULL;
  pml_timer_stop(h->loop, &h->timer);
  pml_task_cancel(&h->kick);
}

static void on_idle(pml_timer *t) {
  http *h = PML_CONTAINER(t, http, idle);
  if (pml_list_empty(&h->running)) multi_end(h);
}

/* Requests. */

static void add(http *h, pml__http_request *r) {
  if (!h->multi) multi_begin(h);
  pml_timer_stop(h->loop, &h->idle);
  pml_list_append(&h->running, &r->node);
  h->n_running++;
  r->call->driver = r;
  h->shared.curl.curl_multi_add_handle(h->multi, r->easy);
  pml_loop_defer(h->loop, &h->kick);
}

/* Not from inside of libcurl. */
static void take_out(http *h, pml__http_request *r) {
  h->shared.curl.curl_multi_remove_handle(h->multi, r->easy);
  pml_list_remove(&r->node);
  h->n_running--;
  if (pml_list_empty(&h->running)) pml_timer_start(h->loop, &h->idle, h->idle_ms);
}

/* What has ended. An answer may submit, cancel and close: nothing is kept over one. */
static void collect(http *h) {
  CURLMsg *msg;
  int left;
  h->depth++;
  while (h->multi && (msg = h->shared.curl.curl_multi_info_read(h->multi, &left)) != NULL) {
    if (msg->msg != CURLMSG_DONE) continue;
    CURLcode code = msg->data.result;
    char *private = NULL;
    h->shared.curl.curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &private);
    pml__http_request *r = (pml__http_request *)(void *)private;
    take_out(h, r);
    if (pml__http_request_ended(r, code)) {
      add(h, r);
      continue;
    }
    pml_store_call *c = r->call;
    pml__http_request_free(r);
    pml_store_answer(c);
  }
  h->depth--;
  end_if_done(h);
}

/* The port. */

static void on_submit(void *self, pml_store_call *c) {
  http *h = self;
  pml__http_request *r = pml__http_request_new(&h->shared, c);
  if (r) add(h, r);
  else pml_store_answer(c);
}

static void on_cancel(void *self, pml_store_call *c) {
  http *h = self;
  pml__http_request *r = c->driver;
  take_out(h, r);
  pml__http_request_free(r);
}

static void on_release(void *self, uint64_t tx) { (void)self, (void)tx; } /* no transactions */

static void on_connections(void *self, uint32_t *open, uint32_t *busy) {
  http *h = self;
  *open = h->shared.sockets;
  *busy = h->n_running < *open ? h->n_running : *open;
}

static void on_close(void *self, void (*closed)(void *ud), void *ud) {
  http *h = self;
  h->closed = closed;
  h->closed_ud = ud;
  multi_end(h);
  pml_timer_stop(h->loop, &h->idle);
  h->closing = 1;
  end_if_done(h);
}

static const pml_store_driver driver = {"http",         on_submit, on_cancel, on_release,
                                        on_connections, on_close,  NULL,      NULL};

pml_store *pml_http_open(pml_loop *l, const pml_http_options *o, const pml_store_limits *limits,
                         char *err, size_t nerr) {
  if (pml_loop_is_virtual(l)) {
    snprintf(err, nerr, "a server of the test kit sends no HTTP requests: test.http answers them");
    return NULL;
  }
  if (o->ca_file && access(o->ca_file, R_OK)) {
    snprintf(err, nerr, "the file of certificates %s cannot be read", o->ca_file);
    return NULL;
  }
  http *h = pml_alloc0(sizeof *h);
  if (pml__curl_load(&h->shared.curl, err, nerr)) {
    pml_free(h);
    return NULL;
  }
  h->loop = l;
  h->per_host = o->per_host;
  h->total = o->total;
  h->idle_ms = o->idle_ms;
  h->shared.connect_ms = o->connect_ms;
  h->shared.head_max = o->head_max;
  h->shared.ca_file = o->ca_file ? pml_strdup(o->ca_file) : NULL;
  const char *folder = h->shared.curl.curl_version_info(CURLVERSION_NOW)->capath;
  h->shared.ca_folder = folder && access(folder, R_OK | X_OK) == 0;
  h->shared.allow = o->n_allow ? pml_cidr_list_new(o->allow, o->n_allow) : NULL;
  h->shared.close_socket = close_socket;
  h->shared.ud = h;
  pml_list_init(&h->running);
  pml_list_init(&h->watched);
  pml_timer_init(&h->timer, on_timer);
  pml_timer_init(&h->idle, on_idle);
  pml_task_init(&h->kick, on_kick);
  return pml_store_new(l, &driver, h, limits);
}
