/* fake_sink: a client that keeps what is sent to it. */
#ifndef PML_TEST_FAKE_SINK_H
#define PML_TEST_FAKE_SINK_H

#include "model/sessions.h"

#define FAKE_FRAMES 256

typedef struct {
  pml_sink sink;
  pml_buf *frame[FAKE_FRAMES];
  pml_delivery how[FAKE_FRAMES];
  int frames, closes;
  char reason[64];     /* of the first close; "-" for none */
  int why;             /* the pml_end of an end for a reason of the server's own */
  int left;            /* it was closed without a KICK */
  int moved;           /* the same, as the server stops */
  pml_offered offered; /* what becomes of pushes that may be replaced or dropped */
  pml_session *handed; /* by the last hand */
  int hands;
} fake_sink;

/* A working session with this sink. Borrows f. */
pml_session *fake_sink_open(fake_sink *f, pml_sessions *t);
/* The message bytes of frame i; CHECKs that it is there. */
pml_slice fake_sink_body(const fake_sink *f, int i);
/* Forgets what was kept. */
void fake_sink_clear(fake_sink *f);

#endif
