/* mem: the one door to the allocator.
 *
 * pml_alloc and its sisters end the program with a message when there is no
 * memory, so that callers need no path for it. Where a peer chose the size,
 * use pml_try_alloc, which returns NULL. */
#ifndef PML_BASE_MEM_H
#define PML_BASE_MEM_H

#include <stddef.h>

void *pml_alloc(size_t n);            /* returns owned, uninitialised */
void *pml_alloc0(size_t n);           /* returns owned, zeroed */
void *pml_realloc(void *p, size_t n); /* takes p, returns owned */
void *pml_try_alloc(size_t n);        /* returns owned, or NULL */
char *pml_strdup(const char *s);      /* returns owned */
char *pml_strndup(const char *s, size_t n);
void *pml_try_realloc(void *p, size_t n); /* n > 0; takes p unless it returns NULL */
void pml_free(void *p);                   /* takes p; NULL is allowed */
void pml_free_sized(void *p, size_t n);   /* the same for a caller that knows the n bytes of p */

/* Gives the free memory of this thread back to the system. It takes some milliseconds: call it when
 * there is nothing else to do. */
void pml_mem_trim(void);
/* The same for the free memory of all threads. They may go on meanwhile. */
void pml_mem_trim_all(void);

#endif
