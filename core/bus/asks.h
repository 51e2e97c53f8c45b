/* asks: questions of this program to others that wait for their answers. On the program's loop. */
#ifndef PML_BUS_ASKS_H
#define PML_BUS_ASKS_H

#include "bus/bus.h"

typedef struct pml__asks pml__asks;

pml__asks *pml__asks_new(pml_loop *l); /* returns owned */
void pml__asks_free(pml__asks *a);     /* takes a; no on_answer comes any more */

/* Begins a question; its number, never 0. It ends when all that were asked have answered or are
 * gone, or after ms without a line. */
uint64_t pml__asks_begin(pml__asks *a, uint32_t ms, pml_bus_on_answer_fn on_answer, void *ud);
/* It was sent to a process, or (sent 0) could not be; process "": to all that there are. */
void pml__asks_sent(pml__asks *a, uint64_t number, const char *process, int sent);
/* A piece of an answer, with its flags (wire/bus_mail). */
void pml__asks_answer(pml__asks *a, uint64_t number, const char *process, int flags,
                      pml_slice text);
/* It cannot answer any more. */
void pml__asks_gone(pml__asks *a, const char *process);

#endif
