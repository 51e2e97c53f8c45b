#include "store/http_request.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/version.h"
#include "store/http.h"

#include <stdarg.h>
#include <stdio.h>
#include <strings.h>
#include <sys/socket.h>

#include "store/http_address.h"

/* CURLE_TOO_LARGE, of libcurl 8.6 and newer: its own limit of what it keeps of headers. */
#define TOO_LARGE ((CURLcode)100)
#define FIXED 6 /* params before the headers: see store/http.h */

/* The answer of a call that failed, for pml_store_answer. */
__attribute__((format(printf, 3, 4))) static void fail(pml_store_call *c, int rc, const char *fmt,
                                                       ...) {
  char text[1024];
  va_list args;
  va_start(args, fmt);
  vsnprintf(text, sizeof text, fmt, args);
  va_end(args);
  /* libcurl's sentences may repeat what a peer has said. */
  for (char *p = text; *p; p++)
    if ((unsigned char)*p < ' ' || *p == 0x7f) *p = '?';
  c->rc = rc;
  c->message = pml_buf_from(text, strlen(text));
}

/* The private networks. */

static int permitted(pml__http_request *r, const pml_address *a) {
  if (r->allow_private || !pml_http_is_private(a)) return 1;
  if (pml_cidr_list_find(r->shared->allow, a) >= 0) return 1;
  pml_address_print(a, r->refused);
  return 0;
}

static curl_socket_t on_open(void *ud, curlsocktype purpose, struct curl_sockaddr *to) {
  pml__http_request *r = ud;
  pml_address a;
  (void)purpose;
  if (pml_address_of(&to->addr, &a, NULL) || !permitted(r, &a)) return CURL_SOCKET_BAD;
  int fd = socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
  if (fd >= 0) r->shared->sockets++;
  return fd;
}

/* Before the request is sent: the connection may be one that another call was allowed to make. */
static int on_ready(void *ud, char *peer, char *own, int peer_port, int own_port) {
  pml__http_request *r = ud;
  pml_address a;
  (void)own, (void)peer_port, (void)own_port;
  if (pml_address_parse(pml_slice_str(peer), &a) == 0)
    return permitted(r, &a) ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
  if (r->allow_private) return CURL_PREREQFUNC_OK;
  snprintf(r->refused, sizeof r->refused, "%s", peer); /* with a zone: link-local */
  return CURL_PREREQFUNC_ABORT;
}

/* What comes in. */

static size_t on_body(char *p, size_t size, size_t n, void *ud) {
  pml__http_request *r = ud;
  n *= size;
  if (n > r->max_bytes - r->in.len) {
    r->stopped = PML__HTTP_BODY;
    return 0;
  }
  pml_writer_put(&r->in, p, n);
  return n;
}

/* A line of the headers, which libcurl reads and keeps; here they are only counted. */
static size_t on_head(char *p, size_t size, size_t n, void *ud) {
  pml__http_request *r = ud;
  (void)p;
  n *= size;
  r->head_bytes += n;
  if (r->head_bytes > r->shared->head_max || ++r->head_lines > PML_HTTP_HEADERS_MAX + 2) {
    r->stopped = PML__HTTP_HEAD;
    return 0;
  }
  return n;
}

/* What goes out. */

/* Which headers of the game go to another host than the one that it named. */
static int may_leave(pml_slice name) {
  static const char *const harmless[] = {"accept", "accept-language", "content-type", "user-agent"};
  for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++)
    if (name.n == strlen(harmless[i]) &&
        strncasecmp((const char *)name.p, harmless[i], name.n) == 0)
      return 1;
  return 0;
}

static int is_token(pml_slice s) {
  for (size_t i = 0; i < s.n; i++)
    if (s.p[i] <= ' ' || s.p[i] >= 0x7f || strchr("\"(),/:;<=>?@[\\]{}", s.p[i])) return 0;
  return s.n > 0 && s.n <= PML_HTTP_NAME_MAX;
}

