/*
 * core_fiscal_code_test.c
 *		Fiscal codes: tables, IO's own pattern as a regular expression, and a
 *		second implementation of the check character.
 */
#include <ctype.h>
#include <regex.h>

#include "fiscal_code.h"
#include "tap.h"

typedef struct Case
{
	const char *in;
	FiscalCodeCheck normal;
	FiscalCodeCheck strict;
	const char *name;
} Case;

static const Case cases[] = {
	{"RSSMRA85T10A562S", FISCAL_CODE_OK, FISCAL_CODE_OK, "a right code"},
	{"rssmra85t10a562s", FISCAL_CODE_OK, FISCAL_CODE_OK, "lower case"},
	{" \t\r\n\v\fRSSMRA85T10A562S \n", FISCAL_CODE_OK, FISCAL_CODE_OK,
	"white space around"},
	{"RSSMRA85T10A562T", FISCAL_CODE_OK, FISCAL_CODE_CHECK_CHARACTER,
	"a wrong check character passes IO's pattern"},
	{"RSSMRA85T50A562W", FISCAL_CODE_OK, FISCAL_CODE_OK, "a woman"},
	{"", FISCAL_CODE_LENGTH, FISCAL_CODE_LENGTH, "empty"},
	{"   ", FISCAL_CODE_LENGTH, FISCAL_CODE_LENGTH, "blank"},
	{"RSSMRA85T10A562", FISCAL_CODE_LENGTH, FISCAL_CODE_LENGTH, "15"},
	{"RSSMRA85T10A562SS", FISCAL_CODE_LENGTH, FISCAL_CODE_LENGTH, "17"},
	{"RSSMRA85T10 A562S", FISCAL_CODE_LENGTH, FISCAL_CODE_LENGTH,
	"a blank inside"},
	{"12345678901", FISCAL_CODE_LENGTH, FISCAL_CODE_LENGTH,
	"an organization"},
	{"0SSMRA85T10A562S", FISCAL_CODE_PATTERN, FISCAL_CODE_PATTERN,
	"a digit in the name"},
	{"RSSMRAK5T10A562S", FISCAL_CODE_PATTERN, FISCAL_CODE_PATTERN,
	"K replaces no digit"},
	{"RSSMRA85F10A562S", FISCAL_CODE_PATTERN, FISCAL_CODE_PATTERN,
	"F is no month"},
	{"RSSMRA85T10A5626", FISCAL_CODE_PATTERN, FISCAL_CODE_PATTERN,
	"a digit at the end"},
	{"RSSMRA85T10A56\xC3\xA0", FISCAL_CODE_PATTERN, FISCAL_CODE_PATTERN,
	"a letter beyond ASCII"},
	{"AAAAAA00A00A000A", FISCAL_CODE_OK, FISCAL_CODE_CHECK_CHARACTER,
	"the old test code"},
};

static void
check_table(void)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		const Case *c = &cases[i];
		char		out[17] = "x";
		FiscalCodeCheck got = iomsg_fiscal_code_normalize(c->in,
														  strlen(c->in), out);

		tap_is_int(got, c->normal, c->name);
		tap_is_int(strlen(out), got == FISCAL_CODE_OK ? 16 : 0,
				   "out is the code or empty");
		tap_is_int(iomsg_fiscal_code_check_strictly(c->in, strlen(c->in)),
				   c->strict, c->name);
	}
}

/* The check letter by the other customary table: letters by their rank. */
static char
other_check_letter(const char *code)
{
	const char *ranks = "BAFHJNPRTVCESULDGIMOQKWZYX";
	int			sum = 0;

	for (int i = 1; i <= 15; i++)
	{
		int			rank = isdigit((unsigned char) code[i - 1])
			? code[i - 1] - '0' : code[i - 1] - 'A';

		sum += i % 2 == 1 ? ranks[rank] - 'A' : rank;
	}
	return "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[sum % 26];
}

static char
pick(uint64_t *seed, const char *letters)
{
	return letters[tap_random(seed) % strlen(letters)];
}

