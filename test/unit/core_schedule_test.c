/*
 * core_schedule_test.c
 *		Retry times and status polls: tables, limits, random arguments.
 */
#include "polls.h"
#include "retry.h"
#include "tap.h"

#define MINUTE	INT64_C(60000)
#define DAY		(1440 * MINUTE)

static void
check_retry(void)
{
	static const struct
	{
		int			attempt;
		int64_t		base_ms;
		int64_t		cap_ms;
		int64_t		least_ms;
		int64_t		most_ms;
	}			cases[] = {
		{1, 1000, 60000, 500, 1000},
		{2, 1000, 60000, 1000, 2000},
		{3, 1000, 60000, 2000, 4000},
		{6, 1000, 60000, 16000, 32000},
		{7, 1000, 60000, 30000, 60000},
		{INT32_MAX, 1000, 60000, 30000, 60000},
		{0, 1000, 60000, 500, 1000},
		{INT32_MIN, 1000, 60000, 500, 1000},
		{1, 0, 60000, 1, 1},
		{1, -7, 60000, 1, 1},
		{1, 90000, 60000, 30000, 60000},
		{1, 1000, 0, 0, 0},
		{1, 1000, -1, 0, 0},
		{1000, 1, INT64_MAX, INT64_MAX / 2 + 1, INT64_MAX},
		{1, INT64_MAX, INT64_MAX, INT64_MAX / 2 + 1, INT64_MAX},
		{2, 1001, 2001, 1001, 2001},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		int64_t		least = iomsg_retry_delay_ms(cases[i].attempt,
												 cases[i].base_ms,
												 cases[i].cap_ms, 0);
		int64_t		most = iomsg_retry_delay_ms(cases[i].attempt,
												cases[i].base_ms,
												cases[i].cap_ms, UINT32_MAX);
		int64_t		slack = cases[i].most_ms / 1000000000 + 1;

		tap_is_int(least, cases[i].least_ms, "least");
		tap_ok(most <= cases[i].most_ms && most >= cases[i].most_ms - slack,
			   "most of attempt %d", cases[i].attempt);
	}
	tap_ok(!iomsg_retry_exhausted(4, 5), "4 of 5");
	tap_ok(iomsg_retry_exhausted(5, 5), "5 of 5");
	tap_ok(iomsg_retry_exhausted(6, 5), "6 of 5");
	tap_ok(iomsg_retry_exhausted(0, 0), "no attempt is allowed");
}

static void
check_retry_random(void)
{
	uint64_t	seed = 1;
	int			wrong = 0;
	int64_t		sum = 0;

	for (int i = 0; i < 100000; i++)
	{
		int64_t		cap = (int64_t) (tap_random(&seed) >>
									 (1 + tap_random(&seed) % 62));
		int64_t		base = (int64_t) tap_random(&seed) >>
			(tap_random(&seed) % 63);
		int64_t		delay = iomsg_retry_delay_ms((int) tap_random(&seed), base,
												 cap, (uint32_t)
												 tap_random(&seed));

		wrong += delay < 0 || delay > cap;
		sum += iomsg_retry_delay_ms(1, 1000, 5000,
									(uint32_t) tap_random(&seed));
	}
	tap_is_int(wrong, 0, "100,000 random delays are within 0 and the cap");
	tap_ok(sum / 100000 > 745 && sum / 100000 < 755, "the draw is even");
}

static void
check_schedule(void)
{
	static const int64_t minutes[] = {
		1, 5, 30, 120, 720, 1440, 2880, 4320, 5760, 7200, 8640, 10080
	};
	int			wrong = 0;
	uint64_t	seed = 2;

	for (int n = 1; n <= 12; n++)
	{
		int64_t		span = minutes[n - 1] - (n > 1 ? minutes[n - 2] : 0);
		int64_t		most = iomsg_polls_delay_ms(n, MINUTE, UINT32_MAX);

		tap_is_int(iomsg_polls_delay_ms(n, MINUTE, 0), minutes[n - 1] * MINUTE,
				   "without jitter");
		tap_ok(most >= minutes[n - 1] * MINUTE + span * MINUTE / 10 - 1 &&
			   most <= minutes[n - 1] * MINUTE + span * MINUTE / 10,
			   "poll %d: a tenth of its span at most", n);
	}
	tap_is_int(iomsg_polls_delay_ms(13, MINUTE, 0), IOMSG_POLLS_NEVER, "13");
	tap_is_int(iomsg_polls_delay_ms(0, MINUTE, 0), IOMSG_POLLS_NEVER, "0");
	tap_is_int(iomsg_polls_delay_ms(-1, MINUTE, 0), IOMSG_POLLS_NEVER, "-1");
	tap_is_int(iomsg_polls_delay_ms(2, 10, 0), 50, "shrunk");
	tap_is_int(iomsg_polls_delay_ms(2, 0, 0), 5, "a base of 1 at least");
	for (int i = 0; i < 100000; i++)
	{
		int			n = 1 + (int) (tap_random(&seed) % 11);
		int64_t		base = (int64_t) (tap_random(&seed) >>
									  (tap_random(&seed) % 64));
		int64_t		a = iomsg_polls_delay_ms(n, base, (uint32_t)
											 tap_random(&seed));
		int64_t		b = iomsg_polls_delay_ms(n + 1, base, (uint32_t)
											 tap_random(&seed));

		wrong += a <= 0 || b <= a;
	}
	tap_is_int(wrong, 0, "each is later than the one before, for every base");
}

