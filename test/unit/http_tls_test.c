/*
 * http_tls_test.c
 *		src/http.c believes no certificate that it should not.
 */
#include "http_fetch.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <unistd.h>

#include "tap.h"

#define EMPTY_OK "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
#define THROTTLED \
	"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n"
#define CREATED "HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n"
#define DAY_S 86400

static const ServerAnswer answering[] = {{EMPTY_OK, SERVER_KEEP}};

/* Adds the name that a certificate is for. */
static void
add_name(X509 *certificate, const char *name)
{
	char		value[100];
	X509_EXTENSION *extension;

	(void) snprintf(value, sizeof(value), "DNS:%s", name);
	extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, value);
	(void) X509_add_ext(certificate, extension, -1);
	X509_EXTENSION_free(extension);
}

/*
 * A server's context with a self-signed certificate for a name, good until so
 * many seconds from now; the certificate goes to a file too.
 */
static SSL_CTX *
make_context(const char *name, long until_s, const char *ca_file)
{
	SSL_CTX    *context = SSL_CTX_new(TLS_server_method());
	EVP_PKEY   *key = EVP_EC_gen("P-256");
	X509	   *certificate = X509_new();
	X509_NAME  *subject = X509_get_subject_name(certificate);
	FILE	   *file = fopen(ca_file, "w");

	(void) X509_set_version(certificate, 2);
	(void) ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
	(void) X509_gmtime_adj(X509_getm_notBefore(certificate), -2 * DAY_S);
	(void) X509_gmtime_adj(X509_getm_notAfter(certificate), until_s);
	(void) X509_set_pubkey(certificate, key);
	(void) X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
									  (const unsigned char *) "io_msg test",
									  -1, -1, 0);
	(void) X509_set_issuer_name(certificate, subject);
	add_name(certificate, name);
	(void) X509_sign(certificate, key, EVP_sha256());
	if (file == NULL || PEM_write_X509(file, certificate) != 1 ||
		SSL_CTX_use_certificate(context, certificate) != 1 ||
		SSL_CTX_use_PrivateKey(context, key) != 1)
	{
		printf("Bail out! no certificate could be made\n");
		exit(1);
	}
	(void) fclose(file);
	X509_free(certificate);
	EVP_PKEY_free(key);
	return context;
}

/* A certificate that is not believed: nothing is sent. */
static void
test_not_believed(const char *ca_file, const char *other_file)
{
	static const struct
	{
		const char *name;
		const char *host;
		long		until_s;
		bool		with_ca;
		int			max_version;
		int			curl_code;
	}			cases[] = {
		{"good", "local.test", DAY_S, true, 0, 0},
		{"of an unknown authority", "local.test", DAY_S, false, 0, 60},
		{"for another name", "world.test", DAY_S, true, 0, 60},
		{"expired", "local.test", -DAY_S, true, 0, 60},
		{"good, but over TLS 1.1", "local.test", DAY_S, true,
		TLS1_1_VERSION, 35},
	};
	size_t		i;
	int			allowed;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (allowed = 0; allowed <= 1; allowed++)
		{
			SSL_CTX    *context = make_context(cases[i].host,
											   cases[i].until_s, ca_file);
			HttpClient *client = fetch_open(1);
			Server	   *server;
			HttpRequest request;
			const HttpResult *result;
			bool		good = cases[i].curl_code == 0;

			SSL_CTX_set_security_level(context, 0);
			(void) SSL_CTX_set_max_proto_version(context,
												 cases[i].max_version);
			server = server_start_tls(answering, 1, context);
			request = fetch_post(fetch_url("https://local.test",
										   server_port(server)));
			request.ca_file = cases[i].with_ca ? ca_file :
				allowed ? other_file : NULL;
			result = fetch(client, &request);
			if (!tap_ok(result->curl_code == cases[i].curl_code &&
						result->sendings == (good ? 1 : 0) &&
						result->status == (good ? 200 : 0) &&
						server_requests(server) == (good ? 1 : 0),
						"a certificate %s", cases[i].name))
				printf("# code %d, sendings %d\n", result->curl_code,
					   result->sendings);
			iomsg_http_close(client);
			server_stop(server);
			SSL_CTX_free(context);
		}
}

/* Notes which protocols a client offers over TLS, and takes none. */
static int
note_protocols(SSL *tls, const unsigned char **chosen, unsigned char *size,
			   const unsigned char *offered, unsigned int len, void *context)
{
	char	   *noted = context;

	(void) tls;
	(void) chosen;
	(void) size;
	(void) snprintf(noted, 64, "%.*s", (int) len, (const char *) offered);
	return SSL_TLSEXT_ERR_NOACK;
}

