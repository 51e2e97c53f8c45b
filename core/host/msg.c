#include "host/msg.h"

#include "base/mem.h"

#include <string.h>

void pml__msg_post(pml_mailbox *box, const pml__msg *msg, const char *text) {
  size_t n = strlen(text);
  pml__msg *copy = pml_alloc(sizeof *copy + n + 1);
  *copy = *msg;
  copy->mail = (pml_mail){NULL, sizeof *copy + n};
  memcpy(copy->text, text, n + 1);
  if (pml_mailbox_post(box, &copy->mail) != 0) pml_free(copy);
}

void pml__msg_drop(pml_mail *mail, void *ud) {
  (void)ud;
  pml_free(mail);
}
