/*
 * limiter_fuzz.c
 *		Fuzzes core/limiter.c: the input is a life of a limiter.
 *
 * Beside it stands a plain list of the calls that it let go.  No window of the
 * period ever holds more than N of them, whatever 429s, answers, others, new
 * quotas and steps of the clock came between; and a call is let go in the end.
 */
#include "fuzz.h"
#include "limiter.h"

#define CALLS_MAX	4096
#define CAPACITY	24

static int64_t taken[CALLS_MAX];
static int	ntaken;

/* How many calls the window holds that ends now. */
static int
count_window(int64_t now_us, int64_t period_us)
{
	int			count = 0;

	for (int i = ntaken - 1; i >= 0 && taken[i] > now_us - period_us; i--)
		count++;
	return count;
}

/* What must hold of the state after each act. */
static void
check_state(const Limiter *l, int64_t now_us)
{
	int			available = iomsg_limiter_available(l, now_us);

	MUST(l->used >= 0 && l->used <= l->capacity);
	MUST(l->next >= 0 && l->next < l->capacity);
	MUST(l->others >= 0 && l->others <= l->used);
	MUST(l->calls >= 1 && l->calls <= l->capacity);
	MUST(l->guard_us >= 0 && l->guard_us <= l->period_us);
	MUST(available >= 0 && available <= l->calls);
	MUST((available > 0) == (iomsg_limiter_opening(l, now_us) <= now_us));
	for (int i = 1; i < l->used; i++)
	{
		int			older = (l->next - 1 - i + 2 * l->capacity) % l->capacity;
		int			newer = (older + 1) % l->capacity;

		MUST(l->log[older].at_us <= l->log[newer].at_us);
	}
}

/* Asks for a call; a call that is let go is within the quota. */
static bool
take(Limiter *l, int64_t now_us)
{
	int64_t		when_us = 0;
	bool		open = iomsg_limiter_available(l, now_us) > 0;
	bool		let_go = iomsg_limiter_take(l, now_us, &when_us);

	/* The guard may have shrunk between, never the other way round. */
	MUST(let_go || !open);
	if (!let_go)
	{
		MUST(when_us > now_us);
		return false;
	}
	MUST(when_us == now_us);
	MUST(ntaken < CALLS_MAX);
	taken[ntaken++] = now_us;
	MUST(count_window(now_us, l->period_us) <= l->calls);
	return true;
}

/* One act of the input's; the clock never stands still for it. */
static int64_t
act(Limiter *l, Input *input, int64_t now_us)
{
	uint8_t		what = take_byte(input);
	int64_t		step_us = (int64_t) take_number(input, 2) *
		(what & 0x80 ? l->period_us / 4096 + 1 : 1);
	int64_t		call_us = ntaken > 0 ?
		taken[ntaken - 1 - take_byte(input) % ntaken % 64] : now_us;

	now_us += step_us;
	switch (what % 8)
	{
		case 0:
			iomsg_limiter_throttled(l, now_us,
									(int16_t) take_number(input, 2));
			break;
		case 1:
			iomsg_limiter_observe(l, call_us, now_us,
								  (int8_t) take_byte(input));
			break;
		case 2:
			iomsg_limiter_answered(l, (int8_t) take_byte(input) % 5, call_us,
								   now_us);
			break;
		case 3:
			iomsg_limiter_pause(l, now_us + (int16_t) take_number(input, 2));
			break;
		case 4:
			iomsg_limiter_configure(l, (int64_t) take_number(input, 2),
									(int8_t) take_byte(input));
			break;
		default:
			(void) take(l, now_us);
	}
	return now_us;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Input		input = {data, size};
	Limiter    *l;
	int			capacity = take_byte(&input) % CAPACITY + 1;
	int64_t		period_ms = (int64_t) take_number(&input, 2);
	int64_t		now_us = (int64_t) take_number(&input, 5);
	int64_t		last_us;

	/* Of exactly the size asked for: a step beside the ring is found. */
	l = malloc(iomsg_limiter_size(capacity));
	MUST(l != NULL);
	memset(l, 0x5a, iomsg_limiter_size(capacity));
	ntaken = 0;
	iomsg_limiter_init(l, capacity, period_ms, take_byte(&input));
	check_state(l, now_us);
	while (input.left > 0 && ntaken < CALLS_MAX - 1)
	{
		now_us = act(l, &input, now_us);
		check_state(l, now_us);
	}
	/* Nobody waits for ever: two windows behind all pauses one call goes. */
	last_us = now_us > l->pause_until_us ? now_us : l->pause_until_us;
	MUST(take(l, last_us + 3 * (l->period_us + l->guard_us) + 3));
	free(l);
	return 0;
}
