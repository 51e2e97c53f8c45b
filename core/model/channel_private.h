/* channel_private: the struct that channel.c and channels.c share. No other file includes it. */
#ifndef PML_MODEL_CHANNEL_PRIVATE_H
#define PML_MODEL_CHANNEL_PRIVATE_H

#include "base/hash.h"
#include "base/table.h"
#include "model/channel.h"

/* What the channels of one table share. */
typedef struct {
  pml_hash_key key;
  int indexed;            /* by_user holds every pair */
  pml_table by_user;      /* pairs of all channels by uid, made when somebody asks */
  pml_channels_seen seen; /* NULL: nobody watches */
  void *ud;
} pml_channel_shared;

struct pml_channel {
  pml_id id;
  pml_channel_shared *shared; /* borrowed */
  pml_table by_uid;           /* of each uid the pair that joined last */
  pml_group *groups;          /* by sid, in the order of joining */
  size_t count;               /* pairs */
  UT_hash_handle hh;          /* in channels, by name */
  uint8_t marked;
  uint32_t name_len;
  uint8_t name[];
};

pml_channel *pml__channel_new(pml_slice name, pml_channel_shared *shared); /* returns owned */
void pml__channel_free(pml_channel *c); /* takes; its members are not in by_user */
/* All members leave, one after the other. */
void pml__channel_empty(pml_channel *c, pml_left why);
/* Enters all members in by_user. */
void pml__channel_index(pml_channel *c);
/* Tells who watches of a change. */
void pml__channel_tell(const pml_channel *c, pml_channel_change change);
/* Walks by_user: the newest pair of uid in each channel. fn may not change anything. */
void pml__channel_of_user(const pml_channel_shared *s, pml_uid uid,
                          void (*fn)(pml_channel *c, void *ud), void *ud);
/* One pair of uid leaves, of whatever channel; 0 when there is none. */
int pml__channel_leave_one(pml_channel_shared *s, pml_uid uid, pml_left why);

#endif
