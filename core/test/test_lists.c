#include "bus/lists.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/uid.h"
#include "test/fanout.h"
#include "test/test.h"
#include "wire/bus_list.h"

/* A sender and a receiver, in the same place. */
typedef struct {
  pml_lists_out *out;
  pml_lists_in *in;
  size_t sent; /* bytes of the last form */
} line;

static line line_open(size_t max) {
  return (line){.out = pml_lists_out_new(max), .in = pml_lists_in_new(max)};
}

static void line_close(line *x) {
  pml_lists_out_free(x->out);
  pml_lists_in_free(x->in);
}

static pml_buf *form(line *x, uint64_t series, pml_buf *list) {
  pml_writer w = {0};
  pml_lists_out_put(x->out, 1, series, list, &w);
  x->sent = w.len;
  return pml_writer_finish(&w);
}

/* What the receiver has of it, owned. */
static pml_buf *over(line *x, uint64_t series, pml_buf *list) {
  pml_buf *f = form(x, series, list), *got;
  uint64_t lacks;
  CHECK_EQ(pml_lists_in_take(x->in, 1, pml_buf_slice(f), &got, &lacks), 0);
  CHECK(pml_slice_eq(pml_buf_slice(got), pml_buf_slice(list)));
  pml_buf_unref(f);
  return got;
}

static size_t bytes_over(line *x, uint64_t series, pml_buf *list) {
  pml_buf_unref(over(x, series, list));
  return x->sent;
}

static pml_buf *members(int first, int count) {
  pml_writer w = {0};
  for (int i = first; i < first + count; i++) {
    char text[16];
    int n = snprintf(text, sizeof text, "user-%06d", i);
    pml_uids_put(&w, (pml_uid){text, (uint32_t)n, 0});
  }
  return pml_writer_finish(&w);
}

TEST(lists_travel_once_and_then_by_number) {
  line x = line_open(1 << 20);
  pml_buf *list = members(0, 10000), *more = members(0, 10001), *fewer = members(1, 10000);
  CHECK_EQ(bytes_over(&x, 7, list), 3 + list->len);
  CHECK_EQ(bytes_over(&x, 7, list), 2);
  CHECK_EQ(bytes_over(&x, 7, list), 2);
  CHECK(bytes_over(&x, 7, more) <= 3 + 14 + 4);
  CHECK_EQ(bytes_over(&x, 7, more), 2);
  CHECK(bytes_over(&x, 7, fewer) <= 3 + 8);
  CHECK_EQ(bytes_over(&x, 7, fewer), 2);
  CHECK_EQ(bytes_over(&x, 8, fewer), 3 + fewer->len); /* of another series */
  CHECK_EQ(bytes_over(&x, 0, fewer), 1 + fewer->len); /* of none */
  const pml_lists_counts *c = pml_lists_out_counters(x.out), *d = pml_lists_in_counters(x.in);
  CHECK_EQ(c->whole, 2);
  CHECK_EQ(c->changed, 2);
  CHECK_EQ(c->same, 4);
  CHECK_EQ(c->lists, 2);
  CHECK_EQ(c->bytes, d->bytes); /* nothing is kept that is not needed */
  CHECK(c->whole == d->whole && c->changed == d->changed && c->same == d->same);
  CHECK_EQ(d->lists, 2);
  pml_buf_unref(list);
  pml_buf_unref(more);
  pml_buf_unref(fewer);
  line_close(&x);
}

TEST(lists_that_are_the_same_come_as_the_same_block) {
  line x = line_open(1 << 20);
  pml_buf *list = members(0, 9), *equal = members(0, 9);
  pml_buf *a = over(&x, 7, list), *b = over(&x, 7, list), *c = over(&x, 7, equal);
  CHECK(a == b && b == c);
  CHECK_EQ(x.sent, 2);
  pml_buf_unref(a);
  pml_buf_unref(b);
  pml_buf_unref(c);
  pml_buf_unref(list);
  pml_buf_unref(equal);
  line_close(&x);
}

TEST(lists_that_were_lost_are_asked_for) {
  line x = line_open(1 << 20);
  pml_buf *list = members(0, 10), *more = members(0, 11), *most = members(0, 12), *got;
  uint64_t lacks = 0;
  pml_buf_unref(form(&x, 7, list)); /* lost */
  pml_buf *f = form(&x, 7, more);
  CHECK_EQ(pml_lists_in_take(x.in, 1, pml_buf_slice(f), &got, &lacks), PML_EAGAIN);
  CHECK_EQ(lacks, 2);
  pml_buf_unref(over(&x, 8, list));
  pml_buf_unref(form(&x, 7, most)); /* its predecessor can still be had */
  pml_buf *given = pml_lists_out_get(x.out, lacks);
  CHECK(given && pml_slice_eq(pml_buf_slice(given), pml_buf_slice(more)));
  pml_lists_in_put(x.in, 1, lacks, given);
  CHECK_EQ(pml_lists_in_take(x.in, 2, pml_buf_slice(f), &got, &lacks), PML_EAGAIN); /* another's */
  CHECK_EQ(pml_lists_in_take(x.in, 1, pml_buf_slice(f), &got, &lacks), 0);
  CHECK(got == given);
  pml_buf_unref(got);
  CHECK(!pml_lists_out_get(x.out, 99));
  CHECK_EQ(pml_lists_out_counters(x.out)->missed, 1);
  pml_buf_unref(f);
  pml_buf_unref(list);
  pml_buf_unref(more);
  pml_buf_unref(most);
  line_close(&x);
}

