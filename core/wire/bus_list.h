/* bus_list: how a list of uids (base/uid) travels in a record between two processes. A list that is
 * sent once has a number, which means this list for ever: a process counts the lists that it sends
 * and never gives a number twice. So whoever has a number has the right list, whatever was lost,
 * and who has not got it asks for it. bus/lists has the tables of both sides. Layouts: bus_list.c.
 */
#ifndef PML_WIRE_BUS_LIST_H
#define PML_WIRE_BUS_LIST_H

#include "base/buf.h"

typedef enum {
  /* Instead of a list, in a record. */
  PML_BUS_LIST_PLAIN = 1,   /* bytes: the list, which has no number */
  PML_BUS_LIST_WHOLE = 2,   /* number; base, which will not be named again, or 0; bytes: the list */
  PML_BUS_LIST_SAME = 3,    /* number */
  PML_BUS_LIST_CHANGED = 4, /* number; base; bytes: how the list is made of the list base, which
                               will not be named again */
  /* Heads of records about lists; their numbers are above those of the forms. */
  PML_BUS_LIST_ASK = 5,  /* number */
  PML_BUS_LIST_GIVE = 6, /* number; the list is the body of the record that this is the head of */
  PML_BUS_LIST_GONE = 7  /* number: the answer when the sender has forgotten it */
} pml_bus_list_kind;

/* A view when read: it borrows the bytes. Numbers are never 0. */
typedef struct {
  pml_bus_list_kind kind;
  uint64_t number, base;
  pml_slice bytes;
} pml_bus_list;

void pml_bus_list_put(pml_writer *w, const pml_bus_list *l);
/* 0 or PML_EPROTO: cut, an unknown kind, bytes left over; whether `bytes` of CHANGED mean anything
 * is not looked at. */
int pml_bus_list_read(pml_slice in, pml_bus_list *out);

/* Appends the bytes of CHANGED: now, which has lost members of base anywhere and has new ones at
 * its end, costs a few bytes for each run of members that are gone, and the new ones. 1, or 0 when
 * it would be as long as now itself, and nothing is appended. Both are lists of uids; of two that
 * have little in common, or are no lists, nothing but a longer text comes. */
int pml_bus_list_compare(pml_slice base, pml_slice now, pml_writer *w);
/* The list that CHANGED makes of base. 0 with the list (owned) in *out; PML_EPROTO: it cannot be
 * made of this base, or would be above max bytes. */
int pml_bus_list_apply(pml_slice base, pml_slice changes, size_t max, pml_buf **out);

#endif
