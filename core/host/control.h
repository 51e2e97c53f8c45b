/* control: the local control socket: text lines in, text lines out, for the tools of
 * the operator. A Unix socket of mode 0600; a client that sends a
 * line above PML_CONTROL_LINE, or does not read its answers, is closed. */
#ifndef PML_HOST_CONTROL_H
#define PML_HOST_CONTROL_H

#include "base/buf.h"
#include "base/slot.h"
#include "loop/loop.h"

#define PML_CONTROL_LINE 65536u
#define PML_CONTROL_CLIENTS 32u

typedef struct pml_control pml_control;

typedef struct {
  /* A whole line without its end. Borrowed. Answer with pml_control_write, now or later. */
  void (*on_line)(pml_id client, pml_slice line, void *ud);
  void (*on_gone)(pml_id client, void *ud); /* once per client */
  void *ud;
} pml_control_events;

/* Listens on path (of any length), whose folder is there. The socket of a program that has
 * ended is replaced. 0; PML_EEXIST: a program listens there; PML_EIO: the reason is in err. */
int pml_control_open(pml_loop *l, const char *path, const pml_control_events *ev, pml_control **out,
                     char *err, size_t nerr);
/* Queues text and a line end. PML_ENOENT: the client is gone. */
int pml_control_write(pml_control *c, pml_id client, pml_slice text);
/* The user and the process of the other side. PML_ENOENT: the client is gone. */
int pml_control_peer(pml_control *c, pml_id client, uint32_t *uid, uint32_t *pid);
/* Closes all connections and removes the socket; frees c when the loop has closed the handles. */
void pml_control_close(pml_control *c);

/* The other side, for tools; blocks. Connects: a descriptor, or PML_ENOENT (no program listens),
 * PML_EIO. */
int pml_control_connect(const char *path);

#endif
