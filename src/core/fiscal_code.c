/*
 * fiscal_code.c
 *		The Italian fiscal codes of persons and organizations.
 *
 * Works on ASCII alone and does not depend on a locale.
 */
#include "fiscal_code.h"

#include <string.h>

/*
 * A letter for each place of the code: A a letter, N a digit or the letter
 * that replaces it where two people would share a code, M a month.
 */
static const char shape[] = "AAAAAANNMNNANNNA";

/* The months in order, and the letters that stand for 0 to 9. */
static const char month_letters[] = "ABCDEHLMPRST";
static const char digit_letters[] = "LMNPQRSTUV";

/* What a character in an odd place weighs, by digit or letter (A is 0). */
static const unsigned char odd_weights[26] = {
	1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18,
	20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23
};

/* Whether the byte is white space in ASCII. */
static bool
is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The byte in upper case if it is an ASCII letter, else as it is. */
static char
upper(char c)
{
	if (c >= 'a' && c <= 'z')
		return (char) (c - 'a' + 'A');
	return c;
}

/* Whether the byte is an ASCII letter or digit. */
static bool
is_word(char c)
{
	c = upper(c);
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z');
}

/* The place of c in letters, or -1. */
static int
place_in(const char *letters, char c)
{
	const char *found = (c != '\0') ? strchr(letters, c) : NULL;

	return found != NULL ? (int) (found - letters) : -1;
}

/* The digit that a character in a numeric place means, or -1. */
static int
decode_digit(char c)
{
	return (c >= '0' && c <= '9') ? c - '0' : place_in(digit_letters, c);
}

/* Whether 16 characters in upper case match IO's pattern (FiscalCode). */
static bool
matches_pattern(const char *code)
{
	for (int i = 0; i < IOMSG_FISCAL_CODE_LENGTH; i++)
	{
		bool		fits = false;

		if (shape[i] == 'N')
			fits = decode_digit(code[i]) >= 0;
		else if (shape[i] == 'M')
			fits = place_in(month_letters, code[i]) >= 0;
		else
			fits = code[i] >= 'A' && code[i] <= 'Z';
		if (!fits)
			return false;
	}
	return true;
}

FiscalCodeCheck
iomsg_fiscal_code_normalize(const char *in, size_t len, char out[17])
{
	char		code[IOMSG_FISCAL_CODE_LENGTH + 1] = "";

	out[0] = '\0';
	while (len > 0 && is_space(in[len - 1]))
		len--;
	while (len > 0 && is_space(in[0]))
	{
		in++;
		len--;
	}
	if (len != IOMSG_FISCAL_CODE_LENGTH)
		return FISCAL_CODE_LENGTH;
	for (size_t i = 0; i < len; i++)
		code[i] = upper(in[i]);
	if (!matches_pattern(code))
		return FISCAL_CODE_PATTERN;
	memcpy(out, code, sizeof(code));
	return FISCAL_CODE_OK;
}

/*
 * The last letter that the first 15 characters ask for (decree of 23 December
 * 1976): computed on the characters as written, replaced digits included.
 */
static char
compute_check_character(const char *code)
{
	int			sum = 0;

	for (int i = 0; i < IOMSG_FISCAL_CODE_LENGTH - 1; i++)
	{
		int			value = (code[i] <= '9') ? code[i] - '0' : code[i] - 'A';

		/* the first place counts as odd */
		sum += (i % 2 == 0) ? odd_weights[value] : value;
	}
	return (char) ('A' + sum % 26);
}

/*
 * Whether the code's day of birth exists in some century; women's days are
 * raised by 40.
 */
static bool
has_plausible_date(const char *code)
{
	static const signed char days[12] = {
		31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31
	};
	int			year = decode_digit(code[6]) * 10 + decode_digit(code[7]);
	int			month = place_in(month_letters, code[8]);
	int			day = decode_digit(code[9]) * 10 + decode_digit(code[10]);

	if (day > 40)
		day -= 40;
	if (month < 0 || day < 1 || day > days[month])
		return false;
	return month != 1 || day != 29 || year % 4 == 0;
}

FiscalCodeCheck
iomsg_fiscal_code_check_strictly(const char *in, size_t len)
{
	char		code[IOMSG_FISCAL_CODE_LENGTH + 1];
	FiscalCodeCheck result = iomsg_fiscal_code_normalize(in, len, code);

	if (result != FISCAL_CODE_OK)
		return result;
	if (compute_check_character(code) != code[IOMSG_FISCAL_CODE_LENGTH - 1])
		return FISCAL_CODE_CHECK_CHARACTER;
	return has_plausible_date(code) ? FISCAL_CODE_OK : FISCAL_CODE_DATE;
}

bool
iomsg_organization_fiscal_code_valid(const char *in, size_t len)
{
	if (len != IOMSG_ORGANIZATION_FISCAL_CODE_LENGTH)
		return false;
	for (size_t i = 0; i < len; i++)
	{
		if (in[i] < '0' || in[i] > '9')
			return false;
	}
	return true;
}

bool
iomsg_fiscal_code_occurs_in(const char *utf8, size_t len)
{
	char		code[IOMSG_FISCAL_CODE_LENGTH + 1];
	size_t		i = 0;

	while (i < len)
	{
		size_t		end = i;

		while (end < len && is_word(utf8[end]))
			end++;
		if (end - i == IOMSG_FISCAL_CODE_LENGTH &&
			iomsg_fiscal_code_normalize(utf8 + i, end - i, code) ==
			FISCAL_CODE_OK)
			return true;
		i = end + 1;
	}
	return false;
}
