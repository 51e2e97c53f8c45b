/* bus_mail: what programs ask each other over the bus, and the answers: pieces of a text. Pure.
 *
 *   process 32 hexadecimal digits: of the one that asks, and in an answer of the one that answers
 *   number u64, big-endian: of the question, which the one that asks has given it
 *   flags u8
 *   text, to the end */
#ifndef PML_WIRE_BUS_MAIL_H
#define PML_WIRE_BUS_MAIL_H

#include "base/buf.h"

#define PML_PROCESS_DIGITS 32
#define PML_BUS_MAIL_HEAD (PML_PROCESS_DIGITS + 8 + 1)

enum {
  PML_MAIL_LAST = 1, /* of an answer: it is the last one to this question */
  PML_MAIL_MORE = 2  /* the next piece goes on with this text */
};

typedef struct {
  char process[PML_PROCESS_DIGITS + 1];
  uint64_t number;
  uint8_t flags;
  pml_slice text; /* borrowed */
} pml_bus_mail;

void pml_bus_mail_put(pml_writer *w, const pml_bus_mail *m);
/* 0 or PML_EPROTO; *out borrows in. */
int pml_bus_mail_read(pml_slice in, pml_bus_mail *out);
/* Whether s is the name of a process. */
int pml_bus_is_process(const char *s);

#endif
