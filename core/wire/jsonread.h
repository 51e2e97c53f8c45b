/* jsonread: the tokens of a JSON text, one after the other, without a tree, without memory of its
 * own and without recursion. Stricter than lua-cjson: exactly RFC 8259. */
#ifndef PML_WIRE_JSONREAD_H
#define PML_WIRE_JSONREAD_H

#include "base/buf.h"

#define PML_JSONREAD_DEPTH 64u /* objects and arrays in each other */

enum {
  PML_TOKEN_END, /* behind the value: nothing follows */
  PML_TOKEN_OBJECT,
  PML_TOKEN_OBJECT_END,
  PML_TOKEN_ARRAY,
  PML_TOKEN_ARRAY_END,
  PML_TOKEN_KEY, /* its colon is read, too */
  PML_TOKEN_STRING,
  PML_TOKEN_NUMBER,
  PML_TOKEN_TRUE,
  PML_TOKEN_FALSE,
  PML_TOKEN_NULL
};

/* Borrows the text. */
typedef struct {
  uint8_t kind;
  uint8_t escaped; /* KEY, STRING: there is a backslash in it */
  pml_slice text;  /* KEY, STRING: what stands between the quotes; others: the token */
} pml_token;

/* Borrows the text until the caller has read the last token. */
typedef struct {
  const uint8_t *begin, *at, *end; /* private */
  uint64_t objects;                /* private: bit of a level: it is an object */
  uint8_t depth;                   /* read-only: how many objects and arrays are open */
  uint8_t expects;                 /* private */
} pml_jsonread;

void pml_jsonread_init(pml_jsonread *r, pml_slice text);
/* 0; PML_EPROTO: the text is no JSON; PML_ETOOBIG: deeper than PML_JSONREAD_DEPTH. After an error
 * every call gives an error. */
int pml_jsonread_next(pml_jsonread *r, pml_token *out);
/* Reads on to the end of the value that begins with t, the token read last. Errors as above. */
int pml_jsonread_skip(pml_jsonread *r, const pml_token *t);
/* How many bytes are read; after an error, where it is. */
size_t pml_jsonread_offset(const pml_jsonread *r);

/* Appends what a KEY or STRING means, as valid UTF-8. U+FFFD stands for the escape of a lone
 * surrogate and for what is ill-formed. At most three times its text. */
void pml_jsonread_text(pml_writer *w, const pml_token *t);
/* The value of a number as JSON writes it. 0; PML_EPROTO: it is none; PML_ETOOBIG: its text is
 * longer than 128 bytes, or no double can hold it. The locale does not matter. */
int pml_jsonread_number(pml_slice text, double *out);

#endif
