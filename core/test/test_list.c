#include "base/container.h"
#include "base/list.h"

#include "test/test.h"

typedef struct {
  int n;
  pml_list node;
} item;

/* The numbers in the list, in order: "1 2 3 ". */
static const char *text(const pml_list *head) {
  static char s[64];
  size_t k = 0;
  s[0] = '\0';
  for (pml_list *i = head->next; i != head; i = i->next) {
    CHECK(i->next->prev == i && i->prev->next == i);
    k += (size_t)snprintf(s + k, sizeof s - k, "%d ", PML_CONTAINER(i, item, node)->n);
  }
  return s;
}

static void fill(pml_list *head, item *v, int n) {
  pml_list_init(head);
  for (int i = 0; i < n; i++) {
    v[i].n = i + 1;
    pml_list_init(&v[i].node);
    pml_list_append(head, &v[i].node);
  }
}

TEST(list_keeps_the_order_of_appending) {
  pml_list head;
  item v[3];
  fill(&head, v, 0);
  CHECK(pml_list_empty(&head));
  CHECK(pml_list_pop(&head) == NULL);
  fill(&head, v, 3);
  CHECK(!pml_list_empty(&head));
  CHECK(strcmp(text(&head), "1 2 3 ") == 0);
  CHECK(pml_list_pop(&head) == &v[0].node);
  CHECK(strcmp(text(&head), "2 3 ") == 0);
  pml_list_append(&head, &v[0].node);
  CHECK(strcmp(text(&head), "2 3 1 ") == 0);
}

TEST(list_removes_anywhere_and_twice) {
  pml_list head;
  item v[3];
  fill(&head, v, 3);
  pml_list_remove(&v[1].node);
  pml_list_remove(&v[1].node);
  CHECK(strcmp(text(&head), "1 3 ") == 0);
  pml_list_remove(&v[2].node);
  pml_list_remove(&v[0].node);
  CHECK(pml_list_empty(&head));
  pml_list_remove(&head); /* an empty list is in no list */
  CHECK(pml_list_empty(&head));
}

TEST(list_moves_whole) {
  pml_list from, to;
  item v[3];
  fill(&from, v, 3);
  pml_list_move(&to, &from);
  CHECK(pml_list_empty(&from));
  CHECK(strcmp(text(&to), "1 2 3 ") == 0);
  pml_list_append(&from, pml_list_pop(&to));
  CHECK(strcmp(text(&from), "1 ") == 0);
  CHECK(strcmp(text(&to), "2 3 ") == 0);
  fill(&from, v, 0);
  pml_list_move(&to, &from);
  CHECK(pml_list_empty(&to) && pml_list_empty(&from));
}
