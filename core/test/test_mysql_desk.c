#include "store/mysql_desk.h"

#include "base/err.h"
#include "test/test.h"

#include <unistd.h>

TEST(mysql_desk_keeps_its_own_options) {
  const pml__mysql lib = {0};
  char host[] = "db", password[] = "secret";
  pml_mysql_options o = {.host = host, .password = password, .pool = PML_STORE_POOL_OPTIONS};
  pml__mysql_desk *d = pml__mysql_desk_new(&lib, &o, 4000, 1 << 20);
  host[0] = password[0] = 'x';
  CHECK_STR(d->host, "db");
  CHECK_STR(d->password, "secret");
  CHECK(!d->user && !d->database && !d->ca);
  CHECK_EQ(d->port, 3306);
  CHECK_EQ(pml__mysql_is_abandoned(d), 0);
  pml__mysql_desk_shut(d); /* harmless without a socket */
  CHECK_EQ(pml__mysql_is_abandoned(d), 1);
  pml__mysql_desk_free(d);
}

TEST(mysql_desk_has_one_outcome) {
  const pml__mysql lib = {0};
  const pml_mysql_options o = {.host = "db", .pool = PML_STORE_POOL_OPTIONS};
  pml__mysql_desk *d = pml__mysql_desk_new(&lib, &o, 4000, 1 << 20);
  pml_data_int(&d->values, 1);
  d->rows = d->columns = 1;
  pml__mysql_failed(d, 1062, "23000", "Duplicate\nentry");
  CHECK_EQ(d->rc, PML_EIO);
  CHECK_EQ(d->values.n + d->rows + d->columns, 0);
  CHECK_STR(d->state, "23000");
  CHECK_STR(d->message, "Duplicate entry");
  pml__mysql_fail(d, PML_EINVAL, "%d values", 3);
  CHECK_STR(d->state, "");
  CHECK_STR(d->message, "3 values");
  pml__mysql_clear(d);
  CHECK_EQ(d->rc, 0);
  CHECK_STR(d->message, "");
  pml__mysql_desk_free(d);
}
