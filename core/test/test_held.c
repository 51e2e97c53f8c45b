#include "bus/held.h"

#include "base/err.h"
#include "test/fanout.h"
#include "test/test.h"
#include "wire/bus_list.h"

/* A pair of servers: what the receiver asks for, and what it has got. */
typedef struct {
  pml__held *h;
  pml__held_pair p;
  pml_lists_out *out;
  uint64_t asked;
  int asks, lost, count;
  char got[256]; /* "head:list body;" */
} desk;

static void on_deliver(void *pair, const pml__arrival *a, pml_buf *list, void *ud) {
  desk *d = pair;
  CHECK(ud == (void *)d);
  size_t n = strlen(d->got);
  d->count++;
  snprintf(d->got + n, sizeof d->got - n, "%.*s:%d%s;", (int)a->head.n, (const char *)a->head.p,
           list ? (int)list->len : -1, a->body ? "b" : "");
}

static void on_ask(void *pair, uint64_t number, void *ud) {
  (void)ud;
  ((desk *)pair)->asked = number;
  ((desk *)pair)->asks++;
}

static void on_lost(void *pair, void *ud) {
  (void)ud;
  ((desk *)pair)->lost++;
}

static void desk_open(desk *d) {
  memset(d, 0, sizeof *d);
  pml__held_hooks hooks = {on_deliver, on_ask, on_lost, d};
  d->h = pml__held_new(1 << 20, &hooks);
  d->out = pml_lists_out_new(1 << 20);
  pml__held_enter(d->h, &d->p, d);
}

static void desk_close(desk *d) {
  pml__held_leave(d->h, &d->p);
  pml__held_free(d->h);
  pml_lists_out_free(d->out);
}

/* The form of a list of words, owned. */
static pml_buf *form(desk *d, uint64_t series, const char *words) {
  pml_buf *list = fanout_list(words);
  pml_writer w = {0};
  pml_lists_out_put(d->out, 1, series, list, &w);
  pml_buf_unref(list);
  return pml_writer_finish(&w);
}

static void take(desk *d, const char *head, pml_buf *f, uint64_t now) {
  pml__arrival a = {.head = pml_slice_str(head), .extra = pml_buf_slice(f), .is_form = f != NULL};
  CHECK_EQ(pml__held_take(d->h, &d->p, &a, now), 0);
  pml_buf_unref(f);
}

static void give(desk *d, uint64_t now) {
  pml__held_given(d->h, &d->p, d->asked, pml_lists_out_get(d->out, d->asked), now);
}

TEST(held_hands_on_what_has_its_list) {
  desk d;
  desk_open(&d);
  take(&d, "1", form(&d, 7, "ann bob"), 0);
  take(&d, "2", form(&d, 7, "ann bob"), 0);
  take(&d, "3", NULL, 0);
  take(&d, "4", form(&d, 7, "ann bob carl"), 0);
  pml_buf *body = pml_buf_from("x", 1);
  pml__arrival a = {.head = pml_slice_str("5"), .body = body, .extra = pml_slice_str("abc")};
  CHECK_EQ(pml__held_take(d.h, &d.p, &a, 0), 0);
  pml_buf_unref(body);
  CHECK_STR(d.got, "1:12;2:12;3:-1;4:19;5:3b;");
  CHECK_EQ(d.asks, 0);
  a.is_form = 1;
  CHECK_EQ(pml__held_take(d.h, &d.p, &a, 0), PML_EPROTO);
  desk_close(&d);
}

TEST(held_keeps_the_order_until_the_list_has_come) {
  desk d;
  desk_open(&d);
  pml_buf_unref(form(&d, 7, "ann bob")); /* lost */
  take(&d, "1", NULL, 0);
  take(&d, "2", form(&d, 7, "ann bob"), 0);
  take(&d, "3", NULL, 0);
  take(&d, "4", form(&d, 8, "zoe"), 0);
  take(&d, "5", form(&d, 7, "ann"), 0);
  CHECK_STR(d.got, "1:-1;");
  CHECK_EQ(d.asked, 1);
  pml__held_given(d.h, &d.p, 99, NULL, 0); /* not what it waits for */
  pml__held_tick(d.h, 999);
  CHECK_STR(d.got, "1:-1;");
  give(&d, 999);
  CHECK_STR(d.got, "1:-1;2:12;3:-1;4:6;5:6;");
  pml__held_tick(d.h, 5000);
  CHECK(d.asks == 1 && d.lost == 0);
  desk_close(&d);
}

TEST(held_gives_up_what_the_sender_has_forgotten_or_does_not_send) {
  desk d;
  desk_open(&d);
  pml_buf_unref(form(&d, 7, "ann"));
  pml_buf_unref(form(&d, 8, "zoe"));
  pml_buf_unref(form(&d, 9, "carl"));
  take(&d, "1", form(&d, 7, "ann"), 100);
  take(&d, "2", form(&d, 8, "zoe"), 100);
  take(&d, "3", form(&d, 9, "carl"), 200);
  pml__held_given(d.h, &d.p, d.asked, NULL, 300);
  CHECK(d.lost == 1 && d.asks == 2 && d.asked == 2);
  pml__held_tick(d.h, 1299);
  CHECK_EQ(d.lost, 1);
  pml__held_tick(d.h, 1300);
  CHECK(d.lost == 2 && d.asks == 3 && d.asked == 3);
  give(&d, 1400);
  CHECK_STR(d.got, "3:7;");
  take(&d, "4", form(&d, 7, "ann"), 1500); /* is asked for again */
  give(&d, 1600);
  CHECK_STR(d.got, "3:7;4:6;");
  desk_close(&d);
}

TEST(held_holds_so_much_only) {
  desk d;
  desk_open(&d);
  pml_buf_unref(form(&d, 7, "ann"));
  take(&d, "1", form(&d, 7, "ann"), 0);
  pml_buf *body = pml_buf_new(1 << 20);
  for (int i = 0; i < 64; i++) {
    pml__arrival a = {.head = pml_slice_str("2"), .body = body};
    CHECK_EQ(pml__held_take(d.h, &d.p, &a, 0), 0);
    CHECK_EQ(d.lost, i == 63);
  }
  CHECK_EQ(d.count, 64);
  CHECK_EQ(pml_buf_refs(body), 1);
  pml_buf_unref(body);
  desk_close(&d);
}

TEST(held_forgets_a_pair_that_ends) {
  desk d;
  desk_open(&d);
  pml_buf_unref(form(&d, 7, "ann"));
  take(&d, "1", form(&d, 7, "ann"), 0);
  pml__held_leave(d.h, &d.p);
  pml__held_tick(d.h, 5000);
  CHECK(d.lost == 0 && d.count == 0);
  pml__held_enter(d.h, &d.p, &d);
  take(&d, "2", form(&d, 8, "zoe"), 0);
  CHECK_STR(d.got, "2:6;");
  desk_close(&d);
}
