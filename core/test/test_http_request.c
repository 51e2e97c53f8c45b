#include "store/http_request.h"

#include "test/http_world.h"

TEST(http_asks_and_gets_an_answer) {
  world w;
  begin(&w, echo);
  reply *r = REQUEST(&w, .path = "/a?b=c", .headers = {"X-Key", "k1", "X-Empty", ""});
  CHECK_EQ(r->rc, 0);
  CHECK_EQ(r->status, 200);
  HAS(r->headers, "x-method=GET;x-path=/a?b=c;content-length=");
  HAS(r->body, "GET /a?b=c HTTP/1.1\r\n");
  HAS(r->body, "\r\nX-Key: k1\r\n");
  HAS(r->body, "\r\nX-Empty:\r\n");
  HAS(r->body, "\r\nUser-Agent: pomelua/");
  CHECK(!strstr(r->body, "Expect") && !strstr(r->body, "Accept-Encoding"));
  drop(r);
  /* The connection is kept for the next one. */
  r = REQUEST(&w, .method = "POST", .body = "{\"a\":1}", .headers = {"Content-Type", "x/y"});
  HAS(r->body, "POST / HTTP/1.1\r\n");
  HAS(r->body, "\r\nContent-Type: x/y\r\n");
  HAS(r->body, "\r\n\r\n{\"a\":1}");
  CHECK_EQ(w.peer->connections, 1);
  drop(r);
  end(&w);
}

TEST(http_knows_the_methods) {
  world w;
  begin(&w, echo);
  reply *r = REQUEST(&w, .method = "PUT", .body = "x");
  HAS(r->body, "PUT / HTTP/1.1\r\n");
  HAS(r->body, "\r\n\r\nx");
  drop(r);
  r = REQUEST(&w, .method = "DELETE");
  HAS(r->body, "DELETE / HTTP/1.1\r\n");
  CHECK(!strstr(r->body, "Content-Length"));
  drop(r);
  r = REQUEST(&w, .method = "POST");
  HAS(r->body, "\r\nContent-Length: 0\r\n");
  drop(r);
  r = REQUEST(&w, .method = "GET", .body = "q");
  HAS(r->body, "GET / HTTP/1.1\r\n");
  HAS(r->body, "\r\n\r\nq");
  drop(r);
  end(&w);
}

static void answer_head(http_peer_conn *c) {
  http_peer_say(c, "HTTP/1.1 200 OK\r\nContent-Length: 99000000\r\n\r\n");
}
TEST(http_head_has_no_body) {
  world w;
  begin(&w, answer_head);
  reply *r = REQUEST(&w, .method = "HEAD");
  CHECK_EQ(r->rc, 0);
  CHECK_EQ(r->n, 0);
  HAS(r->headers, "content-length=99000000;");
  drop(r);
  end(&w);
}

static void redirects(http_peer_conn *c) {
  char text[512];
  int n, port = c->peer->port;
  if (sscanf(c->path, "/left/%d", &n) == 1 && n > 0)
    snprintf(text, sizeof text,
             "HTTP/1.1 302 Found\r\nLocation: /left/%d\r\nContent-Length: 3\r\n\r\nno\n", n - 1);
  else if (sscanf(c->path, "/code/%d", &n) == 1)
    snprintf(text, sizeof text, "HTTP/1.1 %d x\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n",
             n);
  else if (strcmp(c->path, "/host") == 0)
    snprintf(text, sizeof text,
             "HTTP/1.1 307 x\r\nLocation: http://localhost:%d/there\r\nContent-Length: 0\r\n\r\n",
             port);
  else if (strcmp(c->path, "/file") == 0)
    snprintf(text, sizeof text,
             "HTTP/1.1 302 x\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n");
  else {
    echo(c);
    return;
  }
  http_peer_say(c, text);
}

TEST(http_follows_redirects_only_when_asked_for) {
  world w;
  begin(&w, redirects);
  reply *r = REQUEST(&w, .path = "/left/1");
  CHECK_EQ(r->status, 302);
  HAS(r->headers, "location=/left/0;");
  CHECK_STR(r->body, "no\n");
  drop(r);
  r = REQUEST(&w, .path = "/left/5", .redirects = 5);
  CHECK_EQ(r->status, 200);
  HAS(r->headers, "x-path=/left/0;");
  drop(r);
  r = REQUEST(&w, .path = "/left/4", .redirects = 3);
  CHECK_EQ(r->rc, PML_EIO);
  HAS(r->message, "more than 3 redirects");
  drop(r);
  r = REQUEST(&w, .path = "/file", .redirects = 3);
  CHECK_EQ(r->rc, PML_EIO);
  HAS(r->message, "not http or https");
  drop(r);
  end(&w);
}

TEST(http_redirects_change_the_method_as_the_rfc_says) {
  static const struct {
    const char *path, *method, *then;
  } all[] = {{"/code/301", "POST", "GET"},  {"/code/302", "POST", "GET"},
             {"/code/303", "POST", "GET"},  {"/code/303", "PUT", "GET"},
             {"/code/307", "POST", "POST"}, {"/code/308", "POST", "POST"},
             {"/code/302", "PUT", "PUT"},   {"/code/301", "GET", "GET"}};
  world w;
  begin(&w, redirects);
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    const char *sent = strcmp(all[i].method, "GET") ? "body" : NULL;
    reply *r = REQUEST(&w, .path = all[i].path, .method = all[i].method, .redirects = 1,
                       .body = sent, .headers = {"Content-Type", "x/y"});
    char want[32];
    snprintf(want, sizeof want, "x-method=%s;", all[i].then);
    HAS(r->headers, want);
    int kept = strcmp(all[i].then, "GET") != 0;
    CHECK_EQ(strstr(r->body, "\r\n\r\nbody") != NULL, kept);
    CHECK_EQ(strstr(r->body, "x/y") != NULL, kept);
    drop(r);
  }
  end(&w);
}

