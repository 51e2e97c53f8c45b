#include "base/container.h"
#include "loop/mailbox.h"

#include "base/err.h"
#include "base/mem.h"
#include "test/test.h"

#include <pthread.h>
#include <sched.h>

#define POSTERS 4
#define EACH 50000

typedef struct {
  pml_mail mail;
  int poster;
  uint32_t seq;
} letter;

typedef struct {
  pml_loop *l;
  pml_mailbox *m;
  uint32_t got[POSTERS], total, want;
  uint32_t close_after, dropped; /* close_after 0: never */
  uint64_t turns[8];
  int by_turn[8], nturns;
} reader;

static letter *letter_new(int poster, uint32_t seq, size_t bytes) {
  letter *x = pml_alloc0(sizeof *x);
  x->mail.bytes = bytes;
  x->poster = poster;
  x->seq = seq;
  return x;
}

static void on_drop(pml_mail *mail, void *ud) {
  reader *r = ud;
  letter *x = PML_CONTAINER(mail, letter, mail);
  CHECK_EQ(x->seq, r->got[x->poster]++); /* dropped in order, too */
  r->dropped++;
  pml_free(mail);
}

static void on_mail(pml_mail *mail, void *ud) {
  reader *r = ud;
  letter *x = PML_CONTAINER(mail, letter, mail);
  CHECK_EQ(x->seq, r->got[x->poster]++);
  pml_free(mail);
  uint64_t turn = pml_loop_turn(r->l);
  if (!r->nturns || r->turns[(r->nturns - 1) & 7] != turn) {
    r->turns[r->nturns & 7] = turn;
    r->by_turn[r->nturns++ & 7] = 0;
  }
  r->by_turn[(r->nturns - 1) & 7]++;
  if (++r->total == r->close_after) pml_mailbox_close(r->m, on_drop, r);
  if (r->total == r->want) pml_loop_stop(r->l);
}

static void reader_init(reader *r, size_t budget, size_t limit, uint32_t want) {
  memset(r, 0, sizeof *r);
  r->l = pml_loop_new();
  r->m = pml_mailbox_new(r->l, budget, limit, on_mail, r);
  r->want = want;
  CHECK(r->l && r->m);
}

static void reader_fini(reader *r) {
  pml_mailbox_close(r->m, on_drop, r);
  pml_mailbox_unref(r->m);
  pml_loop_free(r->l);
}

typedef struct {
  pml_mailbox *m;
  int id;
  int rc;         /* of the last post */
  uint32_t taken; /* letters the mailbox took */
} poster;

/* Chains of one to four, until all are posted or the mailbox is closed. */
static void *post_all(void *arg) {
  poster *p = arg;
  for (uint32_t i = 0; i < EACH;) {
    pml_mail *first = NULL, **at = &first;
    uint32_t k = 1 + i % 4;
    for (uint32_t j = 0; j < k && i + j < EACH; j++) {
      *at = &letter_new(p->id, i + j, 16)->mail;
      at = &(*at)->next;
    }
    p->rc = pml_mailbox_post(p->m, first);
    if (p->rc == 0) {
      i += k;
      p->taken = i < EACH ? i : EACH;
      continue;
    }
    for (pml_mail *next; first; first = next) {
      next = first->next;
      pml_free(first);
    }
    if (p->rc == PML_ECLOSED) break;
    sched_yield();
  }
  pml_mailbox_unref(p->m);
  return NULL;
}

static void posters_start(reader *r, poster *p, pthread_t *th) {
  for (int i = 0; i < POSTERS; i++) {
    p[i] = (poster){.m = pml_mailbox_ref(r->m), .id = i};
    CHECK_EQ(pthread_create(&th[i], NULL, post_all, &p[i]), 0);
  }
}

TEST(mailbox_keeps_the_order_of_each_poster_and_loses_nothing) {
  reader r;
  poster p[POSTERS];
  pthread_t th[POSTERS];
  reader_init(&r, 64, (size_t)1 << 30, POSTERS * EACH);
  posters_start(&r, p, th);
  pml_loop_run(r.l);
  for (int i = 0; i < POSTERS; i++) pthread_join(th[i], NULL);
  for (int i = 0; i < POSTERS; i++) CHECK_EQ(r.got[i], EACH);
  reader_fini(&r);
  CHECK_EQ(r.dropped, 0);
}

TEST(mailbox_of_little_room_still_loses_nothing) {
  reader r;
  poster p[POSTERS];
  pthread_t th[POSTERS];
  reader_init(&r, 1000, 64 * 1024, POSTERS * EACH);
  posters_start(&r, p, th); /* they try again when it is full */
  pml_loop_run(r.l);
  for (int i = 0; i < POSTERS; i++) pthread_join(th[i], NULL);
  for (int i = 0; i < POSTERS; i++) CHECK_EQ(r.got[i], EACH);
  reader_fini(&r);
}

typedef struct {
  pml_task task;
  reader *r;
} watch;

