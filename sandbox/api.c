/*
 * api.c
 *		The checks that IO's back end makes on every call, and the two calls
 *		that only read: profile and message.
 *
 * Each check answers the request itself and returns false if it fails.  The
 * order of checks is that of IO's back end (middlewares of GetLimitedProfile,
 * GetMessage and CreateMessage).
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api.h"
#include "decode.h"
#include "messages.h"
#include "profiles.h"

static const Field profile_fields[] = {
	{.name = "fiscal_code", .kind = FIELD_PATTERN, .required = true,
	.pattern = FISCAL_CODE_PATTERN},
	{.name = NULL}
};

/* Answers the 403 that IO gives for most refusals; NULL = its own detail. */
void
sandbox_api_refuse(Request *request, const char *detail)
{
	sandbox_answer_problem(&request->answer, 403, "You are not allowed here",
						   detail ? detail :
						   "You do not have enough permission to complete "
						   "the operation you requested");
}

/* Checks that the body was JSON; if not, IO answers 500, not 400. */
bool
sandbox_api_parsed(Request *request)
{
	if (request->json)
		return true;
	sandbox_answer_problem(&request->answer, 500, "Internal server error",
						   request->json_error);
	return false;
}

/* Checks the groups of the account and that the service exists. */
bool
sandbox_api_has_groups(Request *request, bool permitted)
{
	if (!request->service->has_groups)
	{
		sandbox_answer_problem(&request->answer, 403,
							   "User has no valid scopes",
							   "The account belongs to no group of the API.");
		return false;
	}
	if (permitted && request->service->exists)
		return true;
	sandbox_api_refuse(request, NULL);
	return false;
}

/* Says whether an IPv4 address lies in a range "a.b.c.d[/bits]". */
static bool
address_in_range(uint32_t address, const char *range)
{
	char		network[32];
	const char *slash = strchr(range, '/');
	int			bits = slash ? atoi(slash + 1) : 32;
	struct in_addr base;
	uint32_t	mask;

	snprintf(network, sizeof(network), "%.*s",
			 slash ? (int) (slash - range) : (int) strlen(range), range);
	if (bits < 0 || bits > 32 || inet_pton(AF_INET, network, &base) != 1)
		return false;
	mask = bits == 0 ? 0 : UINT32_MAX << (32 - bits);
	return (address & mask) == (ntohl(base.s_addr) & mask);
}

