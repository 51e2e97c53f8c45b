#include "node/forms.h"

#include "base/err.h"
#include "node/state.h"
#include "wire/protobuf.h"

#include <stdio.h>

const pml_counter pml__forms_counters[] = {
  PML_NODE_COUNTER("closedProtos", forms.ended),
  {NULL, 0},
};

/* --- what a number means ------------------------------------------------------------ */

static int is_free(const pml_form *f) { return !f->dictionary && !f->protos; }

static int same(const pml_form *a, const pml_form *b) {
  return a->dictionary == b->dictionary && a->protos == b->protos && a->cesu8 == b->cesu8 &&
         a->json_responses == b->json_responses;
}

static void form_clear(pml_form *f) {
  pml_dictionary_unref(f->dictionary);
  pml_protos_unref(f->protos);
  *f = (pml_form){0};
}

const pml_form *pml__forms_get(const pml_node *n, uint8_t form) { return &n->forms.form[form]; }

void pml__forms_hold(pml_node *n) { n->forms.busy++; }
void pml__forms_release(pml_node *n) { n->forms.busy--; }

static int mark_one(pml_session *s, void *used) {
  if (s->form < PML_FORMS_MAX) ((uint8_t *)used)[s->form] = 1;
  return 0;
}

/* Forgets the forms that no session has. */
static void sweep(pml_node *n) {
  uint8_t used[PML_FORMS_MAX] = {0};
  pml_sessions_each(n->sessions, mark_one, used);
  for (int i = 1; i < PML_FORMS_MAX; i++)
    if (!used[i]) form_clear(&n->forms.form[i]);
}

/* The number of a form that is there, or else of a free place; 0: there is none. */
static int find(const pml_forms *t, const pml_form *f) {
  int place = 0;
  for (int i = PML_FORMS_MAX - 1; i > 0; i--) {
    if (is_free(&t->form[i])) place = i;
    else if (same(&t->form[i], f)) return i;
  }
  return place;
}

int pml_forms_choose(pml_node *n, pml_id session, unsigned flags) {
  pml_forms *t = &n->forms;
  pml_session *s = pml_sessions_get(n->sessions, session);
  if (!s) return PML_ENOENT;
  pml_form f = {0};
  if (flags & PML_FORM_DICTIONARY) f.dictionary = t->dictionary;
  if (flags & PML_FORM_PROTOS) f.protos = t->protos;
  if (f.protos) {
    f.cesu8 = (flags & PML_FORM_CESU8) != 0;
    f.json_responses = (flags & PML_FORM_JSON_RESPONSES) != 0;
  }
  if (is_free(&f)) {
    s->form = 0;
    return 0;
  }
  int i = find(t, &f);
  if (!i && !t->busy) {
    sweep(n);
    i = find(t, &f);
  }
  if (!i) return PML_EFULL;
  if (is_free(&t->form[i])) {
    pml_dictionary_ref(f.dictionary);
    pml_protos_ref(f.protos);
    t->form[i] = f;
  }
  s->form = (uint8_t)i;
  return 0;
}

/* --- what clients get from here on ---------------------------------------------------- */

void pml_forms_set_dictionary(pml_node *n, pml_dictionary *d) {
  pml_dictionary_ref(d);
  pml_dictionary_unref(n->forms.dictionary);
  n->forms.dictionary = d;
}

pml_dictionary *pml_forms_dictionary(const pml_node *n) { return n->forms.dictionary; }
pml_protos *pml_forms_protos(const pml_node *n) { return n->forms.protos; }

void pml__forms_end(pml_node *n, pml_session *s) {
  if (s->form == PML_FORM_NONE) return;
  s->form = PML_FORM_NONE;
  n->forms.ended++;
  if (s->sink) pml_sink_leave(s->sink, pml_slice_str("protos"));
}

typedef struct {
  pml_node *node;
  const pml_protos *protos;
} holders;

static int end_holder(pml_session *s, void *ud) {
  holders *h = ud;
  if (s->form != PML_FORM_NONE && pml__forms_get(h->node, s->form)->protos == h->protos)
    pml__forms_end(h->node, s);
  return 0;
}

static int is_held(const pml_forms *t, const pml_protos *p) {
  for (int i = 1; i < PML_FORMS_MAX; i++)
    if (t->form[i].protos == p) return 1;
  return 0;
}

static void drop_version(pml_forms *t, unsigned i) {
  pml_protos_unref(t->version[i]);
  t->nversions--;
  memmove(t->version + i, t->version + i + 1, (t->nversions - i) * sizeof *t->version);
}

/* Leaves PML_FORMS_VERSIONS of them: first those go that nobody holds, then the oldest. */
static void make_room(pml_node *n) {
  pml_forms *t = &n->forms;
  if (t->nversions <= PML_FORMS_VERSIONS) return;
  sweep(n);
  for (unsigned i = t->nversions - 1; i-- > 0;)
    if (!is_held(t, t->version[i])) drop_version(t, i);
  if (t->nversions <= PML_FORMS_VERSIONS) return;
  holders h = {n, t->version[0]};
  pml_sessions_each(n->sessions, end_holder, &h);
  sweep(n);
  drop_version(t, 0);
}

/* The place of a version that is there with the same text; nversions: none is. */
static unsigned version_at(const pml_forms *t, pml_protos *p) {
  unsigned i = 0;
  while (i < t->nversions && strcmp(pml_protos_version(t->version[i]), pml_protos_version(p)) != 0)
    i++;
  return i;
}

void pml_forms_set_protos(pml_node *n, pml_protos *p) {
  pml_forms *t = &n->forms;
  t->protos = NULL;
  if (!p) return;
  unsigned i = version_at(t, p);
  p = pml_protos_ref(i < t->nversions ? t->version[i] : p);
  if (i < t->nversions) drop_version(t, i);
  t->version[t->nversions++] = t->protos = p;
  make_room(n);
}

/* --- what scripts send -------------------------------------------------------------- */

int pml_forms_check(const pml_node *n, pml_slice route, pml_writer *w, size_t at, char *err,
                    size_t nerr) {
  if (!n->forms.protos) return 0;
  const pml_proto *p = pml_protos_server(n->forms.protos, route);
  if (!p) return 0;
  pml_protobuf_error wrong;
  pml_writer mended = {0};
  int rc = pml_protobuf_check(p, pml_slice_of(pml_writer_at(w, at), w->len - at), &mended, &wrong);
  if (rc < 0) {
    snprintf(err, nerr, "msg%s%s: %s (serverProtos, \"%.*s\")", wrong.path[0] ? "." : "",
             wrong.path, wrong.what, (int)route.n, (const char *)route.p);
  } else if (rc > 0) {
    pml_writer_cut(w, at);
    pml_writer_put(w, pml_writer_at(&mended, 0), mended.len);
  }
  pml_writer_drop(&mended);
  return rc < 0 ? rc : 0;
}

void pml__forms_clear(pml_node *n) {
  pml_forms *t = &n->forms;
  for (int i = 1; i < PML_FORMS_MAX; i++) form_clear(&t->form[i]);
  while (t->nversions) drop_version(t, 0);
  pml_dictionary_unref(t->dictionary);
}
