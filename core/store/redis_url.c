#include "store/redis_url.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/password.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PORT 6379
#define DATABASE_MAX 65535

static int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c |= 0x20;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The n bytes at p, in which %40 stands for @. Returns owned, NULL when an escape is broken. */
static char *decode(const char *p, size_t n) {
  char *out = pml_alloc(n + 1);
  size_t k = 0;
  for (size_t i = 0; i < n; i++) {
    if (p[i] != '%') {
      out[k++] = p[i];
      continue;
    }
    int whole = n - i > 2, high = whole ? hex(p[i + 1]) : -1, low = whole ? hex(p[i + 2]) : -1;
    if (high < 0 || low < 0 || high + low == 0) {
      pml_free(out);
      return NULL;
    }
    out[k++] = (char)(high * 16 + low);
    i += 2;
  }
  out[k] = 0;
  return out;
}

/* A whole number of at most `max`, all of s. */
static int number(const char *s, unsigned long max, unsigned long *out) {
  char *end;
  if (*s < '0' || *s > '9' || strlen(s) > 5) return 0;
  *out = strtoul(s, &end, 10);
  return !*end && *out <= max;
}

/* "user:password", ":password" or "user". */
static int read_login(pml__redis_where *w, const char *p, size_t n) {
  const char *colon = memchr(p, ':', n);
  size_t user = colon ? (size_t)(colon - p) : n;
  if (user && !(w->user = decode(p, user))) return 0;
  if (!colon || user + 1 == n) return 1;
  w->password = decode(colon + 1, n - user - 1);
  return w->password != NULL;
}

static const char *set_host(pml__redis_where *w, const char *host, size_t n, uint16_t port) {
  if (n >= sizeof w->host) return "the host is too long";
  memcpy(w->host, host, n);
  w->host[n] = 0;
  w->port = port;
  snprintf(w->name, sizeof w->name, strchr(w->host, ':') ? "[%s]:%u" : "%s:%u", w->host, w->port);
  return NULL;
}

/* "host", "host:port" or "[address]:port". */
static const char *read_host(pml__redis_where *w, const char *p, size_t n) {
  char port[16] = "";
  const char *end = p + n, *host = p, *colon;
  size_t len;
  if (n && *p == '[') {
    const char *close = memchr(p, ']', n);
    if (!close) return "the URL has a [ without ]";
    host = p + 1;
    len = (size_t)(close - host);
    colon = close + 1 < end ? close + 1 : NULL;
    if (colon && *colon != ':') return "the URL has no : behind ]";
  } else {
    colon = memchr(p, ':', n);
    len = colon ? (size_t)(colon - p) : n;
  }
  if (!len) return "the URL names no host";
  unsigned long value = PORT;
  if (colon && end - colon - 1 < (long)sizeof port)
    snprintf(port, sizeof port, "%.*s", (int)(end - colon - 1), colon + 1);
  if (colon && (!number(port, 65535, &value) || !value)) return "the URL's port is no port";
  return set_host(w, host, len, (uint16_t)value);
}

static const char *read_url(pml__redis_where *w, const char *url) {
  if (!strncmp(url, "rediss://", 9))
    return "rediss://, which is TLS, is not supported: let a TLS proxy such as stunnel run on this "
           "machine, and name its port";
  if (strncmp(url, "redis://", 8)) return "the URL does not begin with redis://";
  const char *p = url + 8, *end = p + strcspn(p, "/?#"), *at = NULL;
  if (strpbrk(end, "?#")) return "the URL has a ? or a #";
  for (const char *c = p; c < end; c++)
    if (*c == '@') at = c;
  if (at && !read_login(w, p, (size_t)(at - p)))
    return "the URL's user or password has a % without two hex digits (% itself is %25)";
  if (at) p = at + 1;
  const char *why = read_host(w, p, (size_t)(end - p));
  if (why) return why;
  unsigned long database = 0;
  if (*end == '/' && end[1] && !number(end + 1, DATABASE_MAX, &database))
    return "the URL's database is no number";
  w->database = (uint32_t)database;
  return NULL;
}

static void replace(char **text, const char *by) {
  if (!by) return;
  pml_free(*text);
  *text = pml_strdup(by);
}

int pml__redis_where_read(pml__redis_where *out, const pml_redis_options *o, char *err,
                          size_t nerr) {
  pml__redis_where w = {.database = o->database};
  const char *why, *form = "";
  if (o->url) {
    why = read_url(&w, o->url);
    if (strncmp(o->url, "rediss://", 9)) form = "; it is redis://user:password@host:port/database";
  } else {
    why = o->host && *o->host ? set_host(&w, o->host, strlen(o->host), o->port ? o->port : PORT)
                              : "there is no host";
  }
  replace(&w.user, o->user);
  replace(&w.password, o->password);
  if (!why && w.user && !w.password) why = "there is a user without a password";
  if (why) {
    pml__redis_where_drop(&w);
    snprintf(err, nerr, "%s%s", why, form);
    return PML_EINVAL;
  }
  *out = w;
  return 0;
}

void pml__redis_where_drop(pml__redis_where *w) {
  if (w->password) pml_password_wipe(w->password, strlen(w->password));
  pml_free(w->user);
  pml_free(w->password);
  w->user = w->password = NULL;
}
