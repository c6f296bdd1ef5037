/*
 * rewrite.c
 *		What a fault puts in the place of an answer.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "hostile.h"
#include "rewrite.h"

/* Reads a text of a fault, or takes the default. */
static const char *
get_text(const json_t *spec, const char *name, const char *fallback)
{
	const char *text = json_string_value(json_object_get(spec, name));

	return text ? text : fallback;
}

/* Reads a status of a fault, or takes the default. */
static int
get_status(const json_t *spec, int fallback)
{
	json_int_t	status = json_integer_value(json_object_get(spec, "status"));

	return status >= 200 && status <= 599 ? (int) status : fallback;
}

/* Adds the headers that a fault gives as an object. */
static void
add_headers(Answer *answer, const json_t *spec)
{
	json_t	   *headers = json_object_get(spec, "headers");
	const char *name;
	json_t	   *value;

	json_object_foreach(headers, name, value)
	{
		if (json_is_string(value))
			sandbox_answer_header(answer, name, json_string_value(value));
	}
}

/* The title that IO gives with a status, for faults that name none. */
static const char *
usual_title(int status)
{
	switch (status)
	{
		case 400:
			return "Invalid message structure";
		case 401:
			return "Access denied due to invalid subscription key. Make sure "
				"to provide a valid key for an active subscription.";
		case 403:
			return "You are not allowed here";
		case 404:
			return "Message not found";
		case 500:
			return "Internal server error";
		default:
			return "The request could not be answered";
	}
}

/* An error in one of the shapes: problem, gateway, html, empty. */
static void
make_error(Answer *answer, const json_t *spec)
{
	int			status = get_status(spec, 500);
	const char *shape = get_text(spec, "shape",
								 status == 401 || status == 429 ?
								 "gateway" : "problem");
	const char *title = get_text(spec, "title", usual_title(status));

	if (strcmp(shape, "gateway") == 0)
		sandbox_answer_gateway(answer, status,
							   get_text(spec, "detail", title));
	else if (strcmp(shape, "html") == 0)
		sandbox_answer_html(answer, status);
	else if (strcmp(shape, "empty") == 0)
		sandbox_answer_text(answer, status, NULL, NULL);
	else
		sandbox_answer_problem(answer, status, title,
							   get_text(spec, "detail", "Made by a fault."));
	add_headers(answer, spec);
}

/* Writes the date that lies some seconds ahead, as HTTP writes dates. */
static void
format_http_date(json_int_t seconds, char *out, size_t size)
{
	time_t		when = time(NULL) + (time_t) seconds;
	struct tm	parts;

	gmtime_r(&when, &parts);
	strftime(out, size, "%a, %d %b %Y %H:%M:%S GMT", &parts);
}

/* A 429 that says when to come back in one of the dialects. */
static void
make_rate_limit(Answer *answer, const json_t *spec)
{
	const json_t *given = json_object_get(spec, "seconds");
	json_int_t	seconds = given ? json_integer_value(given) : 1;
	const char *dialect = get_text(spec, "dialect", "x-rate-limit");
	char		number[64];
	char		message[128];

	snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, seconds);
	if (strcmp(dialect, "http-date") == 0)
		format_http_date(seconds, number, sizeof(number));
	snprintf(message, sizeof(message), "Rate limit is exceeded. Try again "
			 "in %" JSON_INTEGER_FORMAT " seconds.", seconds);
	if (strcmp(dialect, "body") != 0)
		snprintf(message, sizeof(message), "Rate limit is exceeded.");
	sandbox_answer_gateway(answer, 429, get_text(spec, "detail", message));
	if (strcmp(dialect, "x-rate-limit") == 0)
		sandbox_answer_header(answer, "x-rate-limit-retry-after",
							  get_text(spec, "value", number));
	else if (strcmp(dialect, "seconds") == 0 ||
			 strcmp(dialect, "http-date") == 0)
		sandbox_answer_header(answer, "Retry-After",
							  get_text(spec, "value", number));
	add_headers(answer, spec);
}

/* Keeps a copy of the Location of an answer, if a fault asks for it. */
static char *
keep_location(const Answer *answer, const json_t *spec)
{
	if (!json_is_true(json_object_get(spec, "keep_location")))
		return NULL;
	for (int i = 0; i < answer->header_count; i++)
	{
		if (strcasecmp(answer->names[i], "Location") == 0)
			return strdup(answer->values[i]);
	}
	return NULL;
}

/* Gives an answer the Location that was kept. */
static void
restore_location(Answer *answer, char *location)
{
	if (location)
		sandbox_answer_header(answer, "Location", location);
	free(location);
}

/* An answer that the fault gives as a whole. */
static void
make_answer(Answer *answer, const json_t *spec)
{
	json_t	   *body = json_object_get(spec, "body");
	const char *text = json_string_value(body);
	int			status = get_status(spec, 200);
	char	   *location = keep_location(answer, spec);

	if (body && !text)
		sandbox_answer_json(answer, status, json_deep_copy(body));
	else if (text || !json_object_get(spec, "title"))
	{
		sandbox_answer_text(answer, status,
							get_text(spec, "content_type", NULL), NULL);
		answer->body = sandbox_hostile_text(spec, "body", &answer->body_len);
	}
	else
		sandbox_answer_problem(answer, status, get_text(spec, "title", ""),
							   get_text(spec, "detail", NULL));
	restore_location(answer, location);
	add_headers(answer, spec);
}

/* Takes the id out of the answer, and the Location unless told to keep it. */
static void
hide_id(Answer *answer, const json_t *spec)
{
	char	   *location = keep_location(answer, spec);

	sandbox_answer_json(answer, get_status(spec, 201), json_object());
	restore_location(answer, location);
}

/* A redirect to another place. */
static void
make_redirect(Answer *answer, const json_t *spec)
{
	sandbox_answer_text(answer, get_status(spec, 302), NULL, NULL);
	sandbox_answer_header(answer, "Location",
						  get_text(spec, "location", "http://127.0.0.1:9/"));
	add_headers(answer, spec);
}

/* Puts what the request's fault asks for in the place of its answer. */
void
sandbox_rewrite(Request *request)
{
	Answer	   *answer = &request->answer;
	const json_t *spec = request->plan.spec;

	switch (request->plan.kind)
	{
		case FAULT_ERROR:
			make_error(answer, spec);
			break;
		case FAULT_RATE_LIMIT:
			make_rate_limit(answer, spec);
			break;
		case FAULT_HTML:
			sandbox_answer_html(answer, get_status(spec, 200));
			break;
		case FAULT_NO_ID:
			hide_id(answer, spec);
			break;
		case FAULT_NO_CONTENT:
			sandbox_answer_text(answer, 204, NULL, NULL);
			break;
		case FAULT_REDIRECT:
			make_redirect(answer, spec);
			break;
		case FAULT_ANSWER:
			make_answer(answer, spec);
			break;
		case FAULT_NONE:
		case FAULT_LATENCY:
		case FAULT_HANG:
		case FAULT_CLOSE:
		case FAULT_TRUNCATED:
		case FAULT_HUGE:
		case FAULT_DRIP:
		case FAULT_HEADERS:
		case FAULT_INTERIM:
		case FAULT_ENDLESS:
		case FAULT_RAW:
			break;
	}
}
