/*
 * core_message_test.c
 *		The limits of a message, each at both of its ends, and the table of
 *		problems.
 */
#include <ctype.h>

#include "message.h"
#include "tap.h"

typedef Problem (*TextCheck) (const char *in, size_t len);

typedef struct Case
{
	TextCheck	check;
	const char *in;
	Problem		want;
} Case;

static const Case cases[] = {
	{iomsg_message_check_fiscal_code, " rssmra85t10a562s ", PROBLEM_NONE},
	{iomsg_message_check_fiscal_code, "01234567890", PROBLEM_FISCAL_CODE},
	{iomsg_message_check_subject, "Avviso TARI", PROBLEM_NONE},
	{iomsg_message_check_subject, "          ", PROBLEM_NONE},
	{iomsg_message_check_subject, "123456789", PROBLEM_SUBJECT_TOO_SHORT},
	{iomsg_message_check_subject, "Per RSSMRA85T10A562S",
	PROBLEM_SUBJECT_HAS_FISCAL_CODE},
	{iomsg_message_check_subject, "Avviso \xFF TARI", PROBLEM_TEXT_ENCODING},
	{iomsg_message_check_markdown, "\xED\xA0\x80", PROBLEM_TEXT_ENCODING},
	{iomsg_message_check_feature_level_type, "STANDARD", PROBLEM_NONE},
	{iomsg_message_check_feature_level_type, "ADVANCED", PROBLEM_NONE},
	{iomsg_message_check_feature_level_type, "advanced",
	PROBLEM_FEATURE_LEVEL_TYPE},
	{iomsg_message_check_feature_level_type, "STANDAR",
	PROBLEM_FEATURE_LEVEL_TYPE},
	{iomsg_message_check_feature_level_type, "", PROBLEM_FEATURE_LEVEL_TYPE},
	{iomsg_message_check_notice_number, "302000000000000012", PROBLEM_NONE},
	{iomsg_message_check_notice_number, "000000000000000000", PROBLEM_NONE},
	{iomsg_message_check_notice_number, "402000000000000012",
	PROBLEM_NOTICE_NUMBER},
	{iomsg_message_check_notice_number, "30200000000000001",
	PROBLEM_NOTICE_NUMBER},
	{iomsg_message_check_notice_number, "3020000000000000123",
	PROBLEM_NOTICE_NUMBER},
	{iomsg_message_check_notice_number, "30200000000000001A",
	PROBLEM_NOTICE_NUMBER},
	{iomsg_message_check_notice_number, "", PROBLEM_NOTICE_NUMBER},
	{iomsg_message_check_payee_fiscal_code, "01234567890", PROBLEM_NONE},
	{iomsg_message_check_payee_fiscal_code, "0123456789",
	PROBLEM_PAYEE_FISCAL_CODE},
	{iomsg_message_check_third_party_id, "x", PROBLEM_NONE},
	{iomsg_message_check_third_party_id, "", PROBLEM_THIRD_PARTY_ID},
	{iomsg_message_check_configuration_id, "01HMRKQ5B7NE5T7M4G8R3WZXYV",
	PROBLEM_NONE},
	{iomsg_message_check_configuration_id, "01hmrkq5b7ne5t7m4g8r3wzxyv",
	PROBLEM_NONE},
	{iomsg_message_check_configuration_id, "01HMRKQ5B7NE5T7M4G8R3WZXYI",
	PROBLEM_CONFIGURATION_ID},
	{iomsg_message_check_configuration_id, "01HMRKQ5B7NE5T7M4G8R3WZXYu",
	PROBLEM_CONFIGURATION_ID},
	{iomsg_message_check_configuration_id, "01HMRKQ5B7NE5T7M4G8R3WZXY",
	PROBLEM_CONFIGURATION_ID},
	{iomsg_message_check_configuration_id,
		"0e9852ccb8a04128bd637c807b9d80d3",
	PROBLEM_CONFIGURATION_ID},
	{iomsg_message_check_has_precondition, "ALWAYS", PROBLEM_NONE},
	{iomsg_message_check_has_precondition, "ONCE", PROBLEM_NONE},
	{iomsg_message_check_has_precondition, "NEVER", PROBLEM_NONE},
	{iomsg_message_check_has_precondition, "NONE", PROBLEM_HAS_PRECONDITION},
	{iomsg_message_check_original_sender, "", PROBLEM_ORIGINAL_SENDER},
	{iomsg_message_check_original_sender, "x", PROBLEM_NONE},
	{iomsg_message_check_summary, "", PROBLEM_SUMMARY},
	{iomsg_message_check_summary, "x", PROBLEM_NONE},
	{iomsg_message_check_nre, "123456789012345", PROBLEM_NONE},
	{iomsg_message_check_nre, "12345678901234", PROBLEM_NRE},
	{iomsg_message_check_nre, "1234567890123456", PROBLEM_NRE},
	{iomsg_message_check_iup, "1", PROBLEM_NONE},
	{iomsg_message_check_iup, "1234567890123456", PROBLEM_NONE},
	{iomsg_message_check_iup, "", PROBLEM_IUP},
	{iomsg_message_check_iup, "12345678901234567", PROBLEM_IUP},
	{iomsg_message_check_prescriber_fiscal_code, "RSSMRA85T10A562S",
	PROBLEM_NONE},
	{iomsg_message_check_prescriber_fiscal_code, "rssmra85t10a562s",
	PROBLEM_PRESCRIBER_FISCAL_CODE},
	{iomsg_message_check_prescriber_fiscal_code, "RSSMRA85T10A562",
	PROBLEM_PRESCRIBER_FISCAL_CODE},
	{iomsg_message_check_legal_text, "x", PROBLEM_NONE},
	{iomsg_message_check_legal_text, "", PROBLEM_LEGAL_DATA},


	{iomsg_message_check_email, "mario.rossi+io@comune.roma.it",
	PROBLEM_NONE},
	{iomsg_message_check_email, "m@\xC3\xA8.it", PROBLEM_NONE},
	{iomsg_message_check_email, "m@x.xn--p1ai", PROBLEM_NONE},
	{iomsg_message_check_email, "m@x9-y.it", PROBLEM_NONE},
	{iomsg_message_check_email, "mario", PROBLEM_EMAIL},
	{iomsg_message_check_email, "mario@localhost", PROBLEM_EMAIL},
	{iomsg_message_check_email, "@comune.it", PROBLEM_EMAIL},
	{iomsg_message_check_email, "mario@", PROBLEM_EMAIL},
	{iomsg_message_check_email, "mario@.it", PROBLEM_EMAIL},
	{iomsg_message_check_email, "mario@comune..it", PROBLEM_EMAIL},
	{iomsg_message_check_email, "mario@comune.it.", PROBLEM_EMAIL},
	{iomsg_message_check_email, "MARIO@COMUNE.IT", PROBLEM_NONE},
	{iomsg_message_check_email, "m@x.xy--p1", PROBLEM_EMAIL},
	{iomsg_message_check_email, "m@x.xn-ap1", PROBLEM_EMAIL},
	{iomsg_message_check_email, "m@x.xnap1", PROBLEM_EMAIL},
	{iomsg_message_check_email, "mario@-comune.it", PROBLEM_EMAIL},
	{iomsg_message_check_email, "mario@comune-.it", PROBLEM_EMAIL},
	{iomsg_message_check_email, "mario@comune.i", PROBLEM_EMAIL},
	{iomsg_message_check_email, "mario@comune.i7", PROBLEM_EMAIL},
	{iomsg_message_check_email, "mario@10.0.0.1", PROBLEM_EMAIL},
	{iomsg_message_check_email, "mario@com_une.it", PROBLEM_EMAIL},
	{iomsg_message_check_email, ".mario@comune.it", PROBLEM_EMAIL},
	{iomsg_message_check_email, "mario.@comune.it", PROBLEM_EMAIL},
	{iomsg_message_check_email, "ma..rio@comune.it", PROBLEM_EMAIL},
	{iomsg_message_check_email, "ma rio@comune.it", PROBLEM_EMAIL},
	{iomsg_message_check_email, "mario@rossi@comune.it", PROBLEM_EMAIL},
	{iomsg_message_check_email, "", PROBLEM_EMAIL},
	{iomsg_message_check_email, "m\xFF@comune.it", PROBLEM_TEXT_ENCODING},
};

