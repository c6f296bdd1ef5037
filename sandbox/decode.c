/*
 * decode.c
 *		Checks a JSON value against a table of fields and copies what IO
 *		would keep of it.
 *
 * The rules are those of the back end's decoders: lengths in UTF-16 units, no
 * trimming, null only where a field has a default, whole numbers also written
 * as 100.0, unknown fields left out in silence.  All problems of a value are
 * found, not only the first.
 */
#include <inttypes.h>
#include <pthread.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "dates.h"
#include "decode.h"

typedef struct CompiledPattern
{
	const char *pattern;
	regex_t		compiled;
} CompiledPattern;

#define PATTERN_COUNT 6

static pthread_mutex_t patterns_lock = PTHREAD_MUTEX_INITIALIZER;
static CompiledPattern patterns[PATTERN_COUNT];

/* Starts an empty list of problems. */
void
sandbox_problems_open(Problems *problems)
{
	memset(problems, 0, sizeof(*problems));
	problems->stream = open_memstream(&problems->text, &problems->length);
}

/* Ends a list; its text is then the caller's to read and to free. */
void
sandbox_problems_close(Problems *problems)
{
	fclose(problems->stream);
}

/* Adds a line, with the value itself, as IO's back end does. */
void
sandbox_problems_add(Problems *problems, const json_t *value,
					 const char *path, const char *type)
{
	char	   *shown = value ?
	json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;

	fprintf(problems->stream, "%svalue %s at %s is not a valid [%s]",
			problems->count++ ? "\n" : "", shown ? shown : "undefined",
			path, type);
	free(shown);
}

/* Finds a pattern in its compiled form, compiling it the first time. */
static regex_t *
find_pattern(const char *pattern)
{
	int			i = 0;

	pthread_mutex_lock(&patterns_lock);
	while (i < PATTERN_COUNT && patterns[i].pattern &&
		   strcmp(patterns[i].pattern, pattern) != 0)
		i++;
	if (i == PATTERN_COUNT)
		abort();				/* a new field needs more room */
	if (patterns[i].pattern == NULL)
	{
		if (regcomp(&patterns[i].compiled, pattern,
					REG_EXTENDED | REG_NOSUB) != 0)
			abort();
		patterns[i].pattern = pattern;
	}
	pthread_mutex_unlock(&patterns_lock);
	return &patterns[i].compiled;
}

/* Releases the compiled patterns, at the end of the process. */
void
sandbox_decode_free(void)
{
	for (int i = 0; i < PATTERN_COUNT && patterns[i].pattern; i++)
		regfree(&patterns[i].compiled);
}

/* Says whether a text has the form of a person's fiscal code. */
bool
sandbox_decode_fiscal_code(const char *text)
{
	static const char digits[] = "0123456789LMNPQRSTUV";
	static const char shape[] = "AAAAAA00M00A000A";

	for (int i = 0; i < 16; i++)
	{
		char		c = text[i];
		bool		right;

		if (c == '\0')
			return false;
		if (shape[i] == 'A')
			right = c >= 'A' && c <= 'Z';
		else
			right = strchr(shape[i] == 'M' ? "ABCDEHLMPRST" : digits, c);
		if (!right)
			return false;
	}
	return text[16] == '\0';
}

/* Counts a UTF-8 text as JavaScript does: two for what lies above U+FFFF. */
int64_t
sandbox_decode_utf16_length(const char *text, size_t bytes)
{
	int64_t		units = 0;

	for (size_t i = 0; i < bytes; i++)
	{
		unsigned char c = (unsigned char) text[i];

		if ((c & 0xc0) != 0x80)
			units += c >= 0xf0 ? 2 : 1;
	}
	return units;
}

/* Says whether a word is in a list divided by "|". */
static bool
match_word(const char *list, const char *word)
{
	size_t		length = strlen(word);

	while (length > 0 && *list)
	{
		size_t		span = strcspn(list, "|");

		if (span == length && memcmp(list, word, span) == 0)
			return true;
		list += span + (list[span] == '|');
	}
	return false;
}

/* A plain check of an e-mail address: one "@", a host with a dot. */
static bool
match_email(const char *text)
{
	const char *at = strrchr(text, '@');
	const char *dot = at ? strrchr(at, '.') : NULL;

	return at && at > text && at - text <= 64 && dot && dot > at + 1 &&
		strlen(dot) > 2 && strcspn(text, " \t\r\n<>,;:()\"") == strlen(text) &&
		strchr(text, '@') == at && strstr(text, "..") == NULL;
}

