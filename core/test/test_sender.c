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

static void on_line(pml_level level, const char *text, void *ud) {
  char *all = ud;
  CHECK_EQ(level, PML_ERROR);
  snprintf(all + strlen(all), 2048 - strlen(all), "%s\n", text);
}

TEST(sender_says_once_that_the_broker_takes_no_list_so_large) {
  broker_need();
  static pml__bus_counters counts;
  broker b;
  heard h = {.messages = 0};
  char err[256] = "", said[2048] = "";
  pml_log log;
  pml_log_init(&log, "", PML_INFO, 0);
  log.on_line = on_line;
  log.ud = said;
  broker_start(&b);
  const char *url = b.url;
  pml__sender s = {.counts = &counts, .log = &log, .up = 1};
  CHECK_EQ(pml__subjects_init(&s.subjects, "test", "0123456789abcdef0123456789abcdef"), 0);
  s.link = pml__link_new(&(pml__link_options){.urls = &url, .nurls = 1},
                         &(pml__link_events){on_message, on_event, &h}, err, sizeof err);
  CHECK(s.link);
  CHECK_EQ(pml__link_connect(s.link, err, sizeof err), 0);
  s.max_payload = pml__link_max_payload(s.link);
  CHECK_EQ(s.max_payload, 1 << 20); /* a broker may be set to take less */
  pml_buf *list = pml_buf_new((1 << 20) + 500);
  memset(list->data, 0, list->len);
  CHECK_EQ(pml__send_all(&s, pml_slice_of(list->data, 1 << 20)), 0);
  CHECK_STR(said, "");
  for (int i = 0; i < 3; i++)
    CHECK_EQ(pml__send_all(&s, pml_slice_of(list->data, (1 << 20) + 1)), PML_ETOOBIG);
  const char *line = strstr(said, "message of 1048577 bytes, and the broker takes 1048576; raise");
  CHECK(line && !strstr(line, "other processes")); /* one line */
  CHECK_EQ(pml__send_all(&s, pml_buf_slice(list)), PML_ETOOBIG);
  CHECK(strstr(said, "message of 1049076 bytes"));
  pml__link_disconnect(s.link);
  CHECK_EQ(pml__link_free(s.link), 0);
  pml_buf_unref(list);
  broker_kill(&b);
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
