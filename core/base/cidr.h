/* cidr: addresses as 16 bytes, networks (RFC 4632: "10.0.0.0/8", "2001:db8::/32") and lists of
 * networks. An IPv4 address is ::ffff:a.b.c.d (RFC 4291 2.5.5.2), and written in that form it is
 * the same address. No network of IPv6 holds an IPv4 address: "::/0" is all of IPv6, "0.0.0.0/0"
 * is all of IPv4.
 *
 * Pure, and safe in any thread. */
#ifndef PML_BASE_CIDR_H
#define PML_BASE_CIDR_H

#include "base/buf.h"
#include "base/limits.h"

struct sockaddr;

typedef struct {
  uint8_t b[16];
} pml_address;

typedef struct {
  pml_address net; /* the bits behind the prefix are 0 */
  uint8_t bits;    /* of 16 bytes: 10.0.0.0/8 has 104 */
} pml_cidr;

#define PML_CIDR_TEXT (PML_ADDRESS_TEXT + 4) /* with the prefix and the NUL */
#define PML_CIDR_WHY 192

/* Strict: four decimal numbers without leading zeros, or IPv6 text without a zone; brackets may
 * stand around the latter. 0 or PML_EINVAL. */
int pml_address_parse(pml_slice text, pml_address *out);
/* IPv4 or IPv6. 0; PML_EINVAL: another family. *port may be NULL. */
int pml_address_of(const struct sockaddr *from, pml_address *out, uint16_t *port);
/* IPv4 as a.b.c.d, IPv6 as RFC 5952 says, without brackets. */
void pml_address_print(const pml_address *a, char out[PML_ADDRESS_TEXT]);
int pml_address_is_four(const pml_address *a);
int pml_address_is_loopback(const pml_address *a); /* 127.0.0.0/8 and ::1 */
int pml_address_eq(const pml_address *a, const pml_address *b);
/* What one client is likely to have: the IPv4 address, the /64 of an IPv6 one. */
pml_address pml_address_place(const pml_address *a);

/* "address/bits", or an address, which is a network of one. Bits that are set behind the prefix
 * are a mistake that would hold more than its writer meant: PML_EINVAL, as for what is no network.
 * why: NULL, or gets a sentence for the writer. */
int pml_cidr_parse(pml_slice text, pml_cidr *out, char why[PML_CIDR_WHY]);
/* A network of one is printed as an address. */
void pml_cidr_print(const pml_cidr *c, char out[PML_CIDR_TEXT]);
int pml_cidr_has(const pml_cidr *c, const pml_address *a);

/* An immutable list. A look-up is a binary search, without allocation. */
typedef struct pml_cidr_list pml_cidr_list;

/* Copies the networks, which may hold each other. Returns owned. */
pml_cidr_list *pml_cidr_list_new(const pml_cidr *v, uint32_t n);
void pml_cidr_list_free(pml_cidr_list *l); /* harmless with NULL */
uint32_t pml_cidr_list_count(const pml_cidr_list *l);
/* The place in v of the widest network that holds a (of equal ones the first); -1: none, also with
 * l NULL. */
int32_t pml_cidr_list_find(const pml_cidr_list *l, const pml_address *a);

#endif
