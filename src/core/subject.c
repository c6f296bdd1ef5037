/*
 * subject.c
 *		Finds personal data in the subject of a message: e-mail addresses and
 *		IBANs.  Telephone numbers are in subject_telephone.c.
 *
 * A finding is a warning for a person to judge, so that a rare false one is
 * preferred to a missed one; no text of the subject is kept.
 */
#include "subject.h"

#include "fiscal_code.h"
#include "message.h"

/*
 * The countries that use IBANs, in order, and their lengths (SWIFT's
 * registry).
 */
static const char iban_lengths[] =
	"AD24AE23AL28AT20AZ28BA20BE16BG22BH22BI27BR29BY28CH21CR22CY28CZ24DE22"
	"DJ27DK18DO28EE20EG29ES24FI18FK18FO18FR27GB22GE22GI23GL18GR27GT28HR21"
	"HU28IE22IL23IQ23IS26IT27JO30KW30KZ20LB28LC32LI21LT20LU20LV21LY25MC27"
	"MD24ME22MK19MN20MR27MT31MU30NI28NL18NO15OM23PK24PL28PS29PT25QA29RO24"
	"RS22RU33SA24SC31SD18SE24SI19SK24SM27SO23ST25SV28TL23TN24TR26UA29VA22"
	"VG24XK20YE30";

#define IBAN_MAX	34

/* Whether the byte is a digit. */
static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
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
	return is_digit(c) || (c >= 'A' && c <= 'Z');
}

/* Whether the byte can stand in a domain name. */
static bool
is_domain_byte(char c)
{
	return is_word(c) || c == '.' || c == '-' || (unsigned char) c >= 0x80;
}

bool
iomsg_subject_has_email(const char *utf8, size_t len)
{
	for (size_t at = 1; at < len; at++)
	{
		size_t		start = at - 1;
		size_t		end = at + 1;

		if (utf8[at] != '@')
			continue;

		/* one character before the @ is enough; it may be of many bytes */
		while (start > 0 && ((unsigned char) utf8[start] & 0xC0) == 0x80)
			start--;
		while (end < len && is_domain_byte(utf8[end]))
			end++;
		while (end > at && !is_word(utf8[end - 1]) &&
			   (unsigned char) utf8[end - 1] < 0x80)
			end--;
		if (end > at &&
			iomsg_message_check_email(utf8 + start, end - start) ==
			PROBLEM_NONE)
			return true;
	}
	return false;
}

/* The length of an IBAN of the country in upper case, or 0. */
static size_t
find_iban_length(char first, char second)
{
	for (const char *p = iban_lengths; *p != '\0' && *p <= first; p += 4)
	{
		if (p[0] == first && p[1] == second)
			return 10 * (size_t) (p[2] - '0') + (size_t) (p[3] - '0');
	}
	return 0;
}

/*
 * Copies the next count letters and digits in upper case, passing over single
 * separators where they may stand: anywhere, or after each group of four.
 * False where the text ends, or where a word goes on behind.
 */
static bool
collect(const char *in, size_t len, size_t count, bool anywhere, char *out)
{
	size_t		i = 0;

	for (size_t n = 0; n < count; n++)
	{
		if (n > 0 && i + 1 < len &&
			(in[i] == ' ' || in[i] == '-' || in[i] == '.') &&
			(anywhere || n % 4 == 0))
			i++;
		if (i >= len || !is_word(in[i]))
			return false;
		out[n] = upper(in[i++]);
	}
	return i == len || !is_word(in[i]);
}

/* Whether the check digits are right (ISO 13616: remainder 1 by 97). */
static bool
has_right_checksum(const char *iban, size_t count)
{
	unsigned int remainder = 0;

	for (size_t n = 0; n < count; n++)
	{
		char		c = iban[(n + 4) % count];

		if (is_digit(c))
			remainder = remainder * 10 + (unsigned int) (c - '0');
		else
			remainder = remainder * 100 + (unsigned int) (c - 'A') + 10;
		remainder %= 97;
	}
	return remainder == 1;
}

/* IT or SM, 2 digits, a letter, 10 digits, 12 letters or digits. */
static bool
has_italian_form(const char *iban)
{
	for (int i = 0; i < 15; i++)
	{
		if (i >= 2 && i != 4 && !is_digit(iban[i]))
			return false;
	}
	return !is_digit(iban[4]);
}

/* Whether an IBAN begins at in. */
static bool
begins_iban(const char *in, size_t len)
{
	char		iban[IBAN_MAX];
	bool		italian;
	size_t		count;

	/* behind the country come check digits: most words are none already */
	if (len < 4 || (is_word(in[2]) && !is_digit(in[2])))
		return false;
	count = find_iban_length(upper(in[0]), upper(in[1]));
	if (count == 0)
		return false;

	/* paper forms write IT 60 X 05428 11101 000000123456 */
	italian = count == 27 && ((upper(in[0]) == 'I' && upper(in[1]) == 'T') ||
							  (upper(in[0]) == 'S' && upper(in[1]) == 'M'));
	if (!collect(in, len, count, italian, iban))
		return false;
	if (italian)
		return has_italian_form(iban);
	return is_digit(iban[2]) && is_digit(iban[3]) &&
		has_right_checksum(iban, count);
}

bool
iomsg_subject_has_iban(const char *utf8, size_t len)
{
	for (size_t i = 0; i < len; i++)
	{
		if ((i == 0 || !is_word(utf8[i - 1])) &&
			begins_iban(utf8 + i, len - i))
			return true;
	}
	return false;
}

unsigned int
iomsg_subject_find(const char *utf8, size_t len)
{
	unsigned int found = 0;

	if (iomsg_fiscal_code_occurs_in(utf8, len))
		found |= IOMSG_SUBJECT_FISCAL_CODE;
	if (iomsg_subject_has_email(utf8, len))
		found |= IOMSG_SUBJECT_EMAIL;
	if (iomsg_subject_has_iban(utf8, len))
		found |= IOMSG_SUBJECT_IBAN;
	if (iomsg_subject_has_telephone(utf8, len))
		found |= IOMSG_SUBJECT_TELEPHONE;
	return found;
}

Problem
iomsg_subject_problem(unsigned int bit)
{
	switch (bit)
	{
		case IOMSG_SUBJECT_FISCAL_CODE:
			return PROBLEM_SUBJECT_HAS_FISCAL_CODE;
		case IOMSG_SUBJECT_EMAIL:
			return PROBLEM_SUBJECT_HAS_EMAIL;
		case IOMSG_SUBJECT_IBAN:
			return PROBLEM_SUBJECT_HAS_IBAN;
		case IOMSG_SUBJECT_TELEPHONE:
			return PROBLEM_SUBJECT_HAS_TELEPHONE;
		default:
			return PROBLEM_NONE;
	}
}
