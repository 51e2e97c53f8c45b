#include "host/notices.h"

#include "base/buf.h"
#include "base/container.h"
#include "base/mem.h"

#include <stdio.h>

enum { NAMED = 3 }; /* servers that a line names; the others are counted */

typedef struct {
  pml_list node;
  size_t count;
  char *servers[NAMED]; /* owned */
  char *text;           /* owned */
} notice;

void pml__notices_init(pml__notices *n) { pml_list_init(&n->texts); }

static notice *find(pml__notices *n, const char *text, size_t len) {
  for (pml_list *i = n->texts.next; i != &n->texts; i = i->next) {
    notice *k = PML_CONTAINER(i, notice, node);
    if (strlen(k->text) == len && memcmp(k->text, text, len) == 0) return k;
  }
  notice *k = pml_alloc0(sizeof *k);
  k->text = pml_strndup(text, len);
  pml_list_append(&n->texts, &k->node);
  return k;
}

void pml__notices_add(pml__notices *n, const char *server, const char *lines) {
  while (*lines) {
    size_t len = strcspn(lines, "\n");
    if (len) {
      notice *k = find(n, lines, len);
      if (k->count < NAMED) k->servers[k->count] = pml_strdup(server);
      k->count++;
    }
    lines += len + (lines[len] == '\n');
  }
}

static void say_one(const notice *k, pml__notices_say_fn say, void *ud) {
  char more[40];
  pml_writer w = {0};
  if (k->count == 1) {
    say(k->servers[0], k->text, ud);
    return;
  }
  pml_writer_put(&w, k->text, strlen(k->text));
  for (size_t i = 0; i < k->count && i < NAMED; i++) {
    const char *before = i == 0 ? " (" : i + 1 == k->count ? " and " : ", ";
    pml_writer_put(&w, before, strlen(before));
    pml_writer_put(&w, k->servers[i], strlen(k->servers[i]));
  }
  if (k->count > NAMED) snprintf(more, sizeof more, " and %zu more)", k->count - NAMED);
  else snprintf(more, sizeof more, ")");
  pml_writer_put(&w, more, strlen(more) + 1);
  say("", (const char *)pml_writer_at(&w, 0), ud);
  pml_writer_drop(&w);
}

static void forget(notice *k) {
  for (size_t i = 0; i < NAMED; i++) pml_free(k->servers[i]);
  pml_free(k->text);
  pml_free(k);
}

void pml__notices_say(pml__notices *n, pml__notices_say_fn say, void *ud) {
  for (pml_list *i; (i = pml_list_pop(&n->texts));) {
    say_one(PML_CONTAINER(i, notice, node), say, ud);
    forget(PML_CONTAINER(i, notice, node));
  }
}

void pml__notices_clear(pml__notices *n) {
  for (pml_list *i; (i = pml_list_pop(&n->texts));) forget(PML_CONTAINER(i, notice, node));
}
