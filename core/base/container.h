/* container: from a pointer to a field back to the structure that the field is embedded in: what
 * a callback gets is a timer, a task or a list node, and its owner is what it works on. */
#ifndef PML_BASE_CONTAINER_H
#define PML_BASE_CONTAINER_H

#include <stddef.h>

/* ptr points at the `field` of a `type`; the compiler checks that it may. */
#define PML_CONTAINER(ptr, type, field) \
  ((type *)(void *)((char *)(1 ? (ptr) : &((type *)0)->field) - offsetof(type, field)))

#endif
