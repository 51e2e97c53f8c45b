/* Any bytes are read or refused; what is read is written as the same bytes, and its servers are
 * what discovery may keep. */
#include "base/err.h"
#include "fuzz/chunks.h"
#include "wire/announce.h"

#define PROTOCOL 1

static void servers_of(const pml_announce *a, pml_writer *w) {
  pml_announce rest = *a;
  pml_announce_server s;
  while (pml_announce_next(&rest, &s)) {
    MUST(pml_announce_id_ok(s.id) && pml_announce_info_ok(s.info));
    MUST(s.id.n <= PML_SERVER_ID_MAX && s.info.n <= PML_ANNOUNCE_INFO_MAX);
    MUST(s.incarnation >= 1 && s.incarnation <= 1ull << 53);
    pml_announce_put_server(w, &s);
  }
  MUST(rest.servers.n == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n) {
  uint8_t *copy = malloc(n ? n : 1);
  pml_announce a;
  memcpy(copy, d, n);
  int rc = pml_announce_read(pml_slice_of(copy, n), PROTOCOL, &a);
  MUST(rc == 0 || rc == PML_EPROTO);
  if (rc == 0 && (a.protocol == PROTOCOL || a.kind == PML_ANNOUNCE_REFUSE)) {
    char name[PML_PROCESS_NAME];
    uint8_t back[PML_PROCESS_BYTES];
    pml_writer w = {0};
    pml_announce_put(&w, &a);
    servers_of(&a, &w);
    MUST(w.len == n && memcmp(w.b->data, copy, n) == 0);
    MUST(a.host.n <= PML_ANNOUNCE_HOST_MAX);
    MUST(pml_announce_timeout(&a) <= PML_ANNOUNCE_TIMEOUT_MAX);
    for (size_t cut = 1; cut <= 8 && cut <= n; cut++) {
      /* A list may end after any of its servers. */
      pml_announce shorter;
      if (pml_announce_read(pml_slice_of(copy, n - cut), PROTOCOL, &shorter) == 0)
        MUST(shorter.servers.n < a.servers.n);
    }
    pml_process_text(a.process, name);
    MUST(pml_process_read(name, back) == 0 && memcmp(back, a.process, sizeof back) == 0);
    pml_writer_drop(&w);
  }
  free(copy);
  return 0;
}
