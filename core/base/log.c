#include "base/log.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/json_char.h"
#include "base/throttle.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define WAIT_MS 5000 /* for a reader that stands still, when there is no writer thread */
#define END_MS 2000  /* at the end of the process, likewise */

static const char *const level_names[] = {"debug", "info", "warn", "error", "silent"};

void pml_log_init(pml_log *log, const char *server, pml_level level, int json) {
  memset(log, 0, sizeof *log);
  snprintf(log->server, sizeof log->server, "%s", server);
  log->level = level;
  log->json = json;
}

/* Bytes of the UTF-8 character at s, 0 when there is none. Overlong forms, surrogates and
 * values above U+10FFFF are none. */
static size_t character(const unsigned char *s, size_t n) {
  size_t len = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
  if (len > n || s[0] > 0xf4) return 0;
  for (size_t i = 1; i < len; i++)
    if ((s[i] & 0xc0) != 0x80) return 0;
  if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f)) return 0;
  if ((s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f)) return 0;
  return len;
}

/* Characters that terminals and viewers obey: C1, and the ones that break lines or turn text. */
static int commands(const unsigned char *s, size_t len) {
  if (len == 2) return s[0] == 0xc2 && s[1] < 0xa0;
  if (len != 3 || s[0] != 0xe2) return 0;
  if (s[1] == 0x80) return s[2] >= 0xa8 && s[2] <= 0xae;
  return s[1] == 0x81 && s[2] >= 0xa6 && s[2] <= 0xa9;
}

static uint32_t code_of(const unsigned char *s, size_t len) {
  return len == 2 ? (uint32_t)(s[0] & 0x1f) << 6 | (s[1] & 0x3f)
                  : (uint32_t)(s[0] & 0x0f) << 12 | (uint32_t)(s[1] & 0x3f) << 6 | (s[2] & 0x3f);
}

static void put_byte(pml_writer *w, unsigned char c) {
  char hex[8];
  int k = snprintf(hex, sizeof hex, "\\x%02x", c);
  pml_writer_put(w, hex, (size_t)k);
}

/* A character of ASCII. */
static void put_ascii(pml_writer *w, unsigned char c, int json) {
  int control = c < 0x20 || c == 0x7f;
  if (json && c == 0x7f) pml_json_put_unit(w, c);
  else if (json) pml_json_put_char(w, &c);
  else if (c == '\n') pml_writer_put(w, "\n  ", 3);
  else if (control && c != '\t') put_byte(w, c);
  else pml_writer_byte(w, c);
}

static void put_escaped(pml_writer *w, const char *text, size_t n, int json) {
  const unsigned char *s = (const unsigned char *)text, *end = s + n;
  while (s < end) {
    size_t len = character(s, (size_t)(end - s));
    if (len == 1) put_ascii(w, *s, json);
    else if (!len && json) pml_json_put_unit(w, 0xfffd);
    else if (!len) put_byte(w, *s);
    else if (commands(s, len)) pml_json_put_unit(w, code_of(s, len));
    else pml_writer_put(w, s, len);
    s += len ? len : 1;
  }
}

static void put_text(pml_writer *w, const char *text, size_t n, int json) {
  if (n <= PML_LOG_TEXT_MAX) {
    put_escaped(w, text, n, json);
    return;
  }
  char more[64];
  size_t cut = PML_LOG_TEXT_MAX;
  while (cut > PML_LOG_TEXT_MAX - 4 && ((unsigned char)text[cut] & 0xc0) == 0x80) cut--;
  int k = snprintf(more, sizeof more, " ... (%zu bytes more)", n - cut);
  put_escaped(w, text, cut, json);
  pml_writer_put(w, more, (size_t)k);
}

/* "[pay] " or "category":"pay", */
static void put_category(pml_writer *w, const char *category, int json) {
  pml_writer_put(w, json ? "\",\"category\":\"" : "[", json ? 14 : 1);
  put_escaped(w, category, strlen(category), json);
  if (!json) pml_writer_put(w, "] ", 2);
}

/* The whole line; returns owned. */
static pml_buf *line(const char *server, const char *category, pml_level level, int json,
                     const char *text, size_t n) {
  pml_writer w = {0};
  char stamp[32], head[64];
  pml_clock_stamp(stamp, sizeof stamp);
  int k = snprintf(head, sizeof head,
                   json ? "{\"time\":\"%s\",\"level\":\"%s\",\"server\":\"" : "%s %-5s ", stamp,
                   level_names[level]);
  pml_writer_put(&w, head, (size_t)k);
  if (!server[0]) server = "pomelua";
  put_escaped(&w, server, strlen(server), json);
  if (!json) pml_writer_byte(&w, ' ');
  if (category[0]) put_category(&w, category, json);
  if (json) pml_writer_put(&w, "\",\"msg\":\"", 9);
  put_text(&w, text, n, json);
  pml_writer_put(&w, json ? "\"}\n" : "\n", json ? 3 : 1);
  return pml_writer_finish(&w);
}

