/*
 * answer.c
 *		An HTTP answer before it is sent: status, headers, body.
 *
 * IO has two shapes of error body: application/problem+json from its back
 * end and {"statusCode","message"} from the gateway before it.  Each function
 * here that gives a body replaces the answer as a whole.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"

/* Empties an answer and releases what it holds. */
void
sandbox_answer_clear(Answer *answer)
{
	for (int i = 0; i < answer->header_count; i++)
	{
		free(answer->names[i]);
		free(answer->values[i]);
	}
	free(answer->body);
	memset(answer, 0, sizeof(*answer));
}

/* Adds a header; those beyond the room for them are left out. */
void
sandbox_answer_header(Answer *answer, const char *name, const char *value)
{
	if (answer->header_count == ANSWER_HEADERS)
		return;
	answer->names[answer->header_count] = strdup(name);
	answer->values[answer->header_count] = strdup(value);
	answer->header_count++;
}

/* Makes an answer of a text; "type" and "body" may be NULL. */
void
sandbox_answer_text(Answer *answer, int status, const char *type,
					const char *body)
{
	sandbox_answer_clear(answer);
	answer->status = status;
	if (type)
		sandbox_answer_header(answer, "Content-Type", type);
	if (body)
	{
		answer->body = strdup(body);
		answer->body_len = strlen(body);
	}
}

/* Makes an answer of a JSON value with a type; releases the value. */
static void
make_json(Answer *answer, int status, const char *type, json_t *body)
{
	sandbox_answer_clear(answer);
	answer->status = status;
	sandbox_answer_header(answer, "Content-Type", type);
	answer->body = json_dumps(body, JSON_COMPACT | JSON_ENCODE_ANY);
	answer->body_len = answer->body ? strlen(answer->body) : 0;
	json_decref(body);
}

/* Makes an application/json answer; takes over the reference to "body". */
void
sandbox_answer_json(Answer *answer, int status, json_t *body)
{
	make_json(answer, status, "application/json; charset=utf-8", body);
}

/* Makes an error of the back end (RFC 7807); a NULL detail is left out. */
void
sandbox_answer_problem(Answer *answer, int status, const char *title,
					   const char *detail)
{
	json_t	   *body = json_pack("{s:s*, s:i, s:s}", "detail", detail,
								 "status", status, "title", title);

	make_json(answer, status, "application/problem+json", body);
}

/* Makes an error of the gateway. */
void
sandbox_answer_gateway(Answer *answer, int status, const char *message)
{
	make_json(answer, status, "application/json",
			  json_pack("{s:i, s:s}", "statusCode", status,
						"message", message));
}

/* Makes the HTML page with which a proxy in between answers. */
void
sandbox_answer_html(Answer *answer, int status)
{
	char		page[160];

	snprintf(page, sizeof(page),
			 "<html><head><title>%d</title></head><body>"
			 "<h1>%d</h1><hr>sandbox gateway</body></html>\n",
			 status, status);
	sandbox_answer_text(answer, status, "text/html", page);
}