static void
check_cases(void)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		const Case *c = &cases[i];

		tap_is_text(iomsg_problem_text(c->check(c->in, strlen(c->in)))
					->identifier,
					iomsg_problem_text(c->want)->identifier, c->in);
	}
}

/* A text of that many UTF-16 code units: emoji, then one letter if odd. */
static size_t
build_emoji(char *out, int units)
{
	size_t		len = 0;

	for (; units >= 2; units -= 2, len += 4)
		memcpy(out + len, "\xF0\x9F\x8C\xBB", 4);
	if (units == 1)
		out[len++] = 'x';
	return len;
}

static void
check_lengths(void)
{
	static char text[40000];

	memset(text, 'a', sizeof(text));
	tap_is_int(iomsg_message_check_subject(text, 10), PROBLEM_NONE, "10");
	tap_is_int(iomsg_message_check_subject(text, 120), PROBLEM_NONE, "120");
	tap_is_int(iomsg_message_check_subject(text, 121),
			   PROBLEM_SUBJECT_TOO_LONG, "121");
	tap_is_int(iomsg_message_check_markdown(text, 79),
			   PROBLEM_MARKDOWN_TOO_SHORT, "79");
	tap_is_int(iomsg_message_check_markdown(text, 80), PROBLEM_NONE, "80");
	tap_is_int(iomsg_message_check_markdown(text, 10000), PROBLEM_NONE,
			   "10000");
	tap_is_int(iomsg_message_check_markdown(text, 10001),
			   PROBLEM_MARKDOWN_TOO_LONG, "10001");
	tap_is_int(iomsg_message_check_subject(text, build_emoji(text, 120)),
			   PROBLEM_NONE, "60 emoji fit");
	tap_is_int(iomsg_message_check_subject(text, build_emoji(text, 121)),
			   PROBLEM_SUBJECT_TOO_LONG, "60 emoji and a letter do not");
	tap_is_int(iomsg_message_check_subject(text, build_emoji(text, 9)),
			   PROBLEM_SUBJECT_TOO_SHORT, "9 units in 17 bytes");
	tap_is_int(iomsg_message_check_markdown(text, build_emoji(text, 10001)),
			   PROBLEM_MARKDOWN_TOO_LONG, "10001 units of emoji");
}

