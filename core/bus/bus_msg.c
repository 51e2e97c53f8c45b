/* The messages between the two halves of a bus. */
#include "base/container.h"
#include "base/mem.h"
#include "bus/bus_private.h"

#include <string.h>

pml__bus_msg *pml__bus_msg_new(pml__bus_kind kind, const char *text) {
  size_t n = strlen(text);
  pml__bus_msg *m = pml_alloc(sizeof *m + n + 1);
  *m = (pml__bus_msg){.kind = kind};
  memcpy(m->text, text, n + 1);
  return m;
}

void pml__bus_msg_free(pml__bus_msg *m) {
  pml_free(m->server);
  pml_buf_unref(m->body);
  pml_free(m);
}

void pml__bus_msg_post(pml_mailbox *box, pml__bus_msg *m) {
  m->mail = (pml_mail){0}; /* news is not weighed: it may not be lost for want of room */
  if (pml_mailbox_post_reserved(box, &m->mail)) pml__bus_msg_free(m);
}

void pml__bus_msg_drop(pml_mail *mail, void *ud) {
  (void)ud;
  pml__bus_msg_free(PML_CONTAINER(mail, pml__bus_msg, mail));
}

static const char *text_put(char **at, const char *s) {
  size_t n = strlen(s ? s : "") + 1;
  char *p = memcpy(*at, s ? s : "", n);
  *at += n;
  return p;
}

static size_t room(const char *s) { return strlen(s ? s : "") + 1; }

pml_bus_server *pml__bus_server_copy(const pml_bus_server *s) {
  pml_bus_server *c =
    pml_alloc(sizeof *c + room(s->id) + room(s->process) + room(s->host) + room(s->info));
  char *at = (char *)(c + 1);
  *c = *s;
  c->id = text_put(&at, s->id);
  c->process = text_put(&at, s->process);
  c->host = text_put(&at, s->host);
  c->info = text_put(&at, s->info);
  return c;
}