static int has_line_end(pml_slice s) {
  return s.n && (memchr(s.p, '\r', s.n) || memchr(s.p, '\n', s.n) || memchr(s.p, 0, s.n));
}

static void add_header(pml__http_request *r, pml_slice name, pml_slice value) {
  /* "Name:" alone would take a header out: libcurl wants "Name;" for one without a value. */
  while (value.n && (*value.p == ' ' || *value.p == '\t')) value = pml_slice_from(value, 1);
  size_t n = name.n + value.n + 3;
  char *line = pml_alloc(n);
  snprintf(line, n, "%.*s%s%.*s", (int)name.n, (const char *)name.p, value.n ? ": " : ";",
           (int)value.n, value.n ? (const char *)value.p : "");
  r->headers = r->shared->curl.curl_slist_append(r->headers, line);
  pml_free(line);
}

static void add_headers(pml__http_request *r) {
  pml_data *d = &r->call->params;
  for (size_t i = FIXED; i + 1 < d->n; i += 2) {
    pml_slice name = pml_data_slice(d, &d->v[i]);
    if (r->other_host && !may_leave(name)) continue;
    /* A redirect may have taken the body away. */
    if (!r->has_body && r->followed && name.n == 12 &&
        strncasecmp((const char *)name.p, "content-type", 12) == 0)
      continue;
    add_header(r, name, pml_data_slice(d, &d->v[i + 1]));
  }
  /* It would cost a second where a server does not know it. */
  r->headers = r->shared->curl.curl_slist_append(r->headers, "Expect:");
}

static void set_method(pml__http_request *r, CURL *e) {
  pml__curl *l = &r->shared->curl;
  int post = strcmp(r->method, "POST") == 0;
  if (strcmp(r->method, "HEAD") == 0) {
    l->curl_easy_setopt(e, CURLOPT_NOBODY, 1L);
    return;
  }
  if (r->has_body || post || strcmp(r->method, "PUT") == 0 || strcmp(r->method, "PATCH") == 0) {
    l->curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body.n);
    l->curl_easy_setopt(e, CURLOPT_POSTFIELDS, r->body.n ? (const char *)r->body.p : "");
  }
  if (!post) l->curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, r->method);
}

static void set_limits(pml__http_request *r, CURL *e) {
  pml__curl *l = &r->shared->curl;
  uint32_t left = pml_store_left(r->call), connect = r->shared->connect_ms;
  l->curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
  l->curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L);
  l->curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)left);
  l->curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)(connect < left ? connect : left));
  l->curl_easy_setopt(e, CURLOPT_DNS_CACHE_TIMEOUT, 30L);
  /* What a HEAD is told of the length is the length of nothing that comes. */
  if (strcmp(r->method, "HEAD") != 0)
    l->curl_easy_setopt(e, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)r->max_bytes);
  l->curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
  l->curl_easy_setopt(e, CURLOPT_PROXY, "");
  l->curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
  l->curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
  l->curl_easy_setopt(e, CURLOPT_HTTP09_ALLOWED, 0L);
  l->curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
  l->curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 1L);
  l->curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 2L);
  /* The system's certificates are also in a folder, where OpenSSL looks up the one that it needs.
   * Reading the file with all of them takes 25 ms of each connection. */
  if (r->shared->ca_folder || r->shared->ca_file)
    l->curl_easy_setopt(e, CURLOPT_CAINFO, r->shared->ca_file);
}

