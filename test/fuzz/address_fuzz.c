/*
 * address_fuzz.c
 *		Fuzzes src/http_address.c and the URLs of src/http_guard.c: where to.
 *
 * An address is the same as text and as a number, and what is public is no
 * network of ours by the C library's own macros; a URL that is taken has a
 * host and nothing that could end a request line.
 */
#include "fuzz.h"
#include "http_address.h"
#include "http_exchange.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <strings.h>

/* In place of the client's own clock. */
int64_t
iomsg_http_now_us(void)
{
	return 1;
}

static void
check_ipv4(const uint8_t *bytes)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	char		text[INET_ADDRSTRLEN];
	HttpAddressKind kind;
	uint32_t	host;

	memcpy(&address.sin_addr, bytes, 4);
	host = ntohl(address.sin_addr.s_addr);
	kind = iomsg_http_address_kind((struct sockaddr *) &address);
	MUST(inet_ntop(AF_INET, bytes, text, sizeof(text)) != NULL);
	MUST(iomsg_http_address_kind_of_text(text) == kind);
	MUST((kind == HTTP_ADDRESS_LOOPBACK) == (host >> 24 == 127));
	MUST((kind == HTTP_ADDRESS_PRIVATE) ==
		 (host >> 24 == 10 || host >> 20 == 0xac1 || host >> 16 == 0xc0a8 ||
		  host >> 22 == 0x64400000 >> 22));
	if (host >> 16 == 0xa9fe || host >> 28 == 0xe || host >> 24 == 0 ||
		host == INADDR_BROADCAST)
		MUST(kind == HTTP_ADDRESS_FORBIDDEN);
}

static void
check_ipv6(const uint8_t *bytes)
{
	struct sockaddr_in6 address = {.sin6_family = AF_INET6};
	char		text[INET6_ADDRSTRLEN];
	HttpAddressKind kind;

	memcpy(&address.sin6_addr, bytes, 16);
	kind = iomsg_http_address_kind((struct sockaddr *) &address);
	MUST(inet_ntop(AF_INET6, bytes, text, sizeof(text)) != NULL);
	MUST(iomsg_http_address_kind_of_text(text) == kind);
	if (IN6_IS_ADDR_LOOPBACK(&address.sin6_addr))
		MUST(kind == HTTP_ADDRESS_LOOPBACK);
	if (IN6_IS_ADDR_LINKLOCAL(&address.sin6_addr) ||
		IN6_IS_ADDR_SITELOCAL(&address.sin6_addr) ||
		IN6_IS_ADDR_MULTICAST(&address.sin6_addr) ||
		IN6_IS_ADDR_UNSPECIFIED(&address.sin6_addr))
		MUST(kind == HTTP_ADDRESS_FORBIDDEN);
	if (IN6_IS_ADDR_V4MAPPED(&address.sin6_addr))
	{
		MUST(inet_ntop(AF_INET, bytes + 12, text, sizeof(text)) != NULL);
		MUST(iomsg_http_address_kind_of_text(text) == kind);
	}
}

/* Does a text hold a byte that is not plain? */
static bool
has_odd_byte(const char *text)
{
	for (; *text != '\0'; text++)
		if (*text <= ' ' || *text > '~')
			return true;
	return false;
}

static void
check_url(Input *input)
{
	int			flags = take_byte(input) & 7;
	bool		proxied = take_byte(input) & 1;
	char	   *url = take_text(input);
	char	   *key = take_text(input);
	char		host[256];
	bool		is_https = false;
	HttpRequest request = {
		.url = url, .key = key, .flags = flags,
		.proxy = proxied ? "http://proxy.test" : NULL
	};
	CURLcode	refusal = iomsg_http_guard_refusal(&request);

	if (has_odd_byte(url) || has_odd_byte(key) || *url == '\0')
		MUST(refusal != CURLE_OK);
	if (refusal == CURLE_OK && strncasecmp(url, "https://", 8) != 0)
		MUST(strncasecmp(url, "http://", 7) == 0 && !proxied &&
			 (flags & HTTP_ALLOW_LOOPBACK) != 0);
	if (iomsg_http_split_url(url, host, sizeof(host), &is_https))
	{
		MUST(!has_odd_byte(url) && strlen(host) > 0);
		MUST(strchr(url, '?') == NULL && strchr(url, '#') == NULL);
		MUST(is_https == (strncasecmp(url, "https:", 6) == 0));
		for (const char *c = host; *c != '\0'; c++)
			MUST(*c < 'A' || *c > 'Z');
	}
	free(url);
	free(key);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Input		input = {data, size};
	uint8_t		mode = take_byte(&input);
	uint8_t		bytes[16];

	if (mode % 4 == 0)
	{
		check_url(&input);
		return 0;
	}
	for (int i = 0; i < 16; i++)
		bytes[i] = take_byte(&input);
	check_ipv4(bytes);
	/* Half of them in the networks that carry others. */
	if (mode & 0x40)
		memcpy(bytes, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12);
	check_ipv6(bytes);
	return 0;
}
