/* passwords: hashes of passwords for scripts, on threads of this server's own, which start with the
 * first one; in a node of the test kit at once, on its thread. */
#ifndef PML_NODE_PASSWORDS_H
#define PML_NODE_PASSWORDS_H

#include "base/password.h"
#include "node/counter.h"
#include "node/node.h"

typedef struct pml_workers pml_workers;

/* Private to passwords.c. */
typedef struct {
  pml_workers *workers; /* NULL: none were needed so far */
  uint64_t done, refused, timeouts;
} pml_passwords;

/* One that is being hashed or compared. */
typedef struct pml_password pml_password;
/* rc: 0, those of base/password, PML_ETIMEOUT. hash: NULL when it was to compare; else same is 0.
 * Borrowed. The pml_password is gone. */
typedef void (*pml_password_fn)(int rc, const char *hash, int same, void *ud);

/* Compares text with *hash, or hashes it by the configured cost when hash is NULL. done comes
 * later, once. Returns 0 and *out, valid until done; PML_EFULL: too many wait; PML_EIO: there is no
 * thread. Borrows the texts. */
int pml_node_password(pml_node *n, pml_slice text, const pml_slice *hash, pml_password_fn done,
                      void *ud, pml_password **out);
/* done does not come. */
void pml_node_password_cancel(pml_password *p);

extern const pml_counter pml__passwords_counters[];
/* For the files of this folder. All were cancelled or are done. */
void pml__passwords_clear(pml_node *n);

#endif
