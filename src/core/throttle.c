/*
 * throttle.c
 *		How long a 429 asks us to wait.
 *
 * Numbers are read up to a limit far above the longest wait, so that no text
 * can overflow; a sign, a fraction or a word makes a text unreadable, and the
 * next source is asked.
 */
#include "throttle.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define UNREADABLE	INT64_C(-1)
#define NUMBER_MAX	INT64_C(1000000000)

/* Whether the byte is a digit. */
static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Reads digits at *in, cut to NUMBER_MAX; UNREADABLE where there are none. */
static int64_t
read_number(const char **in)
{
	int64_t		number = 0;

	if (!is_digit(**in))
		return UNREADABLE;
	for (; is_digit(**in); (*in)++)
	{
		number = number * 10 + (**in - '0');
		if (number > NUMBER_MAX)
			number = NUMBER_MAX;
	}
	return number;
}

/* Steps over blanks. */
static void
skip_blanks(const char **in)
{
	while (**in == ' ' || **in == '\t')
		(*in)++;
}

/* The seconds of a text that is a number and nothing else. */
static int64_t
read_seconds(const char *in)
{
	int64_t		seconds;

	if (in == NULL)
		return UNREADABLE;
	skip_blanks(&in);
	seconds = read_number(&in);
	skip_blanks(&in);
	return *in == '\0' ? seconds : UNREADABLE;
}

/* The month of an English abbreviation, 1 to 12, or 0. */
static int
find_month(const char *in)
{
	static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

	for (int month = 1; month <= 12; month++)
	{
		const char *name = &names[3 * (size_t) (month - 1)];

		if (strncmp(in, name, 3) == 0)
			return month;
	}
	return 0;
}

/* Days from 1 January 1970 to a date of the Gregorian calendar. */
static int64_t
count_days(int64_t year, int64_t month, int64_t day)
{
	/* the year begins in March here, so that a leap day comes last */
	int64_t		y = month > 2 ? year : year - 1;
	int64_t		m = month > 2 ? month - 3 : month + 9;

	return 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day -
		1 - 719468;
}

/* Reads hh:mm:ss as seconds of the day. */
static int64_t
read_clock(const char **in)
{
	int64_t		part[3];

	for (int i = 0; i < 3; i++)
	{
		if (i > 0 && *(*in)++ != ':')
			return UNREADABLE;
		part[i] = read_number(in);
		if (part[i] < 0 || part[i] > (i == 0 ? 23 : 60))
			return UNREADABLE;
	}
	return part[0] * 3600 + part[1] * 60 + part[2];
}

/* What the parts of an HTTP-date have in common. */
typedef struct DateParts
{
	int64_t		year;
	int64_t		day;
	int64_t		clock_s;
	int			month;
} DateParts;

/* Reads "06 Nov 1994 08:49:37 GMT" or "06-Nov-94 08:49:37 GMT". */
static bool
read_day_first(const char *in, int64_t now_s, DateParts *parts)
{
	char		dash;

	parts->day = read_number(&in);
	dash = *in;
	if (parts->day < 0 || (dash != ' ' && dash != '-'))
		return false;
	parts->month = find_month(++in);
	if (parts->month == 0 || in[3] != dash)
		return false;
	in += 4;
	parts->year = read_number(&in);

	/* RFC 9110, 5.6.7: two digits are never over 50 years ahead */
	if (dash == '-' && parts->year >= 0 && parts->year <= 99)
	{
		parts->year += 2000;
		if (parts->year > 1970 + now_s / 31556952 + 50)
			parts->year -= 100;
	}
	if (parts->year < 0 || *in++ != ' ')
		return false;
	parts->clock_s = read_clock(&in);
	return parts->clock_s >= 0 && strcmp(in, " GMT") == 0;
}

/* Reads "Nov  6 08:49:37 1994", the form of C's asctime. */
static bool
read_month_first(const char *in, DateParts *parts)
{
	parts->month = find_month(in);
	if (parts->month == 0)
		return false;
	in += 3;
	skip_blanks(&in);
	parts->day = read_number(&in);
	if (parts->day < 0 || *in++ != ' ')
		return false;
	parts->clock_s = read_clock(&in);
	if (parts->clock_s < 0 || *in++ != ' ')
		return false;
	parts->year = read_number(&in);
	return parts->year >= 0 && *in == '\0';
}

/* Seconds from now to an HTTP-date in any of its three forms, 0 if past. */
static int64_t
read_date(const char *in, int64_t now_s)
{
	DateParts	parts = {0, 0, 0, 0};
	int64_t		then_s;

	if (in == NULL)
		return UNREADABLE;
	skip_blanks(&in);
	while ((*in >= 'A' && *in <= 'Z') || (*in >= 'a' && *in <= 'z'))
		in++;
	if (*in == ',')
		in++;
	if (*in++ != ' ')
		return UNREADABLE;
	if (!(is_digit(*in) ? read_day_first(in, now_s, &parts)
		  : read_month_first(in, &parts)))
		return UNREADABLE;
	if (parts.year < 1970 || parts.year > 9999 || parts.day < 1 ||
		parts.day > 31)
		return UNREADABLE;
	then_s = count_days(parts.year, parts.month, parts.day) * 86400 +
		parts.clock_s;
	return then_s > now_s ? then_s - now_s : 0;
}

/* The number in "Try again in N seconds". */
static int64_t
read_message(const char *in)
{
	static const char words[] = "ry again in ";
	const char *found = in != NULL ? strstr(in, words) : NULL;
	int64_t		seconds;

	if (found == NULL)
		return UNREADABLE;
	found += sizeof(words) - 1;
	seconds = read_number(&found);
	return strncmp(found, " second", 7) == 0 ? seconds : UNREADABLE;
}

int64_t
iomsg_throttle_wait_s(const ThrottleHints *hints)
{
	int64_t		wait_s = read_seconds(hints->x_rate_limit_retry_after);

	if (wait_s < 0)
		wait_s = read_seconds(hints->retry_after);
	if (wait_s < 0)
		wait_s = read_date(hints->retry_after, hints->now_s);
	if (wait_s < 0)
		wait_s = read_message(hints->message);
	if (wait_s < 0)
		wait_s = hints->default_s;
	if (wait_s < IOMSG_THROTTLE_MIN_S)
		return IOMSG_THROTTLE_MIN_S;
	return wait_s > IOMSG_THROTTLE_MAX_S ? IOMSG_THROTTLE_MAX_S : wait_s;
}
