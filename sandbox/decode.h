/*
 * decode.h
 *		Checks a JSON value against a table of fields and copies what IO
 *		would keep of it.
 */
#ifndef SANDBOX_DECODE_H
#define SANDBOX_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

#define FISCAL_CODE_PATTERN "^[A-Z]{6}[0-9LMNPQRSTUV]{2}[ABCDEHLMPRST]" \
	"[0-9LMNPQRSTUV]{2}[A-Z][0-9LMNPQRSTUV]{3}[A-Z]$"

typedef enum FieldKind
{
	FIELD_STRING,				/* length from min to max, UTF-16 units */
	FIELD_PATTERN,				/* matches "pattern" */
	FIELD_ENUM,					/* one of the words of "pattern", by "|" */
	FIELD_INTEGER,				/* from min to max */
	FIELD_BOOLEAN,
	FIELD_TIMESTAMP,			/* kept as UTC with milliseconds */
	FIELD_EMAIL,
	FIELD_OBJECT				/* of "fields" */
} FieldKind;

typedef struct Field
{
	const char *name;			/* NULL ends a table */
	FieldKind	kind;
	bool		required;
	bool		dropped;		/* checked, but not kept */
	int64_t		min;
	int64_t		max;
	const char *pattern;
	const char *fallback;		/* default, as JSON; allows null */
	const struct Field *fields;
} Field;

/* What is wrong, one line each, as the back end reports it. */
typedef struct Problems
{
	FILE	   *stream;
	char	   *text;
	size_t		length;
	int			count;
} Problems;

extern void sandbox_problems_open(Problems *problems);
extern void sandbox_problems_close(Problems *problems);
extern void sandbox_problems_add(Problems *problems, const json_t *value,
								 const char *path, const char *type);
extern json_t *sandbox_decode_object(const Field *fields, const json_t *value,
									 const char *path, Problems *problems);
extern bool sandbox_decode_fiscal_code(const char *text);
extern void sandbox_decode_free(void);
extern int64_t sandbox_decode_utf16_length(const char *text, size_t bytes);

#endif
