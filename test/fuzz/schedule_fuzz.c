/*
 * schedule_fuzz.c
 *		Fuzzes core/retry.c and core/polls.c: when to try and to ask again.
 *
 * Whatever the numbers: within the promised bounds, never in the past, never
 * earlier for a later attempt, and an end to the asking.
 */
#include "fuzz.h"
#include "polls.h"
#include "retry.h"

/* The longest base that polls.c keeps, and what its longest schedule takes. */
#define BASE_MAX_MS	INT64_C(31536000000)
#define DAY			INT64_C(1440)

static void
check_retry(Input *input)
{
	int			attempt = (int32_t) take_number(input, 4);
	int64_t		base_ms = (int64_t) take_number(input, 8);
	int64_t		cap_ms = (int64_t) take_number(input, 8);
	uint32_t	random = (uint32_t) take_number(input, 4);
	int			most = (int16_t) take_number(input, 2);
	int64_t		delay_ms = iomsg_retry_delay_ms(attempt, base_ms, cap_ms,
												random);
	int64_t		full_ms = base_ms > 0 ? base_ms : 1;

	MUST(delay_ms >= 0);
	MUST(cap_ms < 1 ? delay_ms == 0 : delay_ms <= cap_ms);
	MUST(iomsg_retry_exhausted(attempt, most) == (attempt >= most));
	if (cap_ms < 1)
		return;
	/* base * 2^(attempt - 1), without its overflow. */
	for (int i = 1; i < attempt && full_ms < cap_ms; i++)
		full_ms = full_ms > cap_ms / 2 ? cap_ms : full_ms * 2;
	if (full_ms > cap_ms)
		full_ms = cap_ms;
	MUST(delay_ms >= full_ms - full_ms / 2 && delay_ms <= full_ms);
	MUST(iomsg_retry_delay_ms(attempt, base_ms, cap_ms, 0) <= delay_ms);
	MUST(iomsg_retry_delay_ms(attempt, base_ms, cap_ms, UINT32_MAX) >=
		 delay_ms);
	if (attempt < INT32_MAX)
		MUST(iomsg_retry_delay_ms(attempt + 1, base_ms, cap_ms, random) >=
			 delay_ms);
}

/* The nth poll is later than the one before, and the last is the last. */
static void
check_delays(Input *input)
{
	int64_t		base_ms = (int64_t) take_number(input, 8);
	uint32_t	random = (uint32_t) take_number(input, 4);
	int			far = (int32_t) take_number(input, 4);
	int64_t		before_ms = 0;
	int64_t		end_ms = 0;

	for (int n = 1; n <= 64; n++)
	{
		int64_t		delay_ms = iomsg_polls_delay_ms(n, base_ms, random);

		if (delay_ms == IOMSG_POLLS_NEVER)
		{
			end_ms = end_ms == 0 ? n : end_ms;
			continue;
		}
		MUST(end_ms == 0);
		MUST(delay_ms >= before_ms && delay_ms > 0);
		MUST(delay_ms <= 8 * DAY * BASE_MAX_MS);
		before_ms = delay_ms;
	}
	MUST(end_ms > 0);
	if (far < 1 || far >= end_ms)
		MUST(iomsg_polls_delay_ms(far, base_ms, random) == IOMSG_POLLS_NEVER);
}

static const char *
choose(Input *input, const char *const *texts, size_t ntexts)
{
	return texts[take_byte(input) % ntexts];
}

/* Followed from poll to poll, a message's polls go on in time and end. */
static void
check_polls(Input *input)
{
	static const char *const io[] = {
		NULL, "", "ACCEPTED", "THROTTLED", "PROCESSED", "REJECTED", "FAILED",
		"processed"
	};
	static const char *const read[] = {NULL, "READ", "UNREAD", "UNAVAILABLE"};
	static const char *const paid[] = {NULL, "PAID", "NOT_PAID"};
	PollFacts	facts = {.io_status = choose(input, io, 8)};
	int64_t		base_ms = (int64_t) take_number(input, 5);
	uint32_t	random = (uint32_t) take_number(input, 4);
	uint8_t		bits = take_byte(input);
	bool		terminal = iomsg_polls_terminal(facts.io_status);
	int			count = 0;

	facts.read_status = choose(input, read, 4);
	facts.payment_status = choose(input, paid, 3);
	facts.advanced = bits & 1;
	facts.has_payment = bits & 2;
	facts.has_due_date = bits & 4;
	facts.due_age_ms = (int64_t) take_number(input, 8);
	facts.age_ms = (int32_t) take_number(input, 4);
	for (;;)
	{
		int64_t		next_ms = iomsg_polls_next_ms(&facts, base_ms, random);

		if (next_ms == IOMSG_POLLS_NEVER)
			break;
		MUST(next_ms > facts.age_ms && next_ms > 0);
		MUST(!terminal || (facts.advanced && facts.read_status != NULL &&
						   strcmp(facts.io_status, "PROCESSED") == 0));
		facts.age_ms = next_ms;
		MUST(++count <= 401);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Input		input = {data, size};

	switch (take_byte(&input) % 4)
	{
		case 0:
			check_delays(&input);
			break;
		case 1:
			check_polls(&input);
			break;
		default:
			check_retry(&input);
	}
	return 0;
}
