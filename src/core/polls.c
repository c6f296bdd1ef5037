/*
 * polls.c
 *		When to ask IO for the status of a sent message.
 */
#include "polls.h"

#include <stddef.h>
#include <string.h>

#define MINUTES_PER_DAY	INT64_C(1440)

/* 5 in the first day, then one a day until IO has forgotten its own data */
#define POLLS_FIRST_DAY	5
#define POLLS_DAYS		7

/* An ADVANCED message without a due date is followed for so long. */
#define FOLLOW_DAYS		60

/* How long after its due date a payment notice is still asked for. */
#define AFTER_DUE_DAYS	7

/* The longest follow-up that a due date far away can ask for. */
#define FOLLOW_DAYS_MAX	400

/* A base above a year a minute is cut, so that nothing overflows. */
#define BASE_MAX_MS		INT64_C(31536000000)

/* Whether the text is exactly that. */
static bool
is_text(const char *text, const char *wanted)
{
	return text != NULL && strcmp(text, wanted) == 0;
}

/* The base within its limits. */
static int64_t
clamp_base(int64_t base_ms)
{
	if (base_ms < 1)
		return 1;
	return base_ms > BASE_MAX_MS ? BASE_MAX_MS : base_ms;
}

/* Minutes from sending to the nth poll, without jitter; 0 for n of 0. */
static int64_t
find_minutes(int n)
{
	static const int64_t minutes[POLLS_FIRST_DAY + 1] = {
		0, 1, 5, 30, 120, 720
	};

	if (n <= POLLS_FIRST_DAY)
		return minutes[n];
	return (n - POLLS_FIRST_DAY) * MINUTES_PER_DAY;
}

/* A random part of up to a tenth of the span. */
static int64_t
draw_jitter(int64_t span_ms, uint32_t random)
{
	int64_t		tenth_ms = span_ms / 10;

	return (tenth_ms >> 32) * random +
		(int64_t) (((uint64_t) (tenth_ms & UINT32_MAX) * random) >> 32);
}

bool
iomsg_polls_terminal(const char *io_status)
{
	return is_text(io_status, "PROCESSED") ||
		is_text(io_status, "REJECTED") ||
		is_text(io_status, "FAILED");
}

int64_t
iomsg_polls_delay_ms(int n, int64_t base_ms, uint32_t random)
{
	int64_t		base = clamp_base(base_ms);
	int64_t		from_ms;
	int64_t		to_ms;

	if (n < 1 || n > POLLS_FIRST_DAY + POLLS_DAYS)
		return IOMSG_POLLS_NEVER;
	from_ms = find_minutes(n - 1) * base;
	to_ms = find_minutes(n) * base;
	return to_ms + draw_jitter(to_ms - from_ms, random);
}

/* The next poll of a message whose delivery is not settled yet. */
static int64_t
find_delivery_poll(int64_t age_ms, int64_t base_ms, uint32_t random)
{
	/*
	 * Steps are chosen by their time without jitter: the poll that has just
	 * been made at a jittered time is not asked for again.
	 */
	for (int n = 1; n <= POLLS_FIRST_DAY + POLLS_DAYS; n++)
	{
		if (find_minutes(n) * clamp_base(base_ms) > age_ms)
			return iomsg_polls_delay_ms(n, base_ms, random);
	}
	return IOMSG_POLLS_NEVER;
}

/* Whether IO may still tell something new about a processed message. */
static bool
is_open(const PollFacts *facts)
{
	/* no read_status: the account may not read it, and never will here */
	if (!facts->advanced || facts->read_status == NULL ||
		!is_text(facts->io_status, "PROCESSED"))
		return false;
	if (!is_text(facts->read_status, "READ"))
		return true;
	return facts->has_payment && facts->payment_status != NULL &&
		!is_text(facts->payment_status, "PAID");
}

/* The next poll of an ADVANCED message that is not read or paid yet. */
static int64_t
find_follow_up(const PollFacts *facts, int64_t age_ms, int64_t base_ms,
			   uint32_t random)
{
	int64_t		day_ms = MINUTES_PER_DAY * clamp_base(base_ms);
	int64_t		end_ms = FOLLOW_DAYS * day_ms;
	int64_t		next_ms;

	if (facts->has_due_date)
	{
		end_ms = FOLLOW_DAYS_MAX * day_ms;
		if (facts->due_age_ms < end_ms - AFTER_DUE_DAYS * day_ms)
			end_ms = facts->due_age_ms + AFTER_DUE_DAYS * day_ms;
	}
	if (age_ms >= end_ms)
		return IOMSG_POLLS_NEVER;
	next_ms = age_ms + day_ms;
	return next_ms + draw_jitter(day_ms, random);
}

int64_t
iomsg_polls_next_ms(const PollFacts *facts, int64_t base_ms, uint32_t random)
{
	int64_t		age_ms = facts->age_ms > 0 ? facts->age_ms : 0;

	if (!iomsg_polls_terminal(facts->io_status))
		return find_delivery_poll(age_ms, base_ms, random);
	if (!is_open(facts))
		return IOMSG_POLLS_NEVER;
	return find_follow_up(facts, age_ms, base_ms, random);
}
