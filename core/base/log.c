#include "base/log.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/throttle.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *const level_names[] = {"debug", "info", "warn", "error", "silent"};

void pml_log_init(pml_log *log, const char *server, pml_level level, int json) {
  memset(log, 0, sizeof *log);
  snprintf(log->server, sizeof log->server, "%s", server);
  log->level = level;
  log->json = json;
}

/* Bytes of the UTF-8 character at s, 0 when there is none: old forms, surrogates and what is
 * above U+10FFFF included. */
static size_t character(const unsigned char *s, size_t n) {
  size_t len = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
  if (len > n || s[0] > 0xf4) return 0;
  for (size_t i = 1; i < len; i++)
    if ((s[i] & 0xc0) != 0x80) return 0;
  if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f)) return 0;
  if ((s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f)) return 0;
  return len;
}

static void put_escaped(pml_writer *w, const char *s, size_t n, int json) {
  char hex[8];
  for (size_t i = 0; i < n; i++) {
    unsigned char c = (unsigned char)s[i];
    if (c == '\n' && !json) {
      pml_writer_put(w, "\n  ", 3);
    } else if (json && (c == '"' || c == '\\')) {
      pml_writer_byte(w, '\\');
      pml_writer_byte(w, c);
    } else if (json && c == '\n') {
      pml_writer_put(w, "\\n", 2);
    } else if (c == '\t' && !json) {
      pml_writer_byte(w, c);
    } else if (c < 0x20 || c == 0x7f) {
      int k = snprintf(hex, sizeof hex, json ? "\\u%04x" : "\\x%02x", c);
      pml_writer_put(w, hex, (size_t)k);
    } else {
      size_t len = character((const unsigned char *)s + i, n - i);
      if (len) {
        pml_writer_put(w, s + i, len);
        i += len - 1;
      } else {
        int k = snprintf(hex, sizeof hex, json ? "\\ufffd" : "\\x%02x", c);
        pml_writer_put(w, hex, (size_t)k);
      }
    }
  }
}

static void write_all(const pml_buf *b) {
  size_t off = 0;
  while (off < b->len) {
    ssize_t n = write(STDERR_FILENO, b->data + off, b->len - off);
    if (n < 0 && errno != EINTR) return; /* stderr is gone: nowhere left to say so */
    if (n > 0) off += (size_t)n;
  }
}

void pml_log_text(const pml_log *log, pml_level level, const char *text, size_t n) {
  if (level < log->level) return;
  while (n && text[n - 1] == '\n') n--;
  pml_writer w = {0};
  char head[160], stamp[32];
  if (log->on_line) {
    pml_writer_put(&w, text, n);
    pml_writer_byte(&w, '\0');
    pml_buf *b = pml_writer_finish(&w);
    log->on_line(level, (const char *)b->data, log->ud);
    pml_buf_unref(b);
    return;
  }
  pml_clock_stamp(stamp, sizeof stamp);
  int k = snprintf(head, sizeof head,
                   log->json ? "{\"time\":\"%s\",\"level\":\"%s\",\"server\":\"%s\",\"msg\":\""
                             : "%s %-5s %s ",
                   stamp, level_names[level], log->server[0] ? log->server : "pomelua");
  pml_writer_put(&w, head, (size_t)k);
  put_escaped(&w, text, n, log->json);
  pml_writer_put(&w, log->json ? "\"}\n" : "\n", log->json ? 3 : 1);
  pml_buf *b = pml_writer_finish(&w);
  write_all(b);
  pml_buf_unref(b);
}

static void write_va(const pml_log *log, pml_level level, const char *format, va_list ap) {
  char small[512];
  va_list again;
  va_copy(again, ap);
  int n = vsnprintf(small, sizeof small, format, ap);
  if (n >= 0 && (size_t)n < sizeof small) {
    pml_log_text(log, level, small, (size_t)n);
  } else if (n >= 0) {
    pml_buf *b = pml_buf_new((size_t)n + 1);
    vsnprintf((char *)b->data, (size_t)n + 1, format, again);
    pml_log_text(log, level, (const char *)b->data, (size_t)n);
    pml_buf_unref(b);
  }
  va_end(again);
}

void pml_log_write(const pml_log *log, pml_level level, const char *format, ...) {
  if (level < log->level) return;
  va_list ap;
  va_start(ap, format);
  write_va(log, level, format, ap);
  va_end(ap);
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
  write_va(log, level, format, ap);
  va_end(ap);
}
