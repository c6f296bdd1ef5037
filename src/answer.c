/*
 * answer.c
 *	  What IO's answer says: the few fields of its body and headers that count.
 *
 * Read with PostgreSQL's own JSON parser, without a transaction.  A body that
 * is cut short, or is no JSON at all, gives the fields that came before the
 * fault; nothing of it can raise an error.  Texts are for comparing only:
 * they may hold personal data and go nowhere else.
 */
#include "postgres.h"

#include "common/jsonapi.h"
#include "mb/pg_wchar.h"
#include "utils/memutils.h"

#include "answer.h"
#include "compat.h"
#include "core/message.h"

typedef struct Parse
{
	IoAnswer   *answer;
	int			depth;			/* of objects and arrays */
	char		field[32];		/* at the top level */
	bool		in_languages;
} Parse;

/*
 * Keep a short text of IO's that will be stored: plain ASCII or nothing.
 */
static void
keep_word(char *to, size_t size, const char *token)
{
	size_t		length = strlen(token);

	if (length >= size ||
		strspn(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			   "abcdefghijklmnopqrstuvwxyz0123456789_-") != length)
		return;
	memcpy(to, token, length + 1);
}

/*
 * Keep a message id: IO's are ULIDs.
 */
static void
keep_id(IoAnswer *answer, const char *token, size_t length)
{
	if (iomsg_message_ulid_valid(token, length))
	{
		memcpy(answer->message_id, token, length);
		answer->message_id[length] = '\0';
	}
}

static void
keep_language(IoAnswer *answer, const char *token)
{
	size_t		used = strlen(answer->languages);
	char		word[16] = "";

	keep_word(word, sizeof(word), token);
	if (word[0] == '\0' || used + strlen(word) + 2 >= ANSWER_TEXT_SIZE)
		return;
	if (used > 0)
		answer->languages[used - 1] = ',';	/* was the closing brace */
	else
		answer->languages[used++] = '{';
	snprintf(answer->languages + used, ANSWER_TEXT_SIZE - used, "%s}", word);
}

static void
keep_text(IoAnswer *answer, const char *field, const char *token)
{
	if (strcmp(field, "title") == 0)
		strlcpy(answer->title, token, ANSWER_TEXT_SIZE);
	else if (strcmp(field, "detail") == 0)
		strlcpy(answer->detail, token, ANSWER_TEXT_SIZE);
	else if (strcmp(field, "message") == 0)
		strlcpy(answer->gateway_message, token, ANSWER_TEXT_SIZE);
	else if (strcmp(field, "id") == 0)
		keep_id(answer, token, strlen(token));
	else if (strcmp(field, "status") == 0)
		keep_word(answer->io_status, IOMSG_STATUS_SIZE, token);
	else if (strcmp(field, "read_status") == 0)
		keep_word(answer->read_status, IOMSG_STATUS_SIZE, token);
	else if (strcmp(field, "payment_status") == 0)
		keep_word(answer->payment_status, IOMSG_STATUS_SIZE, token);
}

static IOMSG_JSON_ACTION
enter(void *state)
{
	((Parse *) state)->depth++;
	IOMSG_JSON_ACTION_DONE;
}

static IOMSG_JSON_ACTION
leave(void *state)
{
	((Parse *) state)->depth--;
	IOMSG_JSON_ACTION_DONE;
}

static IOMSG_JSON_ACTION
begin_field(void *state, char *name, bool isnull)
{
	Parse	   *parse = state;

	if (parse->depth == 1)
	{
		strlcpy(parse->field, name, sizeof(parse->field));
		parse->in_languages = strcmp(name, "preferred_languages") == 0;
	}
	IOMSG_JSON_ACTION_DONE;
}

static IOMSG_JSON_ACTION
scalar(void *state, char *token, JsonTokenType type)
{
	Parse	   *parse = state;

	if (parse->depth == 2 && parse->in_languages && type == JSON_TOKEN_STRING)
		keep_language(parse->answer, token);
	else if (parse->depth == 1 && type == JSON_TOKEN_STRING)
		keep_text(parse->answer, parse->field, token);
	else if (parse->depth == 1 &&
			 strcmp(parse->field, "sender_allowed") == 0)
	{
		if (type == JSON_TOKEN_TRUE)
			parse->answer->sender_allowed = SENDER_ALLOWED_TRUE;
		else if (type == JSON_TOKEN_FALSE)
			parse->answer->sender_allowed = SENDER_ALLOWED_FALSE;
	}
	IOMSG_JSON_ACTION_DONE;
}

/*
 * Read a body, in UTF-8.  Needs no transaction, never fails.
 */
void
iomsg_answer_parse(const char *body, size_t length, IoAnswer *answer)
{
	MemoryContext outer = CurrentMemoryContext;
	MemoryContext context;
	Parse		parse = {.answer = answer};
	JsonSemAction actions = {
		.semstate = &parse,
		.object_start = enter, .object_end = leave,
		.array_start = enter, .array_end = leave,
		.object_field_start = begin_field, .scalar = scalar
	};

	memset(answer, 0, sizeof(*answer));
	answer->sender_allowed = SENDER_ALLOWED_UNKNOWN;
	if (length == 0)
		return;
	context = AllocSetContextCreate(outer, "io_msg answer",
									ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		/* The result does not matter: what could be read has been kept. */
		(void) pg_parse_json(iomsg_compat_json_lexer(unconstify(char *, body),
													 (int) length),
							 &actions);
	}
	PG_CATCH();
	{
		/* Nested too deeply, for one. */
		MemoryContextSwitchTo(outer);
		FlushErrorState();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(context);
}

/*
 * The id from the Location header, where the body has none: its last segment.
 */
void
iomsg_answer_id_from_location(const char *location, IoAnswer *answer)
{
	const char *segment = strrchr(location, '/');

	if (answer->message_id[0] == '\0' && segment != NULL)
		keep_id(answer, segment + 1, strlen(segment + 1));
}
