/*
 * http_fault.h
 *		Points of an exchange at which a test can have something go wrong.
 *
 * Only in a library that was built with "make FAULTS=1", and only for requests
 * that may be sent once; in any other nothing of this is left.
 */
#ifndef IOMSG_HTTP_FAULT_H
#define IOMSG_HTTP_FAULT_H

#ifdef IOMSG_FAULTS

#include "http_exchange.h"

/* Called with the name of each point that is met; NULL: by nobody. */
extern void (*iomsg_http_fault_hook) (const char *point);

extern void iomsg_http_fault_meet(const Exchange *exchange,
								  const char *point);
extern bool iomsg_http_fault_watch(Exchange *exchange, size_t body_len);

#define HTTP_FAULT_POINT(exchange, point) \
	iomsg_http_fault_meet(exchange, point)
#define HTTP_FAULT_WATCH(exchange, body_len) \
	iomsg_http_fault_watch(exchange, body_len)

#else

#define HTTP_FAULT_POINT(exchange, point) ((void) 0)
#define HTTP_FAULT_WATCH(exchange, body_len) true

#endif

#endif