static void
check_utf16(void)
{
	static const struct
	{
		const char *in;
		int64_t		want;
		const char *name;
	}			texts[] = {
		{"", 0, "empty"},
		{"a\xC3\xA8\xE2\x82\xAC\xF0\x9F\x8C\xBB", 5, "1 to 4 bytes"},
		{"\x7F\xC2\x80\xDF\xBF\xE0\xA0\x80\xED\x9F\xBF\xEE\x80\x80", 6,
		"edges below"},
		{"\xEF\xBF\xBF\xF0\x90\x80\x80\xF4\x8F\xBF\xBF", 5, "edges above"},
		{"\x80", -1, "a continuation alone"},
		{"\xC1\xBF", -1, "overlong of 2"},
		{"\xE0\x9F\xBF", -1, "overlong of 3"},
		{"\xF0\x8F\xBF\xBF", -1, "overlong of 4"},
		{"\xED\xA0\xBD", -1, "a high surrogate"},
		{"\xED\xBF\xBF", -1, "a low surrogate"},
		{"\xED\xA0\xBC\xED\xBC\xBB", -1, "a pair of surrogates (CESU-8)"},
		{"\xF4\x90\x80\x80", -1, "above U+10FFFF"},
		{"\xF5\x80\x80\x80", -1, "no such first byte"},
		{"a\xC3", -1, "cut after 1 of 2"},
		{"a\xE2\x82", -1, "cut after 2 of 3"},
		{"a\xF0\x9F\x8C", -1, "cut after 3 of 4"},
		{"\xC3" "a", -1, "a letter for a continuation"},
		{"\xE2\x82" "a", -1, "a letter for the third byte"},
		{"\xF0\x9F\x8C\xC0", -1, "a first byte for the fourth"},
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		tap_is_int(iomsg_message_utf16_length(texts[i].in,
											  strlen(texts[i].in)),
				   texts[i].want, texts[i].name);
	tap_is_int(iomsg_message_utf16_length("a\0b", 3), 3, "NUL counts");
}

/* Every code point, encoded here, and bytes at random. */
static void
check_code_points(void)
{
	uint64_t	seed = 3;
	int			wrong = 0;

	for (uint32_t c = 0; c <= 0x110000; c++)
	{
		char		b[4];
		size_t		n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
		int64_t		want = (c >= 0xD800 && c <= 0xDFFF) || c > 0x10FFFF
			? -1 : n == 4 ? 2 : 1;
		uint32_t	rest = c;

		for (size_t i = n; i-- > 1; rest >>= 6)
			b[i] = (char) (0x80 | (rest & 0x3F));
		b[0] = (char) (n == 1 ? c : (0xF00u >> n & 0xFF) | rest);
		wrong += iomsg_message_utf16_length(b, n) != want;
	}
	tap_is_int(wrong, 0, "every code point");
	for (int i = 0; i < 100000; i++)
	{
		char		b[8];
		size_t		n = tap_random(&seed) % 9;

		for (size_t k = 0; k < n; k++)
			b[k] = (char) tap_random(&seed);
		if (iomsg_message_utf16_length(b, n) > (int64_t) n)
			wrong++;
	}
	tap_is_int(wrong, 0, "random bytes are read within their length");
}

static void
check_numbers(void)
{
	static const struct
	{
		int64_t		cents;
		int64_t		maximum;
		Problem		want;
	}			amounts[] = {
		{1, 1, PROBLEM_NONE},
		{9999999999, 9999999999, PROBLEM_NONE},
		{0, 100, PROBLEM_AMOUNT},
		{-5, 100, PROBLEM_AMOUNT},
		{10000000000, INT64_MAX, PROBLEM_AMOUNT},
		{INT64_MIN, 0, PROBLEM_AMOUNT},
		{101, 100, PROBLEM_AMOUNT_OVER_MAXIMUM},
		{1, 0, PROBLEM_AMOUNT_OVER_MAXIMUM},
	};

	for (size_t i = 0; i < sizeof(amounts) / sizeof(amounts[0]); i++)
		tap_is_int(iomsg_message_check_amount(amounts[i].cents,
											  amounts[i].maximum),
				   amounts[i].want, "amount");
	tap_is_int(iomsg_message_check_time_to_live(3599), PROBLEM_TIME_TO_LIVE,
			   "3599 s");
	tap_is_int(iomsg_message_check_time_to_live(3600), PROBLEM_NONE, "3600");
	tap_is_int(iomsg_message_check_time_to_live(604800), PROBLEM_NONE, "max");
	tap_is_int(iomsg_message_check_time_to_live(604801),
			   PROBLEM_TIME_TO_LIVE, "604801 s");
	tap_is_int(iomsg_message_check_attachments(true, false),
			   PROBLEM_ATTACHMENTS_NOT_ADVANCED, "attachments, STANDARD");
	tap_is_int(iomsg_message_check_attachments(true, true), PROBLEM_NONE,
			   "attachments, ADVANCED");
	tap_is_int(iomsg_message_check_attachments(false, false), PROBLEM_NONE,
			   "no attachments");
	tap_is_int(iomsg_message_check_configuration_id(NULL, 0),
			   PROBLEM_CONFIGURATION_ID_MISSING, "no configuration id");
	tap_ok(!iomsg_message_ulid_valid("01HMRKQ5B7NE5T7M4G8R3WZXY\0", 26),
		   "a ULID has no NUL");
	tap_is_int(iomsg_message_check_email("m\0@comune.it", 12), PROBLEM_EMAIL,
			   "an address has no NUL");
}

/* Addresses at the limits of RFC 5321: 64 before the @, 254 in all. */
static void
check_long_email(void)
{
	char		in[300];

	memset(in, 'a', sizeof(in));
	memcpy(in + 64, "@x.it", 5);
	tap_is_int(iomsg_message_check_email(in, 69), PROBLEM_NONE, "64 before");
	memset(in, 'a', sizeof(in));
	memcpy(in + 65, "@x.it", 5);
	tap_is_int(iomsg_message_check_email(in, 70), PROBLEM_EMAIL, "65 before");
	memset(in, 'a', sizeof(in));
	in[1] = '@';
	in[65] = in[129] = in[193] = '.';
	tap_is_int(iomsg_message_check_email(in, 254), PROBLEM_NONE, "254");
	tap_is_int(iomsg_message_check_email(in, 255), PROBLEM_EMAIL, "255");
	in[65] = 'a';
	tap_is_int(iomsg_message_check_email(in, 254), PROBLEM_EMAIL,
			   "a label over 63");
}

/* Each problem has a unique identifier and a text in the house's style. */
static void
check_problems(void)
{
	for (int p = PROBLEM_NONE; p < PROBLEM_COUNT; p++)
	{
		const ProblemText *t = iomsg_problem_text((Problem) p);
		bool		unique = true;
		bool		styled;

		if (!tap_ok(t->identifier != NULL && t->problem != NULL,
					"problem %d is in the table", p))
			continue;
		for (int q = 0; q < p; q++)
			unique = unique && strcmp(t->identifier,
									  iomsg_problem_text((Problem) q)
									  ->identifier) != 0;
		tap_ok(unique && strspn(t->identifier, "abcdefghijklmnopqrstuvwxyz_")
			   == strlen(t->identifier), "%s", t->identifier);
		styled = islower((unsigned char) t->problem[0]) &&
			t->problem[strlen(t->problem) - 1] != '.';
		if (t->hint != NULL)
			styled = styled && !islower((unsigned char) t->hint[0]) &&
				t->hint[strlen(t->hint) - 1] == '.';
		tap_ok(styled, "%s: lower case, no period; hint a sentence",
			   t->identifier);
	}
	tap_is_text(iomsg_problem_text(PROBLEM_COUNT)->identifier, "unknown",
				"a number beyond");
	tap_is_text(iomsg_problem_text((Problem) -1)->identifier, "unknown",
				"a number below");
}

int
main(void)
{
	check_cases();
	check_lengths();
	check_utf16();
	check_code_points();
	check_numbers();
	check_long_email();
	check_problems();
	return tap_done();
}
