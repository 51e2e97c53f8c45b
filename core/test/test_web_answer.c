#include "host/web_answer.h"

#include "host/web_path.h"
#include "test/web.h"

TEST(web_answer_has_the_headers_that_browsers_want) {
  begin();
  const char *paths[] = {"/", "/missing", "/sub", "/health"};
  for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
    get(paths[i]);
    CHECK_STR(header("X-Content-Type-Options"), "nosniff");
    CHECK(strstr(header("Content-Security-Policy"), "frame-ancestors 'self'") != NULL);
    CHECK_STR(header("Referrer-Policy"), "strict-origin-when-cross-origin");
    CHECK_STR(header("Strict-Transport-Security"), ""); /* not over HTTP: RFC 6797 7.2 */
  }
  finish();
}

TEST(web_answer_takes_other_headers_and_leaves_some_out) {
  pml_web_header h[] = {
    {"content-security-policy", "default-src 'self'"},
    {"Referrer-Policy", NULL},
    {"X-Game", "chat"},
    {"Cache-Control", "max-age=60"},
  };
  web_options.headers = h;
  web_options.header_count = 4;
  begin();
  get("/app.js");
  CHECK_STR(header("content-security-policy"), "default-src 'self'");
  CHECK_STR(header("Referrer-Policy"), "");
  CHECK_STR(header("X-Game"), "chat");
  CHECK_STR(header("Cache-Control"), "max-age=60");
  CHECK_STR(header("X-Content-Type-Options"), "nosniff");
  get("/health");
  CHECK_STR(header("Cache-Control"), "no-store");
  finish();
}
