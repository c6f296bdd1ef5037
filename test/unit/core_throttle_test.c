/*
 * core_throttle_test.c
 *		What a 429 can say, and what it should not have said.
 */
#include "tap.h"
#include "throttle.h"

/* Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110 */
#define THEN	INT64_C(784111777)

static const struct
{
	const char *x;
	const char *after;
	const char *message;
	int64_t		want;			/* with a default of 7 */
}			cases[] = {
	{"3", NULL, NULL, 3},
	{" 3\t", NULL, NULL, 3},
	{"3", "9", "Try again in 5 seconds.", 3},
	{"0", NULL, NULL, 1},
	{"3600", NULL, NULL, 3600},
	{"3601", NULL, NULL, 3600},
	{"1000000000000", NULL, NULL, 3600},
	{"99999999999999999999999999999999", NULL, NULL, 3600},
	{"-3", NULL, NULL, 7},
	{"-3", "9", NULL, 9},
	{"", "9", NULL, 9},
	{"   ", "9", NULL, 9},
	{"3 s", "9", NULL, 9},
	{"1.5", "9", NULL, 9},
	{"abc", "def", "ghi", 7},
	{NULL, "0", NULL, 1},
	{NULL, "-1", "Try again in 5 seconds.", 5},
	{NULL, NULL, "Rate limit is exceeded. Try again in 5 seconds.", 5},
	{NULL, NULL, "try again in 1 second", 1},
	{NULL, NULL, "Try again in 0 seconds", 1},
	{NULL, NULL, "Try again in 1000000000000 seconds.", 3600},
	{NULL, NULL, "Try again in -5 seconds.", 7},
	{NULL, NULL, "Try again in some seconds.", 7},
	{NULL, NULL, "Try again in 5 minutes.", 7},
	{NULL, NULL, "Try again in ", 7},
	{NULL, NULL, "Rate limit is exceeded.", 7},
	{NULL, NULL, "", 7},
	{NULL, NULL, NULL, 7},

	/* dates; now is 30 s before the example */
	{NULL, "Sun, 06 Nov 1994 08:49:37 GMT", NULL, 30},
	{NULL, " Sun, 6 Nov 1994 08:49:37 GMT", NULL, 30},
	{NULL, "Sunday, 06-Nov-94 08:49:37 GMT", NULL, 30},
	{NULL, "Sun Nov  6 08:49:37 1994", NULL, 30},
	{NULL, "Sun, 06 Nov 1994 08:49:07 GMT", NULL, 1},
	{NULL, "Sun, 06 Nov 1994 08:49:06 GMT", NULL, 1},
	{NULL, "Sun, 06 Nov 1994 10:49:37 GMT", NULL, 3600},
	{NULL, "Mon, 01 Jan 1900 00:00:00 GMT", NULL, 7},
	{NULL, "Fri, 31 Dec 9999 23:59:59 GMT", NULL, 3600},
	{NULL, "Fri, 31 Dec 99999 23:59:59 GMT", NULL, 7},
	{NULL, "Sunday, 06-Nov-43 08:49:37 GMT", NULL, 3600},
	{NULL, "Sunday, 06-Nov-45 08:49:37 GMT", NULL, 7},
	{NULL, "Tuesday, 06-Nov-90 08:49:37 GMT", NULL, 1},
	{NULL, "Sun, 06 Nov 1994 08:49:37", NULL, 7},
	{NULL, "Sun, 06 Nov 1994 08:49:37 CET", NULL, 7},
	{NULL, "Sun, 06 Nov 1994", NULL, 7},
	{NULL, "Sun, 06 Nov", NULL, 7},
	{NULL, "Sun, 06 Nov x", NULL, 7},
	{NULL, "Sun, 06", NULL, 7},
	{NULL, "Sun, 06/Nov/1994 08:49:37 GMT", NULL, 7},
	{NULL, "Sunday, 06-Nov-1994 08:49:37 GMT", NULL, 30},
	{NULL, "Sunday, 06-Nov-x 08:49:37 GMT", NULL, 7},
	{NULL, "[Sun, 06 Nov 1994 08:49:37 GMT", NULL, 7},
	{NULL, "{Sun, 06 Nov 1994 08:49:37 GMT", NULL, 7},
	{NULL, "Sun, 06 Nov-1994 08:49:37 GMT", NULL, 7},
	{NULL, "Sun, 06 Nxv 1994 08:49:37 GMT", NULL, 7},
	{NULL, "Sun, 00 Nov 1994 08:49:37 GMT", NULL, 7},
	{NULL, "Sun, 32 Nov 1994 08:49:37 GMT", NULL, 7},
	{NULL, "Sun, 06 Nov 1994 24:49:37 GMT", NULL, 7},
	{NULL, "Sun, 06 Nov 1994 08:61:37 GMT", NULL, 7},
	{NULL, "Sun, 06 Nov 1994 08-49-37 GMT", NULL, 7},
	{NULL, "Sun, 06 Nov 1994 08:49 GMT", NULL, 7},
	{NULL, "Sun, 06 Nov 1994 :: GMT", NULL, 7},
	{NULL, "Sun,", NULL, 7},
	{NULL, "Sun", NULL, 7},
	{NULL, "Sun Nxv  6 08:49:37 1994", NULL, 7},
	{NULL, "Sun Nov  x 08:49:37 1994", NULL, 7},
	{NULL, "Sun Nov  6", NULL, 7},
	{NULL, "Sun Nov  6 08:49:3x 1994", NULL, 7},
	{NULL, "Sun Nov  6 08:x", NULL, 7},
	{NULL, "Sun Nov  6 08:49:37 x", NULL, 7},
	{NULL, "Sun Nov  6 08:49:37 1994x", NULL, 7},
};

