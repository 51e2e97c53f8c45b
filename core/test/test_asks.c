#include "bus/asks.h"

#include "base/err.h"
#include "test/test.h"
#include "wire/bus_mail.h"

#define A "0123456789abcdef0123456789abcdef"
#define B "fedcba9876543210fedcba9876543210"

typedef struct {
  pml_loop *l;
  pml__asks *asks;
  char got[256];
  int ended;
  size_t late;
} world;

static void on_answer(const char *process, const char *text, size_t late, void *ud) {
  world *w = ud;
  size_t n = strlen(w->got);
  if (process) {
    snprintf(w->got + n, sizeof w->got - n, "%.1s:%s ", process, text);
  } else {
    CHECK(!text);
    w->ended++;
    w->late = late;
  }
}

static uint64_t begin(world *w) {
  w->got[0] = '\0';
  w->ended = 0;
  uint64_t q = pml__asks_begin(w->asks, 100, on_answer, w);
  pml__asks_sent(w->asks, q, A, 1);
  pml__asks_sent(w->asks, q, B, 1);
  pml__asks_sent(w->asks, q, "", 0);
  return q;
}

TEST(asks_end_when_all_have_answered) {
  world w = {.l = pml_loop_new_virtual()};
  w.asks = pml__asks_new(w.l);
  uint64_t q = begin(&w);
  pml__asks_answer(w.asks, q, A, 0, pml_slice_str("one"));
  pml__asks_answer(w.asks, q, A, PML_MAIL_MORE, pml_slice_str("tw"));
  pml__asks_answer(w.asks, q, B, PML_MAIL_LAST, pml_slice_str(""));
  CHECK_EQ(w.ended, 0);
  pml__asks_answer(w.asks, q, A, PML_MAIL_LAST, pml_slice_str("o"));
  CHECK_STR(w.got, "0:one 0:two ");
  CHECK_EQ(w.ended, 1);
  CHECK_EQ(w.late, 0);
  pml__asks_answer(w.asks, q, A, 0, pml_slice_str("late"));
  pml_loop_advance(w.l, 1000);
  CHECK_EQ(w.ended, 1);
  pml__asks_free(w.asks);
  pml_loop_free(w.l);
}

TEST(asks_end_without_those_that_are_gone_or_silent) {
  world w = {.l = pml_loop_new_virtual()};
  w.asks = pml__asks_new(w.l);
  uint64_t q = begin(&w);
  pml__asks_gone(w.asks, A);
  pml__asks_answer(w.asks, q, B, PML_MAIL_LAST, pml_slice_str("b"));
  CHECK_EQ(w.ended, 1);
  CHECK_EQ(w.late, 0);
  q = begin(&w);
  pml_loop_advance(w.l, 60);
  pml__asks_answer(w.asks, q, B, 0, pml_slice_str("b")); /* a line: the time begins again */
  pml_loop_advance(w.l, 60);
  CHECK_EQ(w.ended, 0);
  pml_loop_advance(w.l, 60);
  CHECK_EQ(w.ended, 1);
  CHECK_EQ(w.late, 2);
  pml__asks_free(w.asks);
  pml_loop_free(w.l);
}

TEST(asks_of_nobody_end_at_once_and_what_cannot_be_sent_is_late) {
  world w = {.l = pml_loop_new_virtual()};
  w.asks = pml__asks_new(w.l);
  uint64_t q = pml__asks_begin(w.asks, 100, on_answer, &w);
  pml__asks_sent(w.asks, q, "", 0);
  CHECK_EQ(w.ended, 1);
  q = pml__asks_begin(w.asks, 100, on_answer, &w);
  pml__asks_sent(w.asks, q, A, 0);
  pml__asks_sent(w.asks, q, "", 0);
  CHECK_EQ(w.ended, 2);
  CHECK_EQ(w.late, 1);
  pml__asks_begin(w.asks, 100, on_answer, &w);
  pml__asks_free(w.asks); /* nothing more comes */
  CHECK_EQ(w.ended, 2);
  pml_loop_free(w.l);
}
