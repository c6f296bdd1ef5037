/*
 * message.c
 *		The limits of a message, field by field, as IO's back end checks them.
 *
 * No check looks at a locale, and none reads past the length it is given.
 */
#include "message.h"

#include <string.h>

#include "fiscal_code.h"

/* Whether every byte is a digit. */
static bool
all_digits(const char *in, size_t len)
{
	for (size_t i = 0; i < len; i++)
	{
		if (in[i] < '0' || in[i] > '9')
			return false;
	}
	return true;
}

/* Whether the text is exactly that word. */
static bool
is_word(const char *in, size_t len, const char *word)
{
	return strlen(word) == len && memcmp(in, word, len) == 0;
}

/*
 * Bytes of the well-formed UTF-8 sequence at s, or 0: no overlong form, no
 * surrogate, nothing above U+10FFFF (RFC 3629, section 4).
 */
static size_t
utf8_sequence_length(const unsigned char *s, size_t len)
{
	size_t		need;
	unsigned char low = 0x80;
	unsigned char high = 0xBF;

	if (s[0] < 0x80)
		return 1;
	if (s[0] < 0xC2 || s[0] > 0xF4)
		return 0;
	need = (s[0] < 0xE0) ? 2 : (s[0] < 0xF0) ? 3 : 4;
	if (need > len)
		return 0;
	if (s[0] == 0xE0)
		low = 0xA0;
	else if (s[0] == 0xED)
		high = 0x9F;
	else if (s[0] == 0xF0)
		low = 0x90;
	else if (s[0] == 0xF4)
		high = 0x8F;
	if (s[1] < low || s[1] > high)
		return 0;
	for (size_t i = 2; i < need; i++)
	{
		if (s[i] < 0x80 || s[i] > 0xBF)
			return 0;
	}
	return need;
}

/* Whether eight bytes are all ASCII. */
static bool
are_ascii(const unsigned char *s)
{
	uint64_t	bytes;

	memcpy(&bytes, s, sizeof(bytes));
	return (bytes & UINT64_C(0x8080808080808080)) == 0;
}

int64_t
iomsg_message_utf16_length(const char *utf8, size_t len)
{
	const unsigned char *s = (const unsigned char *) utf8;
	int64_t		units = 0;

	for (size_t i = 0; i < len;)
	{
		size_t		bytes;

		/* most text is little else */
		while (len - i >= 8 && are_ascii(s + i))
		{
			units += 8;
			i += 8;
		}
		if (i == len)
			break;
		bytes = utf8_sequence_length(s + i, len - i);
		if (bytes == 0)
			return -1;
		units += (bytes == 4) ? 2 : 1;
		i += bytes;
	}
	return units;
}

bool
iomsg_message_ulid_valid(const char *in, size_t len)
{
	/* Crockford's base 32: no I, L, O, U */
	static const char alphabet[] =
		"0123456789ABCDEFGHJKMNPQRSTVWXYZabcdefghjkmnpqrstvwxyz";

	if (len != IOMSG_ULID_LENGTH)
		return false;
	for (size_t i = 0; i < len; i++)
	{
		if (in[i] == '\0' || strchr(alphabet, in[i]) == NULL)
			return false;
	}
	return true;
}

/* The problem of a text whose length in UTF-16 must be in a range. */
static Problem
check_length(const char *in, size_t len, int64_t min, int64_t max,
			 Problem too_short, Problem too_long)
{
	int64_t		units = iomsg_message_utf16_length(in, len);

	if (units < 0)
		return PROBLEM_TEXT_ENCODING;
	if (units < min)
		return too_short;
	return units > max ? too_long : PROBLEM_NONE;
}

/* The problem of a text of any length but 0. */
static Problem
check_not_empty(const char *in, size_t len, Problem empty)
{
	return check_length(in, len, 1, INT64_MAX, empty, empty);
}

Problem
iomsg_message_check_fiscal_code(const char *in, size_t len)
{
	char		code[IOMSG_FISCAL_CODE_LENGTH + 1];

	return iomsg_fiscal_code_normalize(in, len, code) == FISCAL_CODE_OK
		? PROBLEM_NONE : PROBLEM_FISCAL_CODE;
}

Problem
iomsg_message_check_subject(const char *in, size_t len)
{
	Problem		problem = check_length(in, len, IOMSG_SUBJECT_MIN,
									   IOMSG_SUBJECT_MAX,
									   PROBLEM_SUBJECT_TOO_SHORT,
									   PROBLEM_SUBJECT_TOO_LONG);

	if (problem == PROBLEM_NONE && iomsg_fiscal_code_occurs_in(in, len))
		problem = PROBLEM_SUBJECT_HAS_FISCAL_CODE;
	return problem;
}

