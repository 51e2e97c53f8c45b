#include "bus/asks.h"

#include "base/container.h"
#include "base/list.h"
#include "base/mem.h"
#include "wire/bus_mail.h"

/* A process that has not answered yet. */
typedef struct {
  pml_list node;
  pml_writer text; /* pieces of a text that goes on */
  char process[PML_PROCESS_DIGITS + 1];
} asked;

typedef struct {
  pml_list node;
  pml__asks *of;
  uint64_t number;
  uint32_t ms;
  pml_timer quiet;
  pml_list waiting; /* asked */
  size_t unsent;    /* processes that could not be asked */
  int complete;     /* all have been asked */
  pml_bus_on_answer_fn on_answer;
  void *ud;
} question;

struct pml__asks {
  pml_loop *l;
  uint64_t last;
  pml_list questions;
};

pml__asks *pml__asks_new(pml_loop *l) {
  pml__asks *a = pml_alloc0(sizeof *a);
  a->l = l;
  pml_list_init(&a->questions);
  return a;
}

static void asked_free(asked *w) {
  pml_list_remove(&w->node);
  pml_writer_drop(&w->text);
  pml_free(w);
}

static void question_free(question *q) {
  pml_timer_stop(q->of->l, &q->quiet);
  pml_list_remove(&q->node);
  for (pml_list *n; (n = q->waiting.next) != &q->waiting;)
    asked_free(PML_CONTAINER(n, asked, node));
  pml_free(q);
}

void pml__asks_free(pml__asks *a) {
  if (!a) return;
  for (pml_list *n; (n = a->questions.next) != &a->questions;)
    question_free(PML_CONTAINER(n, question, node));
  pml_free(a);
}

static void question_end(question *q) {
  pml_bus_on_answer_fn on_answer = q->on_answer;
  void *ud = q->ud;
  size_t late = q->unsent;
  for (pml_list *n = q->waiting.next; n != &q->waiting; n = n->next) late++;
  question_free(q);
  on_answer(NULL, NULL, late, ud);
}

/* When nobody is waited for any more. */
static void question_check(question *q) {
  if (q->complete && pml_list_empty(&q->waiting)) question_end(q);
}

static void on_quiet(pml_timer *t) { question_end(PML_CONTAINER(t, question, quiet)); }

uint64_t pml__asks_begin(pml__asks *a, uint32_t ms, pml_bus_on_answer_fn on_answer, void *ud) {
  question *q = pml_alloc0(sizeof *q);
  q->of = a;
  q->number = ++a->last;
  q->ms = ms;
  q->on_answer = on_answer;
  q->ud = ud;
  pml_list_init(&q->waiting);
  pml_timer_init(&q->quiet, on_quiet);
  pml_timer_start(a->l, &q->quiet, ms);
  pml_list_append(&a->questions, &q->node);
  return q->number;
}

static question *question_find(pml__asks *a, uint64_t number) {
  for (pml_list *n = a->questions.next; n != &a->questions; n = n->next) {
    question *q = PML_CONTAINER(n, question, node);
    if (q->number == number) return q;
  }
  return NULL;
}

static asked *asked_find(question *q, const char *process) {
  for (pml_list *n = q->waiting.next; n != &q->waiting; n = n->next) {
    asked *w = PML_CONTAINER(n, asked, node);
    if (strcmp(w->process, process) == 0) return w;
  }
  return NULL;
}

void pml__asks_sent(pml__asks *a, uint64_t number, const char *process, int sent) {
  question *q = question_find(a, number);
  if (!q) return;
  if (!*process) {
    q->complete = 1;
    question_check(q);
    return;
  }
  if (!sent) {
    q->unsent++;
    return;
  }
  asked *w = pml_alloc0(sizeof *w);
  memcpy(w->process, process, PML_PROCESS_DIGITS);
  pml_list_append(&q->waiting, &w->node);
}

void pml__asks_answer(pml__asks *a, uint64_t number, const char *process, int flags,
                      pml_slice text) {
  question *q = question_find(a, number);
  asked *w = q ? asked_find(q, process) : NULL;
  if (!w) return; /* too late */
  pml_timer_start(a->l, &q->quiet, q->ms);
  if (w->text.len + text.n <= PML_RECORD_MAX) pml_writer_put(&w->text, text.p, text.n);
  if (flags & PML_MAIL_MORE) return;
  pml_writer whole = w->text;
  w->text = (pml_writer){0};
  if (flags & PML_MAIL_LAST) asked_free(w);
  if (whole.len || !(flags & PML_MAIL_LAST)) {
    pml_writer_byte(&whole, 0);
    q->on_answer(process, (const char *)pml_writer_at(&whole, 0), 0, q->ud);
  }
  pml_writer_drop(&whole);
  q = question_find(a, number);
  if (q) question_check(q);
}

void pml__asks_gone(pml__asks *a, const char *process) {
  for (pml_list *n = a->questions.next, *next; n != &a->questions; n = next) {
    next = n->next;
    question *q = PML_CONTAINER(n, question, node);
    asked *w = asked_find(q, process);
    if (!w) continue;
    asked_free(w);
    question_check(q);
  }
}
