/* mailbox: other threads post mail, the loop's thread takes it out. No other part of a loop may be
 * used by other threads.
 *
 * A pml_mail is embedded in the message, and linked by next. Mails of one poster
 * arrive in the order posted. One wake-up (uv_async) serves any number. A drain
 * hands out at most `budget` mails per turn; the rest waits for the next turn, so that sockets are
 * read between. Holders: the owner and posters each hold a reference, so a
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

/* Returns owned: one reference, and its owner closes the mailbox before giving it up; NULL when the
 * system refuses or the loop is virtual. limit: bytes queued above which posts answer PML_EFULL; an
 * empty mailbox takes any one post. */
pml_mailbox *pml_mailbox_new(pml_loop *l, size_t budget, size_t limit,
                             pml_mailbox_on_mail_fn on_mail, void *ud);
pml_mailbox *pml_mailbox_ref(pml_mailbox *m); /* any thread */
void pml_mailbox_unref(pml_mailbox *m);       /* any thread */

/* Any thread. Takes the chain first..NULL when it returns 0; otherwise
 * (PML_ECLOSED, PML_EFULL) nothing was taken. */
int pml_mailbox_post(pml_mailbox *m, pml_mail *first);

/* Any thread. The same in two steps, for a caller that collects a chain and posts it later. First
 * it reserves room for `bytes` (0, PML_ECLOSED, PML_EFULL). Mail with reserved room is then never
 * refused for want of room (0, or PML_ECLOSED with nothing taken). Mail that weighs 0 needs no
 * room. Room that is not used is released. */
int pml_mailbox_reserve(pml_mailbox *m, size_t bytes);
int pml_mailbox_post_reserved(pml_mailbox *m, pml_mail *first);
void pml_mailbox_release(pml_mailbox *m, size_t bytes);

/* Loop thread, not from inside on_mail of this one; harmless when closed. Hands out now what has
 * been posted, without a wait for the turn of m; the budget counts. */
void pml_mailbox_run(pml_mailbox *m);

/* Loop thread, also from inside on_mail; harmless when closed. No more mail is taken or handed out;
 * queued mail goes to on_drop (takes). The owner's reference stays. */
void pml_mailbox_close(pml_mailbox *m, pml_mailbox_on_mail_fn on_drop, void *ud);

#endif