static void set_callbacks(pml__http_request *r, CURL *e) {
  pml__curl *l = &r->shared->curl;
  l->curl_easy_setopt(e, CURLOPT_PRIVATE, r);
  l->curl_easy_setopt(e, CURLOPT_ERRORBUFFER, r->said);
  l->curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, on_open);
  l->curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, r);
  l->curl_easy_setopt(e, CURLOPT_CLOSESOCKETFUNCTION, r->shared->close_socket);
  l->curl_easy_setopt(e, CURLOPT_CLOSESOCKETDATA, r->shared->ud);
  l->curl_easy_setopt(e, CURLOPT_PREREQFUNCTION, on_ready);
  l->curl_easy_setopt(e, CURLOPT_PREREQDATA, r);
  l->curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
  l->curl_easy_setopt(e, CURLOPT_WRITEDATA, r);
  l->curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_head);
  l->curl_easy_setopt(e, CURLOPT_HEADERDATA, r);
}

/* Makes the handle for r->url. */
static void prepare(pml__http_request *r) {
  pml__curl *l = &r->shared->curl;
  CURL *e = r->easy = l->curl_easy_init();
  r->said[0] = r->refused[0] = 0;
  r->head_bytes = r->head_lines = 0;
  l->curl_easy_setopt(e, CURLOPT_URL, r->url);
  l->curl_easy_setopt(e, CURLOPT_USERAGENT, "pomelua/" PML_VERSION);
  set_method(r, e);
  set_limits(r, e);
  set_callbacks(r, e);
  add_headers(r);
  l->curl_easy_setopt(e, CURLOPT_HTTPHEADER, r->headers);
}

static void drop_handle(pml__http_request *r) {
  pml__curl *l = &r->shared->curl;
  if (r->easy) l->curl_easy_cleanup(r->easy);
  l->curl_slist_free_all(r->headers);
  r->easy = NULL;
  r->headers = NULL;
}

/* Where a request goes: scheme, host and port, as libcurl reads an URL. */
typedef struct {
  char scheme[8], host[264], port[8];
} place;

static int part(pml__curl *l, CURLU *u, CURLUPart what, char *out, size_t n) {
  char *text = NULL;
  if (l->curl_url_get(u, what, &text, CURLU_DEFAULT_PORT) || !text) return -1;
  int fits = strlen(text) < n;
  if (fits) snprintf(out, n, "%s", text);
  l->curl_free(text);
  return fits ? 0 : -1;
}

/* 0; -1: no URL of http or https. */
static int place_of(pml__curl *l, const char *url, place *out) {
  CURLU *u = l->curl_url();
  int rc = u && l->curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK ? 0 : -1;
  if (!rc) rc = part(l, u, CURLUPART_SCHEME, out->scheme, sizeof out->scheme);
  if (!rc) rc = part(l, u, CURLUPART_HOST, out->host, sizeof out->host);
  if (!rc) rc = part(l, u, CURLUPART_PORT, out->port, sizeof out->port);
  l->curl_url_cleanup(u);
  if (rc) return rc;
  return strcmp(out->scheme, "http") == 0 || strcmp(out->scheme, "https") == 0 ? 0 : -1;
}

static void say_where(pml__http_request *r, const place *p) {
  snprintf(r->where, sizeof r->where, "%.24s %s://%s:%s", r->method, p->scheme, p->host, p->port);
}

static char *text_of(pml_data *d, size_t i) {
  pml_slice s = pml_data_slice(d, &d->v[i]);
  return pml_strndup((const char *)s.p, s.n);
}