/* A random code with those year, month and day, digits replaced at random. */
static void
build_code(uint64_t *seed, int year, int month, int day, char *code)
{
	static const int digits[] = {6, 7, 9, 10, 12, 13, 14};

	for (int i = 0; i < 16; i++)
		code[i] = pick(seed, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
	code[6] = (char) ('0' + year / 10);
	code[7] = (char) ('0' + year % 10);
	code[8] = "ABCDEHLMPRST"[month - 1];
	code[9] = (char) ('0' + day / 10);
	code[10] = (char) ('0' + day % 10);
	for (int i = 12; i < 15; i++)
		code[i] = pick(seed, "0123456789");
	for (int i = 0; i < 7; i++)
		if (tap_random(seed) % 4 == 0)
			code[digits[i]] = "LMNPQRSTUV"[code[digits[i]] - '0'];
	code[15] = other_check_letter(code);
	code[16] = '\0';
}

/* Every year, month and day number, against plain calendar arithmetic. */
static void
check_dates(void)
{
	static const int last[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	uint64_t	seed = 7;
	int			wrong = 0;
	int			letters = 0;
	char		code[17];

	for (int year = 0; year < 100; year++)
		for (int month = 1; month <= 12; month++)
			for (int day = 0; day < 100; day++)
			{
				int			real = day >= 41 ? day - 40 : day;
				bool		exists = real >= 1 && real <= last[month - 1] &&
					(day <= 31 || day >= 41) &&
					!(month == 2 && real == 29 && year % 4 != 0);
				FiscalCodeCheck want = exists
					? FISCAL_CODE_OK : FISCAL_CODE_DATE;

				build_code(&seed, year, month, day, code);
				if (iomsg_fiscal_code_check_strictly(code, 16) != want)
					wrong++;
				code[15] = code[15] == 'Z' ? 'A' : (char) (code[15] + 1);
				if (iomsg_fiscal_code_check_strictly(code, 16) !=
					FISCAL_CODE_CHECK_CHARACTER)
					letters++;
			}
	tap_is_int(wrong, 0, "120,000 random codes, each date");
	tap_is_int(letters, 0, "and none with another check letter");
}

/* Random mutations of codes, against IO's pattern as it is published. */
static void
check_pattern(void)
{
	regex_t		pattern;
	uint64_t	seed = 11;
	int			matched = 0;
	int			wrong = 0;
	char		code[17];
	char		out[17];

	regcomp(&pattern, "^[A-Z]{6}[0-9LMNPQRSTUV]{2}[ABCDEHLMPRST]"
			"[0-9LMNPQRSTUV]{2}[A-Z][0-9LMNPQRSTUV]{3}[A-Z]$",
			REG_EXTENDED | REG_NOSUB);
	for (int i = 0; i < 200000; i++)
	{
		bool		want;

		build_code(&seed, 80, 1 + (int) (tap_random(&seed) % 12), 10, code);
		if (i % 2 == 0)
			code[tap_random(&seed) % 16] =
				(char) (33 + tap_random(&seed) % 64);
		want = regexec(&pattern, code, 0, NULL, 0) == 0;
		matched += want ? 1 : 0;
		if ((iomsg_fiscal_code_normalize(code, 16, out) == FISCAL_CODE_OK)
			!= want)
			wrong++;
	}
	regfree(&pattern);
	tap_is_int(wrong, 0, "200,000 mutated codes agree with the pattern");
	tap_ok(matched > 100000 && matched < 190000, "both kinds were tried");
}

static void
check_occurrence(void)
{
	static const struct
	{
		const char *text;
		bool		want;
	}			texts[] = {
		{"RSSMRA85T10A562S", true},
		{"Avviso per rssmra85t10a562s", true},
		{"Avviso (RSSMRA85T10A562T)", true},
		{"l\xE2\x80\x99RSSMRA85T10A562S\xC3\xA0", true},
		{"cf:RSSMRA85T10A562S,ok", true},
		{"RSSMRA85T10A562S_1", true},
		{"XRSSMRA85T10A562S", false},
		{"RSSMRA85T10A562S1", false},
		{"RSSMRA85T10A562", false},
		{"Avviso TARI 2026", false},
		{"", false},
		{"ABCDEFGHIJKLMNOP", false},
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		tap_is_int(iomsg_fiscal_code_occurs_in(texts[i].text,
											   strlen(texts[i].text)),
				   texts[i].want, texts[i].text);
}

int
main(void)
{
	check_table();
	check_dates();
	check_pattern();
	check_occurrence();
	tap_ok(iomsg_organization_fiscal_code_valid("01234567890", 11), "11");
	tap_ok(!iomsg_organization_fiscal_code_valid("0123456789", 10), "10");
	tap_ok(!iomsg_organization_fiscal_code_valid("012345678901", 12), "12");
	tap_ok(!iomsg_organization_fiscal_code_valid("0123456789A", 11), "A");
	tap_ok(!iomsg_organization_fiscal_code_valid(" 1234567890", 11), "blank");
	return tap_done();
}
