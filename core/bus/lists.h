/* lists: lists of uids that go over the bus again and again, sent once and then by their number, or
 * by what has changed since the list before (wire/bus_list). Two tables, one at each side, without
 * sockets and time; bus/bus calls them on its thread.
 *
 * No loss and no forgetting makes a wrong list: a number stands for one list for ever. A receiver
 * that has not got it says so, and asks. Both tables are bounded by bytes, with their own overhead;
 * what was used longest ago goes first. */
#ifndef PML_BUS_LISTS_H
#define PML_BUS_LISTS_H

#include "base/buf.h"

#define PML_LISTS_BYTES ((size_t)64 << 20) /* the bound of a table that is not told another */

/* What a table holds; what has happened. */
typedef struct {
  size_t lists, bytes;
  uint64_t whole, same, changed; /* lists sent or read in this form */
  uint64_t forgotten;            /* lists that went because there was no room */
  uint64_t missed;               /* sender: asked for and gone. Receiver: not there, so asked for */
} pml_lists_counts;

/* The sender's table. */
typedef struct pml_lists_out pml_lists_out;

/* Returns owned. max: bytes, 0: PML_LISTS_BYTES; an eighth more is kept of lists that were followed
 * by another one and that a receiver may still ask for. */
pml_lists_out *pml_lists_out_new(size_t max);
void pml_lists_out_free(pml_lists_out *o);
/* Appends what stands for list in a record to the receiver `pair`, a number of the caller's for two
 * servers in their present lives. The records of a pair must go out in this order. series 0: the
 * list is sent as it is. Otherwise the table shares it. */
void pml_lists_out_put(pml_lists_out *o, uint64_t pair, uint64_t series, pml_buf *list,
                       pml_writer *w);
/* The list of a number that a receiver asks for. Borrowed; NULL: it is forgotten. */
pml_buf *pml_lists_out_get(pml_lists_out *o, uint64_t number);
/* Nothing more goes to this pair. */
void pml_lists_out_end(pml_lists_out *o, uint64_t pair);
const pml_lists_counts *pml_lists_out_counters(const pml_lists_out *o);

/* The receiver's table. */
typedef struct pml_lists_in pml_lists_in;

/* Returns owned. max: bytes, 0: PML_LISTS_BYTES; the list used last stays when it alone is above
 * them. */
pml_lists_in *pml_lists_in_new(size_t max);
void pml_lists_in_free(pml_lists_in *in);
/* The list that stands in a record, from the process `source`, a number of the caller's: 0 with it
 * (owned) in *list; equal lists come as the same block. PML_EAGAIN: list *lacks has to be asked
 * for; read the record again when it is there. PML_EPROTO: these bytes stand for no list. */
int pml_lists_in_take(pml_lists_in *in, uint64_t source, pml_slice bytes, pml_buf **list,
                      uint64_t *lacks);
/* A list that was asked for has come. Shares it. */
void pml_lists_in_put(pml_lists_in *in, uint64_t source, uint64_t number, pml_buf *list);
/* The process is gone: its lists are forgotten. */
void pml_lists_in_end(pml_lists_in *in, uint64_t source);
const pml_lists_counts *pml_lists_in_counters(const pml_lists_in *in);

#endif
