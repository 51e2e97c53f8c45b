#include "store/data.h"

#include "base/mem.h"

#define KEPT 4096 /* bytes of values, and of texts: with more the memory goes */

static pml_datum *more(pml_data *l, pml_datum_kind kind) {
  if (l->n == l->cap) {
    l->cap = l->cap ? l->cap * 2 : 8;
    l->v = pml_realloc(l->v, l->cap * sizeof *l->v);
  }
  pml_datum *v = &l->v[l->n++];
  *v = (pml_datum){.kind = kind};
  return v;
}

void pml_data_null(pml_data *l) { more(l, PML_DATUM_NULL); }
void pml_data_bool(pml_data *l, int b) { more(l, PML_DATUM_BOOL)->i = b != 0; }
void pml_data_int(pml_data *l, int64_t i) { more(l, PML_DATUM_INT)->i = i; }
void pml_data_real(pml_data *l, double d) { more(l, PML_DATUM_REAL)->d = d; }

void pml_data_text(pml_data *l, pml_datum_kind kind, pml_slice s) {
  pml_datum *v = more(l, kind);
  v->n = (uint32_t)s.n;
  v->at = l->bytes.len;
  pml_writer_put(&l->bytes, s.p, s.n);
}

void pml_data_array(pml_data *l, uint32_t elements) { more(l, PML_DATUM_ARRAY)->n = elements; }

void pml_data_append(pml_data *l, pml_data *from) {
  for (size_t i = 0; i < from->n; i++) {
    const pml_datum *v = &from->v[i];
    if (v->kind == PML_DATUM_TEXT || v->kind == PML_DATUM_BYTES || v->kind == PML_DATUM_ERROR)
      pml_data_text(l, v->kind, pml_data_slice(from, v));
    else *more(l, v->kind) = *v;
  }
}

pml_slice pml_data_slice(pml_data *l, const pml_datum *v) {
  return v->n ? pml_slice_of(pml_writer_at(&l->bytes, v->at), v->n) : pml_slice_of("", 0);
}

size_t pml_data_size(const pml_data *l) { return l->n * sizeof *l->v + l->bytes.len; }

void pml_data_drop(pml_data *l) {
  pml_free(l->v);
  pml_writer_drop(&l->bytes);
  *l = (pml_data){0};
}

void pml_data_clear(pml_data *l) {
  if (l->n * sizeof *l->v > KEPT || l->bytes.len > KEPT) {
    pml_data_drop(l);
    return;
  }
  l->n = 0;
  pml_writer_cut(&l->bytes, 0);
}
