/* control_client: the tools' side of the control socket: a line to a running program, its lines
 * back. Blocks; for command line tools only. */
#ifndef PML_HOST_CONTROL_CLIENT_H
#define PML_HOST_CONTROL_CLIENT_H

#include "base/buf.h"

/* A line of the answer, borrowed. Anything but 0 closes the connection. */
typedef int (*pml_control_line_fn)(pml_slice line, void *ud);

/* 0: the other side closed, or on_line ended it. PML_ENOENT: no program listens at path;
 * PML_ETIMEOUT: nothing came for ms milliseconds; PML_EIO. */
int pml_control_ask(const char *path, pml_slice line, uint32_t ms, pml_control_line_fn on_line,
                    void *ud);

#endif
