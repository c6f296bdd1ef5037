/*
 * create.c
 *		POST /messages: checks a new message in IO's order and accepts it.
 *
 * The order and the answers are those of IO's back end, CreateMessage.  What
 * is accepted is stored as IO would hold it: known fields only, defaults and
 * payee filled in, due_date in UTC.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "decode.h"
#include "messages.h"
#include "profiles.h"

#define ULID_PATTERN "^[0-9a-hjkmnp-tv-zA-HJKMNP-TV-Z]{26}$"

#define TEXT(n, needed, low, high) \
	{.name = (n), .kind = FIELD_STRING, .required = (needed), \
	.min = (low), .max = (high)}
#define FLAG(n) {.name = (n), .kind = FIELD_BOOLEAN, .fallback = "false"}
#define END {.name = NULL}

static const Field address_fields[] = {
	{.name = "email", .kind = FIELD_EMAIL}, END
};

static const Field payee_fields[] = {
	{.name = "fiscal_code", .kind = FIELD_PATTERN, .required = true,
	.pattern = "^[0-9]{11}$"},
	END
};

static const Field payment_fields[] = {
	{.name = "amount", .kind = FIELD_INTEGER, .required = true,
	.min = 1, .max = MAX_PAYMENT_AMOUNT},
	{.name = "notice_number", .kind = FIELD_PATTERN, .required = true,
	.pattern = "^[0123][0-9]{17}$"},
	FLAG("invalid_after_due_date"),
	{.name = "payee", .kind = FIELD_OBJECT, .fields = payee_fields},
	END
};

static const Field third_party_fields[] = {
	TEXT("id", true, 1, INT64_MAX),
	{.name = "configuration_id", .kind = FIELD_PATTERN,
	.pattern = ULID_PATTERN},
	FLAG("has_remote_content"),
	FLAG("has_attachments"),
	{.name = "has_precondition", .kind = FIELD_ENUM,
	.pattern = "ALWAYS|ONCE|NEVER"},
	TEXT("original_sender", false, 1, INT64_MAX),
	TEXT("summary", false, 1, INT64_MAX),
	{.name = "original_receipt_date", .kind = FIELD_TIMESTAMP},
	END
};

static const Field covid_fields[] = {
	TEXT("auth_code", true, 0, INT64_MAX), END
};

static const Field prescription_fields[] = {
	TEXT("nre", true, 15, 15), TEXT("iup", false, 1, 16),
	{.name = "prescriber_fiscal_code", .kind = FIELD_PATTERN,
	.pattern = FISCAL_CODE_PATTERN},
	END
};

static const Field legal_fields[] = {
	TEXT("sender_mail_from", true, 1, INT64_MAX),
	{.name = "has_attachment", .kind = FIELD_BOOLEAN, .required = true},
	TEXT("message_unique_id", true, 1, INT64_MAX),
	END
};

static const Field content_fields[] = {
	TEXT("subject", true, 10, 120),
	TEXT("markdown", true, 80, 10000),
	{.name = "require_secure_channels", .kind = FIELD_BOOLEAN},
	{.name = "due_date", .kind = FIELD_TIMESTAMP},
	{.name = "payment_data", .kind = FIELD_OBJECT,
	.fields = payment_fields},
	{.name = "third_party_data", .kind = FIELD_OBJECT,
	.fields = third_party_fields},
	{.name = "eu_covid_cert", .kind = FIELD_OBJECT, .fields = covid_fields},
	{.name = "prescription_data", .kind = FIELD_OBJECT, .dropped = true,
	.fields = prescription_fields},
	{.name = "legal_data", .kind = FIELD_OBJECT, .dropped = true,
	.fields = legal_fields},
	END
};

static const Field message_fields[] = {
	{.name = "fiscal_code", .kind = FIELD_PATTERN,
	.pattern = FISCAL_CODE_PATTERN},
	{.name = "time_to_live", .kind = FIELD_INTEGER, .min = 3600,
	.max = 604800, .fallback = "3600"},
	{.name = "feature_level_type", .kind = FIELD_ENUM,
	.pattern = "STANDARD|ADVANCED", .fallback = "\"STANDARD\""},
	{.name = "default_addresses", .kind = FIELD_OBJECT, .dropped = true,
	.fields = address_fields},
	{.name = "content", .kind = FIELD_OBJECT, .required = true,
	.fields = content_fields},
	END
};

/* Says whether a decoded message is of the billed kind. */
static bool
is_advanced(const json_t *message)
{
	const char *type =
	json_string_value(json_object_get(message, "feature_level_type"));

	return type && strcmp(type, "ADVANCED") == 0;
}

