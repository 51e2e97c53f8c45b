/* fake_script: the port node/script.h, which writes down every call as one line
 * of text, so that a test says what it expects in words:
 *
 *   message REQUEST sid=… type=0 id=1 route=a.b.c body={}
 *
 * Ids are left out; the last of each kind is kept. */
#ifndef PML_TEST_FAKE_SCRIPT_H
#define PML_TEST_FAKE_SCRIPT_H

#include "node/node.h"

typedef struct {
  char text[16384]; /* the lines so far */
  size_t n;
  int calls;
  pml_id request, call, push, pending, timer, session; /* of the last call that had one */
  int keep;                                            /* what filter answers */
} fake_script;

/* Makes f the node's script. Borrows f. */
void fake_script_set(fake_script *f, pml_node *n);
/* CHECKs that exactly these lines came since the last time. */
void fake_script_expect(fake_script *f, const char *lines);

#endif
