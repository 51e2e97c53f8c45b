/* port: what to say when a program may not listen on a port. */
#ifndef PML_BASE_PORT_H
#define PML_BASE_PORT_H

/* What is to be added to the system's text for the error e, an errno value, of listening on port:
 * "" or, where the right for a port below 1024 is missing, how the program gets it. A constant. */
const char *pml_port_hint(int port, int e);

#endif
