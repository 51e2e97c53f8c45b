/* template: the text of a request, made of one that the caller gives, with its words replaced. */
#ifndef PML_TOOLS_LOAD_TEMPLATE_H
#define PML_TOOLS_LOAD_TEMPLATE_H

#include "tools/load/client.h"

/* The message of c: {uid}, {room}, {now} and {fill} are replaced. It is in l->body, and cut to
 * LOAD_BODY_MAX bytes. */
pml_slice load_template(const client *c, const char *template);

#endif
