/* admission: whether a message may come in. A message of a client or of another server is refused
 * while this server stops, while its scripts hold too much memory, or while its session has too
 * many requests open. For the files of this folder; the rest is in node/node.h. */
#ifndef PML_NODE_ADMISSION_H
#define PML_NODE_ADMISSION_H

#include "node/counter.h"
#include "node/node.h"

/* Private to admission.c. All zero to begin with; holds nothing to free. */
typedef struct {
  int stopping;      /* a pml_admission_source and all before it are refused; 0: none is */
  int refusing;      /* the scripts hold too much memory */
  uint64_t probe_at; /* when one request may find out whether they still do */
  uint64_t requests, notifies, begun, refused_stopping, over_in_flight, over_memory;
} pml_admission;

typedef enum { PML_FROM_CLIENT = 1, PML_FROM_SERVER = 2 } pml_admission_source;

extern const pml_counter pml__admission_counters[];

/* From here on messages of this source are refused, and those of the sources before it. */
void pml__admission_stop(pml_node *n, pml_admission_source from);
/* Whether a message is refused because this server stops; counts it then. */
int pml__admission_stopped(pml_node *n, pml_admission_source from);
/* Whether a message is refused because its session has too many open; counts it then, and says so
 * in the log. */
int pml__admission_full(pml_node *n, const pml_session *s, pml_slice route);
/* Whether a request is refused because the scripts hold too much memory; counts it then. One
 * request a second is let through: after its call the memory is looked at again. */
int pml__admission_low_memory(pml_node *n);
/* Counts a message that came in. */
void pml__admission_count(pml_node *n, int is_request);
/* Counts a message or a call of another server that a stop of this one waits for. */
void pml__admission_begin(pml_node *n);

#endif
