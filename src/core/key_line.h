/*
 * key_line.h
 *		A line of the file with the services' keys.
 *
 * "database service primary-key [secondary-key]": words between blanks, names
 * in double quotes where needed (two of them stand for one), # begins a
 * comment.  Anything else is no line at all: a key is never guessed.
 */
#ifndef IOMSG_KEY_LINE_H
#define IOMSG_KEY_LINE_H

#define IOMSG_KEY_NAME_SIZE	65	/* the longest name and its NUL */
#define IOMSG_KEY_SIZE	129		/* the longest key and its NUL */

typedef enum KeyLineKind
{
	KEY_LINE_BLANK,				/* nothing, or a comment */
	KEY_LINE_KEYS,
	KEY_LINE_BAD
} KeyLineKind;

typedef struct KeyLine
{
	char		database[IOMSG_KEY_NAME_SIZE];
	char		service[IOMSG_KEY_NAME_SIZE];
	char		primary[IOMSG_KEY_SIZE];
	char		secondary[IOMSG_KEY_SIZE];	/* "" for none */
} KeyLine;

/*
 * Reads the line at text, which ends with a newline or a NUL.  All of *line is
 * written; it holds something for KEY_LINE_KEYS only, then with keys of
 * printable ASCII without blanks.
 */
extern KeyLineKind iomsg_key_line_parse(const char *text, KeyLine *line);

#endif							/* IOMSG_KEY_LINE_H */
