/* json_text: checks and prepares JSON text before lua-cjson reads it. This file refuses text that
 * lua-cjson accepts and RFC 8259 forbids, and rewrites text that lua-cjson cannot read or cannot
 * tell apart. Its functions are pure.
 *
 * lua-cjson reads `[]` and `{}` as the same empty table, and refuses a whole text for one lone
 * surrogate escape. A text that holds one of these is therefore copied: every `[]` becomes
 * PML_JSON_MARK, an array of one number that no other text can hold (the scan refuses numbers
 * beyond a double), and every lone surrogate escape becomes \ufffd. Other texts are not copied. */
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

/* Refuses (PML_EPROTO) text that lua-cjson accepts and RFC 8259 forbids: control characters, NUL
 * bytes, numbers such as "1." and "-.5"; and numbers that no double can hold. *found gets the
 * PML_JSON_ bits of the text. The scan is no parser: a text that it accepts may still be
 * ill-formed. p[n] must be 0, as it is behind a Lua string. */
int pml_json_scan(const char *p, size_t n, int *found);
/* Appends the text at p, which pml_json_scan has accepted, with a mark for each empty array and a
 * replacement for each lone surrogate. It appends at most 3.5 times n bytes. p[n] must be 0. */
void pml_json_rewrite(pml_writer *w, const char *p, size_t n);

/* Sixteen bytes that are compared at once. GCC and clang compile this for the vector instructions
 * that the machine has. */
typedef int8_t pml_bytes16 __attribute__((vector_size(16)));

/* The place of the first byte that is not ASCII or needs an escape; 16 when there is none. */
static inline size_t pml_json_first_odd(const uint8_t *p) {
  pml_bytes16 x;
  uint64_t half[2];
  memcpy(&x, p, sizeof x);
  pml_bytes16 odd = (x < 0x20) | (x == '"') | (x == '\\'); /* a byte that is not ASCII is below 0 */
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
  memset(rest, '"', sizeof rest); /* a quote ends text of fewer than 16 bytes */
  memcpy(rest, p + i, n - i);
  return i + pml_json_first_odd(rest);
}

#endif
