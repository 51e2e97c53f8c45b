#include "base/log.h"

#include "base/throttle.h"
#include "test/test.h"

#include <stdlib.h>
#include <unistd.h>

typedef struct {
  int read, kept;
} capture;

static capture begin(void) {
  int ends[2];
  CHECK_EQ(pipe(ends), 0);
  capture c = {ends[0], dup(STDERR_FILENO)};
  dup2(ends[1], STDERR_FILENO);
  close(ends[1]);
  return c;
}

/* Stderr is what it was again; out gets what was written meanwhile. */
static void end(capture c, char *out, size_t size) {
  dup2(c.kept, STDERR_FILENO);
  close(c.kept);
  size_t have = 0;
  ssize_t n;
  while (have + 1 < size && (n = read(c.read, out + have, size - 1 - have)) > 0) have += (size_t)n;
  out[have] = '\0';
  close(c.read);
}

TEST(log_line_has_time_level_and_server) {
  char out[1000];
  pml_log log;
  pml_log_init(&log, "chat-1", PML_INFO, 0);
  capture c = begin();
  pml_log_write(&log, PML_INFO, "listening on %s:%d", "127.0.0.1", 3050);
  end(c, out, sizeof out);
  CHECK(strcmp(out + 24, " info  chat-1 listening on 127.0.0.1:3050\n") == 0);

  pml_log_init(&log, "", PML_INFO, 0);
  c = begin();
  pml_log_write(&log, PML_ERROR, "no");
  end(c, out, sizeof out);
  CHECK(strcmp(out + 24, " error pomelua no\n") == 0);
}

TEST(log_lines_below_the_level_are_not_written) {
  char out[1000];
  pml_log log;
  pml_log_init(&log, "a", PML_WARN, 0);
  capture c = begin();
  pml_log_write(&log, PML_DEBUG, "1");
  pml_log_write(&log, PML_INFO, "2");
  pml_log_text(&log, PML_INFO, "3", 1);
  pml_log_write(&log, PML_WARN, "4");
  end(c, out, sizeof out);
  CHECK(strcmp(out + 24, " warn  a 4\n") == 0);

  pml_log_init(&log, "a", PML_SILENT, 0);
  c = begin();
  pml_log_write(&log, PML_ERROR, "5");
  end(c, out, sizeof out);
  CHECK_EQ(out[0], 0);
}

TEST(log_text_cannot_fake_a_line) {
  char out[1000];
  const char text[] = "a\nb\r\033[2J\0\"\\\x7f\t\n\n";
  pml_log log;
  pml_log_init(&log, "s", PML_INFO, 0);
  capture c = begin();
  pml_log_text(&log, PML_INFO, text, sizeof text - 1);
  end(c, out, sizeof out);
  CHECK(strcmp(out + 24, " info  s a\n  b\\x0d\\x1b[2J\\x00\"\\\\x7f\t\n") == 0);

  pml_log_init(&log, "s", PML_INFO, 1);
  c = begin();
  pml_log_text(&log, PML_INFO, text, sizeof text - 1);
  end(c, out, sizeof out);
  CHECK_EQ(memcmp(out, "{\"time\":\"", 9), 0);
  CHECK(strcmp(out + 9 + 24, "\",\"level\":\"info\",\"server\":\"s\",\"msg\":\""
                             "a\\nb\\r\\u001b[2J\\u0000\\\"\\\\\\u007f\\t\"}\n") == 0);
}

TEST(log_line_may_be_long) {
  char text[3000], out[4000];
  memset(text, 'x', sizeof text);
  text[sizeof text - 1] = '\0';
  pml_log log;
  pml_log_init(&log, "s", PML_INFO, 0);
  capture c = begin();
  pml_log_write(&log, PML_INFO, "%s", text);
  end(c, out, sizeof out);
  CHECK_EQ(strlen(out), 24 + strlen(" info  s ") + strlen(text) + 1);
  CHECK_EQ(memcmp(out + 33, text, strlen(text)), 0);
}

static void keep(pml_level level, const char *text, void *ud) {
  snprintf(ud, 100, "%d %s", level, text);
}

TEST(log_may_go_elsewhere) {
  char out[100] = "", err[100];
  pml_log log;
  pml_log_init(&log, "s", PML_INFO, 1);
  log.on_line = keep;
  log.ud = out;
  capture c = begin();
  pml_log_write(&log, PML_WARN, "\"%d\"", 7);
  end(c, err, sizeof err);
  CHECK(strcmp(out, "2 \"7\"") == 0);
  CHECK_EQ(err[0], 0);
}

TEST(log_bytes_that_are_not_utf8_are_escaped) {
  char out[1000];
  /* whole characters of 2, 3 and 4 bytes; then a stray one, an old form, a surrogate, one above
   * U+10FFFF, and one that is cut off */
  const char text[] = "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80 \x80 \xc0\xaf \xed\xa0\x80 "
                      "\xf4\x90\x80\x80 \xe2\x82";
  pml_log log;
  pml_log_init(&log, "s", PML_INFO, 0);
  capture c = begin();
  pml_log_text(&log, PML_INFO, text, sizeof text - 1);
  end(c, out, sizeof out);
  CHECK(strcmp(out + 24, " info  s \xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80 \\x80 \\xc0\\xaf "
                         "\\xed\\xa0\\x80 \\xf4\\x90\\x80\\x80 \\xe2\\x82\n") == 0);

  pml_log_init(&log, "s", PML_INFO, 1);
  c = begin();
  pml_log_text(&log, PML_INFO, "\xc3\xa9\x80\xe2\x82", 5);
  end(c, out, sizeof out);
  CHECK(strstr(out, "\"msg\":\"\xc3\xa9\\ufffd\\ufffd\\ufffd\"}\n") != NULL);
}

