/* password: hashes of passwords, made and compared by libcrypt (yescrypt, crypt(5)). One takes tens
 * of milliseconds and megabytes on purpose: not for the thread of a loop. Any thread. */
#ifndef PML_BASE_PASSWORD_H
#define PML_BASE_PASSWORD_H

#include "base/buf.h"

#define PML_PASSWORD_MAX 511  /* bytes of a password that libcrypt takes */
#define PML_PASSWORD_HASH 384 /* of a hash, with its end */

/* cost: 1 to 11; each more doubles it, about. 0 and the hash, which has its own salt; PML_ETOOBIG:
 * the password is longer than PML_PASSWORD_MAX; PML_EINVAL: it has a byte 0, behind which libcrypt
 * would read nothing; PML_EIO: this libcrypt has no yescrypt, or there is no memory. */
int pml_password_hash(pml_slice text, uint32_t cost, char out[PML_PASSWORD_HASH]);
/* Whether text is the password of hash, in a time that says nothing of where they differ. 0 and 1
 * or 0 in *same (0, too, for a text that can be no password); PML_EINVAL: hash is none that this
 * libcrypt knows; PML_EIO: there is no memory. */
int pml_password_verify(pml_slice text, pml_slice hash, int *same);
/* Overwrites the n bytes of a password, in a way that no compiler leaves out. */
void pml_password_wipe(void *text, size_t n);

#endif
