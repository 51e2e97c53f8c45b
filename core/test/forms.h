/* forms: clients of different forms that one frame is pushed to. */
#ifndef PML_TEST_FORMS_H
#define PML_TEST_FORMS_H

#include "node/forms.h"
#include "test/fanout.h"

/* New clients get a dictionary in which the route has code 300. */
static inline void forms_dictionary(fanout *x, const char *route) {
  pml_dictionary_pair pair = {pml_slice_str(route), 300};
  pml_dictionary *d;
  CHECK_EQ(pml_dictionary_new(&pair, 1, &d), 0);
  pml_forms_set_dictionary(x->v.node, d);
  pml_dictionary_unref(d);
}

/* New clients get these definitions, which are the texts of the two files; "": none. */
static inline void forms_protos(pml_node *n, const char *server, const char *client) {
  pml_protos_error err = {0};
  pml_protos *p = pml_protos_new(pml_slice_str(server), pml_slice_str(client), &err);
  if (!p) printf("# %s: %s\n", err.key, err.what);
  CHECK(p);
  pml_forms_set_protos(n, p);
  pml_protos_unref(p);
}

static inline void forms_choose(fanout *x, int i, unsigned flags) {
  CHECK_EQ(pml_forms_choose(x->v.node, x->s[i]->id, flags), 0);
}

/* The body of the frame is this from here on. */
static inline void forms_body(fanout *x, const char *body) {
  pml_buf_unref(x->frame);
  x->frame = fanout_frame(body);
}

/* Pushes the frame to a user of this server. */
static inline void forms_push(fanout *x, const char *uid) {
  pml_push_target to = {virtual_uid(uid), "f1"};
  pml_id push;
  CHECK_EQ(pml_push_uids(x->v.node, &to, 1, &(pml_push_what){.frame = x->frame}, &push), 0);
}

/* The first message that a client got is these bytes; they are forgotten. */
static inline void forms_expect(fake_sink *f, const char *bytes, size_t n) {
  pml_slice got = fake_sink_body(f, 0);
  CHECK_EQ(got.n, n);
  CHECK(memcmp(got.p, bytes, n) == 0);
  fake_sink_clear(f);
}

#endif
