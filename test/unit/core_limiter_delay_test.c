/*
 * core_limiter_delay_test.c
 *		The limiter, and answers that tell how late a call was counted.
 */
#include <stdlib.h>

#include "limiter.h"
#include "tap.h"

#define MS		INT64_C(1000)
#define SECOND	INT64_C(1000000)
#define GUARD	(50 * MS)
#define NEVER	(INT64_MIN / 4)
#define SLOTS	256				/* calls under way at once */

static Limiter *
make_limiter(int64_t period_ms, int n)
{
	Limiter    *limiter = malloc(iomsg_limiter_size(n + 10));

	iomsg_limiter_init(limiter, n + 10, period_ms, n);
	return limiter;
}

/* One call and its answer, long after all that was before. */
static void
exchange(Limiter *l, int64_t at_us, int kind, int64_t duration_us)
{
	int64_t		when;

	iomsg_limiter_take(l, at_us, &when);
	iomsg_limiter_answered(l, kind, at_us, at_us + duration_us);
}

/* When the next call may leave, where the quota of 1 is used up. */
static int64_t
opening(Limiter *l, int64_t now_us)
{
	int64_t		when = NEVER;

	return iomsg_limiter_take(l, now_us, &when) ? NEVER : when;
}

static void
check_bound(void)
{
	Limiter    *l = make_limiter(5000, 1);

	exchange(l, 0, 0, 80 * MS);
	tap_is_int(opening(l, 100 * MS), 5 * SECOND + GUARD + 80 * MS + 1,
			   "at first a whole duration counts as delay");
	exchange(l, 30 * SECOND, 0, 90 * MS);
	exchange(l, 60 * SECOND, 0, 70 * MS);
	exchange(l, 90 * SECOND, 0, 100 * MS);
	tap_is_int(opening(l, 91 * SECOND), 95 * SECOND + GUARD + 30 * MS + 1,
			   "then what is above the quickest one lately");
	exchange(l, 100 * SECOND, 0, 69 * MS);
	tap_is_int(opening(l, 101 * SECOND), 105 * SECOND + GUARD + 1,
			   "the quickest itself is not late");
	exchange(l, 110 * SECOND, 0, 20 * SECOND);
	tap_is_int(opening(l, 111 * SECOND), 116 * SECOND + GUARD + 1,
			   "a fifth of the period at most");
	exchange(l, 5000 * SECOND, 0, 75 * MS);
	tap_is_int(opening(l, 5000 * SECOND + 80 * MS),
			   5005 * SECOND + GUARD + 75 * MS + 1,
			   "after a long pause nothing is known");
	free(l);
}

static void
check_kinds(void)
{
	Limiter    *l = make_limiter(5000, 1);

	for (int i = 0; i < 8; i++)
		exchange(l, i * 10 * SECOND, i % 2, (i % 2 + 1) * 100 * MS);
	exchange(l, 80 * SECOND, 1, 210 * MS);
	tap_is_int(opening(l, 81 * SECOND), 85 * SECOND + GUARD + 10 * MS + 1,
			   "each kind has its own quickest answer");
	iomsg_limiter_answered(l, -1, 80 * SECOND, 81 * SECOND);
	iomsg_limiter_answered(l, IOMSG_LIMITER_KINDS, 80 * SECOND, 81 * SECOND);
	iomsg_limiter_answered(l, 0, 80 * SECOND, 79 * SECOND);
	iomsg_limiter_answered(l, 0, 300 * SECOND, 300 * SECOND);
	tap_is_int(opening(l, 81 * SECOND), 85 * SECOND + GUARD + 10 * MS + 1,
			   "nonsense is ignored");
	free(l);
}

/*
 * Runs at the edge of 150 calls in 50 ms while each call is late by up to 40
 * ms and its answer takes 1 ms more; says whether a window held more.
 */
static bool
overruns(Limiter *l, bool learn, int *taken)
{
	static int64_t counted[100000];
	int64_t		answers[SLOTS] = {0};
	int64_t		takes[SLOTS] = {0};
	uint64_t	seed = 7;
	bool		over = false;

	*taken = 0;
	for (int64_t now = 0; now < 20 * SECOND; now += 20)
	{
		int			place = *taken % SLOTS;
		int64_t		late_us = (int64_t) (tap_random(&seed) % 40) * MS;
		int64_t		when;

		for (int i = 0; i < SLOTS && learn; i++)
		{
			if (answers[i] == 0 || answers[i] > now)
				continue;
			iomsg_limiter_answered(l, 0, takes[i], now);
			answers[i] = 0;
		}
		if (answers[place] > now || !iomsg_limiter_take(l, now, &when))
			continue;
		takes[place] = now;
		answers[place] = now + late_us + 1 * MS;
		counted[(*taken)++] = now + late_us;
	}

	/* in order of arrival */
	for (int i = 1; i < *taken; i++)
		for (int j = i; j > 0 && counted[j - 1] > counted[j]; j--)
		{
			int64_t		later_us = counted[j - 1];

			counted[j - 1] = counted[j];
			counted[j] = later_us;
		}
	for (int i = 150; i < *taken; i++)
		over |= counted[i] - counted[i - 150] <= 50 * MS;
	return over;
}

static void
check_lateness(void)
{
	Limiter    *l = make_limiter(50, 150);
	int			taken;
	bool		over = overruns(l, false, &taken);

	tap_ok(over, "calls as late as that would be over the quota (%d calls)",
		   taken);
	free(l);
	l = make_limiter(50, 150);
	over = overruns(l, true, &taken);
	tap_ok(!over, "their answers keep them within it");
	tap_ok(taken > 20000, "at a price: %d calls", taken);
	free(l);
}

int
main(void)
{
	check_bound();
	check_kinds();
	check_lateness();
	return tap_done();
}
