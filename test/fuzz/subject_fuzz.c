/*
 * subject_fuzz.c
 *		Fuzzes core/subject*.c: personal data in the subject of a message.
 *
 * What is found depends on the words alone: not on the case of letters, nor on
 * what stands before and behind them; and what was hidden in a text is found.
 */
#include "fuzz.h"
#include "subject.h"

#define ALL_KINDS (IOMSG_SUBJECT_FISCAL_CODE | IOMSG_SUBJECT_EMAIL | \
	IOMSG_SUBJECT_IBAN | IOMSG_SUBJECT_TELEPHONE)

/* One of each kind, to be found in any text. */
static const struct
{
	const char *text;
	unsigned int kind;
}			hidden[] = {
	{"RSSMRA80A01H501U", IOMSG_SUBJECT_FISCAL_CODE},
	{"mario.rossi@example.it", IOMSG_SUBJECT_EMAIL},
	{"IT60X0542811101000000123456", IOMSG_SUBJECT_IBAN},
	{"DE89 3704 0044 0532 0130 00", IOMSG_SUBJECT_IBAN},
	{"347 1234567", IOMSG_SUBJECT_TELEPHONE},
	{"+39 02 1234567", IOMSG_SUBJECT_TELEPHONE}
};

/* The text between two others, in memory of exactly that size. */
static char *
wrap(const char *before, const char *in, size_t len, const char *behind,
	 size_t *size)
{
	size_t		first = strlen(before);
	size_t		last = strlen(behind);
	char	   *text = malloc(first + len + last);

	*size = first + len + last;
	MUST(text != NULL);
	memcpy(text, before, first);
	if (len > 0)
		memcpy(text + first, in, len);
	memcpy(text + first + len, behind, last);
	return text;
}

/* The bits and the single questions agree; each bit has its problem. */
static unsigned int
find(const char *in, size_t len)
{
	unsigned int found = iomsg_subject_find(in, len);

	MUST((found & ~ALL_KINDS) == 0);
	MUST(iomsg_subject_has_email(in, len) ==
		 ((found & IOMSG_SUBJECT_EMAIL) != 0));
	MUST(iomsg_subject_has_iban(in, len) ==
		 ((found & IOMSG_SUBJECT_IBAN) != 0));
	MUST(iomsg_subject_has_telephone(in, len) ==
		 ((found & IOMSG_SUBJECT_TELEPHONE) != 0));
	for (unsigned int bit = 1; bit <= ALL_KINDS; bit <<= 1)
		MUST(iomsg_subject_problem(bit) != PROBLEM_NONE);
	MUST(iomsg_subject_problem(found | 0x100) == PROBLEM_NONE);
	return found;
}

static void
check(const char *in, size_t len)
{
	unsigned int found = find(in, len);
	size_t		size;
	char	   *text = wrap("; ", in, len, " ;", &size);

	MUST(iomsg_subject_find(text, size) == found);
	for (size_t i = 0; i < size; i++)
	{
		if (text[i] >= 'a' && text[i] <= 'z')
			text[i] = (char) (text[i] & ~0x20);
	}
	MUST(iomsg_subject_find(text, size) == found);
	free(text);
}

/* Something of a kind behind the text is found there. */
static void
check_hidden(const char *in, size_t len, size_t which)
{
	char		behind[64];
	size_t		size;
	char	   *text;

	(void) snprintf(behind, sizeof(behind), " ; %s ; ", hidden[which].text);
	text = wrap("", in, len, behind, &size);
	MUST((iomsg_subject_find(text, size) & hidden[which].kind) != 0);
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const alphabets[] = {
		"0123456789 .-/()+3", "IT60X0542811101DE89 .-", "ab1@.-_ ",
		"RSSMRA80A01H501U 3471+"
	};
	Input		input = {data, size};
	uint8_t		mode = take_byte(&input);
	const char *in = (const char *) input.bytes;
	size_t		len = input.left;
	size_t		which = mode / 8 % (sizeof(hidden) / sizeof(hidden[0]));
	char	   *mapped = NULL;

	if (mode & 4)
		in = mapped = map_bytes(input.bytes, len, alphabets[mode % 4]);
	check(in, len);
	check_hidden(in, len, which);
	free(mapped);
	return 0;
}
