/*
 * retry.h
 *		When to try again, and when to give up.
 *
 * Exponential backoff with equal jitter: half of the delay is fixed, half is
 * drawn, so that rows that failed together do not come back together and none
 * comes back at once.
 */
#ifndef IOMSG_RETRY_H
#define IOMSG_RETRY_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Milliseconds to wait after the attempt of this number (the first is 1):
 * between half and all of min(cap_ms, base_ms * 2^(attempt - 1)), drawn by a
 * uniform random number.  Never negative, never above cap_ms.
 */
extern int64_t iomsg_retry_delay_ms(int attempt, int64_t base_ms,
									int64_t cap_ms, uint32_t random);

/* Whether a row whose counted attempts are that many is given up. */
extern bool iomsg_retry_exhausted(int attempts, int max_attempts);

#endif							/* IOMSG_RETRY_H */
