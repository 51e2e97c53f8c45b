#include "bus/sender.h"

#include "base/err.h"

#include <string.h>

/* Only what discovery says is not cut. Said again when there is more to say. */
static void too_big(pml__sender *s, size_t n) {
  if (n <= s->refused || !s->log) return;
  s->refused = n;
  pml_log_write(s->log, PML_ERROR,
                "other processes are not told of the servers of this one: their list takes a "
                "message of %zu bytes, and the broker takes %zu; raise max_payload in the broker's "
                "configuration, or run fewer servers in this process",
                n, s->max_payload);
}

static int publish(pml__sender *s, const char *subject, const char *reply, pml_slice data) {
  if (!s->up) return PML_ECLOSED;
  /* Before: whoever has got it finds it counted. */
  pml__count(&s->counts->messages_sent, 1);
  pml__count(&s->counts->bytes_sent, data.n);
  int rc = pml__link_publish(s->link, subject, reply, data);
  if (rc) {
    pml__count(&s->counts->messages_sent, -(uint64_t)1);
    pml__count(&s->counts->bytes_sent, -(uint64_t)data.n);
    if (rc == PML_ETOOBIG) too_big(s, data.n);
  }
  return rc;
}

void pml__sender_lists(pml__sender *s, const pml_lists_counts *now) {
  pml__count(&s->counts->lists_whole, now->whole - s->lists.whole);
  pml__count(&s->counts->lists_changed, now->changed - s->lists.changed);
  pml__count(&s->counts->lists_same, now->same - s->lists.same);
  pml__count(&s->counts->lists_forgotten, now->forgotten - s->lists.forgotten);
  s->lists = *now;
}

int pml__send_all(pml__sender *s, pml_slice message) {
  pml__subject subject;
  pml__subject_all(&s->subjects, subject);
  return publish(s, subject, NULL, message);
}

int pml__send_to(pml__sender *s, const char *process, char kind, int asks, pml_slice message) {
  pml__subject subject, reply;
  pml__subject_process(&s->subjects, process, kind, subject);
  if (asks) pml__subject_no_process(&s->subjects, process, reply);
  return publish(s, subject, asks ? reply : NULL, message);
}

int pml__send_id(pml__sender *s, const char *id, pml_slice message) {
  pml__subject subject, reply;
  pml__subject_id(&s->subjects, id, subject);
  pml__subject_no_holder(&s->subjects, id, reply);
  return publish(s, subject, reply, message);
}

int pml__send_mail(pml__sender *s, const char *process, char kind, uint64_t number, int last,
                   pml_slice text) {
  size_t most = s->max_payload > PML__PAYLOAD_LEAST ? s->max_payload : PML__PAYLOAD_LEAST;
  int rc;
  most -= PML_BUS_MAIL_HEAD;
  do {
    pml_writer w = {0};
    size_t n = text.n < most ? text.n : most;
    pml_bus_mail m = {.number = number, .text = pml_slice_of(text.p, n)};
    memcpy(m.process, s->subjects.process, sizeof m.process);
    text = pml_slice_of(text.p + n, text.n - n);
    m.flags = text.n ? PML_MAIL_MORE : last ? PML_MAIL_LAST : 0;
    pml_bus_mail_put(&w, &m);
    rc = pml__send_to(s, process, kind, kind == 'q', pml_slice_of(pml_writer_at(&w, 0), w.len));
    pml_writer_drop(&w);
  } while (!rc && text.n);
  return rc;
}