TEST(lists_of_a_pair_or_a_process_that_ends_are_forgotten) {
  line x = line_open(1 << 20);
  pml_buf *list = members(0, 10), *more = members(0, 11), *got;
  uint64_t lacks;
  bytes_over(&x, 7, list);
  bytes_over(&x, 7, more);
  pml_buf *f = form(&x, 7, more);
  pml_lists_in_end(x.in, 1);
  CHECK_EQ(pml_lists_in_counters(x.in)->lists, 0);
  CHECK_EQ(pml_lists_in_counters(x.in)->bytes, 0);
  CHECK_EQ(pml_lists_in_take(x.in, 1, pml_buf_slice(f), &got, &lacks), PML_EAGAIN);
  pml_lists_out_end(x.out, 1);
  CHECK_EQ(pml_lists_out_counters(x.out)->lists, 0);
  CHECK_EQ(pml_lists_out_counters(x.out)->bytes, 0);
  CHECK(!pml_lists_out_get(x.out, 1));
  CHECK(!pml_lists_out_get(x.out, 2));
  CHECK_EQ(bytes_over(&x, 7, more), 3 + more->len);
  pml_buf_unref(f);
  pml_buf_unref(list);
  pml_buf_unref(more);
  line_close(&x);
}

TEST(lists_have_bounds) {
  enum { MAX = 4096 };
  line x = line_open(MAX);
  pml_buf *list = members(0, 20), *large = members(0, 1000);
  for (uint64_t series = 1; series < 100; series++) {
    bytes_over(&x, series, list);
    CHECK(pml_lists_out_counters(x.out)->bytes <= MAX);
    CHECK(pml_lists_in_counters(x.in)->bytes <= MAX);
  }
  CHECK(pml_lists_out_counters(x.out)->forgotten > 50);
  CHECK(pml_lists_in_counters(x.in)->forgotten > 50);
  CHECK_EQ(bytes_over(&x, 99, list), 2);
  CHECK_EQ(bytes_over(&x, 1, list), 3 + list->len);
  CHECK_EQ(bytes_over(&x, 99, list), 2);               /* used since */
  CHECK_EQ(bytes_over(&x, 99, large), 1 + large->len); /* goes as it is, and pushes no others out */
  CHECK_EQ(bytes_over(&x, 99, list), 2);
  pml_lists_in_put(x.in, 1, 1000, large); /* a sender that has a larger bound */
  CHECK_EQ(pml_lists_in_counters(x.in)->lists, 1);
  pml_buf_unref(list);
  pml_buf_unref(large);
  line_close(&x);
}

TEST(lists_refuse_what_is_no_list) {
  line x = line_open(4096);
  pml_buf *list = members(0, 3), *got;
  uint64_t lacks;
  bytes_over(&x, 7, list);
  static const char *const bad[] = {"", "00", "0501", "0601", "0701", "04020100", "040201ff"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    uint8_t bytes[16];
    pml_slice s = pml_slice_of(bytes, test_unhex(bad[i], bytes));
    CHECK_EQ(pml_lists_in_take(x.in, 1, s, &got, &lacks), PML_EPROTO);
  }
  CHECK_EQ(pml_lists_in_counters(x.in)->lists, 1);
  pml_buf_unref(list);
  line_close(&x);
}

/* Two processes send channels of one or two servers each to one receiver. Records are lost, come
 * late but in the order of their pair, tables forget, servers and processes start anew. What the
 * receiver takes for the list of a record is compared with the list that it was sent with. */
enum { SENDERS = 2, PAIRS = 2, CHANNELS = 3, FLIGHT = 8 };

typedef struct {
  pml_buf *form, *list;
  uint64_t source;
} flying;

typedef struct {
  uint64_t number;         /* as the sender knows it; another for each life */
  pml_buf *list[CHANNELS]; /* as a channel has it, made anew at each change */
  flying queue[FLIGHT];
  size_t count;
} pair;

typedef struct {
  pml_lists_out *out;
  uint64_t source;
  pair pairs[PAIRS];
} sender;

typedef struct {
  uint32_t seed;
  size_t max;
  sender senders[SENDERS];
  pml_lists_in *in;
  uint64_t last; /* number of a pair or a process */
  size_t taken, asked, gone;
} world;

static uint32_t chance(world *w, uint32_t n) {
  w->seed = w->seed * 1664525u + 1013904223u;
  return (w->seed >> 8) % n;
}

