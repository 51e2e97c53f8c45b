/* others: what happens on the bus, for a program: ids that are free or taken, servers of other
 * processes, a cluster that refuses it. Private to this folder, and to the main thread. */
#ifndef PML_HOST_OTHERS_H
#define PML_HOST_OTHERS_H

#include "host/program_private.h"

/* Joins the program to the bus, when its options have one. 0, or -1: the program has failed. */
int pml__others_open(pml_program *p);

#endif
