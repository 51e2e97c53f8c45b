#include "base/cidr.h"

#include "base/err.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#define FOUR_BITS 96u /* those before an IPv4 address */

static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

typedef struct {
  pml_cidr net;
  uint32_t at; /* in what was given */
} entry;

struct pml_cidr_list {
  uint32_t n, given;
  entry v[]; /* in order, none inside another */
};

/* ---- addresses ---- */

int pml_address_parse(pml_slice text, pml_address *out) {
  char copy[PML_ADDRESS_TEXT];
  pml_address a;
  int bracket = text.n > 2 && text.p[0] == '[' && text.p[text.n - 1] == ']';
  if (bracket) text = pml_slice_of(text.p + 1, text.n - 2);
  if (text.n == 0 || text.n >= sizeof copy || memchr(text.p, 0, text.n)) return PML_EINVAL;
  pml_slice_copy(copy, text);
  copy[text.n] = 0;
  if (strchr(copy, ':')) {
    if (inet_pton(AF_INET6, copy, a.b) != 1) return PML_EINVAL;
  } else {
    memcpy(a.b, mapped, sizeof mapped);
    if (bracket || inet_pton(AF_INET, copy, a.b + sizeof mapped) != 1) return PML_EINVAL;
  }
  *out = a;
  return 0;
}

int pml_address_of(const struct sockaddr *from, pml_address *out, uint16_t *port) {
  if (from->sa_family == AF_INET) {
    const struct sockaddr_in *four = (const struct sockaddr_in *)(const void *)from;
    memcpy(out->b, mapped, sizeof mapped);
    memcpy(out->b + sizeof mapped, &four->sin_addr, 4);
    if (port) *port = ntohs(four->sin_port);
  } else if (from->sa_family == AF_INET6) {
    const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)(const void *)from;
    memcpy(out->b, &six->sin6_addr, sizeof out->b);
    if (port) *port = ntohs(six->sin6_port);
  } else {
    return PML_EINVAL;
  }
  return 0;
}

void pml_address_print(const pml_address *a, char out[PML_ADDRESS_TEXT]) {
  out[0] = 0;
  if (pml_address_is_four(a)) inet_ntop(AF_INET, a->b + sizeof mapped, out, PML_ADDRESS_TEXT);
  else inet_ntop(AF_INET6, a->b, out, PML_ADDRESS_TEXT);
}

int pml_address_is_four(const pml_address *a) { return !memcmp(a->b, mapped, sizeof mapped); }

int pml_address_is_loopback(const pml_address *a) {
  static const uint8_t one[16] = {[15] = 1};
  return pml_address_is_four(a) ? a->b[12] == 127 : !memcmp(a->b, one, sizeof one);
}

int pml_address_eq(const pml_address *a, const pml_address *b) {
  return !memcmp(a->b, b->b, sizeof a->b);
}

pml_address pml_address_place(const pml_address *a) {
  pml_address place = *a;
  if (!pml_address_is_four(a)) memset(place.b + 8, 0, 8);
  return place;
}

/* ---- networks ---- */

static void mask(pml_address *a, uint32_t bits) {
  for (uint32_t i = bits / 8; i < sizeof a->b; i++) {
    uint32_t left = i == bits / 8 ? bits % 8 : 0;
    a->b[i] &= (uint8_t)(0xff00u >> left);
  }
}

/* One to three digits without a leading zero, at most `most`; -1: not so. */
static int prefix_of(pml_slice s, int most) {
  int bits = 0;
  if (!s.n || s.n > 3 || (s.n > 1 && s.p[0] == '0')) return -1;
  for (size_t i = 0; i < s.n; i++) {
    if (s.p[i] < '0' || s.p[i] > '9') return -1;
    bits = bits * 10 + s.p[i] - '0';
  }
  return bits <= most ? bits : -1;
}

/* What a sentence shows of a text that may be anything. */
static void shown(pml_slice text, char out[PML_CIDR_TEXT]) {
  size_t n = text.n < PML_CIDR_TEXT - 1 ? text.n : PML_CIDR_TEXT - 1;
  for (size_t i = 0; i < n; i++)
    out[i] = text.p[i] >= 0x20 && text.p[i] < 0x7f ? (char)text.p[i] : '?';
  out[n] = 0;
}

static int no_network(pml_slice text, const char *reason, char *why) {
  char as[PML_CIDR_TEXT];
  if (!why) return PML_EINVAL;
  shown(text, as);
  snprintf(why, PML_CIDR_WHY, "'%s' %s", as, reason);
  return PML_EINVAL;
}

