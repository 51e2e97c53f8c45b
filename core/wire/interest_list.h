/* interest_list: the body of an INTEREST record: a frontend tells other servers which cluster
 * channels it has members of, and they ask for it.
 *
 *   ASK      seq: the last change that the asker knows of; PML_INTEREST_NOTHING: none. A frontend
 *            whose last change is another one answers with a LIST
 *   LIST     all channels at change seq, in parts that are numbered from 0; `last` at the end
 *   CHANGES  what has come and gone, as change seq
 *
 * Numbers are big-endian: 0 op u8, 1 last u8, 2 part u32, 6 seq u64, 14 channels: whether there are
 * members u8, length of the name u16, name. The format is ours. */
#ifndef PML_WIRE_INTEREST_LIST_H
#define PML_WIRE_INTEREST_LIST_H

#include "base/buf.h"

#define PML_INTEREST_NOTHING UINT64_MAX

enum { PML_INTEREST_ASK = 1, PML_INTEREST_LIST = 2, PML_INTEREST_CHANGES = 3 };

typedef struct {
  uint8_t op, last;
  uint32_t part;
  uint64_t seq;
  pml_slice channels; /* see pml_interest_list_next */
} pml_interest_list;

/* Begins a body; `channels` is not looked at. */
void pml_interest_list_begin(pml_writer *w, const pml_interest_list *l);
/* Adds a channel; its name has at most 65,535 bytes. */
void pml_interest_list_put(pml_writer *w, pml_slice name, int there);
/* 0, or PML_EPROTO: cut, unknown, or bytes left over. *out borrows. */
int pml_interest_list_read(pml_slice in, pml_interest_list *out);
/* Takes the first channel off *channels, which were read: 1, or 0 at the end. */
int pml_interest_list_next(pml_slice *channels, pml_slice *name, int *there);

#endif