/* Checks the client's address against the service's authorized_cidrs. */
bool
sandbox_api_has_address(Request *request)
{
	const union MHD_ConnectionInfo *info =
	MHD_get_connection_info(request->connection,
							MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	json_t	   *ranges = request->service->authorized_cidrs;
	const struct sockaddr_in *client;
	size_t		i;
	json_t	   *range;

	if (json_array_size(ranges) == 0)
		return true;
	client = info ? (const struct sockaddr_in *) info->client_addr : NULL;
	json_array_foreach(ranges, i, range)
	{
		if (client && json_is_string(range) &&
			address_in_range(ntohl(client->sin_addr.s_addr),
							 json_string_value(range)))
			return true;
	}
	sandbox_api_refuse(request, NULL);
	return false;
}

/* Checks that a limited account may write to a citizen. */
bool
sandbox_api_has_recipient(Request *request, const char *fiscal_code)
{
	size_t		i;
	json_t	   *item;

	if (!request->service->limited)
		return true;
	json_array_foreach(request->service->authorized_recipients, i, item)
	{
		if (json_is_string(item) &&
			strcmp(json_string_value(item), fiscal_code) == 0)
			return true;
	}
	sandbox_answer_problem(&request->answer, 403, "Recipient forbidden",
						   "The recipient is not one of those to whom this "
						   "service may write.");
	return false;
}

/* Checks the fiscal code of the path. */
bool
sandbox_api_path_code(Request *request)
{
	static const char type[] =
	"string that matches the pattern \"" FISCAL_CODE_PATTERN "\"";
	Problems	problems;
	json_t	   *value;

	if (sandbox_decode_fiscal_code(request->fiscal_code))
		return true;
	value = json_string(request->fiscal_code);
	sandbox_problems_open(&problems);
	sandbox_problems_add(&problems, value, "root", type);
	sandbox_problems_close(&problems);
	sandbox_answer_problem(&request->answer, 400, "Invalid string that "
						   "matches the pattern \"" FISCAL_CODE_PATTERN "\"",
						   problems.text);
	free(problems.text);
	json_decref(value);
	return false;
}

/* Reads the fiscal code of a profile request into the request. */
static bool
read_profile_code(Request *request)
{
	Problems	problems;
	json_t	   *kept;

	if (request->route == ROUTE_PROFILE_GET)
		return sandbox_api_path_code(request);
	sandbox_problems_open(&problems);
	kept = sandbox_decode_object(profile_fields, request->json, "root",
								 &problems);
	sandbox_problems_close(&problems);
	if (problems.count)
		sandbox_answer_problem(&request->answer, 400,
							   "Invalid FiscalCodePayload", problems.text);
	free(problems.text);
	json_decref(kept);
	return problems.count == 0;
}

/* Answers POST /profiles and GET /profiles/{fiscal_code}. */
void
sandbox_api_profile(Request *request)
{
	ProfileState state;

	if ((request->route == ROUTE_PROFILE_POST &&
		 !sandbox_api_parsed(request)) ||
		!sandbox_api_has_groups(request, true) ||
		!read_profile_code(request) ||
		!sandbox_api_has_address(request) ||
		!sandbox_api_has_recipient(request, request->fiscal_code))
		return;
	state = sandbox_profiles_state(request->fiscal_code,
								   request->service->name);
	if (state == PROFILE_UNKNOWN || state == PROFILE_INBOX_OFF)
		sandbox_answer_problem(&request->answer, 404, "Profile not found",
							   "The profile you requested was not found in "
							   "the system.");
	else
		sandbox_answer_json(&request->answer, 200,
							json_pack("{s:b, s:[s]}", "sender_allowed",
									  state == PROFILE_ALLOWED,
									  "preferred_languages", "it_IT"));
}

/* Puts a status that was set by hand, for the message or the citizen. */
static const char *
get_shown(const Message *message, const char *by_hand, const char *field,
		  const char *fallback, char *room, size_t size)
{
	if (by_hand)
		return by_hand;
	if (sandbox_profiles_text(message->fiscal_code, field, room, size))
		return room;
	return fallback;
}

/*
 * Adds read_status and payment_status where IO shows them: ADVANCED, with the
 * group for it, processed; false if a look-up fails, which IO answers by 500
 * for the call as a whole.
 */
static bool
add_advanced(Request *request, const Message *message, const char *status,
			 json_t *body)
{
	char		room[16];
	const char *shown;

	if (!message->advanced || !request->service->advanced_read ||
		strcmp(status, "PROCESSED") != 0)
		return true;
	shown = get_shown(message, message->read_status, "read_status", "UNREAD",
					  room, sizeof(room));
	if (strcmp(shown, "ERROR") == 0)
	{
		sandbox_answer_problem(&request->answer, 500, "Internal server error",
							   "Error retrieving information about read "
							   "status preferences");
		return false;
	}
	json_object_set_new(body, "read_status", json_string(shown));
	if (!message->has_payment)
		return true;
	shown = get_shown(message, message->payment_status, "payment_status",
					  "NOT_PAID", room, sizeof(room));
	if (strcmp(shown, "ERROR") == 0)
	{
		sandbox_answer_problem(&request->answer, 500, "Internal server error",
							   "Error retrieving Payment Status: 503");
		return false;
	}
	json_object_set_new(body, "payment_status", json_string(shown));
	return true;
}

/* Answers 200 with a message and its status. */
static void
show_message(Request *request, const Message *message)
{
	const char *status = sandbox_messages_status(message);
	char		created[40];
	json_t	   *part;
	json_t	   *body;

	sandbox_clock_format(message->created_ms, created, sizeof(created));
	part = json_pack("{s:s, s:s, s:i, s:s, s:s, s:s}",
					 "id", message->id, "fiscal_code", message->fiscal_code,
					 "time_to_live", message->time_to_live_s,
					 "created_at", created,
					 "sender_service_id", message->service->service_id,
					 "feature_level_type",
					 message->advanced ? "ADVANCED" : "STANDARD");
	if (strcmp(status, "PROCESSED") == 0)
		json_object_set_new(part, "content",
							json_loads(message->content, JSON_ALLOW_NUL,
									   NULL));
	body = json_pack("{s:o, s:s}", "message", part, "status", status);
	if (add_advanced(request, message, status, body))
		sandbox_answer_json(&request->answer, 200, body);
	else
		json_decref(body);
}

/* Answers GET /messages/{fiscal_code}/{id}. */
void
sandbox_api_get_message(Request *request)
{
	Message		message;

	if (!sandbox_api_has_groups(request, request->service->message_read) ||
		!sandbox_api_path_code(request) ||
		!sandbox_api_has_address(request))
		return;
	if (!sandbox_messages_find(request->message_id, &message))
		message.content = NULL;
	else if (strcmp(message.fiscal_code, request->fiscal_code) != 0)
	{
		free(message.content);
		message.content = NULL;
	}
	if (message.content == NULL)
	{
		sandbox_answer_problem(&request->answer, 404, "Message not found",
							   "The message that you requested was not found "
							   "in the system.");
		return;
	}
	if (message.service != request->service)
		sandbox_api_refuse(request, "You are not allowed to read this "
						   "message, you can only read messages that you "
						   "have sent");
	else
		show_message(request, &message);
	free(message.content);
}
