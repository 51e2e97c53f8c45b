/* forms: how a server's clients write and read messages: its route dictionary and its definitions
 * of protobuf messages, as the answer to a handshake gives them (protocol 3.3). All clients of the
 * generator get the same. */
#ifndef PML_TOOLS_LOAD_FORMS_H
#define PML_TOOLS_LOAD_FORMS_H

#include "wire/message.h"
#include "wire/proto.h"

/* One route that the generator uses. */
typedef struct {
  pml_slice name;
  uint16_t code;              /* 0: the route is written in full */
  const pml_proto *to, *from; /* of what clients and the server send; NULL: JSON */
} load_route;

typedef struct load_forms load_forms;

/* Reads the JSON text of the answer. Returns owned; NULL: it is no JSON, or its definitions are
 * none, and why says so. */
load_forms *load_forms_new(pml_slice handshake, char *why, size_t size);
load_route load_forms_route(const load_forms *f, const char *name);
/* Appends a message's head and body; body: JSON text. 0; PML_EINVAL: it does not fit its
 * definition. */
int load_forms_write(const load_route *r, pml_message_view *m, pml_writer *w);
/* Whether a push is one of this route. */
int load_forms_is(const load_route *r, const pml_message_view *m);
/* The body that the server has sent as JSON text, perhaps in scratch. */
pml_slice load_forms_read(const load_route *r, pml_slice body, pml_writer *scratch);

#endif
