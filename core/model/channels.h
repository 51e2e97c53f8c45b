/* channels: the channels of one server by name and by id. Ids are never reused,
 * so a handle kept after destroy finds nothing, also when a channel of the same
 * name was created since. */
#ifndef PML_MODEL_CHANNELS_H
#define PML_MODEL_CHANNELS_H

#include "model/channel.h"

typedef struct pml_channels pml_channels;

/* Returns owned. floor: of the ids (base/slot), borrowed, or NULL. */
pml_channels *pml_channels_new(pml_slot_floor *floor);
void pml_channels_free(pml_channels *t); /* destroys all */

/* The channel of that name, made when there is none; borrowed; NULL: no places left.
 * Any bytes are a name, up to 65,535 of them (longer: NULL). */
pml_channel *pml_channels_create(pml_channels *t, pml_slice name);
pml_channel *pml_channels_find(const pml_channels *t, pml_slice name); /* borrowed or NULL */
pml_channel *pml_channels_get(const pml_channels *t, pml_id id);       /* borrowed or NULL */
/* Its members leave (PML_LEFT_DESTROYED); frees it; its id is stale from here. */
void pml_channels_destroy(pml_channels *t, pml_channel *c);
/* Every member behind a frontend leaves every channel. How many they were. */
size_t pml_channels_drop(pml_channels *t, const char *sid);
size_t pml_channels_count(const pml_channels *t);
/* Walks all channels in the order of making; fn may not change them. */
void pml_channels_each(const pml_channels *t, void (*fn)(pml_channel *c, void *ud), void *ud);

/* The channels that uid is a member of, each once, in no order; fn may not change them. The first
 * call of this, and of pml_channels_leave, makes an index of all members, which costs 50 ns
 * with every join and leave from then on. */
void pml_channels_of(pml_channels *t, pml_uid uid, void (*fn)(pml_channel *c, void *ud), void *ud);
/* uid leaves every channel, behind every frontend. How many pairs they were. */
size_t pml_channels_leave(pml_channels *t, pml_uid uid, pml_left why);

/* fn hears of everything that happens from here on, as it happens; NULL: nobody. Borrows ud. */
void pml_channels_watch(pml_channels *t, pml_channels_seen fn, void *ud);

#endif
