/*
 * retry.c
 *		When to try again, and when to give up.
 */
#include "retry.h"

int64_t
iomsg_retry_delay_ms(int attempt, int64_t base_ms, int64_t cap_ms,
					 uint32_t random)
{
	int64_t		delay_ms = base_ms > 0 ? base_ms : 1;
	int64_t		half_ms;

	if (cap_ms < 1)
		return 0;
	for (int i = 1; i < attempt && delay_ms < cap_ms; i++)
		delay_ms = (delay_ms > cap_ms / 2) ? cap_ms : delay_ms * 2;
	if (delay_ms > cap_ms)
		delay_ms = cap_ms;

	/* the drawn half is cut in two factors so that it cannot overflow */
	half_ms = delay_ms / 2;
	return delay_ms - half_ms + (half_ms >> 32) * random +
		(int64_t) (((uint64_t) (half_ms & UINT32_MAX) * random) >> 32);
}

bool
iomsg_retry_exhausted(int attempts, int max_attempts)
{
	return attempts >= max_attempts;
}