TEST(http_secrets_do_not_follow_to_another_host) {
  world w;
  begin(&w, redirects);
  reply *r =
    REQUEST(&w, .path = "/host", .redirects = 1,
            .headers = {"Authorization", "Bearer s3cret", "X-Api-Key", "s3cret", "Accept", "a/b"});
  CHECK_EQ(r->status, 200);
  HAS(r->body, "\r\nHost: localhost:");
  HAS(r->body, "\r\nAccept: a/b\r\n");
  CHECK(!strstr(r->body, "s3cret"));
  drop(r);
  r = REQUEST(&w, .path = "/code/307", .redirects = 1, .headers = {"X-Api-Key", "s3cret"});
  HAS(r->body, "s3cret"); /* the same host */
  drop(r);
  end(&w);
}

TEST(http_limits_what_comes) {
  static const struct {
    const char *path, *says;
  } all[] = {{"/endless", "larger than 1048576 bytes"},
             {"/long", "larger than 1048576 bytes"},
             {"/headers", "more than 128 headers or 65536 bytes"},
             {"/many", "more than 128 headers or 65536 bytes"},
             {"/again", "more than 128 headers or 65536 bytes"}};
  world w;
  begin(&w, bad);
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    reply *r = REQUEST(&w, .path = all[i].path);
    if (r->rc != PML_ETOOBIG) fprintf(stderr, "%s: %s\n", all[i].path, r->message);
    CHECK_EQ(r->rc, PML_ETOOBIG);
    HAS(r->message, all[i].says);
    drop(r);
  }
  reply *r = REQUEST(&w, .path = "/line"); /* libcurl's own limit of a line */
  CHECK(r->rc == PML_ETOOBIG || r->rc == PML_EIO);
  drop(r);
  r = REQUEST(&w, .max_bytes = 20);
  CHECK_EQ(r->rc, PML_ETOOBIG);
  HAS(r->message, "larger than 20 bytes");
  drop(r);
  end(&w);
}

static void long_name(http_peer_conn *c) {
  char name[400];
  memset(name, 'N', sizeof name);
  snprintf(name + 300, sizeof name - 300, ": x\r\nShort: y\r\n");
  http_peer_ok(c, name, "");
}
TEST(http_names_of_headers_that_are_too_long_are_left_out) {
  world w;
  begin(&w, long_name);
  reply *r = REQUEST(&w, .path = "/");
  CHECK_STR(r->headers, "short=y;content-length=0;");
  drop(r);
  end(&w);
}

TEST(http_says_what_is_no_whole_answer) {
  static const struct {
    const char *path, *says;
  } all[] = {{"/cut", "was cut"},
             {"/chunk", "was cut"},
             {"/nothing", "Empty reply"},
             {"/garbage", "HTTP/0.9"},
             {"/minus", "Content-Length"}};
  world w;
  begin(&w, bad);
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    reply *r = REQUEST(&w, .path = all[i].path);
    if (r->rc != PML_EIO) fprintf(stderr, "%s: %d %s\n", all[i].path, r->rc, r->message);
    CHECK_EQ(r->rc, PML_EIO);
    HAS(r->message, all[i].says);
    HAS(r->message, "GET http://127.0.0.1:");
    drop(r);
  }
  end(&w);
}

TEST(http_more_than_was_said_is_no_answer_to_the_next) {
  world w;
  begin(&w, bad);
  for (int i = 0; i < 3; i++) {
    reply *r = REQUEST(&w, .path = "/more");
    CHECK_EQ(r->rc, 0);
    CHECK_STR(r->body, "hello");
    drop(r);
    r = REQUEST(&w, .path = "/own");
    HAS(r->headers, "x-path=/own;");
    drop(r);
  }
  end(&w);
}

TEST(http_sends_nothing_that_is_no_request) {
  static const struct {
    ask a;
    const char *says;
  } all[] = {{{.url = "ftp://example.com/"}, "http:// or https://"},
             {{.url = "file:///etc/passwd"}, "http:// or https://"},
             {{.url = "example.com"}, "http:// or https://"},
             {{.url = "http://"}, "http:// or https://"},
             {{.url = "http://a b/"}, "http:// or https://"},
             {{.url = "http://a/\r\nX: y"}, "line end"},
             {{.method = "GET /x"}, "method"},
             {{.headers = {"X", "a\r\nY: b"}}, "line end"},
             {{.headers = {"X: y", "a"}}, "name of a header"},
             {{.headers = {"", "a"}}, "name of a header"},
             {{.redirects = 6}, "out of its range"}};
  world w;
  begin(&w, echo);
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    reply *r = until(&w, send_off(&w, &all[i].a));
    CHECK_EQ(r->rc, PML_EINVAL);
    HAS(r->message, all[i].says);
    drop(r);
  }
  CHECK_EQ(w.peer->connections, 0);
  end(&w);
}
