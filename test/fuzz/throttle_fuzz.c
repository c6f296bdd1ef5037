/*
 * throttle_fuzz.c
 *		Fuzzes core/throttle.c: how long a 429 asks us to wait.
 *
 * Whatever the texts: from a second to an hour, and a number in the first
 * header decides.  HTTP-dates that the C library has written in the three
 * forms are read to the second.
 */
#include "fuzz.h"
#include "throttle.h"

#include <time.h>

#define YEAR_S		INT64_C(31556952)
#define LAST_DATE_S INT64_C(253402300799)	/* the end of 9999 */

static int64_t
clamp(int64_t wait_s)
{
	if (wait_s < IOMSG_THROTTLE_MIN_S)
		return IOMSG_THROTTLE_MIN_S;
	return wait_s > IOMSG_THROTTLE_MAX_S ? IOMSG_THROTTLE_MAX_S : wait_s;
}

/* The seconds of a text that is digits between blanks; -1 if it is not. */
static int64_t
read_plainly(const char *text)
{
	const char *digits = text + strspn(text, " \t");
	size_t		count = strspn(digits, "0123456789");
	const char *rest = digits + count;

	if (count == 0 || rest[strspn(rest, " \t")] != '\0')
		return -1;
	digits += strspn(digits, "0");
	count = (size_t) (rest - digits);
	return count > 9 ? INT64_C(1000000000) : count > 0 ? atol(digits) : 0;
}

/* Three texts as they come. */
static void
fuzz_texts(Input *input)
{
	ThrottleHints hints = {.now_s = (int64_t) take_number(input, 5)};
	char	   *texts[3];
	int64_t		wait_s;
	int64_t		plain;

	hints.default_s = (int32_t) take_number(input, 4);
	for (int i = 0; i < 3; i++)
		texts[i] = take_text(input);
	hints.x_rate_limit_retry_after = texts[0];
	hints.retry_after = texts[1];
	hints.message = texts[2];
	wait_s = iomsg_throttle_wait_s(&hints);
	MUST(wait_s >= IOMSG_THROTTLE_MIN_S && wait_s <= IOMSG_THROTTLE_MAX_S);
	plain = read_plainly(texts[0]);
	if (plain >= 0)
		MUST(wait_s == clamp(plain));
	else if ((plain = read_plainly(texts[1])) >= 0)
		MUST(wait_s == clamp(plain));

	/* Without the headers, and without any: what is left decides. */
	hints.x_rate_limit_retry_after = NULL;
	hints.retry_after = NULL;
	if (strstr(texts[2], "ry again in ") == NULL)
		MUST(iomsg_throttle_wait_s(&hints) == clamp(hints.default_s));
	hints.message = NULL;
	MUST(iomsg_throttle_wait_s(&hints) == clamp(hints.default_s));
	for (int i = 0; i < 3; i++)
		free(texts[i]);
}

/* A date that was written by strftime. */
static void
fuzz_date(Input *input)
{
	static const char *const forms[] = {
		"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT",
		"%a %b %e %H:%M:%S %Y"
	};
	size_t		form = take_byte(input) % 3;
	int64_t		now_s = (int64_t) take_number(input, 5) % (LAST_DATE_S / 2);
	int64_t		then_s = now_s + (int32_t) take_number(input, 4) %
		(int32_t) (20 * YEAR_S);
	time_t		then = (time_t) then_s;
	char		text[64];
	struct tm	parts;
	ThrottleHints hints = {
		.retry_after = text, .now_s = now_s, .default_s = 77
	};

	if (then_s < 0 || gmtime_r(&then, &parts) == NULL)
		return;
	/* Two digits of a year stand for one near the present century. */
	if (form == 1 && (parts.tm_year < 70 || parts.tm_year >= 199 ||
					  now_s > INT64_C(4000000000)))
		return;
	if (strftime(text, sizeof(text), forms[form], &parts) == 0)
		return;
	MUST(iomsg_throttle_wait_s(&hints) == clamp(then_s - now_s));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Input		input = {data, size};

	if (take_byte(&input) % 4 == 0)
		fuzz_date(&input);
	else
		fuzz_texts(&input);
	return 0;
}
