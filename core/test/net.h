/* net: clients for the tests of core/net: raw sockets on the loop under test. A
 * test that waits for what never comes is ended by the runner's alarm. */
#ifndef PML_TEST_NET_H
#define PML_TEST_NET_H

#include "base/mem.h"
#include "net/conn.h"
#include "net/listener.h"
#include "node/config.h"
#include "test/test.h"

/* A set of connections; limits that o leaves at 0 are a server's defaults. */
static inline pml_conns *net_conns_new(pml_loop *l, const pml_conns_options *o) {
  pml_conns_options whole = *o;
  pml_conn_limits *m = &whole.limits, standard;
  pml_config config;
  pml_config_defaults(&config);
  pml_config_conn_limits(&config, &standard);
  if (!m->queue_soft) m->queue_soft = standard.queue_soft;
  if (!m->queue_ms) m->queue_ms = standard.queue_ms;
  if (!m->queue_hard) m->queue_hard = standard.queue_hard;
  if (!m->linger_ms) m->linger_ms = standard.linger_ms;
  if (!m->upgrade_ms) m->upgrade_ms = standard.upgrade_ms;
  if (!m->ws_frame_max) m->ws_frame_max = standard.ws_frame_max;
  if (!m->tls_shakes) m->tls_shakes = standard.tls_shakes;
  if (!m->tls_per_s) m->tls_per_s = standard.tls_per_s;
  if (!m->keep_alive_s) m->keep_alive_s = standard.keep_alive_s;
  return pml_conns_new(l, &whole);
}

#define UNTIL(loop, expr) \
  while (!(expr)) uv_run(pml_loop_uv(loop), UV_RUN_ONCE)

typedef struct {
  uv_tcp_t tcp;
  uv_connect_t req;
  uint8_t *in; /* all that came */
  size_t n, cap;
  int up, eof, error, closed;
  char buf[65536];
} net_client;

static inline void net_on_alloc(uv_handle_t *h, size_t hint, uv_buf_t *b) {
  net_client *c = h->data;
  (void)hint;
  *b = uv_buf_init(c->buf, sizeof c->buf);
}
static inline void net_on_read(uv_stream_t *h, ssize_t n, const uv_buf_t *b) {
  net_client *c = h->data;
  if (n == UV_EOF) c->eof = 1;
  else if (n < 0) c->error = (int)n;
  if (n <= 0) return;
  while (c->n + (size_t)n > c->cap) c->in = pml_realloc(c->in, c->cap = c->cap ? c->cap * 2 : 4096);
  memcpy(c->in + c->n, b->base, (size_t)n);
  c->n += (size_t)n;
}
static inline void net_read(net_client *c) {
  uv_read_start((uv_stream_t *)&c->tcp, net_on_alloc, net_on_read);
}
static inline void net_on_connect(uv_connect_t *r, int status) {
  net_client *c = r->data;
  c->up = status ? status : 1;
}
/* Connects; reads when `reads`. Returns owned. */
static inline net_client *net_connect(pml_loop *l, int port, int reads) {
  net_client *c = pml_alloc0(sizeof *c);
  struct sockaddr_in a;
  uv_ip4_addr("127.0.0.1", port, &a);
  uv_tcp_init(pml_loop_uv(l), &c->tcp);
  c->tcp.data = c->req.data = c;
  uv_tcp_connect(&c->req, &c->tcp, (struct sockaddr *)&a, net_on_connect);
  UNTIL(l, c->up);
  CHECK_EQ(c->up, 1);
  if (reads) net_read(c);
  return c;
}
/* Small enough for the socket to take at once. */
static inline void net_send(net_client *c, const void *p, size_t n) {
  uv_buf_t b = uv_buf_init((char *)(uintptr_t)p, (unsigned)n);
  CHECK_EQ(uv_try_write((uv_stream_t *)&c->tcp, &b, 1), n);
}
static inline void net_send_hex(net_client *c, const char *hex) {
  uint8_t b[4096];
  net_send(c, b, test_unhex(hex, b));
}
/* A masked frame; n is below 64 KiB. */
static inline void net_send_frame(net_client *c, uint8_t first, const void *p, size_t n) {
  uint8_t *b = pml_alloc(n + 8);
  size_t k = 0;
  b[k++] = first;
  b[k++] = (uint8_t)(0x80 | (n < 126 ? n : 126));
  if (n >= 126) {
    b[k++] = (uint8_t)(n >> 8);
    b[k++] = (uint8_t)n;
  }
  const uint8_t mask[4] = {1, 2, 3, 4};
  memcpy(b + k, mask, 4);
  k += 4;
  for (size_t i = 0; i < n; i++) b[k + i] = ((const uint8_t *)p)[i] ^ mask[i & 3];
  net_send(c, b, k + n);
  pml_free(b);
}
static inline void net_on_close(uv_handle_t *h) { ((net_client *)h->data)->closed = 1; }
static inline void net_close(pml_loop *l, net_client *c) {
  uv_close((uv_handle_t *)&c->tcp, net_on_close);
  UNTIL(l, c->closed);
  pml_free(c->in);
  pml_free(c);
}
/* Whether the end came: EOF or a reset. */
static inline int net_ended(const net_client *c) { return c->eof || c->error; }
/* Forgets what came. */
static inline void net_drop(net_client *c) { c->n = 0; }

#define NET_UPGRADE \
  "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" \
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"

static inline net_client *net_connect_ws(pml_loop *l, int port) {
  net_client *c = net_connect(l, port, 1);
  net_send(c, NET_UPGRADE, strlen(NET_UPGRADE));
  UNTIL(l, c->n > 4 && memcmp(c->in + c->n - 4, "\r\n\r\n", 4) == 0);
  CHECK(memcmp(c->in, "HTTP/1.1 101", 12) == 0);
  net_drop(c);
  return c;
}

static inline void net_stopped(void *ud) { *(int *)ud = 1; }
/* Closes the connections, the listener (NULL: closed already) and the loop. */
static inline void net_finish(pml_loop *l, pml_conns *all, pml_listener *s) {
  int stopped = 0;
  if (s) pml_listener_close(s);
  pml_conn_close_all(all, PML_END_ASKED, 1001);
  pml_conns_free(all, net_stopped, &stopped);
  UNTIL(l, stopped);
  pml_loop_free(l);
}

#endif