static void watch_run(pml_task *t) {
  watch *w = PML_CONTAINER(t, watch, task);
  if (w->r->total == w->r->close_after) {
    pml_loop_stop(w->r->l);
  } else {
    pml_loop_defer(w->r->l, t);
  }
}

TEST(mailbox_closed_during_a_drain_refuses_posters_and_drops_the_rest) {
  reader r;
  poster p[POSTERS];
  pthread_t th[POSTERS];
  reader_init(&r, 64, (size_t)1 << 30, UINT32_MAX);
  r.close_after = 1000;
  watch w = {.r = &r};
  pml_task_init(&w.task, watch_run);
  pml_loop_defer(r.l, &w.task);
  posters_start(&r, p, th);
  pml_loop_run(r.l);
  reader_fini(&r); /* the loop ends while others still hold the mailbox */
  uint32_t taken = 0;
  for (int i = 0; i < POSTERS; i++) {
    pthread_join(th[i], NULL);
    CHECK(p[i].rc == PML_ECLOSED || p[i].taken == EACH);
    taken += p[i].taken;
  }
  CHECK_EQ(r.total, 1000);
  CHECK_EQ(r.dropped, taken - 1000);
}

TEST(mailbox_hands_out_no_more_than_its_budget_per_turn) {
  reader r;
  reader_init(&r, 4, 1000, 10);
  for (uint32_t i = 0; i < 10; i++) {
    CHECK_EQ(pml_mailbox_post(r.m, &letter_new(0, i, 1)->mail), 0);
  }
  pml_loop_run(r.l);
  CHECK_EQ(r.nturns, 3);
  CHECK_EQ(r.by_turn[0], 4);
  CHECK_EQ(r.by_turn[1], 4);
  CHECK_EQ(r.by_turn[2], 2);
  reader_fini(&r);
}

TEST(mailbox_above_its_limit_is_full_until_it_is_drained) {
  reader r;
  reader_init(&r, 100, 100, 2);
  letter *big = letter_new(0, 0, 500), *small = letter_new(0, 1, 1);
  CHECK_EQ(pml_mailbox_post(r.m, &big->mail), 0); /* empty: takes any one */
  CHECK_EQ(pml_mailbox_post(r.m, &small->mail), PML_EFULL);
  CHECK_EQ(pml_mailbox_reserve(r.m, 1), PML_EFULL);
  small->mail.bytes = 0;
  CHECK_EQ(pml_mailbox_post_reserved(r.m, &small->mail), 0);
  pml_loop_run(r.l);
  r.want = 4;
  CHECK_EQ(pml_mailbox_reserve(r.m, 60), 0);
  CHECK_EQ(pml_mailbox_reserve(r.m, 41), PML_EFULL);
  CHECK_EQ(pml_mailbox_reserve(r.m, 40), 0);
  pml_mailbox_release(r.m, 40);
  CHECK_EQ(pml_mailbox_post_reserved(r.m, &letter_new(0, 2, 60)->mail), 0);
  CHECK_EQ(pml_mailbox_post(r.m, &letter_new(0, 3, 40)->mail), 0);
  pml_loop_run(r.l);
  CHECK_EQ(pml_mailbox_reserve(r.m, 100), 0);
  pml_mailbox_release(r.m, 100);
  reader_fini(&r);
}

TEST(mailbox_closed_takes_nothing_and_says_so) {
  reader r;
  reader_init(&r, 4, 100, 1);
  pml_mailbox *m = pml_mailbox_ref(r.m);
  letter *x = letter_new(0, 0, 1);
  CHECK_EQ(pml_mailbox_post(m, &x->mail), 0);
  reader_fini(&r);
  CHECK_EQ(r.dropped, 1);
  x = letter_new(0, 1, 1);
  CHECK_EQ(pml_mailbox_post(m, &x->mail), PML_ECLOSED);
  CHECK_EQ(pml_mailbox_post_reserved(m, &x->mail), PML_ECLOSED);
  CHECK_EQ(pml_mailbox_reserve(m, 1), PML_ECLOSED);
  pml_free(x);
  pml_mailbox_unref(m);
}

TEST(mailbox_needs_a_real_loop) {
  pml_loop *l = pml_loop_new_virtual();
  CHECK(pml_mailbox_new(l, 1, 1, on_mail, NULL) == NULL);
  pml_loop_free(l);
}

TEST(mailbox_run_hands_out_at_once) {
  reader r;
  reader_init(&r, 100, 1000, 0);
  for (uint32_t i = 0; i < 3; i++) CHECK_EQ(pml_mailbox_post(r.m, &letter_new(0, i, 1)->mail), 0);
  pml_mailbox_run(r.m);
  CHECK_EQ(r.total, 3);
  pml_mailbox_close(r.m, on_drop, &r);
  pml_mailbox_run(r.m);
  CHECK_EQ(r.total, 3);
  reader_fini(&r);
}
