/* mailbox: other threads post, the loop's thread drains. The only thing of a
 * loop that other threads may touch.
 *
 * Mail is embedded in what is sent and is linked by next. Mails of one poster
 * arrive in the order posted. One wake-up (uv_async) serves any number. A drain
 * hands out at most `budget` mails per turn; the rest wait for the next, so that
 * reading goes on. Holders: the owner and posters each hold a reference, so a
 * post to a mailbox whose loop has ended answers PML_ECLOSED and nothing else. */
#ifndef PML_LOOP_MAILBOX_H
#define PML_LOOP_MAILBOX_H

#include "loop/loop.h"

#include <stddef.h>

typedef struct pml_mail {
  struct pml_mail *next; /* the poster's, for a chain, until it is posted */
  size_t bytes;          /* public: what it weighs against the limit */
} pml_mail;

typedef struct pml_mailbox pml_mailbox;
/* Takes the mail. */
typedef void (*pml_mailbox_on_mail_fn)(pml_mail *mail, void *ud);

/* Returns owned (one reference, the owner's, who closes it before giving that
 * up); NULL when the system refuses or the loop is virtual. limit: bytes queued
 * above which posts answer PML_EFULL; an empty mailbox takes any one post. */
pml_mailbox *pml_mailbox_new(pml_loop *l, size_t budget, size_t limit,
                             pml_mailbox_on_mail_fn on_mail, void *ud);
pml_mailbox *pml_mailbox_ref(pml_mailbox *m); /* any thread */
void pml_mailbox_unref(pml_mailbox *m);       /* any thread */

/* Any thread. Takes the chain first..NULL when it returns 0; otherwise
 * (PML_ECLOSED, PML_EFULL) nothing was taken. */
int pml_mailbox_post(pml_mailbox *m, pml_mail *first);

/* Any thread. The same in two steps, for who collects a chain and posts it later:
 * a place for `bytes` is reserved (0, PML_ECLOSED, PML_EFULL); what has a place is
 * posted and cannot be refused for want of room (0, or PML_ECLOSED with nothing
 * taken). Mail that weighs 0 needs no place. A place not used is released. */
int pml_mailbox_reserve(pml_mailbox *m, size_t bytes);
int pml_mailbox_post_reserved(pml_mailbox *m, pml_mail *first);
void pml_mailbox_release(pml_mailbox *m, size_t bytes);

/* Loop thread, also from inside on_mail; twice is once. No more mail comes in or
 * out; what is queued goes to on_drop (takes). The owner's reference stays. */
void pml_mailbox_close(pml_mailbox *m, pml_mailbox_on_mail_fn on_drop, void *ud);

#endif
