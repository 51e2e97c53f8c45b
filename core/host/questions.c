#include "host/questions.h"

#include "base/container.h"
#include "base/mem.h"

typedef struct {
  pml_list node;
  pml_id id;
  const void *server;
} question;

void pml__questions_init(pml__questions *all) { pml_list_init(&all->list); }

void pml__questions_add(pml__questions *all, pml_id id, const void *server) {
  question *q = pml_alloc(sizeof *q);
  *q = (question){.id = id, .server = server};
  pml_list_append(&all->list, &q->node);
}

int pml__questions_answered(pml__questions *all, pml_id id, const void *server) {
  for (pml_list *i = all->list.next; i != &all->list; i = i->next) {
    question *q = PML_CONTAINER(i, question, node);
    if (q->id != id || q->server != server) continue;
    pml_list_remove(&q->node);
    pml_free(q);
    return 1;
  }
  return 0;
}

/* All questions are taken off first, so that one which fn adds is not ended with the others. */
void pml__questions_end(pml__questions *all, const void *server, void (*fn)(pml_id id, void *ud),
                        void *ud) {
  pml_list before;
  pml_list_move(&before, &all->list);
  for (pml_list *i; (i = pml_list_pop(&before));) {
    question *q = PML_CONTAINER(i, question, node);
    if (q->server != server) {
      pml_list_append(&all->list, i);
      continue;
    }
    pml_id id = q->id;
    pml_free(q);
    fn(id, ud);
  }
}

void pml__questions_clear(pml__questions *all) {
  for (pml_list *i; (i = pml_list_pop(&all->list));) pml_free(PML_CONTAINER(i, question, node));
}