Problem
iomsg_message_check_markdown(const char *in, size_t len)
{
	return check_length(in, len, IOMSG_MARKDOWN_MIN, IOMSG_MARKDOWN_MAX,
						PROBLEM_MARKDOWN_TOO_SHORT,
						PROBLEM_MARKDOWN_TOO_LONG);
}

Problem
iomsg_message_check_time_to_live(int64_t seconds)
{
	return seconds >= IOMSG_TIME_TO_LIVE_MIN_S &&
		seconds <= IOMSG_TIME_TO_LIVE_MAX_S
		? PROBLEM_NONE : PROBLEM_TIME_TO_LIVE;
}

Problem
iomsg_message_check_feature_level_type(const char *in, size_t len)
{
	return is_word(in, len, "STANDARD") || is_word(in, len, "ADVANCED")
		? PROBLEM_NONE : PROBLEM_FEATURE_LEVEL_TYPE;
}

Problem
iomsg_message_check_amount(int64_t cents, int64_t maximum_cents)
{
	if (cents < IOMSG_AMOUNT_MIN || cents > IOMSG_AMOUNT_MAX)
		return PROBLEM_AMOUNT;
	return cents > maximum_cents ? PROBLEM_AMOUNT_OVER_MAXIMUM : PROBLEM_NONE;
}

Problem
iomsg_message_check_notice_number(const char *in, size_t len)
{
	return len == IOMSG_NOTICE_NUMBER_LENGTH && all_digits(in, len) &&
		in[0] <= '3' ? PROBLEM_NONE : PROBLEM_NOTICE_NUMBER;
}

Problem
iomsg_message_check_payee_fiscal_code(const char *in, size_t len)
{
	return iomsg_organization_fiscal_code_valid(in, len)
		? PROBLEM_NONE : PROBLEM_PAYEE_FISCAL_CODE;
}

Problem
iomsg_message_check_third_party_id(const char *in, size_t len)
{
	return check_not_empty(in, len, PROBLEM_THIRD_PARTY_ID);
}

Problem
iomsg_message_check_configuration_id(const char *in, size_t len)
{
	if (in == NULL)
		return PROBLEM_CONFIGURATION_ID_MISSING;
	return iomsg_message_ulid_valid(in, len)
		? PROBLEM_NONE : PROBLEM_CONFIGURATION_ID;
}

Problem
iomsg_message_check_has_precondition(const char *in, size_t len)
{
	return is_word(in, len, "ALWAYS") || is_word(in, len, "ONCE") ||
		is_word(in, len, "NEVER")
		? PROBLEM_NONE : PROBLEM_HAS_PRECONDITION;
}

Problem
iomsg_message_check_attachments(bool has_attachments, bool advanced)
{
	return has_attachments && !advanced
		? PROBLEM_ATTACHMENTS_NOT_ADVANCED : PROBLEM_NONE;
}

Problem
iomsg_message_check_original_sender(const char *in, size_t len)
{
	return check_not_empty(in, len, PROBLEM_ORIGINAL_SENDER);
}

Problem
iomsg_message_check_summary(const char *in, size_t len)
{
	return check_not_empty(in, len, PROBLEM_SUMMARY);
}

Problem
iomsg_message_check_nre(const char *in, size_t len)
{
	return check_length(in, len, IOMSG_NRE_LENGTH, IOMSG_NRE_LENGTH,
						PROBLEM_NRE, PROBLEM_NRE);
}

Problem
iomsg_message_check_iup(const char *in, size_t len)
{
	return check_length(in, len, IOMSG_IUP_MIN, IOMSG_IUP_MAX,
						PROBLEM_IUP, PROBLEM_IUP);
}

/*
 * The pattern of a recipient's code, but as it stands: unlike the recipient's,
 * this text is sent on as it came.
 */
Problem
iomsg_message_check_prescriber_fiscal_code(const char *in, size_t len)
{
	char		code[IOMSG_FISCAL_CODE_LENGTH + 1];

	return iomsg_fiscal_code_normalize(in, len, code) == FISCAL_CODE_OK &&
		is_word(in, len, code)
		? PROBLEM_NONE : PROBLEM_PRESCRIBER_FISCAL_CODE;
}

Problem
iomsg_message_check_legal_text(const char *in, size_t len)
{
	return check_not_empty(in, len, PROBLEM_LEGAL_DATA);
}
