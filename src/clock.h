/*
 * clock.h
 *	  The one clock that deadlines, marks and the quota go by.
 *
 * It cannot be set, and it passes while the machine sleeps.
 */
#ifndef IOMSG_CLOCK_H
#define IOMSG_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Microseconds since some fixed time. */
static inline int64_t
iomsg_clock_now_us(void)
{
	struct timespec now;

#ifdef CLOCK_BOOTTIME
	if (clock_gettime(CLOCK_BOOTTIME, &now) != 0)
#endif
		(void) clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

#endif							/* IOMSG_CLOCK_H */