/*
 * HTTP/2 is not offered: a connection that it loses would take along all that
 * are on it, and libcurl repeats what a server says that it refused.
 */
static void
test_protocols(const char *ca_file)
{
	SSL_CTX    *context = make_context("local.test", DAY_S, ca_file);
	HttpClient *client = fetch_open(1);
	char		offered[64] = "";
	Server	   *server;
	HttpRequest request;

	SSL_CTX_set_alpn_select_cb(context, note_protocols, offered);
	server = server_start_tls(answering, 1, context);
	request = fetch_post(fetch_url("https://local.test",
								   server_port(server)));
	request.ca_file = ca_file;
	tap_is_int(fetch(client, &request)->status, 200, "a POST over TLS");
	tap_is_text(offered, "\x08http/1.1", "HTTP/1.1 alone is offered");
	iomsg_http_close(client);
	server_stop(server);
	SSL_CTX_free(context);
}

/* A connection in use already is checked for each request's own rights. */
static void
test_reuse(const char *ca_file, const char *other_file)
{
	SSL_CTX    *context = make_context("local.test", DAY_S, ca_file);
	HttpClient *client = fetch_open(2);
	Server	   *server = server_start_tls(answering, 1, context);
	HttpRequest request = fetch_post(fetch_url("https://local.test",
											   server_port(server)));
	const HttpResult *result;

	request.ca_file = ca_file;
	(void) fetch(client, &request);
	result = fetch(client, &request);
	tap_ok(result->status == 200 && server_connections(server) == 1,
		   "TLS connections are reused");
	request.flags = 0;
	result = fetch(client, &request);
	tap_ok(result->guard_refused && result->sendings == 0 &&
		   server_requests(server) == 2,
		   "not by a request that may not reach the peer");
	request = fetch_post(request.url);
	request.ca_file = other_file;
	result = fetch(client, &request);
	tap_ok(result->curl_code == 60 && result->sendings == 0,
		   "nor by one that trusts others");
	request.ca_file = NULL;
	result = fetch(client, &request);
	tap_ok(result->curl_code == 60 && result->sendings == 0,
		   "nor by one that trusts the system's authorities");
	iomsg_http_close(client);
	server_stop(server);
	SSL_CTX_free(context);
}

/*
 * Something has come that nobody asked for: the next request does not leave,
 * and that after it has a connection of its own.
 */
static void
test_surplus(const char *ca_file, const char *name, const ServerAnswer *script)
{
	SSL_CTX    *context = make_context("local.test", DAY_S, ca_file);
	HttpClient *client = fetch_open(2);
	Server	   *server = server_start_tls(script, 2, context);
	HttpRequest request = fetch_post(fetch_url("https://local.test",
											   server_port(server)));
	const HttpResult *result;

	request.ca_file = ca_file;
	result = fetch(client, &request);
	tap_ok(result->status == 201, "%s over TLS", name);
	fetch_sleep_ms(300);
	result = fetch(client, &request);
	if (!tap_ok(result->guard_refused && result->sendings == 0,
				"after it no request leaves on that connection"))
		printf("# status %ld, sendings %d\n", result->status,
			   result->sendings);
	result = fetch(client, &request);
	tap_ok(result->status == 201 && result->sendings == 1 &&
		   server_requests(server) == 2 && server_connections(server) == 2,
		   "but on another");
	iomsg_http_close(client);
	server_stop(server);
	SSL_CTX_free(context);
}

int
main(void)
{
	static const ServerAnswer later[] = {
		{CREATED "{}", SERVER_KEEP, .surplus = THROTTLED, .surplus_ms = 100},
		{CREATED "{}", SERVER_KEEP}
	};
	static const ServerAnswer joined[] = {
		{CREATED, SERVER_KEEP, .surplus = "{}" THROTTLED, .surplus_ms = 100},
		{CREATED "{}", SERVER_KEEP}
	};
	char		directory[] = "/tmp/io_msg_http_XXXXXX";
	char		ca_file[64];
	char		other_file[64];

	if (mkdtemp(directory) == NULL)
	{
		printf("Bail out! no directory for certificates\n");
		return 1;
	}
	(void) snprintf(ca_file, sizeof(ca_file), "%s/ca.pem", directory);
	(void) snprintf(other_file, sizeof(other_file), "%s/other.pem",
					directory);
	SSL_CTX_free(make_context("local.test", DAY_S, other_file));
	test_not_believed(ca_file, other_file);
	test_reuse(ca_file, other_file);
	test_protocols(ca_file);
	test_surplus(ca_file, "an unasked answer", later);
	test_surplus(ca_file, "one in the record of a body", joined);
	(void) unlink(ca_file);
	(void) unlink(other_file);
	(void) rmdir(directory);
	return tap_done();
}
