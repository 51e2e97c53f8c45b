/* program_bus: a program on the bus of its cluster, for its operator: which programs there are
 * besides, questions to them, and answers to theirs. On the main thread, from the functions of
 * pml_program_control. Without a bus there is nobody to ask. */
#ifndef PML_HOST_PROGRAM_BUS_H
#define PML_HOST_PROGRAM_BUS_H

#include "bus/bus.h"
#include "host/program.h"

/* pml_bus_ask: on_answered of pml_program_control comes with the number `call`. PML_ENOENT: there
 * is no such process, or no bus. */
int pml_program_ask_bus(pml_program *p, const char *process, pml_id call, pml_slice text,
                        uint32_t ms);
/* Answers on_question. Does nothing without a bus. */
void pml_program_answer_bus(pml_program *p, pml_id question, pml_slice text, int last);

/* Forgets all questions to others, when no answer comes any more. */
void pml__program_calls_clear(pml_program *p);

#endif
