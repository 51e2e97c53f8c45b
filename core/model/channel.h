/* channel: a name and its members, grouped by frontend id (protocol 17.2,
 * with its mends). A member is a pair of uid and frontend id (sid): adding it
 * again changes nothing; add and leave are O(1); groups and members keep the order
 * in which they joined; an emptied group is gone. */
#ifndef PML_MODEL_CHANNEL_H
#define PML_MODEL_CHANNEL_H

#include "base/slot.h"
#include "base/uid.h"

typedef struct pml_channel pml_channel;
typedef struct pml_group pml_group; /* the members behind one frontend */

/* Why a member has left. */
typedef enum {
  PML_LEFT_ASKED,     /* a script said so */
  PML_LEFT_CLOSED,    /* its session has ended */
  PML_LEFT_SERVER,    /* its frontend is gone, or is another one since */
  PML_LEFT_DESTROYED, /* with its channel */
  PML_LEFT_ABSENT     /* it was restored, and nobody of that uid was there */
} pml_left;

/* What happens to channels, for who watches them (pml_channels_watch). */
typedef enum {
  PML_CHANNEL_MADE,
  PML_CHANNEL_JOINED, /* a member that was none */
  PML_CHANNEL_LEFT,
  PML_CHANNEL_GONE /* after the last member has left */
} pml_channel_change;
typedef struct {
  pml_channel_change change;
  const pml_channel *channel; /* as it is after the change */
  pml_uid uid;                /* JOINED, LEFT */
  const char *sid;            /* the same */
  pml_left why;               /* LEFT */
  int tied;                   /* LEFT: see pml_channel_tie */
} pml_channel_event;          /* all borrowed until the call returns */
/* May not change channels. */
typedef void (*pml_channels_seen)(const pml_channel_event *e, void *ud);

/* 1 added, 0 was a member already; PML_EINVAL: uid empty or above PML_UID_MAX, sid empty
 * or above PML_SERVER_ID_MAX bytes; PML_EFULL: the group's uids would not fit one block (1 GiB).
 * Copies. */
int pml_channel_add(pml_channel *c, pml_uid uid, const char *sid);
/* 1 removed, 0 was no member. */
int pml_channel_leave(pml_channel *c, pml_uid uid, const char *sid, pml_left why);
/* A member belongs to a session from here on, which the event of its leaving says. */
void pml_channel_tie(pml_channel *c, pml_uid uid, const char *sid);
/* All members behind a frontend leave (PML_LEFT_SERVER). How many they were. */
size_t pml_channel_drop(pml_channel *c, const char *sid);
/* The frontend that uid joined from last (of the frontends behind which it is still a member),
 * borrowed; NULL: no member. *as gets the uid as it was given (may be NULL). */
const char *pml_channel_member(const pml_channel *c, pml_uid uid, pml_uid *as);
size_t pml_channel_count(const pml_channel *c);
pml_slice pml_channel_name(const pml_channel *c); /* borrowed */
pml_id pml_channel_id(const pml_channel *c);
/* A mark of the caller's, 0 to begin with. */
void pml_channel_mark(pml_channel *c, int on);
int pml_channel_is_marked(const pml_channel *c);

/* Groups in the order in which their first member joined. */
pml_group *pml_channel_first(const pml_channel *c); /* borrowed or NULL */
pml_group *pml_group_next(const pml_channel *c, const pml_group *g);
const char *pml_group_sid(const pml_group *g); /* borrowed */
size_t pml_group_count(const pml_group *g);
/* The group's uids as one block (base/uid), in the order of joining; made when
 * asked for and kept until the group changes. Borrowed until then; share it. */
pml_buf *pml_group_uids(pml_group *g);
/* Whether uid is in the group. */
int pml_group_has(const pml_channel *c, const pml_group *g, pml_uid uid);

#endif
