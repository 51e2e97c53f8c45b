/* ws-echo: a WebSocket echo server on the server's own connection code, to try
 * that against test suites. Text comes back as text, binary as binary, whole.
 *
 *   ws-echo [PORT]     on 127.0.0.1; a free port without one. The port is printed. */
#include "base/err.h"
#include "net/conn.h"
#include "net/listener.h"
#include "wire/package.h"
#include "wire/ws_frame.h"

#include <stdio.h>
#include <stdlib.h>

#define MESSAGE_MAX (16u << 20)

typedef struct {
  pml_writer message;
} user;

static void on_open(pml_conn *c) { (void)c; }

static int on_bytes(pml_conn *c, int kind, pml_slice bytes, int fin) {
  user *u = pml_conn_user(c);
  if (kind == PML_STREAM) return PML_EPROTO;
  if (u->message.len + bytes.n > MESSAGE_MAX) return PML_ETOOBIG;
  pml_writer_put(&u->message, bytes.p, bytes.n);
  if (!fin) return 0;
  pml_buf *whole = pml_writer_finish(&u->message);
  pml_conn_send_ws(c, kind == PML_TEXT ? PML_WS_TEXT : PML_WS_BINARY, whole);
  pml_buf_unref(whole);
  return 0;
}

static void on_end(pml_conn *c, pml_end why, int end_code) {
  (void)why;
  (void)end_code;
  pml_writer_drop(&((user *)pml_conn_user(c))->message);
}

int main(int argc, char **argv) {
  int port = argc > 1 ? atoi(argv[1]) : 0;
  pml_conns_options o = {
    .max_conns = 1000,
    .limits = {.queue_soft = 2 * MESSAGE_MAX,
               .queue_ms = 5000,
               .queue_hard = 4 * MESSAGE_MAX,
               .linger_ms = 2000,
               .upgrade_ms = 10000,
               .ws_frame_max = PML_PKG_HEAD + PML_PKG_MAX,
               .keep_alive_s = 60},
    .hooks = {on_open, on_bytes, NULL, NULL, on_end, sizeof(user)},
  };
  pml_loop *l = pml_loop_new();
  pml_conns *conns = l ? pml_conns_new(l, &o) : NULL;
  pml_listener *s;
  int r = conns ? pml_listener_open(conns, "127.0.0.1", port, &s) : UV_ENOMEM;
  if (r) {
    fprintf(stderr, "ws-echo: port %d: %s\n", port, uv_strerror(r));
    return 1;
  }
  printf("%d\n", pml_listener_port(s));
  fflush(stdout);
  pml_loop_run(l); /* until it is ended from outside */
  return 0;
}
