#include "host/web_calls.h"

#include "base/clock.h"
#include "base/container.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "test/test.h"

static pml_web_calls *calls;
static pml_loop *loop;
static pml_mailbox *box;
static pml_web_call *got[8]; /* what the server has taken */
static int taken, woken;

static void on_call(pml_mail *mail, void *ud) {
  (void)ud;
  CHECK(taken < 8);
  got[taken++] = PML_CONTAINER(mail, pml_web_call, mail);
}
static void drop(pml_mail *mail, void *ud) {
  (void)ud;
  pml_free(PML_CONTAINER(mail, pml_web_call, mail));
}
static void on_wake(void *ud) { woken += *(int *)ud; }

static pml_http_routes *routes_of(const char *pattern) {
  char why[PML_HTTP_ROUTES_WHY];
  pml_http_route route = {pml_slice_str("GET"), pml_slice_str(pattern)};
  pml_http_routes *r = pml_http_routes_new(&route, 1, why);
  CHECK(r != NULL);
  return r;
}

static void serve(pml_mailbox *m, const char *pattern) {
  pml_http_routes *r = routes_of(pattern);
  CHECK_EQ(pml_web_calls_serve(calls, m, r), 0);
  pml_http_routes_unref(r);
}

static void begin(pml_web_call_limits limits) {
  calls = pml_web_calls_new(&limits);
  loop = pml_loop_new();
  box = pml_mailbox_new(loop, 64, 1u << 20, on_call, NULL);
}

static void finish(void) {
  pml_web_calls_end(calls);
  pml_web_calls_free(calls);
  for (int i = 0; i < taken; i++) pml_free(got[i]);
  pml_mailbox_close(box, drop, NULL);
  pml_mailbox_unref(box);
  pml_loop_free(loop);
}

static int one = 1;
static pml_id ask_for(int *weight) {
  int why = 0;
  pml_web_pair pairs[] = {{pml_slice_str("id"), pml_slice_str("7")},
                          {pml_slice_str("Host"), pml_slice_str("x")}};
  pml_web_call call = {
    .method = pml_slice_str("GET"),
    .pattern = pml_slice_str("/a/:id"),
    .asked = pml_slice_str("HEAD"),
    .path = pml_slice_str("/a/7"),
    .body = pml_slice_str("body"),
    .pairs = pairs,
    .params = 1,
    .headers = 1,
  };
  pml_id id = pml_web_calls_begin(calls, on_wake, weight, &why);
  if (!id) return why == PML_EFULL ? 0 : PML_INTEGER_MAX;
  CHECK(pml_web_calls_post(calls, id, &call) > pml_clock_ms());
  return id;
}
static pml_id ask(void) { return ask_for(&one); }

static unsigned status_of(pml_id id) {
  pml_web_answer a = pml_web_calls_take(calls, id);
  unsigned status = a.status;
  pml_web_answer_clear(&a);
  pml_web_calls_forget(calls, id);
  return status;
}

static int answer(pml_id id, unsigned status) {
  pml_web_answer a = {.status = status, .whole = 1};
  return pml_web_calls_answer(calls, id, &a);
}

TEST(web_calls_go_to_the_server_and_back) {
  begin((pml_web_call_limits){0});
  CHECK(!pml_web_calls_routes(calls));
  serve(box, "/a/:id");
  pml_http_routes *r = pml_web_calls_routes(calls);
  CHECK(r != NULL);
  pml_http_routes_unref(r);
  pml_id id = ask();
  pml_mailbox_run(box);
  CHECK_EQ(taken, 1);
  CHECK_EQ(got[0]->id, id);
  CHECK_BYTES(got[0]->asked.p, got[0]->asked.n, "HEAD");
  CHECK_BYTES(got[0]->body.p, got[0]->body.n, "body");
  CHECK_BYTES(got[0]->pairs[0].value.p, got[0]->pairs[0].value.n, "7");
  CHECK_BYTES(got[0]->pairs[1].name.p, got[0]->pairs[1].name.n, "Host");
  CHECK_EQ(pml_web_calls_open(calls, box), 1);
  CHECK(pml_web_calls_waits(calls, id));
  CHECK_EQ(pml_web_calls_take(calls, id).status, 0);
  pml_web_answer a = {.status = 201, .whole = 1, .body = pml_strdup("hi"), .size = 2};
  pml_web_answer_add(&a, pml_slice_str("X-A"), pml_slice_str("1"));
  CHECK_EQ(pml_web_calls_answer(calls, id, &a), 0);
  CHECK_EQ(woken, 1);
  CHECK(!pml_web_calls_waits(calls, id));
  CHECK_EQ(answer(id, 200), PML_ECLOSED);
  a = pml_web_calls_take(calls, id);
  CHECK_EQ(a.status, 201);
  CHECK_BYTES(a.body, a.size, "hi");
  CHECK_STR((char *)pml_writer_at(&a.head, 0), "X-A");
  pml_web_answer_clear(&a);
  pml_web_calls_forget(calls, id);
  CHECK_EQ(answer(id, 200), PML_ECLOSED);
  CHECK_EQ(pml_web_calls_open(calls, box), 0);
  CHECK_EQ(pml_web_calls_counts(calls).answered, 1);
  finish();
}

