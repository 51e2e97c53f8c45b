#include "store/postgres_library.h"
#include "test/test.h"

TEST(postgres_library_is_loaded_when_it_is_needed) {
  pml__pq f;
  char err[200];
  CHECK_EQ(pml__pq_load(&f, err, sizeof err), 0);
  CHECK_EQ(f.PQstatus(NULL), CONNECTION_BAD);
  CHECK_EQ(pml__pq_load(&f, err, sizeof err), 0);
}
