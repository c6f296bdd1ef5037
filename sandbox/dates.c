/*
 * dates.c
 *		Reads the date-times that IO takes.
 *
 * The form is YYYY-MM-DDThh:mm:ss with an optional fraction, of which
 * milliseconds are kept, and "Z", an offset +hh:mm, or no zone, which is read
 * as UTC.  As in JavaScript, 30 February is 2 March and 24:00:00 is the next
 * midnight.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "dates.h"

/* Reads exactly "count" digits, or gives -1. */
static int
read_digits(const char **text, int count)
{
	int			number = 0;

	while (count-- > 0)
	{
		if (!isdigit((unsigned char) **text))
			return -1;
		number = number * 10 + *(*text)++ - '0';
	}
	return number;
}

/* Steps over one character if it is the one expected. */
static bool
skip_char(const char **text, char expected)
{
	if (**text != expected)
		return false;
	(*text)++;
	return true;
}

/* Reads a fraction of a second, cut to milliseconds; -1 if malformed. */
static int
read_fraction(const char **text)
{
	int			ms = 0;
	int			scale = 100;

	if (!skip_char(text, '.'))
		return 0;
	if (!isdigit((unsigned char) **text))
		return -1;
	for (; isdigit((unsigned char) **text); (*text)++)
	{
		ms += (**text - '0') * scale;
		scale /= 10;
	}
	return ms;
}

/* Reads the zone that ends a date-time, as seconds east of UTC. */
static bool
read_zone(const char *text, int *offset_s)
{
	int			sign = *text == '-' ? -1 : 1;
	int			hours;
	int			minutes;

	*offset_s = 0;
	if (*text == '\0' || strcmp(text, "Z") == 0)
		return true;
	if (*text != '+' && *text != '-')
		return false;
	text++;
	hours = read_digits(&text, 2);
	if (hours < 0 || hours > 23 || !skip_char(&text, ':'))
		return false;
	minutes = read_digits(&text, 2);
	if (minutes < 0 || minutes > 59 || *text != '\0')
		return false;
	*offset_s = sign * (hours * 3600 + minutes * 60);
	return true;
}

/* Reads a date-time into milliseconds since the epoch; false if malformed. */
bool
sandbox_dates_parse(const char *text, int64_t *epoch_ms)
{
	static const char marks[] = "--T::";
	static const int highest[] = {9999, 12, 31, 24, 59, 59};
	static const int lowest[] = {0, 1, 1, 0, 0, 0};
	int			part[6];
	struct tm	parts;
	int			offset_s;
	int			ms;

	for (int i = 0; i < 6; i++)
	{
		part[i] = read_digits(&text, i == 0 ? 4 : 2);
		if (part[i] < lowest[i] || part[i] > highest[i])
			return false;
		if (i < 5 && !skip_char(&text, marks[i]))
			return false;
	}
	ms = read_fraction(&text);
	if (ms < 0 || !read_zone(text, &offset_s) ||
		(part[3] == 24 && (part[4] || part[5] || ms)))
		return false;
	memset(&parts, 0, sizeof(parts));
	parts.tm_year = part[0] - 1900;
	parts.tm_mon = part[1] - 1;
	parts.tm_mday = part[2];
	parts.tm_hour = part[3];
	parts.tm_min = part[4];
	parts.tm_sec = part[5];
	*epoch_ms = ((int64_t) timegm(&parts) - offset_s) * 1000 + ms;
	return true;
}
