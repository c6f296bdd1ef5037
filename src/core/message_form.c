/*
 * message_form.c
 *		The fields of a message whose form is a small grammar: timestamps and
 *		e-mail addresses.
 *
 * Declared in message.h.
 */
#include <string.h>

#include "message.h"

/* Reads count digits at *in; false where there are not as many. */
static bool
read_digits(const char **in, const char *end, int count, int *value)
{
	*value = 0;
	for (int i = 0; i < count; i++)
	{
		if (*in >= end || **in < '0' || **in > '9')
			return false;
		*value = *value * 10 + (**in - '0');
		(*in)++;
	}
	return true;
}

/* Steps over one character; false where another one stands there. */
static bool
read_char(const char **in, const char *end, char c)
{
	if (*in >= end || **in != c)
		return false;
	(*in)++;
	return true;
}

/* Reads YYYY-MM-DD of a day that exists in the Gregorian calendar. */
static Problem
read_date(const char **in, const char *end)
{
	static const signed char days[12] = {
		31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31
	};
	int			year;
	int			month;
	int			day;
	bool		leap;

	if (!read_digits(in, end, 4, &year) || !read_char(in, end, '-') ||
		!read_digits(in, end, 2, &month) || !read_char(in, end, '-') ||
		!read_digits(in, end, 2, &day))
		return PROBLEM_DUE_DATE;
	leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	if (month < 1 || month > 12 || day < 1 ||
		day > days[month - 1] + (month == 2 && leap ? 1 : 0))
		return PROBLEM_DUE_DATE;
	return year < 1 ? PROBLEM_DUE_DATE_RANGE : PROBLEM_NONE;
}

/* Reads hh:mm:ss and an optional fraction of any length. */
static bool
read_time(const char **in, const char *end)
{
	int			hour;
	int			minute;
	int			second;
	int			digit;

	if (!read_digits(in, end, 2, &hour) || !read_char(in, end, ':') ||
		!read_digits(in, end, 2, &minute) || !read_char(in, end, ':') ||
		!read_digits(in, end, 2, &second) ||
		hour > 23 || minute > 59 || second > 59)
		return false;
	if (!read_char(in, end, '.'))
		return true;
	if (!read_digits(in, end, 1, &digit))
		return false;
	while (*in < end && **in >= '0' && **in <= '9')
		(*in)++;
	return true;
}

/* Reads Z or +hh:mm or -hh:mm. */
static bool
read_zone(const char **in, const char *end)
{
	int			hours;
	int			minutes;

	if (read_char(in, end, 'Z'))
		return true;
	if (!read_char(in, end, '+') && !read_char(in, end, '-'))
		return false;
	return read_digits(in, end, 2, &hours) && read_char(in, end, ':') &&
		read_digits(in, end, 2, &minutes) && hours <= 23 && minutes <= 59;
}

Problem
iomsg_message_check_due_date(const char *in, size_t len)
{
	const char *end = in + len;
	Problem		problem = read_date(&in, end);

	if (problem == PROBLEM_DUE_DATE)
		return problem;
	if (!read_char(&in, end, 'T') || !read_time(&in, end))
		return PROBLEM_DUE_DATE;
	if (in == end)
		return PROBLEM_DUE_DATE_ZONE;
	if (!read_zone(&in, end) || in != end)
		return PROBLEM_DUE_DATE;
	return problem;
}

Problem
iomsg_message_check_original_receipt_date(const char *in, size_t len)
{
	return iomsg_message_check_due_date(in, len) == PROBLEM_NONE
		? PROBLEM_NONE : PROBLEM_ORIGINAL_RECEIPT_DATE;
}

/* Whether the byte is a letter of ASCII, or part of a character beyond. */
static bool
is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		(unsigned char) c >= 0x80;
}

/* Whether the byte is a digit. */
static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Whether the text is a dot-atom of RFC 5322 of at most 64 bytes. */
static bool
is_local_part(const char *in, size_t len)
{
	if (len < 1 || len > 64 || in[0] == '.' || in[len - 1] == '.')
		return false;
	for (size_t i = 0; i < len; i++)
	{
		if (in[i] == '.' && in[i - 1] == '.')
			return false;
		if (!is_letter(in[i]) && !is_digit(in[i]) &&
			(in[i] == '\0' || strchr(".!#$%&'*+-/=?^_`{|}~", in[i]) == NULL))
			return false;
	}
	return true;
}

/* Whether the text is one label of a host name. */
static bool
is_label(const char *in, size_t len)
{
	if (len < 1 || len > 63 || in[0] == '-' || in[len - 1] == '-')
		return false;
	for (size_t i = 0; i < len; i++)
	{
		if (!is_letter(in[i]) && !is_digit(in[i]) && in[i] != '-')
			return false;
	}
	return true;
}

/* Whether the label can be the last one: letters alone, or punycode. */
static bool
is_top_level(const char *in, size_t len)
{
	if (len < 2)
		return false;
	if (len > 4 && (in[0] | 0x20) == 'x' && (in[1] | 0x20) == 'n' &&
		in[2] == '-' && in[3] == '-')
		return true;
	for (size_t i = 0; i < len; i++)
	{
		if (!is_letter(in[i]))
			return false;
	}
	return true;
}

/* Whether the text is a domain name of two labels at least. */
static bool
is_domain(const char *in, size_t len)
{
	size_t		start = 0;

	for (size_t i = 0; i < len; i++)
	{
		if (in[i] != '.')
			continue;
		if (!is_label(in + start, i - start))
			return false;
		start = i + 1;
	}
	return start > 0 && len <= 253 && is_label(in + start, len - start) &&
		is_top_level(in + start, len - start);
}

/*
 * The common form of an address, local@domain.tld; quoted local parts and
 * addresses in brackets are refused.
 */
Problem
iomsg_message_check_email(const char *in, size_t len)
{
	const char *at = len > 0 ? memchr(in, '@', len) : NULL;

	if (iomsg_message_utf16_length(in, len) < 0)
		return PROBLEM_TEXT_ENCODING;
	if (at == NULL || len > 254 || !is_local_part(in, (size_t) (at - in)) ||
		!is_domain(at + 1, len - (size_t) (at - in) - 1))
		return PROBLEM_EMAIL;
	return PROBLEM_NONE;
}