TEST(web_calls_are_answered_when_no_server_takes_them) {
  begin((pml_web_call_limits){0});
  CHECK_EQ(ask(), (pml_id)PML_INTEGER_MAX);
  serve(box, "/a/:id");
  pml_id before = ask();
  pml_web_calls_refuse(calls, box);
  CHECK_EQ(ask(), (pml_id)PML_INTEGER_MAX);
  CHECK_EQ(woken, 0);
  CHECK_EQ(pml_web_calls_expire(calls, box), 1);
  CHECK_EQ(woken, 1);
  CHECK_EQ(status_of(before), 503);
  serve(box, "/b"); /* it only tells its routes again, and still stops */
  CHECK_EQ(ask(), (pml_id)PML_INTEGER_MAX);
  pml_web_calls_leave(calls, box);
  CHECK_EQ(ask(), (pml_id)PML_INTEGER_MAX);
  pml_http_routes *r = pml_web_calls_routes(calls);
  CHECK(r != NULL);
  pml_http_routes_unref(r);
  /* its successor */
  pml_mailbox *next = pml_mailbox_new(loop, 64, 1u << 20, on_call, NULL);
  serve(next, "/a/:id");
  pml_id id = ask();
  CHECK(id && id != (pml_id)PML_INTEGER_MAX);
  pml_web_calls_leave(calls, box); /* late */
  CHECK(pml_web_calls_waits(calls, id));
  pml_web_calls_leave(calls, next);
  CHECK_EQ(status_of(id), 503);
  CHECK_EQ(pml_web_calls_counts(calls).down, 6);
  pml_mailbox_close(next, drop, NULL);
  pml_mailbox_unref(next);
  finish();
}

TEST(web_calls_are_bounded) {
  begin((pml_web_call_limits){.waiting = 2, .answer = 4});
  serve(box, "/a/:id");
  pml_id first = ask(), second = ask();
  CHECK_EQ(ask(), 0);
  CHECK_EQ(pml_web_calls_counts(calls).waiting, 2);
  CHECK_EQ(pml_web_calls_counts(calls).busy, 1);
  pml_web_answer a = {.status = 200, .whole = 1, .body = pml_strdup("12345"), .size = 5};
  CHECK_EQ(pml_web_calls_answer(calls, first, &a), PML_ETOOBIG);
  CHECK(!a.body);
  CHECK_EQ(status_of(first), 500);
  CHECK(ask() != 0);
  CHECK_EQ(answer(second, 200), 0);
  finish();
}

TEST(web_calls_that_are_late_get_504) {
  test_has_bounds_of_time();
  begin((pml_web_call_limits){.timeout_ms = 1000});
  serve(box, "/a/:id");
  CHECK_EQ(pml_web_calls_look(calls, pml_clock_ms()), 0);
  pml_id first = ask(), second = ask();
  uint64_t now = pml_clock_ms(), next = pml_web_calls_look(calls, now);
  CHECK(next > now && next <= now + 1000);
  CHECK_EQ(answer(second, 200), 0);
  CHECK_EQ(pml_web_calls_look(calls, now + 2000), 0);
  CHECK_EQ(woken, 2);
  CHECK_EQ(status_of(first), 504);
  CHECK_EQ(status_of(second), 200);
  CHECK_EQ(answer(first, 200), PML_ECLOSED);
  CHECK_EQ(pml_web_calls_counts(calls).late, 1);
  finish();
}

TEST(web_calls_end_with_an_answer) {
  test_has_bounds_of_time();
  begin((pml_web_call_limits){0});
  serve(box, "/a/:id");
  pml_id id = ask();
  uint64_t before = pml_clock_ms();
  pml_web_calls_end(calls); /* its connection does not go: a second, and no longer */
  CHECK(pml_clock_ms() - before < 5000);
  CHECK_EQ(woken, 1);
  CHECK_EQ(ask(), (pml_id)PML_INTEGER_MAX);
  pml_http_routes *r = routes_of("/b");
  CHECK_EQ(pml_web_calls_serve(calls, box, r), PML_ECLOSED);
  pml_http_routes_unref(r);
  CHECK_EQ(status_of(id), 503);
  finish();
}

TEST(web_calls_of_a_mailbox_that_is_full_or_closed) {
  begin((pml_web_call_limits){0});
  pml_mailbox *small = pml_mailbox_new(loop, 64, 1, on_call, NULL);
  serve(small, "/a/:id");
  pml_id first = ask(), second = ask(); /* an empty one takes any */
  CHECK(pml_web_calls_waits(calls, first));
  CHECK_EQ(status_of(second), 503);
  pml_mailbox_close(small, drop, NULL);
  CHECK_EQ(status_of(ask()), 503);
  pml_web_calls_leave(calls, small);
  CHECK_EQ(status_of(first), 503);
  pml_mailbox_unref(small);
  finish();
}
