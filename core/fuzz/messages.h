/* Definitions with every kind of field, for the fuzzers of messages. */
#ifndef PML_FUZZ_MESSAGES_H
#define PML_FUZZ_MESSAGES_H

#include "fuzz/chunks.h"
#include "wire/protobuf.h"

static const pml_proto *messages(void) {
  static const char text[] =
    "{\"t\":{\"optional uInt32 u\":1,\"optional int32 i\":2,\"optional bool b\":3,"
    "\"optional float f\":4,\"optional double d\":5,\"optional string str\":6,"
    "\"message In\":{\"required uInt32 a\":1,\"optional Node n\":2},\"optional In m\":7,"
    "\"repeated uInt32 ru\":8,\"repeated string rs\":9,\"repeated In rm\":10,"
    "\"repeated float rf\":11,\"repeated double rd\":12,\"repeated sInt32 ri\":13,"
    "\"repeated bool rb\":16,\"optional Node tree\":200},"
    "\"message Node\":{\"optional uInt32 v\":1,\"optional Node next\":2,\"repeated Node all\":3}}";
  static pml_protos *p;
  pml_protos_error err;
  if (!p) p = pml_protos_new(pml_slice_str(text), pml_slice_str(""), &err);
  MUST(p != NULL);
  return pml_protos_server(p, pml_slice_str("t"));
}

#endif
