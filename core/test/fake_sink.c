#include "test/fake_sink.h"

#include "base/limits.h"
#include "base/container.h"
#include "test/test.h"
#include "wire/frame.h"

static pml_offered on_offer(pml_sink *s, pml_buf *frame, pml_delivery how) {
  fake_sink *f = PML_CONTAINER(s, fake_sink, sink);
  CHECK(f->frames < FAKE_FRAMES);
  f->how[f->frames] = how;
  f->frame[f->frames++] = pml_buf_ref(frame);
  return f->offered;
}

static void on_send(pml_sink *s, pml_buf *frame) { on_offer(s, frame, (pml_delivery){0}); }

static void on_close(pml_sink *s, pml_slice reason) {
  fake_sink *f = PML_CONTAINER(s, fake_sink, sink);
  if (f->closes++ == 0)
    snprintf(f->reason, sizeof f->reason, "%.*s", (int)reason.n,
             reason.p ? (const char *)reason.p : "-");
  if (!reason.p) strcpy(f->reason, "-");
}

static void on_leave(pml_sink *s, pml_slice reason) {
  PML_CONTAINER(s, fake_sink, sink)->left = 1;
  on_close(s, reason);
}

static void on_move(pml_sink *s, pml_slice reason) {
  PML_CONTAINER(s, fake_sink, sink)->moved = 1;
  on_close(s, reason);
}

static void on_end(pml_sink *s, int why, pml_slice text) {
  PML_CONTAINER(s, fake_sink, sink)->why = why;
  on_close(s, text);
}

static void on_address(pml_sink *s, char ip[PML_ADDRESS_TEXT], int *port) {
  (void)s;
  snprintf(ip, 46, "10.0.0.1");
  *port = 7;
}

static void on_hand(pml_sink *s, pml_session *to) {
  fake_sink *f = PML_CONTAINER(s, fake_sink, sink);
  f->handed = to;
  f->hands++;
}

static const pml_sink_calls calls = {on_send, on_offer, on_close,   on_leave,
                                     on_move, on_end,   on_address, on_hand};

pml_session *fake_sink_open(fake_sink *f, pml_sessions *t) {
  *f = (fake_sink){.sink = {&calls}};
  pml_session *s = pml_sessions_open(t, &f->sink);
  CHECK(s != NULL);
  s->ready = 1;
  return s;
}

pml_slice fake_sink_body(const fake_sink *f, int i) {
  CHECK(i < f->frames);
  return pml_frame_body(f->frame[i]);
}

void fake_sink_clear(fake_sink *f) {
  for (int i = 0; i < f->frames; i++) pml_buf_unref(f->frame[i]);
  f->frames = f->closes = 0;
}
