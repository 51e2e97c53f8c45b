/* http_address: which addresses an HTTP request may go to.
 *
 * What a player writes may become a URL. So no request reaches this machine, its own network or the
 * address by which clouds tell a machine its secrets, unless the game says so: only addresses that
 * are reachable from anywhere are allowed (IANA's registries of special purpose addresses, RFC
 * 6890). Of IPv6 that is 2000::/3 without what carries an IPv4 address inside (6to4, Teredo), and
 * NAT64 (RFC 6052) by the IPv4 address in it. */
#ifndef PML_STORE_HTTP_ADDRESS_H
#define PML_STORE_HTTP_ADDRESS_H

#include "base/cidr.h"

/* Private: loopback, link-local, private and shared networks, unique-local, multicast, the
 * unspecified address, and all else that is not for everybody. */
int pml_http_is_private(const pml_address *a);

#endif