static void
check_next(void)
{
	PollFacts	facts = {0};

	tap_is_int(iomsg_polls_next_ms(&facts, MINUTE, 0), MINUTE, "just sent");
	facts.age_ms = -5;
	tap_is_int(iomsg_polls_next_ms(&facts, MINUTE, 0), MINUTE, "clock back");
	facts.age_ms = MINUTE;
	tap_is_int(iomsg_polls_next_ms(&facts, MINUTE, 0), 5 * MINUTE, "second");
	facts.age_ms = MINUTE - 1;
	tap_is_int(iomsg_polls_next_ms(&facts, MINUTE, 0), MINUTE, "too early");
	facts.age_ms = 3 * DAY + MINUTE;
	facts.io_status = "ACCEPTED";
	tap_is_int(iomsg_polls_next_ms(&facts, MINUTE, 0), 4 * DAY,
			   "what was missed is not caught up");
	facts.io_status = "THROTTLED";
	tap_is_int(iomsg_polls_next_ms(&facts, MINUTE, 0), 4 * DAY, "THROTTLED");
	facts.io_status = "SOMETHING";
	tap_is_int(iomsg_polls_next_ms(&facts, MINUTE, 0), 4 * DAY, "unknown");
	facts.age_ms = 7 * DAY;
	tap_is_int(iomsg_polls_next_ms(&facts, MINUTE, 0), IOMSG_POLLS_NEVER,
			   "given up after seven days");
	facts.age_ms = 5;
	facts.io_status = "PROCESSED";
	tap_is_int(iomsg_polls_next_ms(&facts, MINUTE, 0), IOMSG_POLLS_NEVER,
			   "PROCESSED");
	facts.io_status = "REJECTED";
	facts.advanced = true;
	facts.read_status = "UNREAD";
	tap_is_int(iomsg_polls_next_ms(&facts, MINUTE, 0), IOMSG_POLLS_NEVER,
			   "REJECTED, ADVANCED too");
	facts.io_status = "FAILED";
	tap_is_int(iomsg_polls_next_ms(&facts, MINUTE, 0), IOMSG_POLLS_NEVER,
			   "FAILED");
	tap_ok(!iomsg_polls_terminal(NULL), "no status is not terminal");
	tap_ok(!iomsg_polls_terminal("processed"), "case matters");
}

/* Whether a processed ADVANCED message is still asked for. */
static int64_t
follow(int64_t age_ms, const char *read, bool payment, const char *paid)
{
	PollFacts	facts = {.age_ms = age_ms,.io_status = "PROCESSED",
		.advanced = true,.has_payment = payment,.read_status = read,
		.payment_status = paid};

	return iomsg_polls_next_ms(&facts, MINUTE, 0);
}

static void
check_follow_up(void)
{
	PollFacts	facts = {.io_status = "PROCESSED",.advanced = true,
		.read_status = "UNREAD",.has_due_date = true,.due_age_ms = 10 * DAY};

	tap_is_int(follow(5, "UNREAD", false, NULL), DAY + 5, "daily");
	tap_is_int(follow(5, "UNAVAILABLE", false, NULL), DAY + 5, "UNAVAILABLE");
	tap_is_int(follow(5, "READ", false, NULL), IOMSG_POLLS_NEVER, "READ");
	tap_is_int(follow(5, NULL, false, NULL), IOMSG_POLLS_NEVER,
			   "the account may not see it");
	tap_is_int(follow(5, "READ", true, "NOT_PAID"), DAY + 5, "NOT_PAID");
	tap_is_int(follow(5, "UNREAD", true, "PAID"), DAY + 5, "PAID, UNREAD");
	tap_is_int(follow(5, "READ", true, "PAID"), IOMSG_POLLS_NEVER, "both");
	tap_is_int(follow(5, "READ", true, NULL), IOMSG_POLLS_NEVER,
			   "no payment status");
	tap_is_int(follow(60 * DAY, "UNREAD", false, NULL), IOMSG_POLLS_NEVER,
			   "60 days without a due date");
	tap_ok(follow(60 * DAY - 1, "UNREAD", false, NULL) > 0, "just before");
	facts.age_ms = 17 * DAY - 1;
	tap_ok(iomsg_polls_next_ms(&facts, MINUTE, 0) > 0, "7 days after due");
	facts.age_ms = 17 * DAY;
	tap_is_int(iomsg_polls_next_ms(&facts, MINUTE, 0), IOMSG_POLLS_NEVER,
			   "then no more");
	facts.due_age_ms = INT64_MAX;
	facts.age_ms = 400 * DAY - 1;
	tap_ok(iomsg_polls_next_ms(&facts, MINUTE, 0) > 0, "a due date far away");
	facts.age_ms = 400 * DAY;
	tap_is_int(iomsg_polls_next_ms(&facts, MINUTE, 0), IOMSG_POLLS_NEVER,
			   "is not waited for");
	facts.due_age_ms = INT64_MIN;
	facts.age_ms = 0;
	tap_is_int(iomsg_polls_next_ms(&facts, MINUTE, 0), IOMSG_POLLS_NEVER,
			   "a due date long past");
}

/* A message that is polled when it is due ends after twelve polls. */
static void
check_life(void)
{
	uint64_t	seed = 3;
	int			wrong = 0;

	for (int i = 0; i < 1000; i++)
	{
		PollFacts	facts = {.io_status = "ACCEPTED"};
		int			polls = 0;

		for (;;)
		{
			int64_t		next = iomsg_polls_next_ms(&facts, MINUTE, (uint32_t)
												   tap_random(&seed));

			if (next == IOMSG_POLLS_NEVER)
				break;
			wrong += next <= facts.age_ms;
			facts.age_ms = next + (int64_t) (tap_random(&seed) % 1000);
			polls++;
		}
		wrong += polls != 12;
	}
	tap_is_int(wrong, 0, "1,000 messages, twelve polls each");
}

int
main(void)
{
	check_retry();
	check_retry_random();
	check_schedule();
	check_next();
	check_follow_up();
	check_life();
	return tap_done();
}
