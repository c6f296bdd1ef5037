/*
 * throttle.h
 *		How long a 429 asks us to wait.
 *
 * IO's gateway says it in x-rate-limit-retry-after, others in Retry-After
 * (RFC 9110, 10.2.3), and both in words.  The answer is always from 1 second
 * to 1 hour; what cannot be read is passed over.
 */
#ifndef IOMSG_THROTTLE_H
#define IOMSG_THROTTLE_H

#include <stdint.h>

#define IOMSG_THROTTLE_MIN_S	1
#define IOMSG_THROTTLE_MAX_S	3600

/* Texts end with a NUL, or are NULL where the answer has none. */
typedef struct ThrottleHints
{
	const char *x_rate_limit_retry_after;	/* seconds */
	const char *retry_after;	/* seconds or an HTTP-date */
	const char *message;		/* "... Try again in N seconds." */
	int64_t		now_s;			/* Unix time, for the HTTP-date */
	int64_t		default_s;		/* where nothing is said */
} ThrottleHints;

/* Seconds to wait, from IOMSG_THROTTLE_MIN_S to IOMSG_THROTTLE_MAX_S. */
extern int64_t iomsg_throttle_wait_s(const ThrottleHints *hints);

#endif							/* IOMSG_THROTTLE_H */
