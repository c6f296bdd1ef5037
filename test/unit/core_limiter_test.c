/*
 * core_limiter_test.c
 *		The limiter against a window that is counted here, with a network in
 *		between and with other users of the account.
 */
#include <stdlib.h>

#include "limiter.h"
#include "tap.h"

#define MS		INT64_C(1000)
#define SECOND	INT64_C(1000000)
#define CALLS_MAX	100000

static int64_t calls[CALLS_MAX];	/* times, as the server counts them */
static int	call_count = 0;

static Limiter *
make_limiter(int capacity, int64_t period_ms, int n)
{
	Limiter    *limiter = malloc(iomsg_limiter_size(capacity));

	iomsg_limiter_init(limiter, capacity, period_ms, n);
	return limiter;
}

static int
compare(const void *a, const void *b)
{
	int64_t		left = *(const int64_t *) a;
	int64_t		right = *(const int64_t *) b;

	return (left > right) - (left < right);
}

/* Whether no closed window of the period holds more than n calls. */
static bool
keeps_quota(int64_t period_us, int n)
{
	qsort(calls, (size_t) call_count, sizeof(calls[0]), compare);
	for (int i = n; i < call_count; i++)
		if (calls[i] - calls[i - n] <= period_us)
			return false;
	return true;
}

/* How many noted calls are later than since_us. */
static int
count_later(int64_t since_us)
{
	int			count = 0;

	for (int i = call_count; i-- > 0 && calls[i] > since_us;)
		count++;
	return count;
}

static void
check_random_times(void)
{
	uint64_t	seed = 1;
	int			over = 0;
	int			different = 0;
	int			early = 0;

	for (int round = 0; round < 300; round++)
	{
		int			n = 1 + (int) (tap_random(&seed) % 40);
		int64_t		period_ms = 1 + (int64_t) (tap_random(&seed) % 3000);
		Limiter    *l = make_limiter(64, period_ms, n);
		int64_t		now = (int64_t) (tap_random(&seed) % SECOND);
		uint64_t	step = (uint64_t) (period_ms * MS / n) * 2 + 1;

		call_count = 0;
		for (int i = 0; i < 1000; i++)
		{
			int64_t		when = -1;
			bool		want = count_later(now - l->period_us -
										   l->guard_us - 1) < n;

			different += (iomsg_limiter_available(l, now) > 0) != want;
			if (iomsg_limiter_take(l, now, &when) != want)
				different++;
			early += want ? when != now : when <= now ||
				iomsg_limiter_available(l, when - 1) != 0 ||
				iomsg_limiter_available(l, when) < 1;
			if (want)
				calls[call_count++] = now;
			now += (int64_t) (tap_random(&seed) % step);
		}
		over += !keeps_quota(period_ms * MS, n);
		free(l);
	}
	tap_is_int(over, 0, "300 random runs: no closed window over the quota");
	tap_is_int(different, 0, "and the same calls as the reference");
	tap_is_int(early, 0, "and the time that it names is the first one");
}

/* Runs at the edge for that long; jitter is what the network adds. */
static int
saturate(Limiter *l, int64_t *now, int64_t span_us, int64_t jitter_us,
		 uint64_t *seed)
{
	int64_t		end = *now + span_us;
	int			taken = 0;

	while (*now < end)
	{
		int64_t		when;

		if (!iomsg_limiter_take(l, *now, &when))
		{
			*now = when;
			continue;
		}
		taken++;
		calls[call_count++] = *now + (jitter_us == 0 ? 0 :
									  (int64_t) (tap_random(seed) %
												 (uint64_t) jitter_us));
		*now += 200;
	}
	return taken;
}

static void
check_saturation(void)
{
	static const struct
	{
		int64_t		period_ms;
		int			n;
		int			percent;
	}			quotas[] = {
		{5000, 150, 98}, {5000, 250, 98}, {1000, 30, 97}, {50, 150, 95},
	};
	uint64_t	seed = 2;

	for (size_t i = 0; i < sizeof(quotas) / sizeof(quotas[0]); i++)
	{
		int64_t		period_us = quotas[i].period_ms * MS;
		Limiter    *l = make_limiter(256, quotas[i].period_ms, quotas[i].n);
		int64_t		now = 0;
		int			taken;

		call_count = 0;
		taken = saturate(l, &now, 200 * period_us, 0, &seed);
		tap_ok(taken * 100 >= quotas[i].percent * 200 * quotas[i].n,
			   "%d calls in 200 periods of %d ms, quota %d", taken,
			   (int) quotas[i].period_ms, quotas[i].n);
		tap_ok(keeps_quota(period_us, quotas[i].n), "within the quota");
		free(l);
	}
}

