/* postgres_params: a statement and its parameters as libpq takes them: texts that end with a zero
 * byte, in arrays. Pure. */
#ifndef PML_STORE_POSTGRES_PARAMS_H
#define PML_STORE_POSTGRES_PARAMS_H

#include "base/buf.h"
#include "store/data.h"

#define PML__PG_MAX_PARAMS 65535

/* Zeroed is valid. What is read-only is borrowed until the next pml__pg_params_set. */
typedef struct {
  const char *text;    /* read-only */
  int n;               /* read-only: parameters */
  const char **values; /* read-only: NULL is NULL */
  unsigned *types;     /* read-only: 0, or the oid of bytea */
  int *lengths;        /* read-only: of those with format 1 */
  int *formats;        /* read-only: 0 text, 1 bytes as they are */
  pml_writer bytes;    /* private */
  size_t *at;          /* private */
  size_t cap;          /* private */
} pml__pg_params;

/* 0, or PML_EINVAL with a sentence in err: a zero byte in a text, which PostgreSQL cannot keep; too
 * many parameters; an array. */
int pml__pg_params_set(pml__pg_params *p, pml_slice text, pml_data *params, char *err, size_t nerr);
void pml__pg_params_drop(pml__pg_params *p);

#endif
