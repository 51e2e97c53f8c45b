#include "loop/watch.h"

#include "base/err.h"
#include "base/mem.h"

struct pml_watch {
  uv_fs_event_t uv;
  pml_watch_on_event_fn on_event;
  void *ud;
};

static void on_uv(uv_fs_event_t *h, const char *name, int events, int status) {
  pml_watch *w = h->data;
  (void)events;
  (void)status; /* a failure is reported as an event: the files may have changed */
  w->on_event(name, w->ud);
}

static void on_close(uv_handle_t *h) { pml_free(h->data); }

static int err_of(int rc) {
  if (rc == UV_ENOENT || rc == UV_ENOTDIR) return PML_ENOENT;
  if (rc == UV_ENOSPC || rc == UV_EMFILE || rc == UV_ENFILE) return PML_EFULL;
  return PML_EIO;
}

int pml_watch_open(pml_loop *l, const char *folder, pml_watch_on_event_fn on_event, void *ud,
                   pml_watch **out) {
  if (pml_loop_is_virtual(l)) return PML_EINVAL;
  pml_watch *w = pml_alloc0(sizeof *w);
  w->on_event = on_event;
  w->ud = ud;
  uv_fs_event_init(pml_loop_uv(l), &w->uv); /* cannot fail */
  w->uv.data = w;
  int rc = uv_fs_event_start(&w->uv, on_uv, folder, 0);
  if (rc) {
    pml_watch_close(w);
    return err_of(rc);
  }
  *out = w;
  return 0;
}

void pml_watch_close(pml_watch *w) {
  if (w) uv_close((uv_handle_t *)&w->uv, on_close);
}
