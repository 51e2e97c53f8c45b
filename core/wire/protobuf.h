/* protobuf: messages of Pomelo's protobuf (protocol 11.3) to JSON text and back, by a definition of
 * wire/proto. The same bytes as npm's pomelo-protobuf 0.4.0, with Pinus's bool, uInt64 and sInt64.
 * Pure functions. */
#ifndef PML_WIRE_PROTOBUF_H
#define PML_WIRE_PROTOBUF_H

#include "wire/proto.h"

#define PML_PROTOBUF_DEPTH 32 /* messages in each other, written or read */

enum {
  PML_PROTOBUF_CESU8 = 1, /* characters above U+FFFF as two halves: old browser clients (0.13) */
  PML_PROTOBUF_EMPTY = 2  /* a message that has no bytes is allowed: what clients send */
};

/* Why a message does not fit its definition. */
typedef struct {
  char path[128]; /* "players[3].name"; "" is the message itself */
  char what[128]; /* "a string is needed, not a number" */
} pml_protobuf_error;

/* Appends the bytes of json, an object, in the order of its members. Members that m does not
 * define are left out. Fractions of whole numbers are cut, texts of numbers are numbers.
 * PML_EINVAL: it does not fit: a required field is missing, a value is of the wrong type or out
 * of its range, or nothing of it has a field and the message would be empty, which clients
 * cannot read. *err is set then (NULL: not wanted) and nothing is appended. */
int pml_protobuf_encode(const pml_proto *m, pml_slice json, unsigned flags, pml_writer *w,
                        pml_protobuf_error *err);

/* Whether pml_protobuf_encode would succeed, without flags: 0, or PML_EINVAL with *err. Where a
 * repeated field has `{}`, which is what an empty Lua table may become, or a message has `[]`,
 * the text is mended: it is then appended to fixed as it should be, and 1 is returned. */
int pml_protobuf_check(const pml_proto *m, pml_slice json, pml_writer *fixed,
                       pml_protobuf_error *err);

/* Appends the message as a JSON object. Unknown tags are skipped by their wire type; what is no
 * UTF-8 becomes U+FFFD. A field that came twice has the last value, a repeated field all of them,
 * where the first stands.
 * PML_EPROTO: it is cut, deeper than PML_PROTOBUF_DEPTH, of another wire type than m says, an
 * integer above 2^53, or a NaN or an infinity, which JSON has no text for. Nothing is appended
 * then. */
int pml_protobuf_decode(const pml_proto *m, pml_slice bytes, pml_writer *json);
/* The same for bytes of a peer: PML_EPROTO also when the text would have more than `most` bytes. A
 * field of two bytes may have a long name, so that a text can be many times as long as its bytes.
 * What is written meanwhile is hardly longer than `most`. */
int pml_protobuf_decode_within(const pml_proto *m, pml_slice bytes, size_t most, pml_writer *json);

#endif
