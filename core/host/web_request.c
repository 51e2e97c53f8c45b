#include "host/web_request.h"

#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "host/web_guard.h"

#include <stdlib.h>
#include <strings.h>

/* What MHD's pool for one head can hold at most, and more. */
#define HEADERS_MAX 512

struct pml__web_request {
  char *uri;   /* owned */
  size_t path; /* bytes of it before the query */
  int seen;
  struct MHD_Connection *c;
  pml_http_routes *routes; /* NULL: no route takes it */
  pml_http_match match;
  const char *method, *asked; /* of the route; of the client */
  pml_writer body;
  size_t over;      /* bytes of the body above the limit, which are not kept */
  unsigned refused; /* status of the answer that has been decided without a server */
  pml_id id;        /* the server has it, or has had it */
};

pml__web_request *pml__web_request_new(const char *uri) {
  pml__web_request *q = pml_alloc0(sizeof *q);
  q->uri = pml_strdup(uri);
  q->path = strcspn(q->uri, "?#");
  return q;
}

void pml__web_request_free(const pml__web_routes *w, pml__web_request *q) {
  if (!q) return;
  if (q->id) pml_web_calls_forget(w->calls, q->id);
  pml_http_routes_unref(q->routes);
  pml_writer_drop(&q->body);
  pml_free(q->uri);
  pml_free(q);
}

int pml__web_request_begins(pml__web_request *q) {
  int first = !q->seen;
  q->seen = 1;
  return first;
}

int pml__web_request_is_taken(const pml__web_request *q) { return q->routes != NULL; }

/* --- the head --------------------------------------------------------------------------- */

typedef struct {
  size_t lengths, codings;
  uint64_t length;
  int wrong;
} framing;

static enum MHD_Result look(void *ud, enum MHD_ValueKind kind, const char *name,
                            const char *value) {
  framing *f = ud;
  char *end;
  (void)kind;
  if (strcasecmp(name, "Content-Length") == 0) {
    f->lengths++;
    f->length = value && *value >= '0' && *value <= '9' ? strtoull(value, &end, 10) : 0;
    if (!value || *value < '0' || *value > '9' || *end) f->wrong = 1;
  } else if (strcasecmp(name, "Transfer-Encoding") == 0) {
    f->codings++;
    if (!value || strcasecmp(value, "chunked") != 0) f->wrong = 1;
  }
  return MHD_YES;
}

/* The status of a head whose body the server does not take, or 0. Where two programs could differ
 * about the end of a body, there is no request. */
static unsigned wrong_body(const pml__web_routes *w, struct MHD_Connection *c) {
  framing f = {0};
  MHD_get_connection_values(c, MHD_HEADER_KIND, look, &f);
  if (f.wrong || f.lengths + f.codings > 1) return 400;
  if (f.length <= pml_web_calls_limits(w->calls)->body) return 0;
  pml_web_calls_count_too_big(w->calls);
  return 413;
}

static enum MHD_Result refuse(const pml__web_routes *w, pml__web_request *q, unsigned status) {
  char allow[PML_HTTP_ALLOW] = "";
  if (status == 405 || status == 204) pml_http_match_allow(&q->match, allow);
  return pml__web_answer_code(w->answers, q->c, status, allow[0] ? allow : NULL);
}

static int is_page(const char *method) {
  return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
}

int pml__web_request_head(const pml__web_routes *w, pml__web_request *q, struct MHD_Connection *c,
                          const char *method, enum MHD_Result *out) {
  pml_http_routes *routes = pml_web_calls_routes(w->calls);
  q->c = c;
  unsigned status = 0;
  int rc =
    routes ? pml_http_routes_find(routes, pml_slice_of(q->uri, q->path), &q->match) : PML_ENOENT;
  if (rc == PML_ENOENT) {
    pml_http_routes_unref(routes);
    /* As long as no server has told its routes, any path may be one of them. */
    if (w->pages && (routes || is_page(method))) return 0;
    *out = refuse(w, q, routes ? 404 : 503);
    return 1;
  }
  q->routes = routes;
  if (rc == 0) q->method = pml_http_match_method(&q->match, pml_slice_str(method));
  if (rc != 0) status = 400;
  else if (!q->method) status = strcmp(method, "OPTIONS") == 0 ? 204 : 405;
  else status = wrong_body(w, c);
  q->asked = strcmp(method, "HEAD") == 0 ? "HEAD" : q->method;
  *out = status ? refuse(w, q, status) : MHD_YES;
  return 1;
}

