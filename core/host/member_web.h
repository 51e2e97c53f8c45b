/* member_web: HTTP requests as a server gets them: by a mailbox of their own on its loop, which is
 * there once the server has told its routes. For host/member only; on the server's thread. */
#ifndef PML_HOST_MEMBER_WEB_H
#define PML_HOST_MEMBER_WEB_H

#include "host/member_private.h"

/* In a stop: new requests are refused; those that are open are counted, and answered with 503. */
void pml__member_web_refuse(pml_member *m);
size_t pml__member_web_open(pml_member *m);
size_t pml__member_web_expire(pml_member *m); /* how many these were */
/* The thread ends: all of it, and the mailbox. */
void pml__member_web_end(pml_member *m);

#endif
