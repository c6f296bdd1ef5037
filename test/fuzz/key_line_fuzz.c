/*
 * key_line_fuzz.c
 *		Fuzzes core/key_line.c: a line of the key file.
 *
 * A line that is accepted, written anew with each word in quotes, is read as
 * the same; and one that was written from words is accepted exactly where the
 * words may stand in it.
 */
#include "fuzz.h"
#include "key_line.h"

#define WORDS	5

/* Appends a word in quotes. */
static char *
put_quoted(char *to, const char *word)
{
	*to++ = '"';
	for (; *word != '\0'; word++)
	{
		if (*word == '"')
			*to++ = '"';
		*to++ = *word;
	}
	*to++ = '"';
	return to;
}

/* Can the word stand in a line, and in a header if it is a key? */
static bool
may_stand(const char *word, size_t size, bool is_key)
{
	if (*word == '\0' || strlen(word) >= size)
		return false;
	for (; *word != '\0'; word++)
	{
		if ((unsigned char) *word < ' ')
			return false;
		if (is_key && (*word < '!' || *word > '~'))
			return false;
	}
	return true;
}

static void
check_same(const KeyLine *line, char *const *words, int nwords)
{
	MUST(strcmp(line->database, words[0]) == 0);
	MUST(strcmp(line->service, words[1]) == 0);
	MUST(strcmp(line->primary, words[2]) == 0);
	MUST(strcmp(line->secondary, nwords > 3 ? words[3] : "") == 0);
}

/* A line as it comes; the bytes of its words can only be its own. */
static void
fuzz_text(Input *input)
{
	char	   *text = take_text(input);
	char		written[4 * 2 * IOMSG_KEY_SIZE + 16];
	char	   *to = written;
	KeyLine		line;
	KeyLine		again;
	KeyLineKind kind = iomsg_key_line_parse(text, &line);

	if (kind == KEY_LINE_BLANK)
		MUST(text[strspn(text, " \t\r")] == '\0' ||
			 text[strspn(text, " \t\r")] == '#');
	if (kind != KEY_LINE_KEYS)
		MUST(line.database[0] == '\0' && line.primary[0] == '\0');
	else
	{
		MUST(may_stand(line.database, IOMSG_KEY_NAME_SIZE, false));
		MUST(may_stand(line.service, IOMSG_KEY_NAME_SIZE, false));
		MUST(may_stand(line.primary, IOMSG_KEY_SIZE, true));
		MUST(line.secondary[0] == '\0' ||
			 may_stand(line.secondary, IOMSG_KEY_SIZE, true));
		to = put_quoted(to, line.database);
		*to++ = '\t';
		to = put_quoted(to, line.service);
		*to++ = ' ';
		to = put_quoted(to, line.primary);
		if (line.secondary[0] != '\0')
		{
			*to++ = ' ';
			to = put_quoted(to, line.secondary);
		}
		memcpy(to, " # x\n", sizeof(" # x\n"));
		MUST(iomsg_key_line_parse(written, &again) == KEY_LINE_KEYS);
		MUST(memcmp(&line, &again, sizeof(line)) == 0);
		/* One quote less at its end, and it is no line. */
		if (to[-1] == '"')
		{
			to[-1] = '\0';
			MUST(iomsg_key_line_parse(written, &again) == KEY_LINE_BAD);
		}
	}
	free(text);
}

/* Up to five words, each quoted or plain. */
static void
fuzz_words(Input *input)
{
	int			nwords = take_byte(input) % WORDS + 1;
	uint8_t		quoted = take_byte(input);
	char	   *words[WORDS];
	char	   *text = malloc(2 * input->left + 5 * WORDS + 1);
	char	   *to = text;
	bool		fine = nwords == 3 || nwords == 4;
	KeyLine		line;

	MUST(text != NULL);
	for (int i = 0; i < nwords; i++)
	{
		bool		is_name = i < 2;

		words[i] = take_text(input);
		fine &= may_stand(words[i], is_name ? IOMSG_KEY_NAME_SIZE :
						  IOMSG_KEY_SIZE, !is_name);
		if (quoted & (1 << i) || words[i][0] == '\0' ||
			strpbrk(words[i], " \t\r\"#") != NULL)
			to = put_quoted(to, words[i]);
		else
			to = stpcpy(to, words[i]);
		*to++ = ' ';
	}
	*to = '\0';
	MUST(iomsg_key_line_parse(text, &line) ==
		 (fine ? KEY_LINE_KEYS : KEY_LINE_BAD));
	if (fine)
		check_same(&line, words, nwords);
	for (int i = 0; i < nwords; i++)
		free(words[i]);
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Input		input = {data, size};

	if (take_byte(&input) % 2 == 0)
		fuzz_text(&input);
	else
		fuzz_words(&input);
	return 0;
}
