#include "host/web_answer.h"

#include "base/mem.h"

#include <stdio.h>
#include <strings.h>

static const struct {
  const char *name, *value;
  int secure; /* only over HTTPS: a browser that has seen it never asks over HTTP again */
} usual[] = {
  {"Cache-Control", "no-cache", 0},
  {"X-Content-Type-Options", "nosniff", 0},
  {"Content-Security-Policy", "frame-ancestors 'self'; base-uri 'self'; object-src 'none'", 0},
  {"Referrer-Policy", "strict-origin-when-cross-origin", 0},
  {"Strict-Transport-Security", "max-age=31536000", 1},
};

static const struct {
  unsigned status;
  const char *title, *header, *value;
} pages[] = {
  {404, "Not Found", NULL, NULL},
  {405, "Method Not Allowed", "Allow", "GET, HEAD"},
  {429, "Too Many Requests", "Retry-After", "1"},
};

/* --- headers ---------------------------------------------------------------------------- */

static void put(pml__web_answers *a, const char *name, const char *value) {
  a->list[a->count][0] = pml_strdup(name);
  a->list[a->count++][1] = pml_strdup(value);
}

static int is_given(const pml_web_options *o, const char *name) {
  for (size_t i = 0; i < o->header_count; i++)
    if (strcasecmp(o->headers[i].name, name) == 0) return 1;
  return 0;
}

void pml__web_answers_init(pml__web_answers *a, const pml_web_options *o, int secure) {
  size_t n = sizeof usual / sizeof *usual;
  a->list = pml_alloc((n + o->header_count) * sizeof *a->list);
  a->count = 0;
  for (size_t i = 0; i < n; i++)
    if ((secure || !usual[i].secure) && !is_given(o, usual[i].name))
      put(a, usual[i].name, usual[i].value);
  for (size_t i = 0; i < o->header_count; i++)
    if (o->headers[i].value) put(a, o->headers[i].name, o->headers[i].value);
}

void pml__web_answers_clear(pml__web_answers *a) {
  for (size_t i = 0; i < a->count; i++) {
    pml_free(a->list[i][0]);
    pml_free(a->list[i][1]);
  }
  pml_free(a->list);
  *a = (pml__web_answers){0};
}

enum MHD_Result pml__web_finish(const pml__web_answers *a, struct MHD_Connection *c,
                                unsigned status, struct MHD_Response *r) {
  if (!r) return MHD_NO;
  for (size_t i = 0; i < a->count; i++)
    if (!MHD_get_response_header(r, a->list[i][0]))
      MHD_add_response_header(r, a->list[i][0], a->list[i][1]);
  enum MHD_Result ok = MHD_queue_response(c, status, r);
  MHD_destroy_response(r);
  return ok;
}

/* --- answers ------------------------------------------------------------------------------ */

enum MHD_Result pml__web_answer_page(const pml__web_answers *a, struct MHD_Connection *c,
                                     unsigned status) {
  char page[256];
  size_t i = 0;
  while (pages[i].status != status) i++;
  int n = snprintf(page, sizeof page,
                   "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>%u %s</title>"
                   "<h1>%u %s</h1></html>\n",
                   status, pages[i].title, status, pages[i].title);
  struct MHD_Response *r = MHD_create_response_from_buffer((size_t)n, page, MHD_RESPMEM_MUST_COPY);
  if (!r) return MHD_NO;
  MHD_add_response_header(r, "Content-Type", "text/html; charset=utf-8");
  if (pages[i].header) MHD_add_response_header(r, pages[i].header, pages[i].value);
  return pml__web_finish(a, c, status, r);
}

/* A request for a route: no cache may keep what a game answers, unless the game says so. */
static enum MHD_Result finish_call(const pml__web_answers *a, struct MHD_Connection *c,
                                   unsigned status, struct MHD_Response *r) {
  if (r && !MHD_get_response_header(r, "Cache-Control"))
    MHD_add_response_header(r, "Cache-Control", "no-store");
  return pml__web_finish(a, c, status, r);
}

enum MHD_Result pml__web_answer_code(const pml__web_answers *a, struct MHD_Connection *c,
                                     unsigned status, const char *allow) {
  char text[24];
  int n = status == 204 ? 0 : snprintf(text, sizeof text, "{\"code\":%u}", status);
  struct MHD_Response *r = MHD_create_response_from_buffer((size_t)n, text, MHD_RESPMEM_MUST_COPY);
  if (!r) return MHD_NO;
  if (n) MHD_add_response_header(r, "Content-Type", "application/json");
  if (allow) MHD_add_response_header(r, "Allow", allow);
  if (status == 503) MHD_add_response_header(r, "Retry-After", "1");
  return finish_call(a, c, status, r);
}

enum MHD_Result pml__web_answer_call(const pml__web_answers *a, struct MHD_Connection *c,
                                     pml_web_answer *answer) {
  struct MHD_Response *r =
    answer->size
      ? MHD_create_response_from_buffer_with_free_callback(answer->size, answer->body, pml_free)
      : MHD_create_response_from_buffer(0, "", MHD_RESPMEM_PERSISTENT);
  unsigned status = answer->status;
  if (r && answer->size) answer->body = NULL;
  const char *at = answer->head.len ? (char *)pml_writer_at(&answer->head, 0) : "";
  const char *end = at + answer->head.len;
  while (r && at < end) {
    const char *value = at + strlen(at) + 1;
    MHD_add_response_header(r, at, value);
    at = value + strlen(value) + 1;
  }
  pml_web_answer_clear(answer);
  return finish_call(a, c, status, r);
}

enum MHD_Result pml__web_answer_health(const pml__web_answers *a, struct MHD_Connection *c,
                                       pml_web_state state, unsigned up, unsigned servers,
                                       const char *bus) {
  char text[96];
  int well = state == PML_WEB_RUNNING && up == servers;
  const char *word = state == PML_WEB_STARTING   ? "starting"
                     : state == PML_WEB_STOPPING ? "stopping"
                     : well                      ? "up"
                                                 : "degraded";
  int n = snprintf(text, sizeof text, "{\"status\":\"%s\",\"up\":%u,\"servers\":%u%s%s%s}\n", word,
                   up, servers, bus ? ",\"bus\":\"" : "", bus ? bus : "", bus ? "\"" : "");
  struct MHD_Response *r = MHD_create_response_from_buffer((size_t)n, text, MHD_RESPMEM_MUST_COPY);
  if (!r) return MHD_NO;
  MHD_add_response_header(r, "Content-Type", "application/json");
  MHD_add_response_header(r, "Cache-Control", "no-store");
  return pml__web_finish(a, c, well ? 200 : 503, r);
}