/* What of a call cannot be sent; NULL: nothing. */
static const char *wrong(pml_data *d) {
  static const char kinds[FIXED] = {PML_DATUM_TEXT, PML_DATUM_TEXT, PML_DATUM_NULL,
                                    PML_DATUM_INT,  PML_DATUM_INT,  PML_DATUM_BOOL};
  if (d->n < FIXED || (d->n - FIXED) % 2) return "a request has six parameters and its headers";
  for (size_t i = 0; i < FIXED; i++)
    if (i != 2 && d->v[i].kind != (pml_datum_kind)kinds[i]) return "a parameter of a wrong type";
  if (d->v[2].kind != PML_DATUM_NULL && d->v[2].kind != PML_DATUM_TEXT &&
      d->v[2].kind != PML_DATUM_BYTES)
    return "the body is not text";
  if (d->v[3].i < 0 || d->v[3].i > PML_HTTP_REDIRECTS_MAX || d->v[4].i < 0)
    return "a number out of its range";
  if (!is_token(pml_data_slice(d, &d->v[0]))) return "the method is not a word";
  if (d->v[1].n > PML_HTTP_URL_MAX) return "the url is longer than 16384 bytes";
  if (has_line_end(pml_data_slice(d, &d->v[1])))
    return "the url has a line end or a zero byte in it";
  for (size_t i = FIXED; i < d->n; i += 2) {
    if (d->v[i].kind != PML_DATUM_TEXT || !is_token(pml_data_slice(d, &d->v[i])))
      return "the name of a header is not a word";
    if (d->v[i + 1].kind != PML_DATUM_TEXT || has_line_end(pml_data_slice(d, &d->v[i + 1])))
      return "the value of a header has a line end or a zero byte in it";
  }
  return NULL;
}

pml__http_request *pml__http_request_new(pml__http_shared *s, pml_store_call *c) {
  pml_data *d = &c->params;
  const char *why = c->op == PML_STORE_REQUEST ? wrong(d) : "http takes requests only";
  if (why) {
    fail(c, PML_EINVAL, "%s", why);
    return NULL;
  }
  pml__http_request *r = pml_alloc0(sizeof *r);
  place p;
  pml_list_init(&r->node);
  r->shared = s;
  r->call = c;
  r->method = text_of(d, 0);
  r->url = text_of(d, 1);
  r->has_body = d->v[2].kind != PML_DATUM_NULL;
  if (r->has_body) r->body = pml_data_slice(d, &d->v[2]);
  r->redirects = (uint32_t)d->v[3].i;
  r->max_bytes = d->v[4].i ? (size_t)d->v[4].i : PML_HTTP_BODY_MAX;
  r->allow_private = d->v[5].i != 0;
  if (place_of(&s->curl, r->url, &p)) {
    fail(c, PML_EINVAL, "the url is not one that begins with http:// or https://");
    pml__http_request_free(r);
    return NULL;
  }
  say_where(r, &p);
  prepare(r);
  return r;
}

void pml__http_request_free(pml__http_request *r) {
  drop_handle(r);
  pml_list_remove(&r->node);
  pml_writer_drop(&r->in);
  pml_free(r->url);
  pml_free(r->method);
  pml_free(r);
}

/* Redirects. */

/* RFC 9110 15.4: after 303, and by old custom after 301 and 302 of a POST, a GET follows. */
static void change_method(pml__http_request *r, long status) {
  int post = strcmp(r->method, "POST") == 0;
  if (status == 307 || status == 308 || strcmp(r->method, "HEAD") == 0) return;
  if (status != 303 && !post) return;
  pml_free(r->method);
  r->method = pml_strdup("GET");
  r->has_body = 0;
  r->body = pml_slice_of("", 0);
}

/* 1: it is followed; 0: the answer stands; -1: the call has failed. */
static int follow(pml__http_request *r, long status) {
  pml__curl *l = &r->shared->curl;
  char *to = NULL;
  place was, next;
  if (!r->redirects || status < 301 || status > 308 || (status > 303 && status < 307)) return 0;
  if (l->curl_easy_getinfo(r->easy, CURLINFO_REDIRECT_URL, &to) || !to) return 0;
  if (r->followed == r->redirects) {
    fail(r->call, PML_EIO, "%s: more than %u redirects", r->where, r->redirects);
    return -1;
  }
  if (place_of(l, to, &next) || place_of(l, r->url, &was)) {
    fail(r->call, PML_EIO, "%s: a redirect to what is not http or https", r->where);
    return -1;
  }
  if (strcmp(was.scheme, "https") == 0 && strcmp(next.scheme, "https") != 0) {
    fail(r->call, PML_EIO, "%s: a redirect from https to http", r->where);
    return -1;
  }
  if (strcmp(was.scheme, next.scheme) || strcasecmp(was.host, next.host) ||
      strcmp(was.port, next.port))
    r->other_host = 1;
  r->followed++;
  change_method(r, status);
  pml_free(r->url);
  r->url = pml_strdup(to);
  say_where(r, &next);
  pml_writer_drop(&r->in);
  drop_handle(r);
  prepare(r);
  return 1;
}

