#include "model/tickets.h"

#include "base/container.h"
#include "base/digest.h"
#include "base/err.h"

int pml_ticket_make(uint8_t bytes[PML_TICKET_BYTES], char text[PML_TICKET_TEXT + 1]) {
  static const char digits[] = "0123456789abcdef";
  if (pml_random(bytes, PML_TICKET_BYTES)) return PML_EIO;
  for (unsigned i = 0; i < PML_TICKET_BYTES; i++) {
    text[2 * i] = digits[bytes[i] >> 4];
    text[2 * i + 1] = digits[bytes[i] & 15];
  }
  text[PML_TICKET_TEXT] = '\0';
  return 0;
}

void pml_tickets_init(pml_tickets *t) {
  *t = (pml_tickets){0};
  pml_hash_key_init(&t->key);
}

void pml_tickets_fini(pml_tickets *t) { pml_table_fini(&t->table); }

void pml_tickets_drop(pml_tickets *t, pml_ticket *k) {
  if (k->there) pml_table_remove(&t->table, &k->link);
  k->there = 0;
}

static uint32_t hash_of(const pml_tickets *t, const uint8_t *bytes) {
  return pml_hash(&t->key, bytes, PML_TICKET_BYTES);
}

void pml_tickets_put(pml_tickets *t, pml_ticket *k, void *of,
                     const uint8_t bytes[PML_TICKET_BYTES]) {
  pml_tickets_drop(t, k);
  k->of = of;
  k->there = 1;
  memcpy(k->bytes, bytes, PML_TICKET_BYTES);
  pml_table_add(&t->table, &k->link, hash_of(t, bytes));
}

void pml_tickets_move(pml_tickets *t, pml_ticket *k, pml_ticket *from) {
  pml_tickets_drop(t, from);
  pml_tickets_put(t, k, from->of, from->bytes);
}

static int digit(uint8_t c) {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

const pml_ticket *pml_tickets_find(const pml_tickets *t, pml_slice text) {
  uint8_t bytes[PML_TICKET_BYTES];
  if (text.n != PML_TICKET_TEXT) return NULL;
  for (unsigned i = 0; i < PML_TICKET_BYTES; i++) {
    int high = digit(text.p[2 * i]), low = digit(text.p[2 * i + 1]);
    if (high < 0 || low < 0) return NULL;
    bytes[i] = (uint8_t)(high << 4 | low);
  }
  pml_link *l = pml_table_first(&t->table, hash_of(t, bytes));
  for (; l; l = pml_table_next(l)) {
    const pml_ticket *k = PML_CONTAINER(l, pml_ticket, link);
    if (pml_same_secret(k->bytes, bytes, PML_TICKET_BYTES)) return k;
  }
  return NULL;
}
