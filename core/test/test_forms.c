#include "node/forms.h"

#include "test/forms.h"

TEST(forms_sessions_with_the_same_have_the_same_number) {
  fanout x;
  fanout_open(&x, 1);
  fanout_clients(&x, (const char *const[]){"ann", "bob", "cid"}, 3);
  CHECK_EQ(pml_forms_choose(x.v.node, x.s[0]->id, PML_FORM_DICTIONARY), 0);
  CHECK_EQ(x.s[0]->form, 0); /* there is no dictionary yet */
  forms_dictionary(&x, "onX");
  CHECK_EQ(pml_forms_choose(x.v.node, x.s[0]->id, PML_FORM_DICTIONARY), 0);
  CHECK_EQ(pml_forms_choose(x.v.node, x.s[1]->id, PML_FORM_DICTIONARY), 0);
  CHECK_EQ(pml_forms_choose(x.v.node, x.s[2]->id, 0), 0);
  CHECK_EQ(x.s[0]->form, 1);
  CHECK_EQ(x.s[1]->form, 1);
  CHECK_EQ(x.s[2]->form, 0);
  CHECK_EQ(pml_forms_choose(x.v.node, 77, PML_FORM_DICTIONARY), PML_ENOENT);
  fanout_close(&x);
}

TEST(forms_that_no_session_has_make_room) {
  fanout x;
  char route[16];
  fanout_open(&x, 1);
  fanout_clients(&x, (const char *const[]){"ann", "bob"}, 2);
  for (int i = 0; i < 3 * PML_FORMS_MAX; i++) {
    snprintf(route, sizeof route, "r%d", i);
    forms_dictionary(&x, route);
    CHECK_EQ(pml_forms_choose(x.v.node, x.s[i > 0]->id, PML_FORM_DICTIONARY), 0);
    const pml_form *kept = pml__forms_get(x.v.node, x.s[0]->form);
    CHECK(pml_dictionary_code(kept->dictionary, pml_slice_str("r0")));
    const pml_form *newest = pml__forms_get(x.v.node, x.s[i > 0]->form);
    CHECK(pml_dictionary_code(newest->dictionary, pml_slice_str(route)));
  }
  fanout_close(&x);
}

TEST(forms_are_not_changed_while_a_push_is_delivered) {
  fanout x;
  char route[16];
  int rc = 0, i = 0;
  fanout_open(&x, 1);
  fanout_clients(&x, (const char *const[]){"ann"}, 1);
  pml__forms_hold(x.v.node);
  for (; i < PML_FORMS_MAX; i++) {
    snprintf(route, sizeof route, "r%d", i);
    forms_dictionary(&x, route);
    if ((rc = pml_forms_choose(x.v.node, x.s[0]->id, PML_FORM_DICTIONARY))) break;
  }
  CHECK_EQ(rc, PML_EFULL);
  CHECK_EQ(i, PML_FORMS_MAX - 1);
  pml__forms_release(x.v.node);
  CHECK_EQ(pml_forms_choose(x.v.node, x.s[0]->id, PML_FORM_DICTIONARY), 0);
  fanout_close(&x);
}

/* The definitions of the n-th release. */
static void release(fanout *x, int n) {
  char text[64];
  snprintf(text, sizeof text, "{\"onX\":{\"optional uInt32 v%d\":1}}", n);
  forms_protos(x->v.node, text, "");
}

static int knows(fanout *x, int i, const char *field) {
  const pml_form *f = pml__forms_get(x->v.node, x->s[i]->form);
  const pml_proto *p = pml_protos_server(f->protos, pml_slice_str("onX"));
  return p && pml_proto_by_name(p, pml_slice_str(field)) != NULL;
}

