#include "store/redis_where.h"

#include "base/err.h"
#include "test/test.h"

TEST(redis_where_is_a_copy_of_the_options) {
  pml__redis_where w;
  char err[256] = "", host[] = "::1", password[] = "p/@";
  pml_redis_options o = {
    .host = host, .port = 7000, .database = 4, .user = "u", .password = password};
  CHECK_EQ(pml__redis_where_set(&w, &o, err, sizeof err), 0);
  memset(host, 'x', 3);
  memset(password, 'x', 3);
  CHECK_STR(w.host, "::1");
  CHECK_STR(w.name, "[::1]:7000");
  CHECK_EQ(w.port, 7000);
  CHECK_STR(w.user, "u");
  CHECK_STR(w.password, "p/@");
  CHECK_EQ(w.database, 4);
  pml__redis_where_drop(&w);
  CHECK(!w.user && !w.password);
}

TEST(redis_where_has_defaults) {
  pml__redis_where w;
  char err[256] = "";
  pml_redis_options o = {.host = "cache"};
  CHECK_EQ(pml__redis_where_set(&w, &o, err, sizeof err), 0);
  CHECK_STR(w.name, "cache:6379");
  CHECK(!w.user && !w.password);
  CHECK_EQ(w.database, 0);
  pml__redis_where_drop(&w);
}

TEST(redis_where_refuses_with_a_sentence_and_without_secrets) {
  static char host[500];
  memset(host, 'h', sizeof host - 1);
  const struct {
    pml_redis_options o;
    const char *said;
  } cases[] = {
    {{.host = NULL}, "there is no host"},
    {{.host = ""}, "there is no host"},
    {{.host = host, .password = "secret"}, "the host is too long"},
    {{.host = "cache", .user = "secret"}, "there is a user without a password"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    pml__redis_where w;
    char err[256] = "";
    CHECK_EQ(pml__redis_where_set(&w, &cases[i].o, err, sizeof err), PML_EINVAL);
    CHECK_STR(err, cases[i].said);
  }
}
