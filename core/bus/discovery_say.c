/* What a process says to others: its messages, and its list of servers in them. */
#include "bus/discovery_private.h"

pml_announce pml__discovery_message_of(const pml_discovery *d, uint8_t kind, uint8_t flags) {
  pml_announce a = d->self;
  a.kind = kind;
  a.flags = flags;
  return a;
}

/* Returned owned. */
pml_buf *pml__discovery_write(const pml_discovery *d, const pml_announce *a) {
  pml_writer w = {0};
  pml_announce_put(&w, a);
  if (a->kind == PML_ANNOUNCE_LIST ||
      (a->kind == PML_ANNOUNCE_GREET && a->flags & PML_ANNOUNCE_LISTED))
    pml_own_servers_write(&d->own, &w);
  return pml_writer_finish(&w);
}

void pml__discovery_send_all(const pml_discovery *d, const pml_announce *a) {
  pml_buf *m = pml__discovery_write(d, a);
  d->ev.send_all(pml_buf_slice(m), d->ev.ud);
  pml_buf_unref(m);
}

void pml__discovery_send_to(const pml_discovery *d, const char *process, const pml_announce *a) {
  pml_buf *m = pml__discovery_write(d, a);
  d->ev.send_to(process, pml_buf_slice(m), d->ev.ud);
  pml_buf_unref(m);
}
