/*
 * gateway.c
 *		What stands before IO's back end: routes, keys, quota; and the choice
 *		of the faults that a request meets.
 *
 * Like IO's gateway it judges by the headers alone, before the body is read:
 * first the route, then the key, then the quota.  Each call with a right key
 * counts in the quota of the key's account, whatever its endpoint.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway.h"
#include "stats.h"

#define BASE_PATH "/api/v1"

/* Copies a part of a path; false if it is empty or has no room. */
static bool
copy_part(char *out, size_t size, const char *text, size_t length)
{
	if (length == 0 || length >= size)
		return false;
	memcpy(out, text, length);
	out[length] = '\0';
	return true;
}

/* Finds the route below /messages. */
static Route
route_message(Request *request, const char *rest)
{
	bool		post = strcmp(request->method, "POST") == 0;
	size_t		span;

	if (*rest == '\0')
		return post ? ROUTE_MESSAGE_POST : ROUTE_NONE;
	if (*rest++ != '/')
		return ROUTE_NONE;
	span = strcspn(rest, "/");
	if (!copy_part(request->fiscal_code, sizeof(request->fiscal_code),
				   rest, span))
		return ROUTE_NONE;
	rest += span;
	if (*rest == '\0')
		return post ? ROUTE_MESSAGE_POST_PATH : ROUTE_NONE;
	rest++;
	if (strcmp(request->method, "GET") != 0 || strchr(rest, '/') ||
		!copy_part(request->message_id, sizeof(request->message_id),
				   rest, strlen(rest)))
		return ROUTE_NONE;
	return ROUTE_MESSAGE_GET;
}

/* Finds the route below /profiles. */
static Route
route_profile(Request *request, const char *rest)
{
	if (*rest == '\0')
		return strcmp(request->method, "POST") == 0 ?
			ROUTE_PROFILE_POST : ROUTE_NONE;
	if (*rest++ != '/' || strcmp(request->method, "GET") != 0 ||
		strchr(rest, '/') ||
		!copy_part(request->fiscal_code, sizeof(request->fiscal_code),
				   rest, strlen(rest)))
		return ROUTE_NONE;
	return ROUTE_PROFILE_GET;
}

/* Finds out what a request asks for, from its method and path. */
void
sandbox_gateway_route(Request *request)
{
	const char *path = request->path;

	request->route = ROUTE_NONE;
	if (strncmp(path, "/admin/", 7) == 0)
		request->route = ROUTE_ADMIN;
	else if (strncmp(path, BASE_PATH "/messages", 16) == 0)
		request->route = route_message(request, path + 16);
	else if (strncmp(path, BASE_PATH "/profiles", 16) == 0)
		request->route = route_profile(request, path + 16);
}

/* Answers 429 as IO does: seconds in its own header and in the body. */
static void
refuse_over_quota(Request *request)
{
	char		text[80];

	snprintf(text, sizeof(text), "Rate limit is exceeded. Try again in %"
			 PRId64 " seconds.", request->quota.retry_after_s);
	sandbox_answer_gateway(&request->answer, 429, text);
	snprintf(text, sizeof(text), "%" PRId64, request->quota.retry_after_s);
	sandbox_answer_header(&request->answer, "x-rate-limit-retry-after", text);
}

/* Judges a request by its headers; refusals wait in its answer. */
void
sandbox_gateway_judge(Request *request)
{
	const char *key;

	if (request->route == ROUTE_ADMIN)
		return;
	key = MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND,
									  "Ocp-Apim-Subscription-Key");
	if (request->route == ROUTE_NONE)
	{
		sandbox_answer_gateway(&request->answer, 404, "Resource not found");
		return;
	}
	if (key == NULL || *key == '\0')
	{
		sandbox_answer_gateway(&request->answer, 401,
							   "Access denied due to missing subscription "
							   "key. Make sure to include subscription key "
							   "when making requests to an API.");
		return;
	}
	sandbox_registry_lock(false);
	request->service = sandbox_registry_by_key(key, &request->secondary_key);
	if (request->service)
		sandbox_quota_take(&request->service->account->quota,
						   &request->quota);
	sandbox_registry_unlock();
	if (request->service == NULL)
		sandbox_answer_gateway(&request->answer, 401,
							   "Access denied due to invalid subscription "
							   "key. Make sure to provide a valid key for an "
							   "active subscription.");
	else if (!request->quota.granted)
		refuse_over_quota(request);
}

/* Words what is wrong with a body in the manner of JavaScript's parser. */
static void
explain_json_error(Request *request, const json_error_t *error)
{
	size_t		at = error->position > 0 ? (size_t) error->position - 1 : 0;

	if (json_error_code(error) == json_error_premature_end_of_input ||
		request->body_len == 0)
		snprintf(request->json_error, sizeof(request->json_error),
				 "Unexpected end of JSON input");
	else
		snprintf(request->json_error, sizeof(request->json_error),
				 "Unexpected token in JSON at position %zu", at);
}

/* Parses the body of a POST and learns the citizen that it is about. */
void
sandbox_gateway_read_body(Request *request)
{
	size_t		flags = JSON_DECODE_ANY | JSON_ALLOW_NUL;
	const char *code;
	json_error_t error;

	if (request->body_too_large)
	{
		sandbox_answer_gateway(&request->answer, 413,
							   "Request body too large");
		return;
	}
	if (strcmp(request->method, "POST") != 0)
		return;
	request->json = json_loadb(request->body ? request->body : "",
							   request->body_len, flags, &error);
	if (request->json == NULL &&
		json_error_code(&error) == json_error_numeric_overflow)
		request->json = json_loadb(request->body, request->body_len,
								   flags | JSON_DECODE_INT_AS_REAL, &error);
	if (request->json == NULL)
	{
		explain_json_error(request, &error);
		return;
	}
	code = json_string_value(json_object_get(request->json, "fiscal_code"));
	if (code && request->fiscal_code[0] == '\0')
		snprintf(request->fiscal_code, sizeof(request->fiscal_code), "%s",
				 code);
}

/* Chooses the faults that a request meets at a moment, into its plan. */
void
sandbox_gateway_choose_faults(Request *request, FaultMoment moment)
{
	static const char *const families[] = {
		[ROUTE_NONE] = "other",
		[ROUTE_PROFILE_POST] = "profile",
		[ROUTE_PROFILE_GET] = "profile",
		[ROUTE_MESSAGE_POST] = "message",
		[ROUTE_MESSAGE_POST_PATH] = "message",
		[ROUTE_MESSAGE_GET] = "status",
		[ROUTE_ADMIN] = "admin",
	};
	FaultFacts	facts = {
		.moment = moment,
		.method = request->method,
		.route = families[request->route],
		.path = request->path,
		.fiscal_code =
		request->fiscal_code[0] ? request->fiscal_code : NULL,
		.service = request->service ? request->service->name : NULL,
		.request_number = request->request_number,
	};

	sandbox_faults_choose(&facts, &request->plan);
}