int pml_cidr_parse(pml_slice text, pml_cidr *out, char why[PML_CIDR_WHY]) {
  const uint8_t *slash = text.n ? memchr(text.p, '/', text.n) : NULL;
  size_t n = slash ? (size_t)(slash - text.p) : text.n;
  pml_cidr c = {.bits = 128};
  if (pml_address_parse(pml_slice_of(text.p, n), &c.net))
    return no_network(text, "is neither an address nor a network, such as '10.0.0.0/8'", why);
  if (slash) {
    int four = memchr(text.p, ':', n) == NULL;
    int bits = prefix_of(pml_slice_of(slash + 1, text.n - n - 1), four ? 32 : 128);
    if (bits < 0)
      return no_network(text,
                        four ? "is no network: 0 to 32 stands after '/'"
                             : "is no network: 0 to 128 stands after '/'",
                        why);
    c.bits = (uint8_t)(four ? FOUR_BITS + (uint32_t)bits : (uint32_t)bits);
  }
  pml_address given = c.net;
  mask(&c.net, c.bits);
  if (!pml_address_eq(&given, &c.net)) {
    char net[PML_CIDR_TEXT], reason[PML_CIDR_TEXT + 64];
    pml_cidr_print(&c, net);
    snprintf(reason, sizeof reason, "has bits behind its prefix: the network is '%s'", net);
    return no_network(text, reason, why);
  }
  *out = c;
  return 0;
}

/* A shorter prefix than FOUR_BITS leaves no address of that form. */
static int is_four(const pml_cidr *c) { return pml_address_is_four(&c->net); }

void pml_cidr_print(const pml_cidr *c, char out[PML_CIDR_TEXT]) {
  pml_address_print(&c->net, out);
  size_t n = strlen(out);
  if (c->bits < 128)
    snprintf(out + n, PML_CIDR_TEXT - n, "/%u", is_four(c) ? c->bits - FOUR_BITS : c->bits);
}

int pml_cidr_has(const pml_cidr *c, const pml_address *a) {
  if (is_four(c) != pml_address_is_four(a)) return 0;
  pml_address at = *a;
  mask(&at, c->bits);
  return pml_address_eq(&at, &c->net);
}

/* ---- lists ---- */

/* IPv6 before IPv4, by the first address, the wider one first. */
static int compare(const pml_cidr *x, const pml_cidr *y) {
  int d = is_four(x) - is_four(y);
  if (!d) d = memcmp(x->net.b, y->net.b, sizeof x->net.b);
  return d ? d : (int)x->bits - (int)y->bits;
}

static int by_order(const void *x, const void *y) {
  const entry *a = x, *b = y;
  int d = compare(&a->net, &b->net);
  return d ? d : a->at < b->at ? -1 : a->at > b->at;
}

pml_cidr_list *pml_cidr_list_new(const pml_cidr *v, uint32_t n) {
  pml_cidr_list *l = pml_alloc(sizeof *l + n * sizeof *l->v);
  l->given = n;
  l->n = 0;
  entry *all = pml_alloc((n ? n : 1) * sizeof *all);
  for (uint32_t i = 0; i < n; i++) all[i] = (entry){v[i], i};
  qsort(all, n, sizeof *all, by_order);
  /* Networks hold each other or are apart: what begins inside of the last is inside of it. */
  for (uint32_t i = 0; i < n; i++)
    if (!l->n || !pml_cidr_has(&l->v[l->n - 1].net, &all[i].net.net)) l->v[l->n++] = all[i];
  pml_free(all);
  return l;
}

void pml_cidr_list_free(pml_cidr_list *l) { pml_free(l); }

uint32_t pml_cidr_list_count(const pml_cidr_list *l) { return l ? l->given : 0; }

int32_t pml_cidr_list_find(const pml_cidr_list *l, const pml_address *a) {
  uint32_t low = 0, high = l ? l->n : 0;
  const pml_cidr one = {*a, 128};
  while (low < high) { /* the last that does not stand behind a is before low */
    uint32_t mid = low + (high - low) / 2;
    if (compare(&l->v[mid].net, &one) <= 0) low = mid + 1;
    else high = mid;
  }
  return low && pml_cidr_has(&l->v[low - 1].net, a) ? (int32_t)l->v[low - 1].at : -1;
}
