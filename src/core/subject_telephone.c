/*
 * subject_telephone.c
 *		Finds telephone numbers in the subject of a message.
 *
 * Declared in subject.h.  A number is a run of groups of digits with short
 * separators between them.  Dates, years and codes of twelve digits or more
 * (a notice number has 18) cut a run; amounts, VAT numbers and protocol
 * numbers with a year do not look like a telephone number.
 */
#include <string.h>

#include "subject.h"

#define GROUPS_MAX		8		/* more groups are no telephone number */
#define SEPARATOR_MAX	3		/* as in "347 - 1234567" */

typedef struct Group
{
	const char *digits;
	size_t		count;
	char		separator;		/* that follows it; NUL at the end */
} Group;

typedef struct Run
{
	bool		plus;			/* a plus sign stands before it */
	size_t		count;			/* of groups; GROUPS_MAX: too many */
	Group		groups[GROUPS_MAX + 1];
} Run;

/* Whether the byte is a digit. */
static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Whether the byte is an ASCII letter. */
static bool
is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Bytes of the separator at in that leads to another digit, or 0. */
static size_t
measure_separator(const char *in, size_t len)
{
	size_t		n = 0;

	while (n < len && n < SEPARATOR_MAX && in[n] != '\0' &&
		   strchr(" .-/()", in[n]) != NULL)
		n++;
	return n < len && is_digit(in[n]) ? n : 0;
}

/* Reads the run of groups at in; returns the bytes it takes. */
static size_t
read_run(const char *in, size_t len, Run *run)
{
	size_t		i = 0;
	size_t		gap;

	run->count = 0;
	do
	{
		size_t		start = i;
		Group	   *group = &run->groups[run->count];

		while (i < len && is_digit(in[i]))
			i++;
		gap = measure_separator(in + i, len - i);
		group->digits = in + start;
		group->count = i - start;
		group->separator = '\0';
		for (size_t k = 0; k < gap; k++)
		{
			if (group->separator == '\0' || group->separator == ' ')
				group->separator = in[i + k];
		}
		if (run->count < GROUPS_MAX)
			run->count++;
		i += gap;
	} while (gap > 0);
	return i;
}

/* The number that a group of at most four digits spells. */
static int
read_number(const Group *group)
{
	int			number = 0;

	for (size_t i = 0; i < group->count; i++)
		number = number * 10 + (group->digits[i] - '0');
	return number;
}

/* Whether the group is a year from 1900 to 2099. */
static bool
is_year(const Group *group)
{
	return group->count == 4 && read_number(group) >= 1900 &&
		read_number(group) <= 2099;
}

/* Whether the group has one or two digits that spell 1 to max. */
static bool
is_day_or_month(const Group *group, int max)
{
	return group->count <= 2 && read_number(group) >= 1 &&
		read_number(group) <= max;
}

/* Whether three groups are a date, day first or year first. */
static bool
is_date(const Group *g)
{
	if (g[0].separator != g[1].separator)
		return false;
	return (is_day_or_month(&g[0], 31) && is_day_or_month(&g[1], 12) &&
			is_year(&g[2])) ||
		(is_year(&g[0]) && is_day_or_month(&g[1], 12) &&
		 is_day_or_month(&g[2], 31));
}

/* How many groups at the start are no part of a telephone number. */
static size_t
count_foreign(const Group *g, size_t left, bool first)
{
	if (left >= 3 && is_date(g))
		return 3;
	if (g[0].count >= 12 || (first && is_year(&g[0])))
		return 1;
	return 0;
}

/* The digits of all groups together. */
static size_t
count_digits(const Group *g, size_t count)
{
	size_t		digits = 0;

	for (size_t i = 0; i < count; i++)
		digits += g[i].count;
	return digits;
}

/* Whether the groups, with nothing before them, are an Italian number. */
static bool
is_national(const Group *g, size_t count)
{
	size_t		digits = count_digits(g, count);
	bool		whole = count == 1;

	if (g[0].count < 2 || g[0].digits[1] == '0')
		return false;

	/* mobile: 3xx and seven digits */
	if (g[0].digits[0] == '3')
		return digits == 10 && g[0].count >= 3;

	/* landline: an area code of two to four digits with its 0, five or more */
	if (g[0].digits[0] != '0')
		return false;
	if (whole)
		return digits == 9 || digits == 10;
	return g[0].count <= 4 && digits >= g[0].count + 5 && digits <= 11 &&
		(digits >= 9 || (digits == 8 && count == 2));
}

/* Whether the groups begin with 0039 and an Italian number follows. */
static bool
has_country_prefix(const Group *g, size_t count)
{
	size_t		digits = count_digits(g, count);

	return g[0].count >= 4 && memcmp(g[0].digits, "0039", 4) == 0 &&
		digits >= 12 && digits <= 15;
}

/* Whether the run is a notice number as it is printed: 4 4 4 4 2. */
static bool
is_notice_number(const Run *run)
{
	if (run->count != 5 || run->groups[4].count != 2)
		return false;
	for (size_t i = 0; i < 4; i++)
	{
		if (run->groups[i].count != 4)
			return false;
	}
	return true;
}

/* Whether a part of the run is a telephone number. */
static bool
holds_telephone(const Run *run)
{
	size_t		start = 0;
	size_t		digits = count_digits(run->groups, run->count);

	if (run->plus)
		return digits >= 8 && digits <= 15;
	if (is_notice_number(run))
		return false;
	while (start < run->count)
	{
		size_t		end = start;
		size_t		foreign = 0;

		while (end < run->count && foreign == 0)
		{
			if (end == start &&
				has_country_prefix(run->groups + start, run->count - start))
				return true;
			foreign = count_foreign(run->groups + end, run->count - end,
									end == start);
			if (foreign == 0)
				end++;
		}
		if (end > start && is_national(run->groups + start, end - start))
			return true;
		start = end + foreign;
	}
	return false;
}

bool
iomsg_subject_has_telephone(const char *utf8, size_t len)
{
	size_t		i = 0;

	while (i < len)
	{
		Run			run;
		size_t		end;

		if (!is_digit(utf8[i]))
		{
			i++;
			continue;
		}

		/* digits behind a letter are part of a code */
		if (i > 0 && is_letter(utf8[i - 1]))
		{
			while (i < len && is_digit(utf8[i]))
				i++;
			continue;
		}
		end = i + read_run(utf8 + i, len - i, &run);
		run.plus = i > 0 && utf8[i - 1] == '+';
		if ((end == len || !is_letter(utf8[end])) &&
			run.count < GROUPS_MAX && holds_telephone(&run))
			return true;
		i = end;
	}
	return false;
}
