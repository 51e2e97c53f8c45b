#include "host/web_alarm.h"

#include "base/clock.h"
#include "test/test.h"

#include <stdatomic.h>
#include <unistd.h>

typedef struct {
  _Atomic int calls;
  _Atomic uint64_t last, again;
} calls;

static uint64_t note(uint64_t now, void *ud) {
  calls *c = ud;
  c->last = now;
  c->calls++;
  return atomic_exchange(&c->again, 0);
}

static void wait_for(calls *c, int n) {
  for (int i = 0; i < 2000 && c->calls < n; i++) usleep(1000);
  CHECK_EQ(c->calls, n);
}

TEST(web_alarm_calls_when_it_is_asked_to) {
  test_has_bounds_of_time();
  calls c = {0};
  pml__web_alarm *a = pml__web_alarm_new(note, &c);
  uint64_t when = pml_clock_ms() + 20;
  pml__web_alarm_by(a, when + 60000);
  pml__web_alarm_by(a, when);
  pml__web_alarm_by(a, when + 30000); /* later ones do not delay it */
  wait_for(&c, 1);
  CHECK(c.last >= when);
  c.again = pml_clock_ms() + 10;
  pml__web_alarm_by(a, pml_clock_ms());
  wait_for(&c, 3);
  pml__web_alarm_free(a);
  pml__web_alarm_free(NULL);
}
