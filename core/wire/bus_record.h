/* bus_record: messages of the bus that carry records between servers of two processes. A message is
 * a batch: several records of several pairs of servers, whole ones and parts of large ones. Each
 * pair numbers its records from 1, so that the receiver knows what is missing.
 * Layout: bus_record.c has the drawing; version 1. Pure. */
#ifndef PML_WIRE_BUS_RECORD_H
#define PML_WIRE_BUS_RECORD_H

#include "base/buf.h"
#include "base/limits.h"

enum {
  PML_BATCH_OWED = 1,  /* the record is an answer */
  PML_BATCH_BODY = 2,  /* it has a body, of no bytes perhaps */
  PML_BATCH_EXTRA = 4, /* it has an extra block */
  PML_BATCH_PART = 8,  /* this is a part of it */
  PML_BATCH_LIST = 16, /* its extra block stands for a list of uids (wire/bus_list) */
  PML_BATCH_ABOUT = 32 /* it is about lists: its head is one of wire/bus_list */
};

/* The most bytes that a batch has beside those of its first record or part. */
#define PML_BATCH_OVERHEAD (64 + 2 * PML_SERVER_ID_MAX)

/* Two servers in their lives. */
typedef struct {
  const char *from, *to;
  uint64_t from_incarnation, to_incarnation;
} pml_batch_pair;

/* Begins an empty batch in w. */
void pml_batch_begin(pml_writer *w);
/* The records that are appended from here on are of this pair, the first one with number seq. */
void pml_batch_pair_put(pml_writer *w, const pml_batch_pair *p, uint64_t seq);
/* Appends a record; the next one of the pair has the next number. flags: PML_BATCH_OWED, LIST,
 * ABOUT; body and extra may be NULL. */
void pml_batch_record_put(pml_writer *w, uint8_t flags, pml_slice head, const pml_buf *body,
                          const pml_buf *extra);
/* Appends n bytes of a record from byte `at` of head, body and extra one after the other. The next
 * record of the pair has the next number, also when this is not the last part. */
void pml_batch_part_put(pml_writer *w, uint8_t flags, pml_slice head, const pml_buf *body,
                        const pml_buf *extra, size_t at, size_t n);

/* Reads a batch, which it borrows. */
typedef struct {
  pml_slice left; /* private */
  uint64_t next;  /* private: number of the next record */
  char from[PML_SERVER_ID_MAX + 1], to[PML_SERVER_ID_MAX + 1]; /* private */
  uint64_t from_incarnation, to_incarnation;                   /* private */
} pml_batch_reader;

typedef struct {
  pml_batch_pair pair; /* its texts are the reader's, until the next read */
  uint64_t seq;
  uint8_t flags;
  uint32_t nhead, nbody, nextra; /* of the whole record; at most PML_BATCH_RECORD_MAX together */
  uint32_t at;                   /* of a part: where in the record it begins; else 0 */
  pml_slice bytes;               /* head, body and extra one after the other, or the part of them */
} pml_batch_item;

#define PML_BATCH_RECORD_MAX (32u << 20)

/* 0, or PML_EPROTO: this is no batch. */
int pml_batch_read(pml_batch_reader *r, pml_slice in);
/* 1 with the next record or part in *out; 0 at the end; PML_EPROTO: the rest cannot be read. */
int pml_batch_next(pml_batch_reader *r, pml_batch_item *out);

#endif
