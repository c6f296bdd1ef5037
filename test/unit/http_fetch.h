/*
 * http_fetch.h
 *		What the tests of src/http.c share: a request at a time, and names.
 */
#ifndef IOMSG_TEST_HTTP_FETCH_H
#define IOMSG_TEST_HTTP_FETCH_H

#include "http.h"
#include "http_server.h"

/*
 * The names that resolve in these tests are in http_fetch.c, NAME.test for
 * what they lead to; slow.test takes 3 s; mixed.test is metadata and local.
 * No other name exists.
 */
extern bool fetch_resolver_was_masked(void);

extern HttpClient *fetch_open(int max_connections);
extern HttpClient *fetch_open_within(int max_connections,
									 long connect_timeout_ms);
extern const char *fetch_url(const char *scheme_and_host, int port);
extern HttpRequest fetch_post(const char *url);
extern HttpRequest fetch_get(const char *url);
extern const HttpResult *fetch_wait(HttpClient *client);
extern const HttpResult *fetch(HttpClient *client, const HttpRequest *request);
extern void fetch_sleep_ms(int ms);

#endif
