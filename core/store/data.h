/* data: what goes to a database and comes from it: a list of values without a language.
 *
 * A list is flat: an array is one value that says how many elements follow it, which may be arrays
 * again. The bytes of all texts stand in one block behind the list, so a row costs no allocation of
 * its own. Zeroed is a valid empty list. */
#ifndef PML_STORE_DATA_H
#define PML_STORE_DATA_H

#include "base/buf.h"

typedef enum {
  PML_DATUM_NULL,
  PML_DATUM_BOOL,  /* i: 0 or 1 */
  PML_DATUM_INT,   /* i: all 64 bits */
  PML_DATUM_REAL,  /* d */
  PML_DATUM_TEXT,  /* n bytes at `at` */
  PML_DATUM_BYTES, /* the same; not text: bytea, BLOB */
  PML_DATUM_ARRAY, /* n elements follow */
  PML_DATUM_ERROR  /* n bytes at `at`: an error inside of an array (Redis) */
} pml_datum_kind;

typedef struct {
  pml_datum_kind kind;
  uint32_t n;
  union {
    int64_t i;
    double d;
    size_t at;
  };
} pml_datum;

typedef struct {
  pml_datum *v;     /* read-only; owned */
  size_t n;         /* read-only */
  size_t cap;       /* private */
  pml_writer bytes; /* private */
} pml_data;

void pml_data_null(pml_data *l);
void pml_data_bool(pml_data *l, int b);
void pml_data_int(pml_data *l, int64_t i);
void pml_data_real(pml_data *l, double d);
/* kind: PML_DATUM_TEXT, PML_DATUM_BYTES or PML_DATUM_ERROR. Borrows s, of less than 4 GiB. */
void pml_data_text(pml_data *l, pml_datum_kind kind, pml_slice s);
void pml_data_array(pml_data *l, uint32_t elements);

/* All values of from, behind those of l; from is not changed. */
void pml_data_append(pml_data *l, pml_data *from);

/* The bytes of a value with text, borrowed until the next append. */
pml_slice pml_data_slice(pml_data *l, const pml_datum *v);
/* How much memory the list takes. */
size_t pml_data_size(const pml_data *l);
/* Frees what the list holds; it is empty again. */
void pml_data_drop(pml_data *l);
/* The list is empty again, and keeps its memory when that is little: for lists that follow each
 * other. */
void pml_data_clear(pml_data *l);

#endif