static void
check_jitter(void)
{
	Limiter    *l = make_limiter(150, 5000, 150);
	uint64_t	seed = 3;
	int64_t		now = 0;
	int			taken;

	call_count = 0;
	taken = saturate(l, &now, 1000 * SECOND, 50 * MS, &seed);
	tap_ok(keeps_quota(5 * SECOND, 150),
		   "50 ms of jitter: the server never counts over the quota");
	tap_ok(taken >= 29400, "%d calls in 1000 s are 98 %%", taken);

	/* the worst case: each second burst is late, the others are not */
	call_count = 0;
	now += 10 * SECOND;
	saturate(l, &now, 1000 * SECOND, 0, &seed);
	for (int i = 0; i < call_count; i++)
		calls[i] += i / 150 % 2 == 0 ? 50 * MS : 0;
	tap_ok(keeps_quota(5 * SECOND, 150), "the same by turns");
	free(l);
}

/* A server that answers at once, and counts what reaches it. */
static bool
is_throttled(int64_t at_us, int n, int *remaining)
{
	int			counted = count_later(at_us - 5 * SECOND);

	*remaining = counted < n ? n - counted - 1 : 0;
	if (counted >= n)
		return false;
	calls[call_count++] = at_us;
	return true;
}

/* Too much jitter for the guard: it learns by 429s, and forgets slowly. */
static void
check_guard(void)
{
	Limiter    *l = make_limiter(150, 5000, 150);
	uint64_t	seed = 4;
	int64_t		now = 0;
	int64_t		before_us = l->guard_us;
	int			late = 0;
	int			refused = 0;

	for (int round = 0; round < 40; round++)
	{
		call_count = 0;
		saturate(l, &now, 20 * SECOND, 0, &seed);

		/* each second burst meets a network that is 200 ms slower */
		for (int i = 0; i < call_count; i++)
			calls[i] += i / 150 % 2 == 0 ? 200 * MS : 0;
		if (keeps_quota(5 * SECOND, 150))
			continue;
		refused++;
		late += round >= 10;
		for (int i = 0; i < 32; i++)
			iomsg_limiter_throttled(l, now + i, 1000);
	}
	tap_ok(refused > 0 && late == 0, "%d rounds over it, none after the "
		   "tenth", refused);
	tap_ok(l->guard_us >= 4 * before_us && l->guard_us <= SECOND,
		   "the guard grew, once for 32 answers at once");
	for (int i = 0; i < 1000; i++)
	{
		int64_t		when;

		iomsg_limiter_take(l, now += 60 * SECOND, &when);
	}
	tap_is_int(l->guard_us, before_us, "and came back in hours without a 429");
	for (int i = 0; i < 50; i++)
		iomsg_limiter_throttled(l, now += 6 * SECOND, 0);
	tap_is_int(l->guard_us, SECOND, "it never passes a fifth of the period");
	free(l);
}

/* Others use up to 60 of 150 calls; returns our 429s over 200 s. */
static int
share(Limiter *l, int64_t *now, int others, bool observe, int *ours)
{
	uint64_t	seed = 5;
	int64_t		end = *now + 200 * SECOND;
	int64_t		next_other = *now;
	int			refused = 0;
	int			left;

	call_count = 0;
	*ours = 0;
	while (*now < end)
	{
		int64_t		when;

		while (others > 0 && next_other <= *now)
		{
			is_throttled(next_other, 150, &left);
			next_other += 5 * SECOND / others +
				(int64_t) (tap_random(&seed) % 2000);
		}
		if (!iomsg_limiter_take(l, *now, &when))
		{
			*now = when < *now + 10 * MS ? when : *now + 10 * MS;
			continue;
		}
		if (is_throttled(*now, 150, &left))
			(*ours)++;
		else
			refused++;
		if (observe)
			iomsg_limiter_observe(l, *now, *now, left);
		*now += 1 * MS;
	}
	return refused;
}

static void
check_others(void)
{
	Limiter    *blind = make_limiter(250, 5000, 150);
	Limiter    *seeing = make_limiter(250, 5000, 150);
	int64_t		now = 0;
	int			ours;
	int			without;
	int			with;

	without = share(blind, &now, 60, false, &ours);
	now = 0;
	with = share(seeing, &now, 60, true, &ours);
	tap_ok(with * 5 < without, "others use 60 of 150: %d refusals instead "
		   "of %d", with, without);
	tap_ok(ours >= 40 * 85 * 95 / 100, "%d calls of our own are left to us",
		   ours);
	now += 6 * SECOND;
	tap_is_int(share(seeing, &now, 0, true, &ours), 0, "then nobody else");
	tap_ok(ours >= 5880, "%d calls: the whole quota is ours again", ours);
	free(blind);
	free(seeing);
}

int
main(void)
{
	check_random_times();
	check_saturation();
	check_jitter();
	check_guard();
	check_others();
	return tap_done();
}
