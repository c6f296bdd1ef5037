/*
 * http_address.h
 *		What kind of network a peer's address belongs to.
 */
#ifndef IOMSG_HTTP_ADDRESS_H
#define IOMSG_HTTP_ADDRESS_H

#include <sys/socket.h>

typedef enum HttpAddressKind
{
	HTTP_ADDRESS_PUBLIC,
	HTTP_ADDRESS_LOOPBACK,		/* this host */
	HTTP_ADDRESS_PRIVATE,		/* RFC 1918, 6598, 4193 */
	HTTP_ADDRESS_FORBIDDEN		/* link-local, multicast, reserved, unknown */
} HttpAddressKind;

extern HttpAddressKind iomsg_http_address_kind(const struct sockaddr *address);
extern HttpAddressKind iomsg_http_address_kind_of_text(const char *text);

#endif
