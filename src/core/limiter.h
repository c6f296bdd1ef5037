/*
 * limiter.h
 *		Keeps an account within IO's quota: a log of the last calls.
 *
 * IO counts at most N calls in each sliding window of a period, for the whole
 * account.  A call leaves when the call N back is older than the period and a
 * small guard, which covers the jitter of the network and grows when IO says
 * 429 nevertheless.  An answer that took longer than the quickest ones tells
 * how late its call may have been counted.  The state holds no pointer and
 * fits shared memory; the caller holds a lock around each function.  Times are
 * microseconds of a monotonic clock and may come slightly out of order.
 */
#ifndef IOMSG_LIMITER_H
#define IOMSG_LIMITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IOMSG_LIMITER_CAPACITY_MAX	4096

/* Kinds of calls whose answers take different times, numbered from 0. */
#define IOMSG_LIMITER_KINDS	3

typedef struct LimiterEntry
{
	int64_t		at_us;
	bool		others;			/* not ours: another user of the account */
} LimiterEntry;

typedef struct Limiter
{
	int64_t		period_us;
	int64_t		guard_us;
	int64_t		guard_changed_us;
	int64_t		pause_until_us;
	int64_t		latest_us;		/* newest time ever logged */
	int64_t		quickest_since_us;	/* when the present ones began */
	int64_t		quickest_us[2][IOMSG_LIMITER_KINDS];	/* present, before */
	int			calls;			/* N */
	int			capacity;		/* entries of log[] */
	int			used;
	int			next;			/* where the next entry goes */
	int			others;			/* logged calls of others, in the ring */
	LimiterEntry log[];
} Limiter;

/* Bytes to reserve for a log of that many calls. */
extern size_t iomsg_limiter_size(int capacity);

/* Starts empty; capacity is cut to the maximum above, and N to capacity. */
extern void iomsg_limiter_init(Limiter *limiter, int capacity,
							   int64_t period_ms, int calls);

/* Changes the quota; the log stays, so no window is exceeded by a change. */
extern void iomsg_limiter_configure(Limiter *limiter, int64_t period_ms,
									int calls);

/*
 * Takes the right to one call now and logs it; where none may leave, returns
 * false and sets *when_us to the earliest time at which to ask again.
 */
extern bool iomsg_limiter_take(Limiter *limiter, int64_t now_us,
							   int64_t *when_us);

/* When a call may leave, as far as is known now; in the past if it may now. */
extern int64_t iomsg_limiter_opening(const Limiter *limiter, int64_t now_us);

/* How many calls could leave at once now, from 0 to N. */
extern int	iomsg_limiter_available(const Limiter *limiter, int64_t now_us);

/* A 429 arrived: nothing leaves for wait_ms, and the guard grows. */
extern void iomsg_limiter_throttled(Limiter *limiter, int64_t now_us,
									int64_t wait_ms);

/*
 * The call taken at taken_us was the one that got a 429: what fills the window
 * is not ours.
 */
extern void iomsg_limiter_refused(Limiter *limiter, int64_t taken_us);

/*
 * The answer to a call taken at taken_us has come: where it was slower than
 * the quickest of its kind, the call counts from as much later: at most a
 * fifth of the period or, where the period is short, a second or all of it.
 * Not for a 429, which uses nothing up.
 */
extern void iomsg_limiter_answered(Limiter *limiter, int kind,
								   int64_t taken_us, int64_t now_us);

/* Nothing leaves before that time; an earlier pause never shortens one. */
extern void iomsg_limiter_pause(Limiter *limiter, int64_t until_us);

/*
 * An answer said x-rate-limit-remaining, to a call taken at taken_us: what is
 * missing beyond our own calls was used by others, counts like ours for one
 * window and is expected again in the next.  A tenth of the quota always stays
 * ours.
 */
extern void iomsg_limiter_observe(Limiter *limiter, int64_t taken_us,
								  int64_t now_us, int64_t remaining);

#endif							/* IOMSG_LIMITER_H */
