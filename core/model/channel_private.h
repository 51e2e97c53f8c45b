/* channel_private: the struct that channel.c and channels.c share. No other file includes it. */
#ifndef PML_MODEL_CHANNEL_PRIVATE_H
#define PML_MODEL_CHANNEL_PRIVATE_H

#include "base/hash.h"
#include "base/table.h"
#include "model/channel.h"

struct pml_channel {
  pml_id id;
  const pml_hash_key *key; /* of the table it is in, borrowed */
  pml_table by_uid;        /* of each uid the pair that joined last */
  pml_group *groups;       /* by sid, in the order of joining */
  size_t count;            /* pairs */
  UT_hash_handle hh;       /* in channels, by name */
  uint32_t name_len;
  uint8_t name[];
};

pml_channel *pml__channel_new(pml_slice name, const pml_hash_key *key); /* returns owned */
void pml__channel_free(pml_channel *c);                                 /* takes */

#endif
