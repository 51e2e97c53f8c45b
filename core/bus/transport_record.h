/* transport_record: the test kit's bus. It keeps records instead of sending them, and delivers the
 * records that a test hands to it. */
#ifndef PML_BUS_TRANSPORT_RECORD_H
#define PML_BUS_TRANSPORT_RECORD_H

#include "bus/transport.h"

/* Returns owned. ev is copied. */
pml_transport *pml_transport_record_new(const pml_transport_events *ev);
/* Takes the oldest record kept: 1, with *to and the blocks returned owned
 * (pml_free for to, pml_buf_unref), or 0. */
int pml_transport_record_take(pml_transport *t, char **to, pml_buf **head, pml_buf **body,
                              pml_buf **extra);
/* Delivers at once, as if from server `from`. Borrows the blocks. */
void pml_transport_record_deliver(pml_transport *t, const char *from, pml_buf *head, pml_buf *body,
                                  pml_buf *extra);
/* Declares that a server is there or gone, and calls on_peer (may be NULL) at once when that
 * is new; each life of a server has an incarnation of its own; sends to one that is not there,
 * oneself included, are PML_ENOENT. */
void pml_transport_record_peer(pml_transport *t, const char *id, int up);

#endif
