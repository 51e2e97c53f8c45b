/* proxied: for whom a trusted proxy connects: by the header before the client's first byte
 * (wire/proxy_header), or by X-Forwarded-For in the request that opens a WebSocket. */
#include "net/conn_private.h"

#include "base/err.h"
#include "base/mem.h"
#include "wire/http_head.h"

static void header_over(pml_conn *c) {
  pml_free(c->aside->header);
  c->aside->header = NULL;
}

int pml__proxied_feed(pml_conn *c, pml_slice *taken, uint8_t **p, size_t *n) {
  pml_proxy_client client;
  size_t used;
  int rc = pml_proxy_header_feed(c->aside->header, *p, *n, &used, &client);
  *taken = pml_slice_of(NULL, 0);
  if (rc == PML_EAGAIN || rc == PML_EPROTO) return rc;
  if (rc == PML_ENOENT) *taken = pml_proxy_header_taken(c->aside->header);
  *p += used;
  *n -= used;
  header_over(c);
  if (rc || !client.known) { /* the proxy itself, or one that does not say */
    pml_conn_forget_head(c);
    return 0;
  }
  if (pml__conn_told(c, &client.from, client.port) == PML__GATE_OPEN) return 0;
  pml_conn_close(c, PML_END_ADDRESS, 0);
  return PML_ECLOSED;
}

int pml__proxied_request(pml_conn *c, pml_slice head) {
  pml_address now, from;
  uint16_t port;
  const pml_gate *g = c->s->o.gate;
  if (!g || !g->trusted) return 0;
  if (pml_conn_client(c, &now, &port) || !pml__gate_trusts(c->s, &now)) return 0;
  if (pml_http_head_forwarded(head, g->trusted, &from, &port)) return 0;
  switch (pml__conn_told(c, &from, port)) {
  case PML__GATE_OPEN: return 0;
  case PML__GATE_DENIED: return 403;
  default: return 429;
  }
}
