#include "host/web_file.h"

#include "test/web.h"

#include <fcntl.h>

TEST(web_file_answers_304_for_what_has_not_changed) {
  begin();
  get("/app.js");
  char headers[600], tag[200], date[200];
  snprintf(tag, sizeof tag, "%s", header("ETag"));
  snprintf(date, sizeof date, "%s", header("Last-Modified"));
  CHECK(tag[0] == '"' && strstr(date, "GMT"));
  snprintf(headers, sizeof headers, "If-None-Match: \"other\", W/%s\r\n", tag);
  get_with("/app.js", headers);
  CHECK_EQ(status(), 304);
  CHECK_STR(body(), "");
  CHECK_STR(header("ETag"), tag);
  snprintf(headers, sizeof headers, "If-Modified-Since: %s\r\n", date);
  get_with("/app.js", headers);
  CHECK_EQ(status(), 304);
  /* The tag decides when both are there. */
  snprintf(headers, sizeof headers, "If-None-Match: \"x\"\r\nIf-Modified-Since: %s\r\n", date);
  get_with("/app.js", headers);
  CHECK_EQ(status(), 200);
  put("web/app.js", "run(2)");
  snprintf(headers, sizeof headers, "If-None-Match: %s\r\n", tag);
  get_with("/app.js", headers);
  CHECK_EQ(status(), 200);
  CHECK_STR(body(), "run(2)");
  finish();
}

TEST(web_file_sends_the_part_that_is_asked_for) {
  begin();
  char tag[200], headers[600];
  get_with("/app.js", "Range: bytes=1-3\r\n");
  CHECK_EQ(status(), 206);
  CHECK_STR(body(), "un(");
  CHECK_STR(header("Content-Range"), "bytes 1-3/5");
  CHECK_STR(header("Content-Length"), "3");
  CHECK_STR(header("Content-Type"), "text/javascript; charset=utf-8");
  snprintf(tag, sizeof tag, "%s", header("ETag"));
  get_with("/app.js", "Range: bytes=-2\r\n");
  CHECK_EQ(status(), 206);
  CHECK_STR(body(), "()");
  get_with("/app.js", "Range: bytes=9-\r\n");
  CHECK_EQ(status(), 416);
  CHECK_STR(header("Content-Range"), "bytes */5");
  CHECK_STR(body(), "");
  get_with("/app.js", "Range: bytes=0-0,2-3\r\n");
  CHECK_EQ(status(), 200);
  CHECK_STR(header("Accept-Ranges"), "bytes");
  /* A range is for the bytes that the client has the beginning of. */
  snprintf(headers, sizeof headers, "Range: bytes=1-\r\nIf-Range: %s\r\n", tag);
  get_with("/app.js", headers);
  CHECK_EQ(status(), 206);
  put("web/app.js", "run(2)");
  get_with("/app.js", headers);
  CHECK_EQ(status(), 200);
  CHECK_STR(body(), "run(2)");
  finish();
}

TEST(web_file_sends_the_packed_file_beside_a_file) {
  begin();
  put("web/app.js.gz", "GZ");
  put("web/app.js.br", "BR");
  get("/app.js");
  CHECK_STR(body(), "run()");
  CHECK_STR(header("Content-Encoding"), "");
  CHECK_STR(header("Vary"), "Accept-Encoding");
  get_with("/app.js", "Accept-Encoding: gzip, deflate\r\n");
  CHECK_STR(body(), "GZ");
  CHECK_STR(header("Content-Encoding"), "gzip");
  CHECK_STR(header("Content-Type"), "text/javascript; charset=utf-8");
  char tag[200], headers[600];
  snprintf(tag, sizeof tag, "%s", header("ETag"));
  get_with("/app.js", "Accept-Encoding: gzip, deflate, br\r\n");
  CHECK_STR(body(), "BR");
  CHECK_STR(header("Content-Encoding"), "br");
  CHECK(strcmp(header("ETag"), tag) != 0);
  get_with("/app.js", "Accept-Encoding: gzip, br;q=0.5\r\n");
  CHECK_STR(body(), "GZ");
  snprintf(headers, sizeof headers, "Accept-Encoding: gzip\r\nIf-None-Match: %s\r\n", tag);
  get_with("/app.js", headers);
  CHECK_EQ(status(), 304);
  CHECK_STR(header("Vary"), "Accept-Encoding");
  get_with("/sub/", "Accept-Encoding: gzip\r\n");
  CHECK_STR(body(), "<p>sub</p>");
  CHECK_STR(header("Vary"), "");
  finish();
}

TEST(web_file_leaves_a_packed_file_that_is_older_or_outside) {
  begin();
  put("web/app.js.gz", "GZ");
  struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
  char path[256];
  snprintf(path, sizeof path, "%s/web/app.js.gz", top);
  CHECK_EQ(utimensat(AT_FDCWD, path, old, 0), 0);
  link_to("web/index.html.gz", "../secret.txt");
  get_with("/app.js", "Accept-Encoding: gzip\r\n");
  CHECK_STR(body(), "run()");
  get_with("/", "Accept-Encoding: gzip\r\n");
  CHECK_STR(body(), "<p>start</p>");
  finish();
}