/* Writes the name that the back end has for a kind of value. */
static void
name_type(const Field *field, char *out, size_t size)
{
	switch (field->kind)
	{
		case FIELD_STRING:
			if (field->min == 1 && field->max == INT64_MAX)
				snprintf(out, size, "non empty string");
			else if (field->max == INT64_MAX)
				snprintf(out, size, "string");
			else
				snprintf(out, size, "string of length >= %" PRId64
						 " and < %" PRId64, field->min, field->max + 1);
			break;
		case FIELD_PATTERN:
			snprintf(out, size, "string that matches the pattern \"%s\"",
					 field->pattern);
			break;
		case FIELD_ENUM:
			snprintf(out, size, "%s", field->pattern);
			break;
		case FIELD_INTEGER:
			snprintf(out, size, "integer >= %" PRId64 " and < %" PRId64,
					 field->min, field->max + 1);
			break;
		case FIELD_BOOLEAN:
			snprintf(out, size, "boolean");
			break;
		case FIELD_TIMESTAMP:
			snprintf(out, size, "UTCISODateFromString");
			break;
		case FIELD_EMAIL:
			snprintf(out, size, "string that represents an email address");
			break;
		case FIELD_OBJECT:
			snprintf(out, size, "object");
			break;
	}
}

/* Returns what is kept of a text, or NULL if it is not right. */
static json_t *
decode_text(const Field *field, const json_t *value)
{
	const char *text = json_string_value(value);
	size_t		bytes = json_string_length(value);
	int64_t		epoch_ms;
	bool		right;

	if (text == NULL)
		return NULL;
	if (field->kind == FIELD_STRING)
	{
		int64_t		units = sandbox_decode_utf16_length(text, bytes);

		return units >= field->min && units <= field->max ?
			json_incref((json_t *) value) : NULL;
	}
	if (strlen(text) != bytes)
		return NULL;			/* a NUL inside fits no pattern */
	if (field->kind == FIELD_TIMESTAMP)
	{
		char		iso[40];

		if (!sandbox_dates_parse(text, &epoch_ms))
			return NULL;
		sandbox_clock_format(epoch_ms, iso, sizeof(iso));
		return json_string(iso);
	}
	if (field->kind == FIELD_PATTERN)
		right = regexec(find_pattern(field->pattern), text, 0, NULL, 0) == 0;
	else if (field->kind == FIELD_ENUM)
		right = match_word(field->pattern, text);
	else
		right = match_email(text);
	return right ? json_incref((json_t *) value) : NULL;
}

/* Returns what is kept of a number, or NULL if it is not a right integer. */
static json_t *
decode_integer(const Field *field, const json_t *value)
{
	double		number;

	if (!json_is_number(value))
		return NULL;
	number = json_number_value(value);
	if (number < (double) field->min || number > (double) field->max ||
		number != (double) (int64_t) number)
		return NULL;
	return json_integer((int64_t) number);
}

/* Decodes one field that is there; NULL after adding the problem. */
static json_t *
decode_value(const Field *field, const json_t *value, const char *path,
			 Problems *problems)
{
	json_t	   *kept;

	if (field->fallback && (value == NULL || json_is_null(value)))
		return json_loads(field->fallback, JSON_DECODE_ANY, NULL);
	if (field->kind == FIELD_OBJECT && json_is_object(value))
		return sandbox_decode_object(field->fields, value, path, problems);
	if (field->kind == FIELD_OBJECT)
		kept = NULL;
	else if (field->kind == FIELD_INTEGER)
		kept = decode_integer(field, value);
	else if (field->kind == FIELD_BOOLEAN)
		kept = json_is_boolean(value) ? json_incref((json_t *) value) : NULL;
	else
		kept = decode_text(field, value);
	if (kept == NULL)
	{
		char		type[256];

		name_type(field, type, sizeof(type));
		sandbox_problems_add(problems, value, path, type);
	}
	return kept;
}

/*
 * Checks an object against a table and returns a new one with the known
 * fields only, defaults filled in, dates in UTC; what is wrong is added to
 * the problems, and then the result is not to be used.
 */
json_t *
sandbox_decode_object(const Field *fields, const json_t *value,
					  const char *path, Problems *problems)
{
	json_t	   *kept;
	json_t	   *part;
	char		below[128];

	if (!json_is_object(value))
	{
		sandbox_problems_add(problems, value, path, "object");
		return NULL;
	}
	kept = json_object();
	for (const Field *f = fields; f->name; f++)
	{
		const json_t *given = json_object_get(value, f->name);

		if (given == NULL && !f->required && f->fallback == NULL)
			continue;
		snprintf(below, sizeof(below), "%s.%s", path, f->name);
		part = decode_value(f, given, below, problems);
		if (part && !f->dropped)
			json_object_set(kept, f->name, part);
		json_decref(part);
	}
	return kept;
}
