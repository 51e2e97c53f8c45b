/* proto_read: the text of one file of definitions becomes a list of them, checked as a whole. What
 * Pomelo skips in silence is an error here: a key of other than three words, an unknown option or
 * type, a tag or a name that stands twice. */
#ifndef PML_WIRE_PROTO_READ_H
#define PML_WIRE_PROTO_READ_H

#include "wire/proto.h"

/* Zeroed is a valid empty one. */
typedef struct {
  struct pml__proto_block *blocks; /* private: where all of it lives */
  pml_proto *first; /* read-only: routes and shared messages as in the file, by next */
} pml__proto_file;

/* 0, or PML_EINVAL with all of *err but its field server; f is empty then. A text without bytes
 * gives an empty list. */
int pml__proto_read(pml__proto_file *f, pml_slice text, pml_protos_error *err);
void pml__proto_file_fini(pml__proto_file *f);
/* n bytes, aligned and zeroed, that live as long as f. */
void *pml__proto_file_alloc(pml__proto_file *f, size_t n);

#endif
