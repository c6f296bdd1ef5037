/*
 * core_limiter_state_test.c
 *		The limiter's state: calls of others, a changed quota, pauses, clocks.
 */
#include <stdlib.h>

#include "limiter.h"
#include "tap.h"

#define MS		INT64_C(1000)
#define SECOND	INT64_C(1000000)

static Limiter *
make_limiter(int capacity, int64_t period_ms, int n)
{
	Limiter    *limiter = malloc(iomsg_limiter_size(capacity));

	iomsg_limiter_init(limiter, capacity, period_ms, n);
	return limiter;
}

static void
check_observe(void)
{
	Limiter    *l = make_limiter(150, 5000, 100);
	int64_t		when;

	iomsg_limiter_take(l, 0, &when);
	iomsg_limiter_observe(l, 0, 100, 99);
	tap_is_int(iomsg_limiter_available(l, 100), 99, "as expected");
	iomsg_limiter_observe(l, 0, 100, 60);
	tap_is_int(iomsg_limiter_available(l, 100), 60, "39 calls of others");
	iomsg_limiter_observe(l, 0, 100, 60);
	tap_is_int(iomsg_limiter_available(l, 100), 60, "are not counted twice");
	iomsg_limiter_observe(l, 0, 100, -1);
	iomsg_limiter_observe(l, 0, 100, 101);
	iomsg_limiter_observe(l, 0, 100, INT64_MIN);
	tap_is_int(iomsg_limiter_available(l, 100), 60, "nonsense is ignored");
	iomsg_limiter_observe(l, 0, 100, 0);
	tap_is_int(iomsg_limiter_available(l, 100), 9, "a tenth stays ours");
	tap_is_int(l->others, 90, "90 of others");
	tap_is_int(iomsg_limiter_available(l, 6 * SECOND), 10,
			   "and are expected again in the next window");
	tap_is_int(iomsg_limiter_available(l, 11 * SECOND), 100,
			   "and all is over after two");
	for (int i = 0; i < 1000; i++)
		iomsg_limiter_take(l, (10 + i) * SECOND, &when);
	tap_is_int(l->others, 0, "their entries leave the ring");
	iomsg_limiter_observe(l, 2000 * SECOND, 1900 * SECOND, 99);
	tap_ok(iomsg_limiter_take(l, 2000 * SECOND, &when), "times in disorder");
	free(l);
}

/*
 * Others made more calls than a quota that was lowered since allows: a tenth
 * of it is ours still, and no entry beside the ring is looked at.
 */
static void
check_lowered_quota(void)
{
	Limiter    *l = make_limiter(100, 1000, 100);
	int64_t		when;
	int64_t		now = 1100 * MS;
	int			taken = 0;

	iomsg_limiter_observe(l, 0, 0, 10);
	tap_is_int(l->others, 90, "90 calls of others");
	iomsg_limiter_configure(l, 1000, 20);
	tap_is_int(iomsg_limiter_available(l, now), 2, "two of twenty are ours");
	tap_ok(iomsg_limiter_opening(l, now) <= now, "at once");
	while (iomsg_limiter_take(l, now, &when))
		taken++;
	tap_is_int(taken, 2, "and not more");
	tap_ok(when > now && when <= now + 2 * SECOND, "for a while");
	free(l);
}

