/* behind: counts the messages in a stream of packages that nobody takes any more (protocol 1,
 * protocol 2): what a client sends before it has heard that its connection ends. It keeps no byte
 * and allocates nothing. */
#ifndef PML_WIRE_BEHIND_H
#define PML_WIRE_BEHIND_H

#include "wire/package.h"

/* Private; holds nothing to free. */
typedef struct {
  uint32_t left; /* bytes of the package's body that have not come */
  uint8_t head[PML_PKG_HEAD], nhead;
  uint8_t flagged; /* the first byte of its body has come */
  uint8_t lost;    /* a type that there is not: nothing behind it means anything */
} pml_behind;

/* Of each kind, how many have come: a message counts when its first byte has. */
typedef struct {
  uint32_t requests, notifies;
} pml_behind_counts;

/* Goes on where p stands, which may be cut in the middle of a package; what of that has come is
 * counted now. p stays as it is. */
pml_behind pml_behind_of(const pml_package_parser *p, pml_behind_counts *counts);
/* Adds to counts what these bytes, split anywhere, hold. */
void pml_behind_feed(pml_behind *b, pml_slice bytes, pml_behind_counts *counts);

#endif
