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
/* Frees it; its id is stale from here. */
void pml_channels_destroy(pml_channels *t, pml_channel *c);
/* Every member behind a frontend leaves every channel. How many they were. */
size_t pml_channels_drop(pml_channels *t, const char *sid);
size_t pml_channels_count(const pml_channels *t);

#endif