/* Decodes the body; a problem is answered by 400 with the values in it. */
static json_t *
decode_message(Request *request)
{
	Problems	problems;
	json_t	   *message;

	sandbox_problems_open(&problems);
	message = sandbox_decode_object(message_fields, request->json, "root",
									&problems);
	sandbox_problems_close(&problems);
	if (problems.count)
	{
		sandbox_answer_problem(&request->answer, 400,
							   "Invalid message structure", problems.text);
		json_decref(message);
		message = NULL;
	}
	free(problems.text);
	return message;
}

/* Checks what the groups of the account allow to be in a message. */
static bool
check_groups(Request *request, const json_t *message)
{
	const Service *service = request->service;
	const json_t *content = json_object_get(message, "content");
	const json_t *payment = json_object_get(content, "payment_data");
	bool		third = json_object_get(content, "third_party_data") != NULL;
	const char *what = NULL;
	char		detail[120];

	if (json_object_get(content, "eu_covid_cert") && !service->eu_covid_cert)
		what = "an EUCovidCert";
	else if (json_object_get(payment, "payee") && !service->payee)
		what = "a payment message with payee";
	else if (is_advanced(message) && !service->advanced_write)
		what = "a Premium";
	else if (third && !is_advanced(message) && !service->third_party)
		what = "a third party";
	if (what == NULL)
		return true;
	snprintf(detail, sizeof(detail),
			 "You do not have enough permissions to send %s%s", what,
			 strstr(what, "payee") ? "" : " message");
	sandbox_api_refuse(request, detail);
	return false;
}

/* Checks that the fiscal code is either in the path or in the body. */
static bool
check_recipient(Request *request, json_t *message)
{
	bool		in_body = json_object_get(message, "fiscal_code") != NULL;
	bool		in_path = request->route == ROUTE_MESSAGE_POST_PATH;

	if (in_body == in_path)
	{
		sandbox_answer_problem(&request->answer, 400, "Bad parameters",
							   in_body ? "The fiscal code is both in the "
							   "path and in the body." :
							   "The fiscal code is neither in the path nor "
							   "in the body.");
		return false;
	}
	if (in_path)
		json_object_set_new(message, "fiscal_code",
							json_string(request->fiscal_code));
	return true;
}

/* Checks the remote-content configuration and attachments. */
static bool
check_third_party(Request *request, const json_t *message)
{
	const json_t *third =
	json_object_get(json_object_get(message, "content"),
					"third_party_data");
	const char *id =
	json_string_value(json_object_get(third, "configuration_id"));
	ConfigurationOwner owner;

	if (third == NULL)
		return true;
	if (id == NULL)
	{
		sandbox_answer_problem(&request->answer, 403,
							   "No configuration id for remote content",
							   "third_party_data has no configuration_id.");
		return false;
	}
	owner = sandbox_registry_owner(request->service, id);
	if (owner == CONFIGURATION_UNKNOWN)
		sandbox_answer_problem(&request->answer, 404,
							   "Remote Content Configuration NOT FOUND",
							   "There is no configuration with this id.");
	else if (owner == CONFIGURATION_FOREIGN)
		sandbox_answer_problem(&request->answer, 403,
							   "Not your configuration",
							   "The configuration is another account's.");
	else if (json_is_true(json_object_get(third, "has_attachments")) &&
			 !is_advanced(message))
		sandbox_answer_problem(&request->answer, 403,
							   "Attachments call forbidden",
							   "Only ADVANCED messages have attachments.");
	else
		return true;
	return false;
}