static void queue(pml_output *o, pml_buf *b, int last) {
  if (last) pml_output_put_last(o, b);
  else pml_output_put(o, b);
}

static void write_text(const pml_log *log, pml_level level, const char *text, size_t n, int last) {
  const pml_log_way *way = log->way;
  const char *category = way ? way->category : "";
  if (level < log->level) return;
  while (n && text[n - 1] == '\n') n--;
  if (log->on_line) {
    pml_writer w = {0};
    if (category[0]) put_category(&w, category, 0);
    pml_writer_put(&w, text, n);
    pml_writer_byte(&w, '\0');
    pml_buf *b = pml_writer_finish(&w);
    log->on_line(level, (const char *)b->data, log->ud);
    pml_buf_unref(b);
    return;
  }
  pml_buf *b = line(log->server, category, level, log->json, text, n);
  for (unsigned i = 0; way && i < way->files; i++) queue(way->file[i], pml_buf_ref(b), last);
  if (way && way->no_console) {
    pml_buf_unref(b);
  } else if (!log->output) {
    pml_output_write(STDERR_FILENO, b->data, b->len, WAIT_MS);
    pml_buf_unref(b);
  } else {
    queue(log->output, b, last);
  }
}

void pml_log_text(const pml_log *log, pml_level level, const char *text, size_t n) {
  write_text(log, level, text, n, 0);
}

static void write_va(const pml_log *log, pml_level level, const char *format, va_list ap,
                     int last) {
  char small[512];
  va_list again;
  va_copy(again, ap);
  int n = vsnprintf(small, sizeof small, format, ap);
  if (n >= 0 && (size_t)n < sizeof small) {
    write_text(log, level, small, (size_t)n, last);
  } else if (n >= 0) {
    pml_buf *b = pml_buf_new((size_t)n + 1);
    vsnprintf((char *)b->data, (size_t)n + 1, format, again);
    write_text(log, level, (const char *)b->data, (size_t)n, last);
    pml_buf_unref(b);
  }
  va_end(again);
}

void pml_log_write(const pml_log *log, pml_level level, const char *format, ...) {
  if (level < log->level) return;
  va_list ap;
  va_start(ap, format);
  write_va(log, level, format, ap, 0);
  va_end(ap);
}

/* --- the end of the process ------------------------------------------------------------ */

void pml_log_flush(const pml_log *log) {
  for (unsigned i = 0; log->way && i < log->way->files; i++)
    pml_output_flush(log->way->file[i], END_MS);
  if (log->output) pml_output_flush(log->output, END_MS);
}

uint64_t pml_log_lost(const pml_log *log) {
  uint64_t n = log->output ? pml_output_lost(log->output) : 0;
  for (unsigned i = 0; log->way && i < log->way->files; i++)
    n += pml_output_lost(log->way->file[i]);
  return n;
}

void pml_log_last(const pml_log *log, pml_level level, const char *format, ...) {
  va_list ap;
  va_start(ap, format);
  write_va(log, level, format, ap, 1);
  va_end(ap);
  pml_log_flush(log);
}

static pml_buf *lost(uint64_t lines, void *ud) {
  char text[128];
  int k = snprintf(text, sizeof text,
                   "%llu lines lost here: whoever reads the log has not kept up with it",
                   (unsigned long long)lines);
  return line("", "", PML_WARN, ud != NULL, text, (size_t)k);
}

pml_output *pml_log_output(int fd, size_t limit, int json) {
  static const char yes; /* only its address counts */
  pml_output_options o = {fd, limit, lost, json ? (void *)(uintptr_t)&yes : NULL};
  return pml_output_new(&o);
}

/* --- lines that others can cause ----------------------------------------------------- */

void pml_log_left_out(const pml_log *log, int all) {
  pml_throttled t;
  while (log->throttle && pml_throttle_next(log->throttle, all, &t))
    pml_log_write(log, (pml_level)t.level, "%u more: %s", t.held, t.name);
}

int pml_log_may(const pml_log *log, pml_level level, const char *kind, size_t n, uint32_t lines,
                uint32_t ms) {
  if (level < log->level) return 0;
  if (!log->throttle) return 1;
  pml_log_left_out(log, 0);
  return pml_throttle_ask(log->throttle, kind, n, lines, ms, (int)level);
}

void pml_log_some(const pml_log *log, pml_level level, const char *kind, const char *format, ...) {
  if (!pml_log_may(log, level, kind, strlen(kind), PML_LOG_LINES, 1000)) return;
  va_list ap;
  va_start(ap, format);
  write_va(log, level, format, ap, 0);
  va_end(ap);
}
