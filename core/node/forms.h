/* forms: in which form each client gets its messages. Between servers a message is JSON text with
 * its whole route. A client may hold a route dictionary (protocol 10) and definitions of protobuf
 * messages (protocol 11), which the answer to its handshake gave it: its session keeps the number
 * of its form, and this table knows what the number means. Form 0 is the plain one: whole routes
 * and JSON. node/transcode makes the messages of the other forms. */
#ifndef PML_NODE_FORMS_H
#define PML_NODE_FORMS_H

#include "node/counter.h"
#include "node/node.h"
#include "wire/dictionary.h"
#include "wire/proto.h"

#define PML_FORMS_MAX 64     /* forms that sessions have at one time, with the plain one */
#define PML_FORMS_VERSIONS 4 /* definitions that sessions have at one time */
#define PML_FORM_NONE 255    /* of a session that is being closed: it gets no more messages */

/* What a number means. */
typedef struct {
  pml_dictionary *dictionary; /* counted; NULL: routes in full */
  pml_protos *protos;         /* counted; NULL: bodies as JSON */
  uint8_t cesu8;              /* characters above U+FFFF as its old clients write them */
  uint8_t json_responses;     /* responses are JSON in any case: protocol 0.5 */
} pml_form;

/* Private to forms.c. All zero to begin with. */
typedef struct {
  pml_form form[PML_FORMS_MAX];                /* [0]: all zero, as each free one */
  pml_dictionary *dictionary;                  /* what new clients get; NULL: none */
  pml_protos *protos;                          /* the same; one of version[] */
  pml_protos *version[PML_FORMS_VERSIONS + 1]; /* counted, the one that was set last at the end */
  unsigned nversions;
  unsigned busy; /* pushes that are being delivered: no number gets a new meaning */
  uint64_t ended;
} pml_forms;

/* The dictionary for clients that come from here on; NULL: none. Shares. Connected clients keep
 * the one they have. */
void pml_forms_set_dictionary(pml_node *n, pml_dictionary *d);
pml_dictionary *pml_forms_dictionary(const pml_node *n); /* borrowed or NULL */

/* The same for definitions. Those of the present also check what this server's scripts send
 * (pml_forms_check). When sessions hold PML_FORMS_VERSIONS versions besides, those with the oldest
 * are closed (WebSocket code 1001): they come back and get this one. */
void pml_forms_set_protos(pml_node *n, pml_protos *p);
pml_protos *pml_forms_protos(const pml_node *n); /* borrowed or NULL */

enum {
  PML_FORM_DICTIONARY = 1, /* the client has the dictionary */
  PML_FORM_PROTOS = 2,     /* it has the definitions */
  PML_FORM_CESU8 = 4,      /* with definitions: see pml_form */
  PML_FORM_JSON_RESPONSES = 8
};

/* Sets the form of a session, before the answer to its handshake that gives the client what the
 * flags name. 0; PML_ENOENT: there is no such session; PML_EFULL: too many forms. */
int pml_forms_choose(pml_node *n, pml_id session, unsigned flags);

/* Whether a message that scripts send by this route, the JSON text in w from `at` on, fits the
 * present definitions, if they have the route. Empty lists are written as such then. 0; PML_EINVAL:
 * err says where it does not fit. */
int pml_forms_check(const pml_node *n, pml_slice route, pml_writer *w, size_t at, char *err,
                    size_t nerr);

/* For the files of this folder. */
extern const pml_counter pml__forms_counters[];
void pml__forms_clear(pml_node *n);
/* What the number of a session's form means; borrowed. Not of PML_FORM_NONE. */
const pml_form *pml__forms_get(const pml_node *n, uint8_t form);
/* Between these two calls no number gets a new meaning. */
void pml__forms_hold(pml_node *n);
void pml__forms_release(pml_node *n);
/* Closes the connection of a session that cannot read what is sent: WebSocket code 1001. */
void pml__forms_end(pml_node *n, pml_session *s);

#endif
