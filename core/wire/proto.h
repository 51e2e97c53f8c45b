/* proto: the definitions of Pomelo's protobuf (protocol 11), read and checked once from the texts
 * of serverProtos.json and clientProtos.json. A set of both is immutable and counted: any thread
 * may use it, and a session may keep the one that its client was given. */
#ifndef PML_WIRE_PROTO_H
#define PML_WIRE_PROTO_H

#include "base/buf.h"

#define PML_PROTO_TAG_MAX 268435455u /* 2^28 - 1: with three bits more it is Pomelo's int */
#define PML_PROTO_FIELDS_MAX 512u    /* of one message */
#define PML_PROTO_VERSION 25         /* bytes of a version with its NUL */

enum { PML_PROTO_OPTIONAL, PML_PROTO_REQUIRED, PML_PROTO_REPEATED };

/* The kinds of values. uInt32 and uInt64 are UNSIGNED, int32, sInt32 and sInt64 SIGNED: each holds
 * whole numbers to 2^53. */
enum {
  PML_PROTO_UNSIGNED,
  PML_PROTO_SIGNED,
  PML_PROTO_BOOL,
  PML_PROTO_FLOAT,
  PML_PROTO_DOUBLE,
  PML_PROTO_STRING,
  PML_PROTO_MESSAGE
};

typedef struct pml_protos pml_protos;
typedef struct pml_proto pml_proto;

/* All of it is read-only and lives as long as the set. */
typedef struct {
  pml_slice name;
  pml_slice type;           /* as the file writes it */
  uint32_t tag;             /* 1..PML_PROTO_TAG_MAX */
  uint8_t option;           /* PML_PROTO_OPTIONAL, … */
  uint8_t kind;             /* PML_PROTO_UNSIGNED, … */
  uint8_t wire;             /* 0, 1, 2 or 5 */
  const pml_proto *message; /* MESSAGE: its definition, which may be an outer one */
  uint32_t offset;          /* private: of its key in the text */
} pml_proto_field;

struct pml_proto {
  pml_slice name; /* a route; "message Name" for what routes share; "Name" inside another */
  pml_proto_field *fields; /* as they stand in the file */
  uint32_t count;          /* of the fields, at most PML_PROTO_FIELDS_MAX */
  uint32_t mask;           /* private */
  uint16_t *by_name;       /* private: number of a field + 1, by hash and mask */
  uint16_t *by_tag;        /* private: numbers of the fields, by tag */
  pml_proto *nested;       /* private: definitions inside of it, by next */
  pml_proto *next;         /* private */
  int shared;              /* private: it is a "message Name", no route */
};

/* Why a file is refused. */
typedef struct {
  int server;     /* it is serverProtos.json, not clientProtos.json */
  uint32_t line;  /* from 1 */
  char key[200];  /* where: `onMove > message Path > optional uInt32 x`; "" for the whole file */
  char what[200]; /* "the tag 1 belongs to y already" */
} pml_protos_error;

/* The texts as the files hold them; a slice without bytes stands for a file that is not there.
 * Returns owned, or NULL: a text is no JSON, or what it says is wrong, and *err is set. */
pml_protos *pml_protos_new(pml_slice server, pml_slice client, pml_protos_error *err);
pml_protos *pml_protos_ref(pml_protos *p); /* NULL gives NULL */
void pml_protos_unref(pml_protos *p);      /* NULL is allowed */

/* Pomelo's version: base64 of the MD5 of both parsed forms; "" when there is no file. Borrowed. */
const char *pml_protos_version(const pml_protos *p);
/* What stands in sys.protos of a handshake: {"server":{…},"client":{…},"version":"…"}. Borrowed;
 * a caller that keeps it shares it. */
pml_buf *pml_protos_json(const pml_protos *p);

/* The definition of what the server sends by this route: a push, or the answer to a request.
 * NULL: there is none. Borrowed. The route may be a peer's. */
const pml_proto *pml_protos_server(const pml_protos *p, pml_slice route);
/* The definition of what clients send by it. */
const pml_proto *pml_protos_client(const pml_protos *p, pml_slice route);

/* A field by its name or its tag; NULL: there is none. */
const pml_proto_field *pml_proto_by_name(const pml_proto *m, pml_slice name);
const pml_proto_field *pml_proto_by_tag(const pml_proto *m, uint64_t tag);

#endif