static void join(world *w, pml_buf **list) {
  char text[16];
  pml_writer more = {0};
  int n = snprintf(text, sizeof text, "u%u", chance(w, 500));
  pml_writer_put(&more, (*list)->data, (*list)->len);
  pml_uids_put(&more, (pml_uid){text, (uint32_t)n, chance(w, 2)});
  pml_buf_unref(*list);
  *list = pml_writer_finish(&more);
}

static void leave(world *w, pml_buf **list, uint32_t one_of) {
  pml_writer fewer = {0};
  pml_slice rest = pml_buf_slice(*list);
  pml_uid uid;
  while (pml_uids_next(&rest, &uid) > 0)
    if (chance(w, one_of)) pml_uids_put(&fewer, uid);
  pml_buf_unref(*list);
  *list = pml_writer_finish(&fewer);
}

static void push(world *w, sender *s, pair *p) {
  uint32_t c = chance(w, CHANNELS);
  pml_writer form = {0};
  if (p->count == FLIGHT) return;
  pml_lists_out_put(s->out, p->number, chance(w, 20) ? c + 1 : 0, p->list[c], &form);
  flying *f = &p->queue[p->count++];
  *f = (flying){pml_writer_finish(&form), pml_buf_ref(p->list[c]), s->source};
}

static void land_first(pair *p) {
  pml_buf_unref(p->queue[0].form);
  pml_buf_unref(p->queue[0].list);
  memmove(p->queue, p->queue + 1, --p->count * sizeof *p->queue);
}

static void arrive(world *w, sender *s, pair *p) {
  flying *f = &p->queue[0];
  pml_buf *got;
  uint64_t lacks;
  if (!p->count) return;
  int rc = pml_lists_in_take(w->in, f->source, pml_buf_slice(f->form), &got, &lacks);
  if (rc == PML_EAGAIN) {
    w->asked++;
    for (int i = chance(w, 3); i > 0; i--) push(w, s, p); /* meanwhile */
    pml_buf *list = f->source == s->source ? pml_lists_out_get(s->out, lacks) : NULL;
    if (!list) {
      w->gone++;
      land_first(p);
      return;
    }
    pml_lists_in_put(w->in, f->source, lacks, list);
    rc = pml_lists_in_take(w->in, f->source, pml_buf_slice(f->form), &got, &lacks);
  }
  CHECK_EQ(rc, 0);
  CHECK(pml_slice_eq(pml_buf_slice(got), pml_buf_slice(f->list)));
  pml_buf_unref(got);
  w->taken++;
  land_first(p);
}

static void new_life(world *w, sender *s, pair *p) {
  pml_lists_out_end(s->out, p->number);
  p->number = ++w->last;
  while (p->count) land_first(p);
}

static void new_process(world *w, sender *s) {
  for (int i = 0; i < PAIRS; i++) new_life(w, s, &s->pairs[i]);
  pml_lists_out_free(s->out);
  s->out = pml_lists_out_new(w->max);
  if (chance(w, 2)) pml_lists_in_end(w->in, s->source);
  s->source = ++w->last;
}

static void step(world *w) {
  sender *s = &w->senders[chance(w, SENDERS)];
  pair *p = &s->pairs[chance(w, PAIRS)];
  pml_buf **list = &p->list[chance(w, CHANNELS)];
  uint32_t dice = chance(w, 1000);
  if (dice < 150) join(w, list);
  else if (dice < 200) leave(w, list, 10);
  else if (dice < 205) leave(w, list, 2);
  else if (dice < 207) new_life(w, s, p);
  else if (dice < 208) new_process(w, s);
  else if (dice < 212) pml_lists_in_end(w->in, s->source); /* it was taken for gone */
  else if (dice < 240 && p->count) land_first(p);          /* lost */
  else if (dice < 600) push(w, s, p);
  else arrive(w, s, p);
}

static world churn(uint32_t seed, size_t max, int steps) {
  world w = {.seed = seed, .max = max, .in = pml_lists_in_new(max)};
  for (int i = 0; i < SENDERS; i++) {
    sender *s = &w.senders[i];
    s->out = pml_lists_out_new(max);
    s->source = ++w.last;
    for (int k = 0; k < PAIRS; k++) {
      s->pairs[k].number = ++w.last;
      for (int c = 0; c < CHANNELS; c++) s->pairs[k].list[c] = pml_buf_new(0);
    }
  }
  while (steps--) step(&w);
  for (int i = 0; i < SENDERS; i++) {
    sender *s = &w.senders[i];
    for (int k = 0; k < PAIRS; k++) {
      new_life(&w, s, &s->pairs[k]);
      for (int c = 0; c < CHANNELS; c++) pml_buf_unref(s->pairs[k].list[c]);
    }
    pml_lists_out_free(s->out);
  }
  pml_lists_in_free(w.in);
  return w;
}

TEST(lists_are_never_wrong_whatever_is_lost_or_forgotten) {
  for (uint32_t seed = 1; seed <= 40; seed++) {
    world w = churn(seed, seed % 2 ? 2000 : 1 << 20, 5000);
    CHECK(w.taken > 1000);
    CHECK(w.asked > 0);
    CHECK(w.gone < w.asked);
  }
}
