/*
 * key_line.c
 *		A line of the file with the services' keys.
 *
 * Nothing is read behind the end of the line, and what was read of a bad line
 * is overwritten.
 */
#include "key_line.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

typedef enum WordKind
{
	WORD_NONE,					/* the line or its comment ends it */
	WORD_READ,
	WORD_BAD
} WordKind;

/* Whether the byte stands between words. */
static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* Whether the line ends here. */
static bool
is_end(char c)
{
	return c == '\0' || c == '\n';
}

/*
 * Reads what stands in double quotes, from the byte behind the first one to
 * that behind the last; WORD_BAD where there is no last one.
 */
static WordKind
read_quoted(const char **in, char *word, size_t size)
{
	size_t		length = 0;
	const char *p;

	for (p = *in; !is_end(*p); p++)
	{
		if (*p == '"' && *++p != '"')
		{
			word[length] = '\0';
			*in = p;
			return length > 0 ? WORD_READ : WORD_BAD;
		}
		if (length + 1 == size || (unsigned char) *p < ' ')
			return WORD_BAD;
		word[length++] = *p;
	}
	return WORD_BAD;
}

/* Reads a word up to a blank or the end of the line. */
static WordKind
read_plain(const char **in, char *word, size_t size)
{
	size_t		length = 0;
	const char *p;

	for (p = *in; !is_end(*p) && !is_blank(*p); p++)
	{
		if (length + 1 == size || (unsigned char) *p < ' ')
			return WORD_BAD;
		word[length++] = *p;
	}
	word[length] = '\0';
	*in = p;
	return WORD_READ;
}

/* Reads the next word of the line into size bytes. */
static WordKind
read_word(const char **in, char *word, size_t size)
{
	WordKind	kind;

	while (is_blank(**in))
		(*in)++;
	if (is_end(**in) || **in == '#')
		return WORD_NONE;
	if (**in == '"')
	{
		(*in)++;
		kind = read_quoted(in, word, size);
	}
	else
		kind = read_plain(in, word, size);
	if (kind == WORD_READ && !is_end(**in) && !is_blank(**in))
		kind = WORD_BAD;
	return kind;
}

/* Whether a text can stand in a header: printable ASCII without blanks. */
static bool
is_key(const char *word)
{
	for (const char *p = word; *p != '\0'; p++)
	{
		if (*p < '!' || *p > '~')
			return false;
	}
	return true;
}

/* Reads three or four words and no more, the last ones keys. */
static bool
read_words(const char *text, KeyLine *line)
{
	const char **in = &text;
	char		rest[2];
	WordKind	secondary;

	if (read_word(in, line->database, sizeof(line->database)) != WORD_READ ||
		read_word(in, line->service, sizeof(line->service)) != WORD_READ ||
		read_word(in, line->primary, sizeof(line->primary)) != WORD_READ)
		return false;
	secondary = read_word(in, line->secondary, sizeof(line->secondary));
	if (secondary == WORD_BAD ||
		(secondary == WORD_READ &&
		 read_word(in, rest, sizeof(rest)) != WORD_NONE))
		return false;
	return is_key(line->primary) && is_key(line->secondary);
}

KeyLineKind
iomsg_key_line_parse(const char *text, KeyLine *line)
{
	memset(line, 0, sizeof(*line));
	while (is_blank(*text))
		text++;
	if (is_end(*text) || *text == '#')
		return KEY_LINE_BLANK;
	if (read_words(text, line))
		return KEY_LINE_KEYS;
	memset(line, 0, sizeof(*line));
	return KEY_LINE_BAD;
}
