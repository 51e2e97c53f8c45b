/* sessions: all sessions of a frontend, by id and by uid (protocol 12,
 * with its mends). Several sessions may share a uid; ids are never reused. */
#ifndef PML_MODEL_SESSIONS_H
#define PML_MODEL_SESSIONS_H

#include "model/session.h"

typedef struct pml_sessions pml_sessions;

/* Returns owned. floor: of the ids (base/slot), borrowed, or NULL. */
pml_sessions *pml_sessions_new(pml_slot_floor *floor);
void pml_sessions_free(
  pml_sessions *t); /* frees the sessions that are left; their sinks are not touched */

/* Returns borrowed; NULL when there are no places left. Borrows sink. */
pml_session *pml_sessions_open(pml_sessions *t, pml_sink *sink);
/* Takes s out of every table: its id is stale, it is not found and not counted. Its fields stay
 * readable until pml_sessions_close, which must follow. A second call changes nothing. */
void pml_sessions_leave(pml_sessions *t, pml_session *s);
/* Frees s; out of the tables it goes before, when it has not left them. */
void pml_sessions_close(pml_sessions *t, pml_session *s);

pml_session *pml_sessions_get(const pml_sessions *t, pml_id id); /* borrowed or NULL */
/* The newest session of the uid, borrowed or NULL; go on with uid_next. */
pml_session *pml_sessions_by_uid(const pml_sessions *t, pml_uid uid);

/* 0 also when bound to the same uid already; PML_EBOUND: bound to another;
 * PML_EINVAL: no uid, empty, or above PML_UID_MAX; PML_ENOENT: it has left. Copies uid. */
int pml_sessions_bind(pml_sessions *t, pml_session *s, pml_uid uid);
/* PML_ENOENT: not bound, or to another uid. */
int pml_sessions_unbind(pml_sessions *t, pml_session *s, pml_uid uid);

size_t pml_sessions_count(const pml_sessions *t);
size_t pml_sessions_bound(const pml_sessions *t); /* how many of them have a uid */

/* Walks all sessions in the order of their places, which is that of opening as long as none has
 * been closed; fn may open sessions, which may be walked or not, close them and let them leave, and
 * walk, too. fn returns non-zero to stop. */
void pml_sessions_each(pml_sessions *t, int (*fn)(pml_session *s, void *ud), void *ud);

/* fn hears of each session with a uid that is about to leave the tables, or to lose its uid, while
 * all is as it was; it may not change sessions. NULL: nobody. Borrows ud. */
void pml_sessions_watch(pml_sessions *t, void (*fn)(pml_session *s, void *ud), void *ud);

/* Changes whenever a uid may resolve to other sessions than before. */
uint64_t pml_sessions_epoch(const pml_sessions *t);

#endif