/* The end. */

static void put_lower(pml_data *d, const char *name) {
  char text[PML_HTTP_NAME_MAX];
  size_t n = 0;
  for (; name[n] && n < sizeof text; n++)
    text[n] = (char)(name[n] >= 'A' && name[n] <= 'Z' ? name[n] + 32 : name[n]);
  pml_data_text(d, PML_DATUM_TEXT, pml_slice_of(text, n));
}

static void put_answer(pml__http_request *r, long status) {
  pml__curl *l = &r->shared->curl;
  pml_data *d = &r->call->values;
  struct curl_header *h = NULL;
  pml_data_int(d, status);
  pml_data_text(d, PML_DATUM_BYTES,
                pml_slice_of(r->in.len ? pml_writer_at(&r->in, 0) : NULL, r->in.len));
  while ((h = l->curl_easy_nextheader(r->easy, CURLH_HEADER, -1, h)) != NULL) {
    if (strlen(h->name) > PML_HTTP_NAME_MAX) continue;
    put_lower(d, h->name);
    pml_data_text(d, PML_DATUM_TEXT, pml_slice_str(h->value));
  }
}

static void put_error(pml__http_request *r, CURLcode code) {
  pml_store_call *c = r->call;
  const char *said = r->said[0] ? r->said : r->shared->curl.curl_easy_strerror(code);
  if (r->refused[0] && (code == CURLE_COULDNT_CONNECT || code == CURLE_ABORTED_BY_CALLBACK))
    fail(c, PML_EBOUND, "%s: its address %s is private, and the call has no allowPrivate", r->where,
         r->refused);
  else if (r->stopped == PML__HTTP_BODY || code == CURLE_FILESIZE_EXCEEDED)
    fail(c, PML_ETOOBIG, "%s: the body of the answer is larger than %zu bytes", r->where,
         r->max_bytes);
  else if (r->stopped == PML__HTTP_HEAD || code == TOO_LARGE)
    fail(c, PML_ETOOBIG, "%s: the answer has more than %d headers or %zu bytes of them", r->where,
         PML_HTTP_HEADERS_MAX, r->shared->head_max);
  else if (code == CURLE_OPERATION_TIMEDOUT) fail(c, PML_ETIMEOUT, "%s: %s", r->where, said);
  else if (code == CURLE_PARTIAL_FILE)
    fail(c, PML_EIO, "%s: the answer was cut: %s", r->where, said);
  else if (code == CURLE_PEER_FAILED_VERIFICATION)
    fail(c, PML_EIO, "%s: its certificate is not trusted: %s%s", r->where, said,
         r->shared->ca_folder ? ""
                              : "; the Debian package ca-certificates, with the usual certificates "
                                "to trust, is not installed");
  else if (code == CURLE_SSL_CACERT_BADFILE)
    fail(c, PML_EIO, "%s: no certificates to trust: %s; %s", r->where, said,
         r->shared->ca_file ? "caFile must be a PEM file"
                            : "the Debian package ca-certificates has the usual ones");
  else fail(c, PML_EIO, "%s: %s", r->where, said);
}

int pml__http_request_ended(pml__http_request *r, CURLcode code) {
  long status = 0;
  if (code != CURLE_OK) {
    put_error(r, code);
    return 0;
  }
  r->shared->curl.curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
  int next = follow(r, status);
  if (next > 0) return 1;
  if (next == 0) put_answer(r, status);
  return 0;
}