/* --- the body, and the server ------------------------------------------------------------- */

static enum MHD_Result gather(const pml__web_routes *w, pml__web_request *q, const char *upload,
                              size_t *size) {
  size_t limit = pml_web_calls_limits(w->calls)->body, n = *size;
  *size = 0;
  if (!q->refused && n <= limit - q->body.len) {
    pml_writer_put(&q->body, upload, n);
    return MHD_YES;
  }
  if (!q->refused) {
    pml_web_calls_count_too_big(w->calls);
    pml_writer_drop(&q->body);
    q->refused = 413;
  }
  /* The answer can be sent at the end of the body alone; one without an end gets none. */
  q->over += n;
  return q->over > limit + (64u << 10) ? MHD_NO : MHD_YES;
}

typedef struct {
  pml_web_pair pairs[PML_HTTP_SEGMENTS_MAX + HEADERS_MAX];
  size_t count;
} fields;

static enum MHD_Result collect(void *ud, enum MHD_ValueKind kind, const char *name,
                               const char *value) {
  fields *f = ud;
  (void)kind;
  if (f->count == sizeof f->pairs / sizeof *f->pairs) return MHD_NO;
  f->pairs[f->count++] = (pml_web_pair){pml_slice_str(name), pml_slice_str(value ? value : "")};
  return MHD_YES;
}

static void on_wake(void *ud) { MHD_resume_connection(((pml__web_request *)ud)->c); }

static uint64_t post(const pml__web_routes *w, pml__web_request *q) {
  char who[PML_ADDRESS_TEXT];
  fields f = {.count = q->match.count};
  for (size_t i = 0; i < f.count; i++)
    f.pairs[i] = (pml_web_pair){q->match.name[i], q->match.value[i]};
  MHD_get_connection_values(q->c, MHD_HEADER_KIND, collect, &f);
  pml__web_conn_print(
    MHD_get_connection_info(q->c, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context, who);
  const char *query = q->uri + q->path + (q->uri[q->path] == '?');
  pml_web_call call = {
    .method = pml_slice_str(q->method),
    .pattern = q->match.pattern,
    .asked = pml_slice_str(q->asked),
    .path = pml_slice_of(q->uri, q->path),
    .query = pml_slice_of(query, strcspn(query, "#")),
    .address = pml_slice_str(who),
    .body = pml_slice_of(q->body.len ? pml_writer_at(&q->body, 0) : NULL, q->body.len),
    .pairs = f.pairs,
    .params = q->match.count,
    .headers = f.count - q->match.count,
  };
  return pml_web_calls_post(w->calls, q->id, &call);
}

static void say_busy(const pml__web_routes *w) {
  if (w->log)
    pml_log_some(w->log, PML_WARN, "http.maxWaiting",
                 "web: refused a request: too many wait for their server (http.maxWaiting is %u)",
                 pml_web_calls_limits(w->calls)->waiting);
}

static void say_late(const pml__web_routes *w, const pml__web_request *q) {
  if (w->log)
    pml_log_some(w->log, PML_WARN, "http.timeout",
                 "web: no answer to %s %s within %u ms (http.timeout)", q->method,
                 (const char *)q->match.pattern.p, pml_web_calls_limits(w->calls)->timeout_ms);
}

static enum MHD_Result send_answer(const pml__web_routes *w, pml__web_request *q) {
  pml_web_answer a = pml_web_calls_take(w->calls, q->id);
  if (!a.status) return MHD_NO;
  if (a.whole) return pml__web_answer_call(w->answers, q->c, &a);
  if (a.status == 504) say_late(w, q);
  enum MHD_Result r = refuse(w, q, a.status);
  pml_web_answer_clear(&a);
  return r;
}

enum MHD_Result pml__web_request_more(const pml__web_routes *w, pml__web_request *q,
                                      const char *upload, size_t *size, uint64_t *due,
                                      int *answered) {
  int why = 0;
  if (*size) return gather(w, q, upload, size);
  *answered = 1;
  if (q->id) return send_answer(w, q);
  if (q->refused) return refuse(w, q, q->refused);
  q->id = pml_web_calls_begin(w->calls, on_wake, q, &why);
  if (!q->id) {
    if (why == PML_EFULL) say_busy(w);
    return refuse(w, q, 503);
  }
  *answered = 0;
  MHD_suspend_connection(q->c);
  *due = post(w, q);
  pml_writer_drop(&q->body);
  return MHD_YES;
}
