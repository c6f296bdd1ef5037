/*
 * limiter.c
 *		Keeps an account within IO's quota: a log of the last calls.
 *
 * The log is a ring in order of time.  N and the period are only the place and
 * the age that are asked of it, so that both can change while it is in use.
 */
#include "limiter.h"

/* The longest period that is kept, a day: nothing can overflow then. */
#define PERIOD_MAX_MS	INT64_C(86400000)

/* Between two changes of the guard, in periods. */
#define GROWTH_PAUSE	1
#define SHRINK_PAUSE	12

/* A call can be this late even where that is a period, or a fifth of one. */
#define LATE_MAX_US		INT64_C(1000000)

/* How long the quickest answers are remembered, twice, in periods. */
#define QUICKEST_SPAN	4

/* Of two times or spans. */
static int64_t
max_us(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static int64_t
min_us(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/*
 * The guard to begin with: 1 % of the period, but 20 ms where these are not
 * more than 4 %, since the jitter of a network does not shrink with a period.
 */
static int64_t
compute_base_guard(int64_t period_us)
{
	return max_us(period_us / 100, min_us(20000, period_us / 25));
}

/* The entry that is back places behind the newest, which is 0 places back. */
static LimiterEntry *
find_entry(const Limiter *limiter, int back)
{
	int			place = limiter->next - 1 - back;

	if (place < 0)
		place += limiter->capacity;
	return (LimiterEntry *) &limiter->log[place];
}

/* Writes one call into the ring, over the oldest where it is full. */
static void
write_entry(Limiter *limiter, int64_t at_us, bool others)
{
	LimiterEntry *entry = &limiter->log[limiter->next];

	if (limiter->used < limiter->capacity)
		limiter->used++;
	else if (entry->others)
		limiter->others--;
	entry->at_us = at_us;
	entry->others = others;
	if (others)
		limiter->others++;
	limiter->next = (limiter->next + 1) % limiter->capacity;
	limiter->latest_us = at_us;
}

/* How many of the newest entries are later than since_us. */
static int
count_since(const Limiter *limiter, int64_t since_us)
{
	int			low = 0;
	int			high = limiter->used;

	while (low < high)
	{
		int			middle = low + (high - low) / 2;

		if (find_entry(limiter, middle)->at_us > since_us)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* How many calls of others were logged later than since_us, until then. */
static int
count_others(const Limiter *limiter, int64_t since_us, int64_t until_us)
{
	int			others = 0;
	int			newest = count_since(limiter, until_us);

	for (int back = count_since(limiter, since_us) - 1; back >= newest; back--)
		others += find_entry(limiter, back)->others;
	return others;
}

/* A tenth of the quota is ours whatever others do: never less than a call. */
static int
find_own_share(const Limiter *limiter)
{
	return (limiter->calls + 9) / 10;
}

/*
 * What is N for ours and the logged calls of others, where the others are
 * expected to make as many calls as in the window before.  Under a quota that
 * was lowered since these can be more than it has.
 */
static int
find_limit(const Limiter *limiter, int64_t now_us)
{
	int64_t		window_us = limiter->period_us + limiter->guard_us + 1;
	int			before;
	int			present;
	int			limit;

	if (limiter->others == 0)
		return limiter->calls;
	before = count_others(limiter, now_us - 2 * window_us, now_us - window_us);
	present = count_others(limiter, now_us - window_us, INT64_MAX);
	limit = limiter->calls - (before > present ? before - present : 0);
	return limit > find_own_share(limiter) ? limit : find_own_share(limiter);
}

/* The first time at which the log lets a call go. */
static int64_t
find_opening(const Limiter *limiter, int64_t now_us)
{
	int			limit = find_limit(limiter, now_us);

	if (limiter->used < limit)
		return INT64_MIN;
	return find_entry(limiter, limit - 1)->at_us +
		limiter->period_us + limiter->guard_us + 1;
}

/* Lets the guard fall slowly back. */
static void
shrink_guard(Limiter *limiter, int64_t now_us)
{
	int64_t		excess_us = limiter->guard_us -
		compute_base_guard(limiter->period_us);

	if (excess_us <= 0 || now_us - limiter->guard_changed_us <
		SHRINK_PAUSE * limiter->period_us)
		return;
	limiter->guard_us -= excess_us / 32 + 1;
	limiter->guard_changed_us = now_us;
}

/*
 * Brings times of a clock that was set back to now; entries then count longer
 * than they need, and never for ever.
 */
static void
repair_clock(Limiter *limiter, int64_t now_us)
{
	if (limiter->latest_us - now_us <= limiter->period_us)
		return;
	for (int i = 0; i < limiter->used; i++)
		limiter->log[i].at_us = now_us;
	limiter->latest_us = now_us;
	limiter->guard_changed_us = now_us;
	limiter->pause_until_us = now_us;
	limiter->quickest_since_us = now_us;
}

size_t
iomsg_limiter_size(int capacity)
{
	if (capacity < 1)
		capacity = 1;
	if (capacity > IOMSG_LIMITER_CAPACITY_MAX)
		capacity = IOMSG_LIMITER_CAPACITY_MAX;
	return sizeof(Limiter) + (size_t) capacity * sizeof(LimiterEntry);
}

void
iomsg_limiter_configure(Limiter *limiter, int64_t period_ms, int calls)
{
	if (period_ms < 1)
		period_ms = 1;
	if (period_ms > PERIOD_MAX_MS)
		period_ms = PERIOD_MAX_MS;
	if (calls < 1)
		calls = 1;
	limiter->calls = calls > limiter->capacity ? limiter->capacity : calls;
	if (limiter->period_us == period_ms * 1000)
		return;

	/* what was learnt about the network belongs to the old period */
	limiter->period_us = period_ms * 1000;
	limiter->guard_us = compute_base_guard(limiter->period_us);
}

void
iomsg_limiter_init(Limiter *limiter, int capacity, int64_t period_ms,
				   int calls)
{
	if (capacity < 1)
		capacity = 1;
	if (capacity > IOMSG_LIMITER_CAPACITY_MAX)
		capacity = IOMSG_LIMITER_CAPACITY_MAX;
	limiter->period_us = 0;
	limiter->guard_us = 0;
	limiter->guard_changed_us = INT64_MIN / 4;
	limiter->pause_until_us = INT64_MIN / 4;
	limiter->latest_us = INT64_MIN / 4;
	limiter->quickest_since_us = INT64_MIN / 4;
	for (int kind = 0; kind < IOMSG_LIMITER_KINDS; kind++)
		limiter->quickest_us[0][kind] = limiter->quickest_us[1][kind] = 0;
	limiter->capacity = capacity;
	limiter->used = 0;
	limiter->next = 0;
	limiter->others = 0;
	iomsg_limiter_configure(limiter, period_ms, calls);
}

bool
iomsg_limiter_take(Limiter *limiter, int64_t now_us, int64_t *when_us)
{
	int64_t		opening_us;

	repair_clock(limiter, now_us);
	shrink_guard(limiter, now_us);
	opening_us = max_us(find_opening(limiter, now_us),
						limiter->pause_until_us);
	if (now_us < opening_us)
	{
		*when_us = opening_us;
		return false;
	}
	*when_us = now_us;

	/* a late time is logged as the newest: the ring stays in order */
	write_entry(limiter, max_us(now_us, limiter->latest_us), false);
	return true;
}

int64_t
iomsg_limiter_opening(const Limiter *limiter, int64_t now_us)
{
	return max_us(find_opening(limiter, now_us), limiter->pause_until_us);
}

int
iomsg_limiter_available(const Limiter *limiter, int64_t now_us)
{
	int			limit = find_limit(limiter, now_us);
	int			busy;

	if (now_us < limiter->pause_until_us)
		return 0;
	busy = count_since(limiter, now_us - limiter->period_us -
					   limiter->guard_us - 1);
	return busy < limit ? limit - busy : 0;
}

void
iomsg_limiter_pause(Limiter *limiter, int64_t until_us)
{
	limiter->pause_until_us = max_us(limiter->pause_until_us, until_us);
}

void
iomsg_limiter_throttled(Limiter *limiter, int64_t now_us, int64_t wait_ms)
{
	if (wait_ms < 0)
		wait_ms = 0;
	if (wait_ms > PERIOD_MAX_MS)
		wait_ms = PERIOD_MAX_MS;
	iomsg_limiter_pause(limiter, now_us + wait_ms * 1000);

	/* the calls in flight get a 429 each, and mean one */
	if (now_us - limiter->guard_changed_us <
		GROWTH_PAUSE * limiter->period_us)
		return;
	limiter->guard_us = min_us(limiter->guard_us * 2,
							   max_us(limiter->period_us / 5, 1));
	limiter->guard_changed_us = now_us;
}

/*
 * The quickest answer of a kind in the last spans; 0 while it is not known,
 * so that a whole duration counts as delay.
 */
static int64_t
note_duration(Limiter *limiter, int kind, int64_t duration_us, int64_t now_us)
{
	int64_t		(*quickest_us)[IOMSG_LIMITER_KINDS] = limiter->quickest_us;
	int64_t		span_us = QUICKEST_SPAN * limiter->period_us;

	if (now_us - limiter->quickest_since_us >= span_us)
	{
		bool		is_recent =
			now_us - limiter->quickest_since_us < 2 * span_us;

		for (int i = 0; i < IOMSG_LIMITER_KINDS; i++)
		{
			quickest_us[1][i] = is_recent && quickest_us[0][i] < INT64_MAX ?
				quickest_us[0][i] : 0;
			quickest_us[0][i] = INT64_MAX;
		}
		limiter->quickest_since_us = now_us;
	}
	quickest_us[0][kind] = min_us(quickest_us[0][kind], duration_us);
	return min_us(quickest_us[0][kind], quickest_us[1][kind]);
}

/* The entry of a call in time order: the oldest of ours not before then. */
static int
find_call(const Limiter *limiter, int64_t taken_us)
{
	int			back = count_since(limiter, taken_us - 1) - 1;

	while (back >= 0 && find_entry(limiter, back)->others)
		back--;
	return back;
}

/*
 * IO did not count it, and somebody else's calls were in its place.
 */
void
iomsg_limiter_refused(Limiter *limiter, int64_t taken_us)
{
	int			back = find_call(limiter, taken_us);

	if (back < 0)
		return;
	find_entry(limiter, back)->others = true;
	limiter->others++;
}

/*
 * A call reached IO at some time between its taking and its answer.  The way
 * back takes as long as that of the quickest answers at least, so what this
 * one took longer bounds how late it was counted.
 */
void
iomsg_limiter_answered(Limiter *limiter, int kind, int64_t taken_us,
					   int64_t now_us)
{
	int64_t		late_us;
	int64_t		at_us;
	int			back;

	if (kind < 0 || kind >= IOMSG_LIMITER_KINDS || now_us < taken_us)
		return;
	late_us = now_us - taken_us -
		note_duration(limiter, kind, now_us - taken_us, now_us);
	at_us = taken_us + min_us(late_us, max_us(limiter->period_us / 5,
											  min_us(limiter->period_us,
													 LATE_MAX_US)));
	back = find_call(limiter, taken_us);
	if (back < 0 || find_entry(limiter, back)->at_us >= at_us)
		return;

	/* newer entries move one place back: the ring stays in order */
	for (; back > 0 && find_entry(limiter, back - 1)->at_us < at_us; back--)
		*find_entry(limiter, back) = *find_entry(limiter, back - 1);
	find_entry(limiter, back)->at_us = at_us;
	find_entry(limiter, back)->others = false;
	limiter->latest_us = max_us(limiter->latest_us, at_us);
}

/*
 * The server's window at this answer began after taken_us - period, and a
 * little for calls that were late, and each call of ours that it counts was
 * taken until now: so ours are at most the entries between, and what is
 * missing above them was not ours.  A grown guard would hide the others.
 */
void
iomsg_limiter_observe(Limiter *limiter, int64_t taken_us, int64_t now_us,
					  int64_t remaining)
{
	int64_t		missing;
	int			room = limiter->calls - find_own_share(limiter);
	int64_t		at_us = max_us(now_us, limiter->latest_us);
	int64_t		since_us = taken_us - limiter->period_us -
		compute_base_guard(limiter->period_us);

	if (remaining < 0 || remaining > limiter->calls)
		return;
	missing = limiter->calls - remaining - count_since(limiter, since_us);
	room -= count_others(limiter, now_us - limiter->period_us -
						 limiter->guard_us - 1, INT64_MAX);
	for (; missing > 0 && room > 0; missing--, room--)
		write_entry(limiter, at_us, true);
}
