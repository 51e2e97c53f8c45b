/* route: which server gets a client's message. Pomelo's default route gives the server; for routed
 * server types the scripts are asked, and the message waits for their answer. */
#ifndef PML_NODE_ROUTE_H
#define PML_NODE_ROUTE_H

#include "node/node.h"

/* Private to route.c. */
typedef struct {
  pml_slots *pending; /* messages that wait for the scripts to name a server */
  char **types;       /* server types for which the scripts are asked */
  size_t ntypes;
} pml_routes;

/* Whether messages for a server type ask the scripts; "default": for every type. */
void pml_route_set(pml_node *n, const char *type, int on);
/* Answers on_route. to: a server's id; NULL, or a server that is not there: the client gets
 * {"code":500}. 0; PML_ECLOSED: there is no such message, or it has been answered; PML_ENOENT:
 * there is no such server. */
int pml_route_choose(pml_node *n, pml_id pending, const char *to);

/* For the files of this folder. */
void pml__route_init(pml_node *n);
/* Forgets the messages that wait, and frees what they used. */
void pml__route_clear(pml_node *n);
/* Sends a client's message to a server of that type, or asks the scripts for one. */
void pml__route_message(pml_node *n, pml_session *s, const pml_message_view *m, pml_slice type);
size_t pml__route_count(const pml_node *n);

#endif
