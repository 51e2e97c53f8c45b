#include "host/notices.h"
#include "test/test.h"

#include <stdio.h>
#include <string.h>

static char said[1024];

static void note(const char *server, const char *text, void *ud) {
  size_t n = strlen(said);
  (void)ud;
  snprintf(said + n, sizeof said - n, "%s|%s;", server, text);
}

TEST(notices_of_several_servers_are_one_line) {
  pml__notices n;
  pml__notices_init(&n);
  pml__notices_add(&n, "chat-1", "all\nfirst alone\n");
  pml__notices_add(&n, "chat-2", "all\ntwo");
  pml__notices_add(&n, "chat-3", "two\n\nall");
  for (int i = 0; i < 14; i++) pml__notices_add(&n, "chat-9", "all");
  said[0] = '\0';
  pml__notices_say(&n, note, NULL);
  CHECK(strcmp(said, "|all (chat-1, chat-2, chat-3 and 14 more);chat-1|first alone;"
                     "|two (chat-2 and chat-3);") == 0);
  said[0] = '\0';
  pml__notices_say(&n, note, NULL);
  CHECK(strcmp(said, "") == 0);
}

TEST(notices_can_be_forgotten) {
  pml__notices n;
  pml__notices_init(&n);
  pml__notices_add(&n, "chat-1", "a\nb");
  pml__notices_clear(&n);
  said[0] = '\0';
  pml__notices_say(&n, note, NULL);
  CHECK(strcmp(said, "") == 0);
}