/* Checks the amount against the service's limit. */
static bool
check_amount(Request *request, const json_t *message)
{
	const json_t *payment =
	json_object_get(json_object_get(message, "content"), "payment_data");
	int64_t		amount =
	json_integer_value(json_object_get(payment, "amount"));
	int64_t		limit = request->service->max_allowed_payment_amount;
	char		detail[160];

	if (amount <= limit)
		return true;
	snprintf(detail, sizeof(detail), "The requested amount (%" PRId64
			 " cents) exceeds the maximum allowed for this service (%" PRId64
			 " cents)", amount, limit);
	sandbox_answer_problem(&request->answer, 400,
						   "Error while sending payment metadata", detail);
	return false;
}

/* Stores an accepted message under a new id; false if there is no memory. */
static bool
store_message(Request *request, const json_t *message)
{
	json_t	   *content = json_object_get(message, "content");
	json_t	   *payment = json_object_get(content, "payment_data");
	const char *code =
	json_string_value(json_object_get(message, "fiscal_code"));
	const char *payee = request->service->organization_fiscal_code;
	Message		stored = {.service = request->service};

	if (payment && json_object_get(payment, "payee") == NULL)
		json_object_set_new(payment, "payee",
							json_pack("{s:s}", "fiscal_code", payee));
	sandbox_clock_ulid(stored.id);
	memcpy(stored.fiscal_code, code, sizeof(stored.fiscal_code));
	stored.advanced = is_advanced(message);
	stored.has_payment = payment != NULL;
	stored.time_to_live_s =
		(int) json_integer_value(json_object_get(message, "time_to_live"));
	stored.created_ms = sandbox_clock_real_us() / 1000;
	stored.accepted_us = sandbox_clock_now_us();
	stored.outcome = sandbox_profiles_outcome(code, request->service->name);
	stored.content = json_dumps(content, JSON_COMPACT);
	memcpy(request->accepted_id, stored.id, sizeof(stored.id));
	if (stored.content && sandbox_messages_add(&stored))
		return true;
	free(stored.content);
	return false;
}

/* Answers 201 and leaves the decoded message for the ledger. */
static void
accept_message(Request *request, json_t *message)
{
	char		location[96];

	if (!store_message(request, message))
	{
		sandbox_answer_problem(&request->answer, 500,
							   "Internal server error", "Out of memory.");
		return;
	}
	snprintf(location, sizeof(location), "/api/v1/messages/%s/%s",
			 json_string_value(json_object_get(message, "fiscal_code")),
			 request->accepted_id);
	sandbox_answer_json(&request->answer, 201,
						json_pack("{s:s}", "id", request->accepted_id));
	sandbox_answer_header(&request->answer, "Location", location);
	request->accepted = true;
	request->message = json_incref(message);
}

/* Answers POST /messages and POST /messages/{fiscal_code}. */
void
sandbox_api_create_message(Request *request)
{
	const Service *service = request->service;
	bool		by_path = request->route == ROUTE_MESSAGE_POST_PATH;
	json_t	   *message;

	if (!sandbox_api_parsed(request) ||
		!sandbox_api_has_groups(request,
								service->message_write || service->limited))
		return;
	message = decode_message(request);
	if (message == NULL)
		return;
	if ((!by_path || sandbox_api_path_code(request)) &&
		check_groups(request, message) &&
		sandbox_api_has_address(request) &&
		check_recipient(request, message) &&
		check_third_party(request, message))
	{
		const json_t *given = json_object_get(message, "fiscal_code");
		const char *code = json_string_value(given);

		if (sandbox_api_has_recipient(request, code) &&
			check_amount(request, message))
			accept_message(request, message);
	}
	json_decref(message);
}
