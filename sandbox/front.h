/*
 * front.h
 *		The HTTP server.
 */
#ifndef SANDBOX_FRONT_H
#define SANDBOX_FRONT_H

#include <stdbool.h>
#include <stdint.h>

typedef struct FrontOptions
{
	const char *listen_address;
	uint16_t	port;
	unsigned	threads;
	unsigned	idle_timeout_s; /* of a connection kept alive; 0 = none */
	const char *certificate;	/* PEM texts, or NULL for http */
	const char *private_key;
	const char *tls_priority;	/* GnuTLS priority string, or NULL */
} FrontOptions;

extern bool sandbox_front_start(const FrontOptions *options,
								uint16_t *port);
extern void sandbox_front_stop(void);

#endif
