/* questions: the operator's questions that servers have not answered yet. Private to this folder,
 * and to the main thread. */
#ifndef PML_HOST_QUESTIONS_H
#define PML_HOST_QUESTIONS_H

#include "base/list.h"
#include "base/slot.h"

typedef struct {
  pml_list list; /* private */
} pml__questions;

void pml__questions_init(pml__questions *all);
/* server is any pointer that stands for it. Not looked into. */
void pml__questions_add(pml__questions *all, pml_id id, const void *server);
/* Forgets the question of that server's. 1; 0: there is none. */
int pml__questions_answered(pml__questions *all, pml_id id, const void *server);
/* Forgets all questions of a server, and calls fn for each. fn may ask anew. */
void pml__questions_end(pml__questions *all, const void *server, void (*fn)(pml_id id, void *ud),
                        void *ud);
void pml__questions_clear(pml__questions *all);

#endif
