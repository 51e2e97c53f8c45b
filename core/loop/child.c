#include "loop/child.h"

#include "base/container.h"
#include "base/err.h"
#include "base/mem.h"
#include "loop/timers.h"

#include <signal.h>
#include <stdint.h>

struct pml_child {
  pml_timer timer;
  pml_loop *loop;
  uv_process_t process;
  uv_pipe_t in, err;
  uv_write_t write;
  pml_buf *input;
  pml_child_on_end_fn on_end; /* NULL: cancelled */
  void *ud;
  int64_t status;
  int signal;
  int exited, silent; /* on_end waits for both */
  int open;           /* handles that are not closed yet */
  size_t said;
  char text[PML_CHILD_SAID_MAX];
  char room[512]; /* for bytes that do not fit and are dropped */
};

static void on_close(uv_handle_t *h) {
  pml_child *c = h->data;
  if (--c->open) return;
  pml_buf_unref(c->input);
  pml_free(c);
}

static void close_one(void *handle) {
  uv_handle_t *h = handle;
  if (!uv_is_closing(h)) uv_close(h, on_close);
}

static void close_all(pml_child *c) {
  pml_timer_stop(c->loop, &c->timer);
  close_one(&c->in);
  close_one(&c->err);
  close_one(&c->process);
}

static void ended(pml_child *c) {
  if (!c->exited || !c->silent || !c->on_end) return;
  c->on_end((int)c->status, c->signal, pml_slice_of(c->text, c->said), c->ud);
  c->on_end = NULL;
  close_all(c);
}

static void on_exit(uv_process_t *p, int64_t status, int sig) {
  pml_child *c = p->data;
  c->exited = 1;
  c->status = status;
  c->signal = sig;
  ended(c);
}

static void on_alloc(uv_handle_t *h, size_t hint, uv_buf_t *buf) {
  pml_child *c = h->data;
  (void)hint;
  *buf = c->said < sizeof c->text
           ? uv_buf_init(c->text + c->said, (unsigned)(sizeof c->text - c->said))
           : uv_buf_init(c->room, sizeof c->room);
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf) {
  pml_child *c = s->data;
  if (n < 0) {
    c->silent = 1;
    ended(c);
  } else if (buf->base != c->room) {
    c->said += (size_t)n;
  }
}

/* All is written, or the child does not read: closes its standard input. */
static void on_write(uv_write_t *w, int status) {
  pml_child *c = w->data;
  (void)status;
  close_one(&c->in);
}

static void late(pml_timer *t) {
  pml_child *c = PML_CONTAINER(t, pml_child, timer);
  uv_process_kill(&c->process, SIGKILL);
}

static int spawn(pml_child *c, const char *const *argv) {
  uv_stdio_container_t io[3] = {
    {.flags = (uv_stdio_flags)(UV_CREATE_PIPE | UV_READABLE_PIPE)},
    {.flags = UV_IGNORE},
    {.flags = (uv_stdio_flags)(UV_CREATE_PIPE | UV_WRITABLE_PIPE)},
  };
  io[0].data.stream = (uv_stream_t *)&c->in;
  io[2].data.stream = (uv_stream_t *)&c->err;
  uv_process_options_t o = {0};
  o.exit_cb = on_exit;
  o.file = argv[0];
  o.args = (char **)(uintptr_t)argv; /* libuv does not write to them */
  o.stdio = io;
  o.stdio_count = 3;
  return uv_spawn(pml_loop_uv(c->loop), &c->process, &o);
}

int pml_child_start(pml_loop *l, const char *const *argv, pml_buf *input, uint32_t ms,
                    pml_child_on_end_fn on_end, void *ud, pml_child **out) {
  if (pml_loop_is_virtual(l)) return PML_EINVAL;
  pml_child *c = pml_alloc0(sizeof *c);
  c->loop = l;
  c->on_end = on_end;
  c->ud = ud;
  c->open = 3;
  c->input = pml_buf_ref(input);
  pml_timer_init(&c->timer, late);
  uv_pipe_init(pml_loop_uv(l), &c->in, 0); /* these two cannot fail */
  uv_pipe_init(pml_loop_uv(l), &c->err, 0);
  c->in.data = c->err.data = c->process.data = c->write.data = c;
  int rc = spawn(c, argv); /* the process is a handle from here on, also when it fails */
  if (rc) {
    close_all(c);
    return PML_EIO;
  }
  pml_timer_start(l, &c->timer, ms);
  uv_read_start((uv_stream_t *)&c->err, on_alloc, on_read);
  uv_buf_t all = uv_buf_init((char *)input->data, (unsigned)input->len);
  if (uv_write(&c->write, (uv_stream_t *)&c->in, &all, 1, on_write)) close_one(&c->in);
  *out = c;
  return 0;
}

void pml_child_cancel(pml_child *c) {
  c->on_end = NULL;
  uv_process_kill(&c->process, SIGKILL);
  close_all(c);
}
