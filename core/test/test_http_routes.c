#include "base/err.h"
#include "test/test.h"
#include "wire/http_routes.h"

static char why[PML_HTTP_ROUTES_WHY], allow[PML_HTTP_ALLOW];
static pml_http_match m;

/* Routes as "POST /pay", up to a NULL. */
static pml_http_routes *routes_of(const char *const *list) {
  pml_http_route v[32];
  size_t n = 0;
  for (; list[n]; n++) {
    const char *blank = strchr(list[n], ' ');
    v[n].method = pml_slice_of(list[n], (size_t)(blank - list[n]));
    v[n].pattern = pml_slice_str(blank + 1);
  }
  why[0] = 0;
  return pml_http_routes_new(v, n, why);
}

static const char *refused(const char *first, const char *second) {
  const char *const list[] = {first, second, NULL};
  CHECK(routes_of(list) == NULL);
  return why;
}

static int find(const pml_http_routes *r, const char *path) {
  m = (pml_http_match){0};
  return pml_http_routes_find(r, pml_slice_str(path), &m);
}

static const char *pattern_of(const pml_http_routes *r, const char *path) {
  return find(r, path) == 0 ? (const char *)m.pattern.p : NULL;
}

TEST(http_routes_find_texts_and_names) {
  const char *const list[] = {"GET /",       "POST /pay",        "GET /players/:id",
                              "GET /a/:x/b", "GET /players/top", "DELETE /players/:id",
                              "GET /:any/b", "GET /slash/",      NULL};
  pml_http_routes *r = routes_of(list);
  CHECK(r != NULL);
  CHECK_STR(pattern_of(r, "/"), "/");
  CHECK_STR(pattern_of(r, "/pay"), "/pay");
  CHECK_STR(pattern_of(r, "/p%61y"), "/pay");
  CHECK_STR(pattern_of(r, "/players/top"), "/players/top");
  CHECK_STR(pattern_of(r, "/slash/"), "/slash/");
  CHECK_STR(pattern_of(r, "/players/7"), "/players/:id");
  CHECK_EQ(m.count, 1);
  CHECK_BYTES(m.name[0].p, m.name[0].n, "id");
  CHECK_BYTES(m.value[0].p, m.value[0].n, "7");
  CHECK_STR(pattern_of(r, "/players/b"), "/players/:id");
  CHECK_STR(pattern_of(r, "/x/b"), "/:any/b");
  CHECK_STR(pattern_of(r, "/a/p%2Fq/b"), "/a/:x/b");
  CHECK_BYTES(m.value[0].p, m.value[0].n, "p%2Fq");
  pml_http_routes_unref(r);
}

TEST(http_routes_find_nothing_else) {
  const char *const list[] = {"POST /pay", "GET /players/:id", NULL};
  static const char *const none[] = {"",    "/",         "/pay/",    "/pa",   "/payy",
                                     "pay", "/players/", "/players", "//pay", "/players/1/2",
                                     "*",   "/PAY",      "/pay%",    "/p%6"};
  pml_http_routes *r = routes_of(list);
  for (size_t i = 0; i < sizeof none / sizeof *none; i++) CHECK_EQ(find(r, none[i]), PML_ENOENT);
  char deep[200] = "";
  for (int i = 0; i < 40; i++) strcat(deep, "/a");
  CHECK_EQ(find(r, deep), PML_ENOENT);
  CHECK_EQ(find(r, "/players/%00"), PML_EINVAL);
  CHECK_EQ(find(r, "/players/%zz"), PML_EINVAL);
  pml_http_routes_unref(r);
}

