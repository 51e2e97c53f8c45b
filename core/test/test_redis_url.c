#include "store/redis_url.h"

#include "base/err.h"
#include "test/test.h"

static pml__redis_where read_whole(const char *url, const char *password) {
  pml__redis_where w;
  char err[256] = "";
  pml_redis_options o = {.url = url, .password = password};
  if (pml__redis_where_read(&w, &o, err, sizeof err)) {
    fprintf(stderr, "%s: %s\n", url, err);
    exit(1);
  }
  return w;
}

TEST(redis_url_is_read_in_parts) {
  pml__redis_where w = read_whole("redis://gamer:secret@cache.internal:6380/12", NULL);
  CHECK_STR(w.user, "gamer");
  CHECK_STR(w.password, "secret");
  CHECK_STR(w.host, "cache.internal");
  CHECK_STR(w.name, "cache.internal:6380");
  CHECK_EQ(w.port, 6380);
  CHECK_EQ(w.database, 12);
  pml__redis_where_drop(&w);
}

TEST(redis_url_has_defaults) {
  pml__redis_where w = read_whole("redis://cache", NULL);
  CHECK(!w.user && !w.password);
  CHECK_EQ(w.port, 6379);
  CHECK_EQ(w.database, 0);
  pml__redis_where_drop(&w);
  w = read_whole("redis://[::1]/", NULL);
  CHECK_STR(w.host, "::1");
  CHECK_STR(w.name, "[::1]:6379");
  pml__redis_where_drop(&w);
  w = read_whole("redis://[fe80::2]:7000/3", NULL);
  CHECK_STR(w.host, "fe80::2");
  CHECK_EQ(w.port, 7000);
  CHECK_EQ(w.database, 3);
  pml__redis_where_drop(&w);
}

TEST(redis_url_takes_a_password_from_elsewhere_and_escapes) {
  pml__redis_where w = read_whole("redis://:p%40s%2Fs%25@h", NULL);
  CHECK(!w.user);
  CHECK_STR(w.password, "p@s/s%");
  pml__redis_where_drop(&w);
  w = read_whole("redis://u:old@h", "new");
  CHECK_STR(w.password, "new");
  pml__redis_where_drop(&w);
  w = read_whole("redis://u@h", "new");
  CHECK_STR(w.user, "u");
  pml__redis_where_drop(&w);
  w = read_whole("redis://u:p@ss@h", NULL); /* the last @ ends it */
  CHECK_STR(w.password, "p@ss");
  CHECK_STR(w.host, "h");
  pml__redis_where_drop(&w);
}

TEST(redis_url_refuses_with_a_sentence_and_without_secrets) {
  static const char *const cases[][2] = {
    {"http://h", "does not begin with redis://"},
    {"rediss://:secret@h", "stunnel"},
    {"redis://", "no host"},
    {"redis://:secret@", "no host"},
    {"redis://h:0", "port"},
    {"redis://h:65536", "port"},
    {"redis://h:12345678901234567890123", "port"},
    {"redis://h:", "port"},
    {"redis://h:x", "port"},
    {"redis://[::1", "["},
    {"redis://[::1]x", "]"},
    {"redis://h/x", "database"},
    {"redis://h/-1", "database"},
    {"redis://h/99999", "database"},
    {"redis://h?db=1", "?"},
    {"redis://:secret%4@h", "%"},
    {"redis://:secret%zz@h", "%"},
    {"redis://:secret%00@h", "%"},
    {"redis://user@h", "without a password"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    pml__redis_where w;
    char err[256] = "";
    pml_redis_options o = {.url = cases[i][0]};
    int rc = pml__redis_where_read(&w, &o, err, sizeof err);
    if (rc != PML_EINVAL || !strstr(err, cases[i][1]) || strstr(err, "secret")) {
      fprintf(stderr, "%s: %d %s\n", cases[i][0], rc, err);
      exit(1);
    }
  }
}

TEST(redis_url_has_no_room_for_endless_hosts) {
  char url[600] = "redis://", err[256] = "";
  pml__redis_where w;
  memset(url + 8, 'h', 500);
  pml_redis_options o = {.url = url};
  CHECK_EQ(pml__redis_where_read(&w, &o, err, sizeof err), PML_EINVAL);
  CHECK_STR(err, "the host is too long; it is redis://user:password@host:port/database");
}

TEST(redis_url_may_be_given_in_parts) {
  pml__redis_where w;
  char err[256] = "";
  pml_redis_options o = {
    .host = "::1", .port = 7000, .database = 4, .user = "u", .password = "p/@"};
  CHECK_EQ(pml__redis_where_read(&w, &o, err, sizeof err), 0);
  CHECK_STR(w.name, "[::1]:7000");
  CHECK_STR(w.user, "u");
  CHECK_STR(w.password, "p/@");
  CHECK_EQ(w.database, 4);
  pml__redis_where_drop(&w);
  o = (pml_redis_options){.host = "cache"};
  CHECK_EQ(pml__redis_where_read(&w, &o, err, sizeof err), 0);
  CHECK_STR(w.name, "cache:6379");
  pml__redis_where_drop(&w);
  o.user = "u";
  CHECK_EQ(pml__redis_where_read(&w, &o, err, sizeof err), PML_EINVAL);
  CHECK_STR(err, "there is a user without a password");
  o = (pml_redis_options){.url = NULL};
  CHECK_EQ(pml__redis_where_read(&w, &o, err, sizeof err), PML_EINVAL);
}
