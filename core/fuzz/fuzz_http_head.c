/* Headers lie inside of the head; what is found is what the walk gives; an address that is believed
 * stands behind the last one that is not trusted. */
#include "base/err.h"
#include "fuzz/chunks.h"
#include "wire/http_head.h"

#include <strings.h>

int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n) {
  uint8_t *copy = malloc(n ? n : 1);
  memcpy(copy, d, n);
  pml_slice head = pml_slice_of(copy, n), rest = pml_http_head_headers(head), name, value, found;
  uint32_t count = 0;
  while (pml_http_head_next(&rest, &name, &value)) {
    MUST(name.n && name.p >= copy && name.p + name.n < copy + n);
    MUST(value.p > name.p && value.p + value.n <= copy + n);
    count += name.n == 15 && !strncasecmp((const char *)name.p, "X-Forwarded-For", 15);
  }
  MUST(pml_http_head_find(head, "X-Forwarded-For", &found) == count);
  pml_cidr net;
  pml_address from;
  uint16_t port;
  MUST(!pml_cidr_parse(pml_slice_str("10.0.0.0/8"), &net, NULL));
  pml_cidr_list *some = pml_cidr_list_new(&net, 1), *none = pml_cidr_list_new(NULL, 0);
  int rc = pml_http_head_forwarded(head, some, &from, &port);
  MUST(rc == 0 || rc == PML_ENOENT);
  MUST(rc || count);
  /* Whoever trusts nobody believes the last address. */
  MUST((pml_http_head_forwarded(head, none, &from, &port) == 0) <= (count > 0));
  pml_cidr_list_free(some);
  pml_cidr_list_free(none);
  free(copy);
  return 0;
}