static uint64_t no_time(void *ud) { return *(uint64_t *)ud; }

TEST(log_lines_that_others_can_cause_are_limited_and_counted) {
  char out[4000];
  uint64_t now = 1;
  int lines = 0;
  pml_log log;
  pml_log_init(&log, "s", PML_INFO, 0);
  log.throttle = pml_throttle_new(&(pml_throttle_hooks){no_time, NULL, &now});
  capture c = begin();
  for (int i = 0; i < 100; i++) pml_log_some(&log, PML_WARN, "strange things", "thing %d", i);
  for (int i = 0; i < 100; i++) pml_log_some(&log, PML_DEBUG, "unseen", "thing %d", i);
  now += 1000;
  pml_log_some(&log, PML_INFO, "others", "another");
  end(c, out, sizeof out);
  for (char *p = out; (p = strchr(p, '\n')); p++) lines++;
  CHECK_EQ(lines, PML_LOG_LINES + 2);
  CHECK(strstr(out, " warn  s thing 9\n") != NULL);
  CHECK(strstr(out, " warn  s 90 more: strange things\n") != NULL);
  CHECK_EQ(pml_throttle_count(log.throttle), 90);
  pml_throttle_free(log.throttle);
}

TEST(log_escapes_what_terminals_obey_and_viewers_turn) {
  char out[1000];
  pml_log log;
  pml_log_init(&log, "s", PML_INFO, 0);
  capture c = begin();
  pml_log_text(&log, PML_INFO,
               "\xc2\x9b[2J \xc2\x85 \xc2\xa0 \xe2\x80\xae \xe2\x80\xa8 \xe2\x81\xa6", 23);
  end(c, out, sizeof out);
  CHECK(strcmp(out + 24, " info  s \\u009b[2J \\u0085 \xc2\xa0 \\u202e \\u2028 \\u2066\n") == 0);
}

TEST(log_json_is_json_whatever_the_id_is) {
  char out[1000];
  pml_log log;
  pml_log_init(&log, "a\"b\\c\xc2\x9b\xff\n", PML_INFO, 1);
  capture c = begin();
  pml_log_text(&log, PML_INFO, "x", 1);
  end(c, out, sizeof out);
  CHECK(strcmp(out + 9 + 24, "\",\"level\":\"info\",\"server\":\"a\\\"b\\\\c\\u009b\\ufffd\\n\","
                             "\"msg\":\"x\"}\n") == 0);
}

TEST(log_text_has_a_largest_size_and_is_cut_between_characters) {
  static char text[2 * PML_LOG_TEXT_MAX], out[3 * PML_LOG_TEXT_MAX];
  char path[] = "/tmp/pomelua-log-XXXXXX";
  int fd = mkstemp(path), kept = dup(STDERR_FILENO);
  for (size_t i = 0; i < sizeof text; i += 2) memcpy(text + i, "\xc3\xa9", 2);
  text[0] = 'x';
  text[1] = 'y';
  memmove(text + 1, text + 2, sizeof text - 2); /* now every character begins at an odd place */
  pml_log log;
  pml_log_init(&log, "s", PML_INFO, 1);
  dup2(fd, STDERR_FILENO);
  pml_log_text(&log, PML_INFO, text, sizeof text - 1);
  dup2(kept, STDERR_FILENO);
  close(kept);
  ssize_t n = pread(fd, out, sizeof out - 1, 0);
  close(fd);
  unlink(path);
  CHECK(n > PML_LOG_TEXT_MAX && n < PML_LOG_TEXT_MAX + 200);
  CHECK(strstr(out, "\xc3\xa9 ... (65536 bytes more)\"}\n") != NULL);
  CHECK(strstr(out, "\\ufffd") == NULL);
}

TEST(log_with_a_way_names_its_category_and_writes_its_files) {
  int ends[2];
  char out[1000], text[1000] = "";
  CHECK_EQ(pipe(ends), 0);
  pml_output *file = pml_log_output(ends[1], PML_LOG_QUEUE, 0);
  pml_log_way way = {.category = "pay", .files = 1, .file = {file}};
  pml_log log;
  pml_log_init(&log, "chat-1", PML_INFO, 0);
  log.way = &way;
  capture c = begin();
  pml_log_write(&log, PML_INFO, "paid %d", 5);
  pml_log_write(&log, PML_DEBUG, "below its level");
  way.no_console = 1;
  log.json = 1;
  pml_log_write(&log, PML_WARN, "no money");
  pml_log_flush(&log);
  end(c, out, sizeof out);
  CHECK(strcmp(out + 24, " info  chat-1 [pay] paid 5\n") == 0);
  CHECK(read(ends[0], text, sizeof text - 1) > 0);
  char *second = strchr(text, '\n') + 1;
  CHECK(strstr(text, " info  chat-1 [pay] paid 5\n") != NULL);
  CHECK(strstr(second, "\"level\":\"warn\",\"server\":\"chat-1\",\"category\":\"pay\","
                       "\"msg\":\"no money\"}\n") != NULL);
  CHECK(strchr(second, '\n')[1] == '\0');
  CHECK_EQ(pml_log_lost(&log), 0);
  pml_output_free(file, 1000);
  close(ends[0]);
  close(ends[1]);
}