/* Dates on both sides of leap days and centuries, by adding up the years. */
static void
check_calendar(void)
{
	static const char *const months[] = {
		"Jan", "Feb", "Mar", "Apr", "May", "Jun",
		"Jul", "Aug", "Sep", "Oct", "Nov", "Dec"
	};
	static const int lengths[] = {
		31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31
	};
	int64_t		midnight_s = 0;
	int			wrong = 0;

	for (int year = 1970; year < 2210; year++)
		for (int month = 0; month < 12; month++)
		{
			bool		leap = year % 400 == 0 ||
				(year % 4 == 0 && year % 100 != 0);
			int			days = lengths[month] + (month == 1 && leap ? 1 : 0);

			for (int day = 1; day <= days; day++, midnight_s += 86400)
			{
				char		text[64];
				ThrottleHints hints = {.retry_after = text,
					.now_s = midnight_s + 100,.default_s = 7};

				snprintf(text, sizeof(text), "Sun, %02d %s %d 00:10:00 GMT",
						 day, months[month], year);
				wrong += iomsg_throttle_wait_s(&hints) != 500;
			}
		}
	tap_is_int(wrong, 0, "every day of 240 years");
}

/* Whatever the bytes are, the wait is within its limits. */
static void
check_random(void)
{
	static const char alphabet[] = "0123456789 -,:.SunNovGMTryagi\t\xFF";
	uint64_t	seed = 9;
	int			wrong = 0;

	for (int i = 0; i < 100000; i++)
	{
		char		text[40];
		size_t		len = tap_random(&seed) % sizeof(text);
		ThrottleHints hints = {text, text, text,
			(int64_t) (tap_random(&seed) >> 8),
		(int64_t) tap_random(&seed)};
		int64_t		wait_s;

		for (size_t k = 0; k < len; k++)
			text[k] = alphabet[tap_random(&seed) % (sizeof(alphabet) - 1)];
		text[len] = '\0';
		wait_s = iomsg_throttle_wait_s(&hints);
		wrong += wait_s < 1 || wait_s > 3600;
	}
	tap_is_int(wrong, 0, "100,000 random texts");
}

int
main(void)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		ThrottleHints hints = {cases[i].x, cases[i].after, cases[i].message,
			THEN - 30, 7};
		char		name[200];

		snprintf(name, sizeof(name), "%s | %s | %s",
				 cases[i].x != NULL ? cases[i].x : "-",
				 cases[i].after != NULL ? cases[i].after : "-",
				 cases[i].message != NULL ? cases[i].message : "-");
		tap_is_int(iomsg_throttle_wait_s(&hints), cases[i].want, name);
	}
	check_calendar();
	check_random();
	return tap_done();
}
