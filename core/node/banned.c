#include "node/banned.h"

#include "base/mem.h"
#include "node/state.h"

void pml_bans_free(pml_ban *v, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    pml_buf_unref(v[i].reason);
    pml_buf_unref(v[i].body);
  }
  pml_free(v);
}

void pml__banned_clear(pml_node *n) {
  pml_banned *b = &n->banned;
  pml_cidr_list_free(b->list);
  pml_bans_free(b->v, b->n);
  *b = (pml_banned){0};
}

void pml_banned_set(pml_node *n, pml_ban *v, uint32_t count) {
  pml__banned_clear(n);
  if (!count) {
    pml_bans_free(v, 0);
    return;
  }
  pml_cidr *nets = pml_alloc(count * sizeof *nets);
  for (uint32_t i = 0; i < count; i++) nets[i] = v[i].net;
  n->banned = (pml_banned){pml_cidr_list_new(nets, count), v, count};
  pml_free(nets);
}

const pml_ban *pml_banned_find(const pml_node *n, const char *address) {
  pml_address a;
  if (!n->banned.list || pml_address_parse(pml_slice_str(address), &a) != 0) return NULL;
  int32_t i = pml_cidr_list_find(n->banned.list, &a);
  return i < 0 ? NULL : &n->banned.v[i];
}
