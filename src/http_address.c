/*
 * http_address.c
 *		What kind of network a peer's address belongs to.
 *
 * Decides on the number that is connected to, never on a name.  IPv6 forms
 * that carry an IPv4 address are judged by the address they carry.  What is
 * not known to be harmless is HTTP_ADDRESS_FORBIDDEN.
 */
#include "http_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct Network
{
	uint8_t		prefix[16];
	int			bits;
	HttpAddressKind kind;
} Network;

/* IANA: IPv4 Special-Purpose Address Registry, and RFC 5771 */
static const Network ipv4_networks[] = {
	{{127}, 8, HTTP_ADDRESS_LOOPBACK},
	{{10}, 8, HTTP_ADDRESS_PRIVATE},
	{{172, 16}, 12, HTTP_ADDRESS_PRIVATE},
	{{192, 168}, 16, HTTP_ADDRESS_PRIVATE},
	{{100, 64}, 10, HTTP_ADDRESS_PRIVATE},
	{{0}, 8, HTTP_ADDRESS_FORBIDDEN},
	{{169, 254}, 16, HTTP_ADDRESS_FORBIDDEN},
	{{192, 0, 0}, 24, HTTP_ADDRESS_FORBIDDEN},
	{{192, 0, 2}, 24, HTTP_ADDRESS_FORBIDDEN},
	{{198, 18}, 15, HTTP_ADDRESS_FORBIDDEN},
	{{198, 51, 100}, 24, HTTP_ADDRESS_FORBIDDEN},
	{{203, 0, 113}, 24, HTTP_ADDRESS_FORBIDDEN},
	{{224}, 3, HTTP_ADDRESS_FORBIDDEN},
};

/* IANA: IPv6 Special-Purpose Address Registry */
static const Network ipv6_networks[] = {
	{{[15] = 1}, 128, HTTP_ADDRESS_LOOPBACK},
	{{0xfc}, 7, HTTP_ADDRESS_PRIVATE},
	{{0x20, 0x01, 0x0d, 0xb8}, 32, HTTP_ADDRESS_FORBIDDEN},
	{{0x20, 0x01}, 23, HTTP_ADDRESS_FORBIDDEN},
	{{0x20}, 3, HTTP_ADDRESS_PUBLIC},	/* 2000::/3, global unicast */
};

/* Where an IPv6 form carries an IPv4 address. */
static const struct
{
	uint8_t		prefix[12];
	int			bits;
	int			offset;
}			carriers[] = {
	{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96, 12},	/* RFC 4291 */
	{{0, 0x64, 0xff, 0x9b}, 96, 12},	/* RFC 6052 */
	{{0x20, 0x02}, 16, 2},		/* RFC 3056 */
};

/* Tells whether the first bits of an address are those of a prefix. */
static bool
has_prefix(const uint8_t *address, const uint8_t *prefix, int bits)
{
	size_t		whole = (size_t) bits / 8;
	uint8_t		mask = (uint8_t) (0xff00 >> (bits % 8));

	return memcmp(address, prefix, whole) == 0 &&
		(mask == 0 || ((address[whole] ^ prefix[whole]) & mask) == 0);
}

/* The kind of an IPv4 address of four bytes in network order. */
static HttpAddressKind
ipv4_kind(const uint8_t *address)
{
	size_t		i;

	for (i = 0; i < sizeof(ipv4_networks) / sizeof(ipv4_networks[0]); i++)
		if (has_prefix(address, ipv4_networks[i].prefix,
					   ipv4_networks[i].bits))
			return ipv4_networks[i].kind;
	return HTTP_ADDRESS_PUBLIC;
}

/* The kind of an IPv6 address of sixteen bytes in network order. */
static HttpAddressKind
ipv6_kind(const uint8_t *address)
{
	size_t		i;

	for (i = 0; i < sizeof(carriers) / sizeof(carriers[0]); i++)
		if (has_prefix(address, carriers[i].prefix, carriers[i].bits))
			return ipv4_kind(address + carriers[i].offset);
	for (i = 0; i < sizeof(ipv6_networks) / sizeof(ipv6_networks[0]); i++)
		if (has_prefix(address, ipv6_networks[i].prefix,
					   ipv6_networks[i].bits))
			return ipv6_networks[i].kind;
	return HTTP_ADDRESS_FORBIDDEN;
}

/* The kind of a socket address; other families than IP are forbidden. */
HttpAddressKind
iomsg_http_address_kind(const struct sockaddr *address)
{
	struct sockaddr_in ipv4;
	struct sockaddr_in6 ipv6;

	if (address->sa_family == AF_INET)
	{
		memcpy(&ipv4, address, sizeof(ipv4));
		return ipv4_kind((const uint8_t *) &ipv4.sin_addr);
	}
	if (address->sa_family == AF_INET6)
	{
		memcpy(&ipv6, address, sizeof(ipv6));
		return ipv6_kind((const uint8_t *) &ipv6.sin6_addr);
	}
	return HTTP_ADDRESS_FORBIDDEN;
}

/* The kind of a numeric address in text; anything else is forbidden. */
HttpAddressKind
iomsg_http_address_kind_of_text(const char *text)
{
	uint8_t		address[16];

	if (inet_pton(AF_INET, text, address) == 1)
		return ipv4_kind(address);
	if (inet_pton(AF_INET6, text, address) == 1)
		return ipv6_kind(address);
	return HTTP_ADDRESS_FORBIDDEN;
}
