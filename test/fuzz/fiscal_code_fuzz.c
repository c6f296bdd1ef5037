/*
 * fiscal_code_fuzz.c
 *		Fuzzes core/fiscal_code.c.
 *
 * Beside it: IO's pattern as a regular expression of the C library, and the
 * check character computed by another table, that of the decree.
 */
#include "fuzz.h"
#include "fiscal_code.h"

#include <regex.h>

#define PATTERN "^[A-Z]{6}[0-9LMNPQRSTUV]{2}[ABCDEHLMPRST][0-9LMNPQRSTUV]{2}" \
	"[A-Z][0-9LMNPQRSTUV]{3}[A-Z]$"

/* The decree's table: what 0-9 and A-Z weigh in odd places. */
static const int odd_digits[10] = {1, 0, 5, 7, 9, 13, 15, 17, 19, 21};
static const int odd_letters[26] = {
	1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16,
	10, 22, 25, 24, 23
};

static bool
matches(const char *text)
{
	static regex_t pattern;
	static bool ready = false;

	if (!ready)
		MUST(regcomp(&pattern, PATTERN, REG_EXTENDED | REG_NOSUB) == 0);
	ready = true;
	return regexec(&pattern, text, 0, NULL, 0) == 0;
}

static bool
is_space(char c)
{
	return strchr(" \t\n\v\f\r", c) != NULL && c != '\0';
}

/* Trimmed and in upper case, by hand; "" where that is not 16 long. */
static void
normalize_plainly(const char *in, size_t len, char out[17])
{
	size_t		start = 0;

	memset(out, 0, 17);
	while (start < len && is_space(in[start]))
		start++;
	while (len > start && is_space(in[len - 1]))
		len--;
	if (len - start != 16)
		return;
	for (size_t i = 0; i < 16; i++)
	{
		char		c = in[start + i];

		out[i] = (char) (c >= 'a' && c <= 'z' ? c & ~0x20 : c);
	}
	/* A NUL inside is no code, and would end the text for regexec. */
	if (strlen(out) != 16)
		memset(out, 0, 17);
}

static char
check_character(const char *code)
{
	int			sum = 0;

	for (int place = 1; place <= 15; place++)
	{
		char		c = code[place - 1];
		bool		digit = c >= '0' && c <= '9';

		if (place % 2 == 1)
			sum += digit ? odd_digits[c - '0'] : odd_letters[c - 'A'];
		else
			sum += digit ? c - '0' : c - 'A';
	}
	return "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[sum % 26];
}

static void
check_one(const char *in, size_t len)
{
	char		code[17];
	char		plain[17];
	char		again[17];
	FiscalCodeCheck loose = iomsg_fiscal_code_normalize(in, len, code);
	FiscalCodeCheck strict = iomsg_fiscal_code_check_strictly(in, len);

	normalize_plainly(in, len, plain);
	MUST((loose == FISCAL_CODE_OK) == (plain[0] != '\0' && matches(plain)));
	MUST(strcmp(code, loose == FISCAL_CODE_OK ? plain : "") == 0);
	if (loose != FISCAL_CODE_OK)
	{
		MUST(strict == loose);
		return;
	}
	MUST(iomsg_fiscal_code_normalize(code, 16, again) == FISCAL_CODE_OK &&
		 strcmp(code, again) == 0);
	MUST((strict == FISCAL_CODE_CHECK_CHARACTER) ==
		 (check_character(code) != code[15]));
	MUST(iomsg_fiscal_code_occurs_in(in, len));
	/* With the right last letter only the date can be wrong. */
	code[15] = check_character(code);
	strict = iomsg_fiscal_code_check_strictly(code, 16);
	MUST(strict == FISCAL_CODE_OK || strict == FISCAL_CODE_DATE);
}

/* A code inside a text is found where it is a word of its own. */
static void
check_inside(const char *in, size_t len)
{
	bool		found = false;

	for (size_t i = 0; i + 16 <= len && !found; i++)
	{
		char		code[17];
		size_t		word = 0;

		while (i + word < len &&
			   strchr("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
					  "abcdefghijklmnopqrstuvwxyz", in[i + word]) != NULL &&
			   in[i + word] != '\0')
			word++;
		if (word == 16)
		{
			normalize_plainly(in + i, 16, code);
			found = matches(code);
		}
		i += word;
	}
	MUST(iomsg_fiscal_code_occurs_in(in, len) == found);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *in = (const char *) data;
	char	   *mapped = map_bytes(data, size, "RSSMRA80A01H501U L-rt ");

	check_one(in, size);
	check_inside(in, size);
	check_one(mapped, size);
	check_inside(mapped, size);
	MUST(iomsg_organization_fiscal_code_valid(mapped, size) ==
		 (size == 11 && strspn(mapped, "0123456789") == 11));
	free(mapped);
	return 0;
}
