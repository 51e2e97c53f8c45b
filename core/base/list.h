/* list: an intrusive doubly linked list with a head. A node that is in no list
 * points at itself, so removing it twice is harmless. Its owner is found by PML_CONTAINER
 * (base/container). */
#ifndef PML_BASE_LIST_H
#define PML_BASE_LIST_H

#include <stddef.h>

typedef struct pml_list {
  struct pml_list *next, *prev; /* read-only: for walks */
} pml_list;

static inline void pml_list_init(pml_list *l) { l->next = l->prev = l; }
static inline int pml_list_empty(const pml_list *l) { return l->next == l; }
static inline void pml_list_append(pml_list *head, pml_list *n) {
  n->prev = head->prev;
  n->next = head;
  head->prev->next = n;
  head->prev = n;
}
static inline void pml_list_remove(pml_list *n) {
  n->prev->next = n->next;
  n->next->prev = n->prev;
  pml_list_init(n);
}
/* Removes and returns the first node, NULL when empty. */
static inline pml_list *pml_list_pop(pml_list *head) {
  if (pml_list_empty(head)) return NULL;
  pml_list *n = head->next;
  pml_list_remove(n);
  return n;
}
/* Moves all of from to the empty list to. */
static inline void pml_list_move(pml_list *to, pml_list *from) {
  if (pml_list_empty(from)) {
    pml_list_init(to);
    return;
  }
  *to = *from;
  to->next->prev = to;
  to->prev->next = to;
  pml_list_init(from);
}

#endif
