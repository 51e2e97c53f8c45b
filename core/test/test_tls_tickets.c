#include "net/tls_tickets.h"

#include "base/err.h"
#include "test/test.h"

#include <pthread.h>

#define DAY ((uint64_t)PML_TLS_TICKET_MS)

TEST(tls_tickets_rotate_each_day_and_accept_the_key_before) {
  pml_tls_tickets *t = pml_tls_tickets_new();
  uint8_t first[16], second[16], third[16], other[16] = {0};
  CHECK_EQ(pml_tls_tickets_accepts(t, 5, other), 0);
  CHECK_EQ(pml_tls_tickets_newest(t, 5, first), 0);
  CHECK_EQ(pml_tls_tickets_newest(t, 5 + DAY - 1, second), 0);
  CHECK(memcmp(first, second, 16) == 0);
  CHECK_EQ(pml_tls_tickets_accepts(t, 5 + DAY - 1, first), 1);
  CHECK_EQ(pml_tls_tickets_accepts(t, 5 + DAY, first), 2); /* it seals no more */
  CHECK_EQ(pml_tls_tickets_newest(t, 5 + DAY, second), 0);
  CHECK(memcmp(first, second, 16) != 0);
  CHECK_EQ(pml_tls_tickets_accepts(t, 5 + 2 * DAY - 1, first), 2);
  CHECK_EQ(pml_tls_tickets_accepts(t, 5 + 2 * DAY - 1, second), 1);
  CHECK_EQ(pml_tls_tickets_accepts(t, 5 + 2 * DAY, first), 0);
  CHECK_EQ(pml_tls_tickets_newest(t, 5 + 2 * DAY, third), 0);
  CHECK_EQ(pml_tls_tickets_accepts(t, 5 + 2 * DAY, second), 2);
  CHECK_EQ(pml_tls_tickets_accepts(t, 5 + 9 * DAY, third), 0); /* a quiet week: none is left */
  pml_tls_tickets_unref(t);
}

TEST(tls_tickets_live_as_long_as_somebody_holds_them) {
  pml_tls_tickets *t = pml_tls_tickets_new();
  uint8_t name[16];
  CHECK(pml_tls_tickets_ref(t) == t);
  pml_tls_tickets_unref(t);
  CHECK_EQ(pml_tls_tickets_newest(t, 0, name), 0);
  pml_tls_tickets_unref(t);
  pml_tls_tickets_unref(NULL);
}

static void *days(void *ud) {
  pml_tls_tickets *t = pml_tls_tickets_ref(ud);
  uint8_t name[16];
  for (uint64_t day = 0; day < 200; day++) {
    CHECK_EQ(pml_tls_tickets_newest(t, day * DAY / 2, name), 0);
    pml_tls_tickets_accepts(t, day * DAY / 2, name);
  }
  pml_tls_tickets_unref(t);
  return NULL;
}

TEST(tls_tickets_are_for_all_threads) {
  pml_tls_tickets *t = pml_tls_tickets_new();
  pthread_t threads[4];
  for (int i = 0; i < 4; i++) CHECK_EQ(pthread_create(&threads[i], NULL, days, t), 0);
  for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
  pml_tls_tickets_unref(t);
}
