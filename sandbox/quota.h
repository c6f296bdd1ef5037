/*
 * quota.h
 *		The sliding quota of calls that all services of an account share.
 */
#ifndef SANDBOX_QUOTA_H
#define SANDBOX_QUOTA_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The times of the calls of the last period, oldest first, in a ring. */
typedef struct Window
{
	int64_t    *times_us;
	size_t		room;
	size_t		first;
	size_t		count;
	size_t		highest;		/* greatest count seen */
} Window;

typedef struct Quota
{
	pthread_mutex_t lock;
	int64_t		calls;			/* allowed in a period; 0 = no limit */
	int64_t		period_us;		/* in scaled time */
	Window		granted;		/* calls let through */
	Window		seen;			/* calls that came, refused ones too */
	uint64_t	total;
	uint64_t	refused;
} Quota;

/* What became of one call. */
typedef struct QuotaVerdict
{
	bool		granted;
	int64_t		remaining;		/* calls left in the window; -1 = no limit */
	int64_t		retry_after_s;	/* real seconds, at least 1, if refused */
} QuotaVerdict;

extern void sandbox_quota_init(Quota *quota, int64_t calls,
							   int64_t period_ms);
extern void sandbox_quota_set(Quota *quota, int64_t calls,
							  int64_t period_ms);
extern void sandbox_quota_take(Quota *quota, QuotaVerdict *verdict);
extern void sandbox_quota_reset(Quota *quota);

#endif