static void
check_changes(void)
{
	Limiter    *l = make_limiter(100, 1000, 50);
	int64_t		when;
	int64_t		now = 0;

	for (int i = 0; i < 50; i++)
		iomsg_limiter_take(l, now += MS, &when);
	tap_ok(!iomsg_limiter_take(l, now, &when), "the quota is used up");
	iomsg_limiter_configure(l, 1000, 60);
	tap_is_int(iomsg_limiter_available(l, now), 10, "10 more are 10 more");
	iomsg_limiter_configure(l, 1000, 20);
	tap_ok(!iomsg_limiter_take(l, now, &when), "less: nothing leaves");
	tap_is_int(when, 31 * MS + SECOND + 20 * MS + 1,
			   "until the call 20 back is old enough");
	iomsg_limiter_configure(l, 10000, 20);
	tap_ok(!iomsg_limiter_take(l, now + 2 * SECOND, &when),
		   "a longer period counts the old calls");
	iomsg_limiter_configure(l, 10, 20);
	tap_ok(iomsg_limiter_take(l, now + SECOND, &when), "a shorter does not");
	iomsg_limiter_configure(l, 1000, 1000);
	tap_is_int(l->calls, 100, "no more calls than the log can hold");
	iomsg_limiter_configure(l, 0, 0);
	tap_is_int(l->calls, 1, "one call at least");
	tap_is_int(l->period_us, 1000, "in a millisecond at least");
	iomsg_limiter_configure(l, INT64_MAX, 1);
	tap_is_int(l->period_us, 86400 * SECOND, "in a day at most");
	free(l);
	tap_is_int((int64_t) iomsg_limiter_size(0),
			   (int64_t) iomsg_limiter_size(1), "size for none");
	tap_is_int((int64_t) iomsg_limiter_size(1000000),
			   (int64_t) iomsg_limiter_size(4096), "size for too many");
	l = make_limiter(5000, 5000, 5000);
	tap_is_int(l->capacity, 4096, "capacity is bounded");
	free(l);
	l = make_limiter(0, 5000, 5000);
	tap_is_int(l->calls, 1, "and one at least");
	free(l);
}

static void
check_pauses(void)
{
	Limiter    *l = make_limiter(100, 1000, 10);
	int64_t		when;
	int			wrong = 0;

	iomsg_limiter_throttled(l, 5 * SECOND, 3000);
	tap_ok(!iomsg_limiter_take(l, 5 * SECOND, &when), "a 429 stops all");
	tap_is_int(when, 8 * SECOND, "until its time");
	tap_is_int(iomsg_limiter_available(l, 7 * SECOND), 0, "nothing to use");
	iomsg_limiter_pause(l, 6 * SECOND);
	tap_ok(!iomsg_limiter_take(l, 7 * SECOND, &when), "no pause is cut short");
	iomsg_limiter_throttled(l, 7 * SECOND, -5);
	tap_ok(iomsg_limiter_take(l, 8 * SECOND, &when), "then it goes on");
	iomsg_limiter_throttled(l, 8 * SECOND, INT64_MAX);
	iomsg_limiter_take(l, 9 * SECOND, &when);
	tap_is_int(when, (8 + 86400) * SECOND, "a day at most");

	/* a clock that runs back by a little, and one that was set back */
	iomsg_limiter_init(l, 100, 1000, 10);
	for (int i = 0; i < 10; i++)
		wrong += !iomsg_limiter_take(l, 100 * SECOND - i * MS, &when);
	tap_is_int(wrong, 0, "10 calls in the wrong order");
	tap_ok(!iomsg_limiter_take(l, 100 * SECOND + 900 * MS, &when), "no 11th");
	tap_is_int(when, 101 * SECOND + 20 * MS + 1, "until the latest is old");
	iomsg_limiter_pause(l, 5000 * SECOND);
	tap_ok(!iomsg_limiter_take(l, 50 * SECOND, &when), "set back 50 s");
	tap_is_int(when, 51 * SECOND + 20 * MS + 1, "waits one window, not 50 s");

	/* calls that come late count as the newest, not as older ones */
	iomsg_limiter_init(l, 100, 1000, 4);
	iomsg_limiter_take(l, 10 * SECOND, &when);
	iomsg_limiter_take(l, 10 * SECOND - 10 * MS, &when);
	iomsg_limiter_take(l, 10 * SECOND - 10 * MS, &when);
	tap_is_int(iomsg_limiter_available(l, 11 * SECOND + 15 * MS), 1,
			   "two calls that came late");
	free(l);
}

int
main(void)
{
	check_observe();
	check_lowered_quota();
	check_changes();
	check_pauses();
	return tap_done();
}
