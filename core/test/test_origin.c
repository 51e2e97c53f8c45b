#include "wire/origin.h"

#include "test/test.h"

static pml_origins *list(const char *const *text, uint32_t n) {
  pml_slice v[16];
  char why[PML_ORIGIN_WHY];
  for (uint32_t i = 0; i < n; i++) v[i] = pml_slice_str(text[i]);
  pml_origins *o = pml_origins_new(v, n, why);
  if (!o) fprintf(stderr, "%s\n", why);
  CHECK(o != NULL);
  return o;
}

static int has(const char *entry, const char *origin) {
  pml_origins *o = list(&entry, 1);
  int in = pml_origins_has(o, pml_slice_str(origin));
  pml_origins_free(o);
  return in;
}

TEST(origin_an_entry_is_one_origin) {
  CHECK(has("https://game.example", "https://game.example"));
  CHECK(has("HTTPS://Game.Example", "https://game.example"));
  CHECK(!has("https://game.example", "http://game.example"));
  CHECK(!has("https://game.example", "https://game.example.evil.example"));
  CHECK(!has("https://game.example", "https://evil-game.example"));
  CHECK(!has("https://game.example", "https://www.game.example"));
  CHECK(!has("https://game.example", "https://game.example:8443"));
  CHECK(!has("https://game.example", ""));
  CHECK(!has("https://game.example", "null"));
  CHECK(!has("https://game.example", "https://game.example/"));
  CHECK(has("http://[::1]:3000", "http://[::1]:3000") && has("http://[::1]", "http://[::1]"));
  CHECK(has("app+x.1://local", "app+x.1://local"));
}

TEST(origin_the_ports_of_the_schemes_may_be_left_out) {
  CHECK(has("https://game.example:443", "https://game.example"));
  CHECK(has("http://game.example", "http://game.example:80"));
  CHECK(!has("https://game.example:80", "https://game.example"));
  CHECK(has("http://localhost:3001", "http://localhost:3001"));
  CHECK(!has("http://localhost:3001", "http://localhost:3002"));
  CHECK(has("http://localhost:*", "http://localhost:3002") &&
        has("http://localhost:*", "http://localhost"));
}

TEST(origin_a_star_is_all_hosts_below) {
  CHECK(has("https://*.game.example", "https://www.game.example"));
  CHECK(has("https://*.game.example", "https://a.b.game.example"));
  CHECK(!has("https://*.game.example", "https://game.example"));
  CHECK(!has("https://*.game.example", "https://evilgame.example"));
  CHECK(!has("https://*.game.example", "https://.game.example"));
  CHECK(!has("https://*.game.example", "https://*.game.example"));
  CHECK(!has("https://*.game.example", "https://www.game.example.evil.example"));
  CHECK(!has("https://*.game.example", "https://evil.example:1#.game.example"));
}

TEST(origin_null_is_said) {
  CHECK(has("null", "null") && !has("null", "https://game.example"));
  pml_origins *none = list(NULL, 0);
  CHECK(!pml_origins_has(none, pml_slice_str("null")));
  CHECK(!pml_origins_has(none, pml_slice_str("https://game.example")));
  pml_origins_free(none);
  pml_origins_free(NULL);
}

TEST(origin_what_is_none_is_refused_with_a_sentence) {
  static const char *const bad[] = {"",
                                    "*",
                                    "game.example",
                                    "https://",
                                    "://x",
                                    "https://game.example/",
                                    "https://*",
                                    "https://a.*.example",
                                    "https://*.",
                                    "https://x:",
                                    "https://x:123456",
                                    "https://x:8o",
                                    "https://a:b:1",
                                    "https://[::1",
                                    "https://[::1]x",
                                    "1https://x",
                                    "https ://x",
                                    "https://a b",
                                    "https://user@x",
                                    "https://x?y",
                                    "Null "};
  char why[PML_ORIGIN_WHY];
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    pml_slice v[2] = {pml_slice_str("https://good.example"), pml_slice_str(bad[i])};
    pml_origins *o = pml_origins_new(v, 2, why);
    if (o) fprintf(stderr, "'%s' is an origin?\n", bad[i]);
    CHECK(o == NULL);
    CHECK(strstr(why, "is no origin: write \"https://game.example\"") != NULL);
  }
}
