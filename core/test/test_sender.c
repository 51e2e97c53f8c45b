#include "bus/sender.h"

#include "base/err.h"
#include "test/broker.h"

#include <pthread.h>

typedef struct {
  pthread_mutex_t lock;
  pthread_cond_t more;
  int messages, last;
  pml_writer text;
} heard;

static void on_message(const char *subject, pml_slice data, int nobody, void *ud) {
  heard *h = ud;
  pml_bus_mail m;
  (void)subject, (void)nobody;
  CHECK_EQ(pml_bus_mail_read(data, &m), 0);
  CHECK_EQ(m.number, 5);
  pthread_mutex_lock(&h->lock);
  h->messages++;
  pml_writer_put(&h->text, m.text.p, m.text.n);
  h->last = !(m.flags & PML_MAIL_MORE);
  pthread_cond_signal(&h->more);
  pthread_mutex_unlock(&h->lock);
}

static void on_event(pml__link_event event, uint32_t life, const char *text, void *ud) {
  (void)text;
  (void)event, (void)life, (void)ud;
}

TEST(sender_cuts_a_text_that_is_larger_than_a_message) {
  broker_need();
  static pml__bus_counters counts;
  static const char name[] = "0123456789abcdef0123456789abcdef";
  broker b;
  heard h = {.messages = 0};
  char err[256] = "";
  pthread_mutex_init(&h.lock, NULL);
  pthread_cond_init(&h.more, NULL);
  broker_start(&b);
  const char *url = b.url;
  pml__sender s = {.counts = &counts};
  pml__subject subject;
  CHECK_EQ(pml__subjects_init(&s.subjects, "test", name), 0);
  s.link = pml__link_new(&(pml__link_options){.urls = &url, .nurls = 1},
                         &(pml__link_events){on_message, on_event, &h}, err, sizeof err);
  CHECK(s.link);
  CHECK_EQ(pml__link_connect(s.link, err, sizeof err), 0);
  pml__subject_process(&s.subjects, name, '>', subject);
  CHECK_EQ(pml__link_subscribe(s.link, subject), 0);
  pml_buf *text = pml_buf_new(5000);
  for (uint32_t i = 0; i < text->len; i++) text->data[i] = (uint8_t)i;
  s.max_payload = 2048;
  CHECK_EQ(pml__send_mail(&s, name, 'a', 5, 1, pml_buf_slice(text)), PML_ECLOSED); /* no link */
  s.up = 1;
  CHECK_EQ(pml__send_mail(&s, name, 'a', 5, 1, pml_buf_slice(text)), 0);
  pthread_mutex_lock(&h.lock);
  while (!h.last) pthread_cond_wait(&h.more, &h.lock);
  pthread_mutex_unlock(&h.lock);
  CHECK_EQ(h.messages, 3);
  CHECK_EQ(counts.messages_sent, 3);
  CHECK_EQ(counts.bytes_sent, 5000 + 3 * PML_BUS_MAIL_HEAD);
  CHECK(pml_slice_eq(pml_buf_slice(text), pml_slice_of(pml_writer_at(&h.text, 0), h.text.len)));
  pml__link_disconnect(s.link);
  CHECK_EQ(pml__link_free(s.link), 0);
  pml_writer_drop(&h.text);
  pml_buf_unref(text);
  broker_kill(&b);
}
