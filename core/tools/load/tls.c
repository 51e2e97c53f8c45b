#include "tools/load/tls.h"

#include <stdio.h>
#include <stdlib.h>

#define SHOWN_ERRORS 3

void load_tls_trust(load *l) {
  char err[512];
  const load_options *o = l->o;
  l->trust = pml_tls_trust_new(o->ca, o->insecure, err, sizeof err);
  if (l->trust) return;
  fprintf(stderr, "load: --ca: %s\n", err);
  exit(2);
}

static void failed(client *c) {
  if (c->load->tls_errors++ < SHOWN_ERRORS)
    fprintf(stderr, "load: %s\n", pml_tls_client_error(c->tls));
}

void load_tls_begin(client *c) {
  const load_options *o = c->load->o;
  c->tls = pml_tls_client_new(c->load->trust, o->name ? o->name : o->host);
  pml_tls_client_shake(c->tls);
}

void load_tls_end(client *c) {
  pml_tls_client_free(c->tls);
  c->tls = NULL;
}

pml_writer *load_tls_seal(client *c) {
  if (c->tls_done && c->out.len) {
    pml_tls_client_write(c->tls, pml_writer_at(&c->out, 0), c->out.len);
    pml_writer_cut(&c->out, 0);
  }
  pml_tls_client_take(c->tls, &c->sealed);
  return &c->sealed;
}

int load_tls_open(client *c, const uint8_t *p, size_t n) {
  load *l = c->load;
  pml_tls_client_feed(c->tls, p, n);
  pml_writer_cut(&l->plain, 0);
  if (!c->tls_done) {
    int rc = pml_tls_client_shake(c->tls);
    if (rc < 0) failed(c);
    if (rc <= 0) return rc < 0 ? -1 : 0;
    c->tls_done = 1;
  }
  int rc = pml_tls_client_read(c->tls, &l->plain);
  return rc && !l->plain.len ? -1 : 1;
}