TEST(forms_of_older_definitions_stay_while_there_are_four) {
  fanout x;
  fanout_open(&x, 1);
  fanout_clients(&x, (const char *const[]){"a", "b", "c", "d", "e", "f"}, 6);
  for (int i = 0; i < 4; i++) {
    release(&x, i);
    forms_choose(&x, i, PML_FORM_PROTOS);
  }
  for (int i = 0; i < 4; i++) CHECK_EQ(x.f[i].closes, 0);
  CHECK(knows(&x, 0, "v0") && !knows(&x, 0, "v3") && knows(&x, 3, "v3"));
  release(&x, 4);
  CHECK_EQ(x.f[0].closes, 1);
  CHECK(x.f[0].left); /* 1001 and no KICK */
  CHECK(strcmp(x.f[0].reason, "protos") == 0);
  CHECK_EQ(x.s[0]->form, PML_FORM_NONE);
  for (int i = 1; i < 4; i++) CHECK_EQ(x.f[i].closes, 0);
  forms_choose(&x, 4, PML_FORM_PROTOS);
  CHECK(knows(&x, 1, "v1") && knows(&x, 4, "v4"));
  fanout_close(&x);
}

TEST(forms_of_definitions_that_nobody_has_make_room) {
  fanout x;
  fanout_open(&x, 1);
  fanout_clients(&x, (const char *const[]){"a", "b"}, 2);
  release(&x, 0);
  forms_choose(&x, 0, PML_FORM_PROTOS);
  for (int i = 1; i < 20; i++) release(&x, i);
  CHECK_EQ(x.f[0].closes, 0);
  CHECK(knows(&x, 0, "v0"));
  forms_choose(&x, 1, PML_FORM_PROTOS);
  CHECK(knows(&x, 1, "v19"));
  fanout_close(&x);
}

TEST(forms_of_equal_definitions_are_one) {
  fanout x;
  fanout_open(&x, 1);
  fanout_clients(&x, (const char *const[]){"a", "b", "c"}, 3);
  for (int round = 0; round < 8; round++) {
    release(&x, round % 2);
    forms_choose(&x, round % 2, PML_FORM_PROTOS);
  }
  CHECK_EQ(x.s[0]->form, 1);
  CHECK_EQ(x.s[1]->form, 2);
  pml_forms_set_protos(x.v.node, NULL);
  forms_choose(&x, 2, PML_FORM_PROTOS | PML_FORM_CESU8);
  CHECK_EQ(x.s[2]->form, 0);
  release(&x, 0);
  forms_choose(&x, 2, PML_FORM_PROTOS);
  CHECK_EQ(x.s[2]->form, 1);
  fanout_close(&x);
}

static int check(fanout *x, const char *route, const char *json, const char *want) {
  pml_writer w = {0};
  char err[256] = "";
  pml_writer_put(&w, "head", 4);
  pml_writer_put(&w, json, strlen(json));
  int rc = pml_forms_check(x->v.node, pml_slice_str(route), &w, 4, err, sizeof err);
  pml_slice got = pml_slice_of(pml_writer_at(&w, 4), w.len - 4);
  if (rc) CHECK(strcmp(err, want) == 0 || !printf("# %s\n", err));
  else CHECK_BYTES(got.p, got.n, want);
  pml_writer_drop(&w);
  return rc;
}

TEST(forms_check_what_scripts_send) {
  fanout x;
  fanout_open(&x, 1);
  CHECK_EQ(check(&x, "onX", "{\"a\":1}", "{\"a\":1}"), 0);
  forms_protos(x.v.node,
               "{\"onX\":{\"required uInt32 a\":1,\"repeated string s\":2,\"message P\":"
               "{\"required uInt32 x\":1},\"repeated P p\":3}}",
               "{\"onY\":{\"required uInt32 a\":1}}");
  CHECK_EQ(check(&x, "onX", "{\"a\":1,\"s\":{}}", "{\"a\":1,\"s\":[]}"), 0);
  CHECK_EQ(check(&x, "onX", "{\"a\":1,\"z\":{}}", "{\"a\":1,\"z\":{}}"), 0);
  CHECK_EQ(check(&x, "onY", "{}", "{}"), 0);
  CHECK_EQ(check(&x, "onX", "{}", "msg.a: it is required, and missing (serverProtos, \"onX\")"),
           PML_EINVAL);
  CHECK_EQ(check(&x, "onX", "{\"a\":1,\"p\":[{\"x\":1},{\"x\":true}]}",
                 "msg.p[2].x: a number is needed, not true (serverProtos, \"onX\")"),
           PML_EINVAL);
  fanout_close(&x);
}
