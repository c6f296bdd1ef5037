/*
 * message_fuzz.c
 *		Fuzzes core/message*.c: the limits of a message, field by field.
 *
 * Lengths are compared with iconv's UTF-16, days with timegm's calendar, forms
 * with regular expressions of the C library.
 */
#include "fuzz.h"
#include "message.h"

#include <iconv.h>
#include <regex.h>
#include <time.h>

#define DUE_DATE "^[0-9]{4}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):" \
	"[0-5][0-9]:[0-5][0-9](\\.[0-9]+)?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$"
#define ULID	"^[0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{26}$"
#define EMAIL	"^[^@\"(),:;<>[\\ ]+@[^@\"(),:;<>[\\ ]+\\.[^@ ]{2,}$"

static bool
matches(regex_t *pattern, const char *source, const char *text, size_t len)
{
	if (pattern->re_nsub == 0 && pattern->buffer == NULL)
		MUST(regcomp(pattern, source, REG_EXTENDED | REG_NOSUB) == 0);
	return strlen(text) == len && regexec(pattern, text, 0, NULL, 0) == 0;
}

/* UTF-16 code units by iconv, -1 where it refuses the bytes. */
static int64_t
count_by_iconv(const char *in, size_t len)
{
	static iconv_t converter = NULL;
	char		out[4096];
	char	   *from = (char *) in;
	int64_t		units = 0;

	if (converter == NULL)
		converter = iconv_open("UTF-16LE", "UTF-8");
	MUST(converter != (iconv_t) -1);
	(void) iconv(converter, NULL, NULL, NULL, NULL);
	while (len > 0)
	{
		char	   *to = out;
		size_t		room = sizeof(out);
		size_t		before = len;
		size_t		done = iconv(converter, &from, &len, &to, &room);

		units += (int64_t) (sizeof(out) - room) / 2;
		if (done == (size_t) -1 && len == before)
			return -1;
	}
	return units;
}

static void
check_lengths(const char *in, size_t len)
{
	int64_t		units = count_by_iconv(in, len);
	Problem		subject = iomsg_message_check_subject(in, len);
	Problem		markdown = iomsg_message_check_markdown(in, len);

	MUST(iomsg_message_utf16_length(in, len) == units);
	MUST((subject == PROBLEM_TEXT_ENCODING) == (units < 0));
	MUST((markdown == PROBLEM_TEXT_ENCODING) == (units < 0));
	if (units < 0)
		return;
	MUST((subject == PROBLEM_SUBJECT_TOO_SHORT) == (units < 10));
	MUST((subject == PROBLEM_SUBJECT_TOO_LONG) == (units > 120));
	MUST((markdown == PROBLEM_MARKDOWN_TOO_SHORT) == (units < 80));
	MUST((markdown == PROBLEM_NONE) == (units >= 80 && units <= 10000));
	MUST((iomsg_message_check_iup(in, len) == PROBLEM_NONE) ==
		 (units >= 1 && units <= 16));
	MUST((iomsg_message_check_nre(in, len) == PROBLEM_NONE) == (units == 15));
	MUST((iomsg_message_check_summary(in, len) == PROBLEM_NONE) ==
		 (units > 0));
	MUST(iomsg_message_check_third_party_id(in, len) == PROBLEM_NONE ||
		 units == 0);
}

/* Does timegm leave the day as it is? */
static bool
day_exists(const char *text)
{
	struct tm	parts = {0};
	struct tm	same;
	time_t		when;

	parts.tm_year = atoi(text) - 1900;
	parts.tm_mon = atoi(text + 5) - 1;
	parts.tm_mday = atoi(text + 8);
	if (parts.tm_mon < 0 || parts.tm_mon > 11)
		return false;
	same = parts;
	when = timegm(&same);
	return gmtime_r(&when, &same) != NULL && same.tm_mday == parts.tm_mday &&
		same.tm_mon == parts.tm_mon;
}

static void
check_due_date(const char *text, size_t len)
{
	static regex_t pattern;
	bool		fits = matches(&pattern, DUE_DATE, text, len) &&
		day_exists(text) && memcmp(text, "0000", 4) != 0;
	Problem		problem = iomsg_message_check_due_date(text, len);

	MUST((problem == PROBLEM_NONE) == fits);
	MUST((iomsg_message_check_original_receipt_date(text, len) ==
		  PROBLEM_NONE) == fits);
	/* A zone is all that it may lack. */
	if (problem == PROBLEM_DUE_DATE_ZONE)
	{
		char	   *zoned = malloc(len + 2);

		MUST(zoned != NULL);
		memcpy(zoned, text, len);
		memcpy(zoned + len, "Z", 2);
		problem = iomsg_message_check_due_date(zoned, len + 1);
		MUST(problem == PROBLEM_NONE || problem == PROBLEM_DUE_DATE_RANGE);
		free(zoned);
	}
}

static void
check_forms(const char *text, size_t len)
{
	static regex_t ulid;
	static regex_t email;
	size_t		digits = strspn(text, "0123456789");

	MUST(iomsg_message_ulid_valid(text, len) ==
		 matches(&ulid, ULID, text, len));
	MUST((iomsg_message_check_configuration_id(text, len) == PROBLEM_NONE) ==
		 iomsg_message_ulid_valid(text, len));
	MUST((iomsg_message_check_notice_number(text, len) == PROBLEM_NONE) ==
		 (len == 18 && digits == 18 && text[0] <= '3'));
	MUST((iomsg_message_check_payee_fiscal_code(text, len) == PROBLEM_NONE) ==
		 (len == 11 && digits == 11));
	if (iomsg_message_check_email(text, len) == PROBLEM_NONE)
		MUST(len <= 254 && matches(&email, EMAIL, text, len));
	if (iomsg_message_check_prescriber_fiscal_code(text, len) == PROBLEM_NONE)
		MUST(len == 16 &&
			 iomsg_message_check_fiscal_code(text, len) == PROBLEM_NONE);
	(void) iomsg_message_check_feature_level_type(text, len);
	(void) iomsg_message_check_has_precondition(text, len);
	(void) iomsg_message_check_legal_text(text, len);
	(void) iomsg_message_check_original_sender(text, len);
}

static void
check_numbers(Input *input)
{
	int64_t		cents = (int64_t) take_number(input, 8);
	int64_t		maximum = (int64_t) take_number(input, 8);
	Problem		problem = iomsg_message_check_amount(cents, maximum);
	bool		in_range = cents >= 1 && cents <= INT64_C(9999999999);

	MUST((problem == PROBLEM_AMOUNT) == !in_range);
	MUST((problem == PROBLEM_NONE) == (in_range && cents <= maximum));
	MUST((iomsg_message_check_time_to_live(cents) == PROBLEM_NONE) ==
		 (cents >= 3600 && cents <= 604800));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const alphabets[] = {
		"0123456789", "0123456789-:T.Z+", "01ABCDEFGHIJKLMNOPQRSTUVWXYZ",
		"a1.-_@it"
	};
	Input		input = {data, size};
	uint8_t		mode = take_byte(&input) % 8;
	char	   *text;

	if (mode == 0)
		check_numbers(&input);
	check_lengths((const char *) input.bytes, input.left);
	if (mode < 4)
		text = map_bytes(input.bytes, input.left, alphabets[mode]);
	else
	{
		size = input.left;
		text = malloc(size + 1);
		MUST(text != NULL);
		if (size > 0)
			memcpy(text, input.bytes, size);
		text[size] = '\0';
	}
	check_due_date(text, input.left);
	check_forms(text, input.left);
	free(text);
	return 0;
}
