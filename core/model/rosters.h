/* rosters: which sessions of this frontend are in which cluster channel. A member is a session, in
 * a channel once. A channel is there as long as it has a member here. A session that leaves the
 * tables of model/sessions, or loses its uid, leaves all of its channels before
 * (pml_rosters_forget), so that a pointer here is always one of a living session. */
#ifndef PML_MODEL_ROSTERS_H
#define PML_MODEL_ROSTERS_H

#include "model/session.h"

typedef struct pml_rosters pml_rosters;
typedef struct pml_roster pml_roster; /* the members of one channel */

/* A channel has its first member here (there 1), or has lost its last one. name is borrowed until
 * the call returns, which may not change rosters. */
typedef void (*pml_rosters_seen)(pml_slice name, int there, void *ud);

pml_rosters *pml_rosters_new(pml_rosters_seen fn, void *ud); /* returns owned; borrows ud */
void pml_rosters_free(pml_rosters *t);                       /* tells nobody */

/* The session, which has a uid, joins; newest: the newest session of its uid (model/sessions).
 * 1; 0: it is a member already; PML_ETOOBIG: it is in `most` channels; PML_EFULL: there are
 * `channels` channels here. */
int pml_rosters_join(pml_rosters *t, pml_slice name, pml_session *s, const pml_session *newest,
                     size_t channels, size_t most);
/* 1; 0: it was no member. */
int pml_rosters_leave(pml_rosters *t, pml_slice name, pml_session *s, const pml_session *newest);
/* The session leaves all channels. How many they were. */
size_t pml_rosters_forget(pml_rosters *t, pml_session *s, const pml_session *newest);
/* All members of the channel leave. How many they were. */
size_t pml_rosters_clear(pml_rosters *t, pml_slice name);

const pml_roster *pml_rosters_find(const pml_rosters *t, pml_slice name); /* borrowed or NULL */
size_t pml_rosters_count(const pml_rosters *t);                           /* channels */
size_t pml_rosters_members(const pml_rosters *t);                         /* of all of them */
void pml_rosters_each(const pml_rosters *t, void (*fn)(const pml_roster *r, void *ud), void *ud);

pml_slice pml_roster_name(const pml_roster *r); /* borrowed */
size_t pml_roster_count(const pml_roster *r);   /* sessions */
size_t pml_roster_users(const pml_roster *r);   /* uids among them */
/* Its sessions, in no order. Borrowed until somebody joins or leaves. */
pml_session *const *pml_roster_sessions(const pml_roster *r);
int pml_roster_has(const pml_roster *r, const pml_session *s);

#endif
