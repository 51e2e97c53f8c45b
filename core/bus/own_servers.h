/* own_servers: the servers of this process as the others are told of them: their list, in the form
 * in which it travels, which must fit into one message. */
#ifndef PML_BUS_OWN_SERVERS_H
#define PML_BUS_OWN_SERVERS_H

#include "base/list.h"
#include "wire/announce.h"

typedef struct {
  pml_list all; /* private */
  size_t size;  /* private: bytes in a message */
} pml_own_servers;

void pml_own_servers_init(pml_own_servers *o);
void pml_own_servers_fini(pml_own_servers *o);

/* A server, or another life or info of one. 0; PML_ETOOBIG: the list would not fit into a message,
 * or the info is longer than PML_ANNOUNCE_INFO_MAX; PML_EINVAL: what pml_announce_id_ok,
 * pml_announce_info_ok or pml_announce_read refuses. Copies. */
int pml_own_servers_put(pml_own_servers *o, const char *id, uint64_t incarnation, const char *info);
/* 1: something has changed. */
int pml_own_servers_leaving(pml_own_servers *o, const char *id);
int pml_own_servers_remove(pml_own_servers *o, const char *id);
/* Appends all of them to a message. */
void pml_own_servers_write(const pml_own_servers *o, pml_writer *w);

#endif