TEST(http_routes_know_methods) {
  const char *const list[] = {"GET /a", "POST /a", "PUT /b", "OPTIONS /c", "HEAD /c", NULL};
  pml_http_routes *r = routes_of(list), *other = pml_http_routes_ref(r);
  pml_http_routes_unref(r);
  CHECK_EQ(find(other, "/a"), 0);
  CHECK_STR(pml_http_match_method(&m, pml_slice_str("GET")), "GET");
  CHECK_STR(pml_http_match_method(&m, pml_slice_str("HEAD")), "GET");
  CHECK(!pml_http_match_method(&m, pml_slice_str("PUT")));
  CHECK(!pml_http_match_method(&m, pml_slice_str("get")));
  CHECK(!pml_http_match_method(&m, pml_slice_str("BREW")));
  pml_http_match_allow(&m, allow);
  CHECK_STR(allow, "GET, HEAD, POST, OPTIONS");
  CHECK_EQ(find(other, "/b"), 0);
  CHECK(!pml_http_match_method(&m, pml_slice_str("HEAD")));
  pml_http_match_allow(&m, allow);
  CHECK_STR(allow, "PUT, OPTIONS");
  CHECK_EQ(find(other, "/c"), 0);
  CHECK_STR(pml_http_match_method(&m, pml_slice_str("HEAD")), "HEAD");
  CHECK_STR(pml_http_match_method(&m, pml_slice_str("OPTIONS")), "OPTIONS");
  pml_http_routes_unref(other);
}

TEST(http_routes_room_for_all_methods) {
  const char *const list[] = {"GET /",   "HEAD /",   "POST /",    "PUT /",
                              "PATCH /", "DELETE /", "OPTIONS /", NULL};
  pml_http_routes *r = routes_of(list);
  CHECK_EQ(find(r, "/"), 0);
  pml_http_match_allow(&m, allow);
  CHECK_STR(allow, "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
  pml_http_routes_unref(r);
}

TEST(http_routes_refuse_what_is_none) {
  CHECK_STR(refused("GET pay", NULL), "\"pay\": a path begins with \"/\"");
  CHECK_STR(refused("BREW /pay", NULL),
            "BREW: the methods are GET, POST, PUT, PATCH, DELETE, HEAD and OPTIONS");
  CHECK_STR(refused("GET /a b", NULL), "/a b: a path has no blanks, and none of ? # % *");
  CHECK_STR(refused("GET /a?b", NULL), "/a?b: a path has no blanks, and none of ? # % *");
  CHECK_STR(refused("GET /:", NULL), "/:: there is no name behind \":\"");
  CHECK_STR(refused("GET /:a-b", NULL), "/:a-b: a name such as :id has letters, digits and _");
  CHECK_STR(refused("GET /:1", NULL), "/:1: a name such as :id has letters, digits and _");
  CHECK_STR(refused("GET /:a/:a", NULL), "/:a/:a: it has the name :a twice");
  CHECK_STR(refused("GET /a/../b", NULL),
            "/a/../b: clients take . and .. out of a path before they ask");
  CHECK_STR(refused("GET /a", "GET /a"), "GET /a is there twice");
  CHECK_STR(refused("GET /a/:x", "POST /a/:y"),
            "/a/:x and /a/:y fit the same paths: give their names alike");
  char deep[100] = "GET ";
  for (int i = 0; i < 17; i++) strcat(deep, "/a");
  CHECK(strstr(refused(deep, NULL), "a path has at most 16 segments"));
  char path[400] = "GET /";
  memset(path + 5, 'a', 256);
  CHECK(strstr(refused(path, NULL), "a path has at most 255 bytes"));
}

TEST(http_routes_have_a_limit) {
  static pml_http_route v[PML_HTTP_ROUTES_MAX + 1];
  static char text[PML_HTTP_ROUTES_MAX + 1][16];
  for (size_t i = 0; i <= PML_HTTP_ROUTES_MAX; i++) {
    snprintf(text[i], sizeof text[i], "/r%zu", i);
    v[i] = (pml_http_route){pml_slice_str("GET"), pml_slice_str(text[i])};
  }
  CHECK(!pml_http_routes_new(v, PML_HTTP_ROUTES_MAX + 1, why));
  CHECK_STR(why, "there are more than 1024 routes");
  pml_http_routes *r = pml_http_routes_new(v, PML_HTTP_ROUTES_MAX, why);
  CHECK(r != NULL);
  CHECK_STR(pattern_of(r, "/r1023"), "/r1023");
  pml_http_routes_unref(r);
}
