/* json_text: JSON text before lua-cjson reads it: what it takes though it must not is
 * refused, and what it cannot read or tell apart is written anew. Pure functions.
 *
 * `[]` and `{}` are the same empty table for lua-cjson, and it refuses the whole text for
 * one lone surrogate escape. So a text that holds such is copied: every `[]` becomes
 * PML_JSON_MARK, an array of one number that no other text can hold (the scan refuses
 * what is beyond a double), and every lone surrogate escape \ufffd. Other texts are not copied. */
#ifndef PML_SCRIPT_JSON_TEXT_H
#define PML_SCRIPT_JSON_TEXT_H

#include "base/buf.h"

#include <endian.h>
#include <string.h>

#define PML_JSON_MARK "[1e999]" /* read as an array that holds infinity */

enum {
  PML_JSON_NULL = 1,  /* there may be a null */
  PML_JSON_EMPTY = 2, /* there is an empty array */
  PML_JSON_LONE = 4   /* there is the escape of a surrogate without its other half */
};

/* Refuses (PML_EPROTO) what lua-cjson takes though RFC 8259 does not: control
 * characters, NUL bytes, numbers such as "1." and "-.5"; and numbers no double
 * can hold. *found: the PML_JSON_ bits of what is in it. It is no parser: what it accepts
 * may still be wrong. p[n] must be 0, as it is behind a Lua string. */
int pml_json_scan(const char *p, size_t n, int *found);
/* Appends p, which pml_json_scan accepted, with marks and without lone surrogates. At most
 * 3.5 times n is appended. p[n] must be 0. */
void pml_json_rewrite(pml_writer *w, const char *p, size_t n);

/* Sixteen bytes at once, for whatever vectors the machine has (GCC and clang know how). */
typedef int8_t pml_bytes16 __attribute__((vector_size(16)));

/* The place of the first that is not ASCII or needs an escape, 16: none. */
static inline size_t pml_json_first_odd(const uint8_t *p) {
  pml_bytes16 x;
  uint64_t half[2];
  memcpy(&x, p, sizeof x);
  pml_bytes16 odd = (x < 0x20) | (x == '"') | (x == '\\'); /* not ASCII is below 0 */
  memcpy(half, &odd, sizeof half);
  if (half[0]) return (size_t)__builtin_ctzll(le64toh(half[0])) / 8;
  return half[1] ? 8 + (size_t)__builtin_ctzll(le64toh(half[1])) / 8 : 16;
}

/* How many bytes from p on are ASCII and need no escape. */
static inline size_t pml_json_plain(const uint8_t *p, size_t n) {
  size_t i = 0;
  for (; n - i >= 16; i += 16) {
    size_t k = pml_json_first_odd(p + i);
    if (k < 16) return i + k;
  }
  if (i == n) return n;
  uint8_t rest[16];
  memset(rest, '"', sizeof rest); /* ends what is shorter */
  memcpy(rest, p + i, n - i);
  return i + pml_json_first_odd(rest);
}

#endif
