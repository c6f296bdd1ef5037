/*
 * verdict.c
 *		What an answer of IO, or the lack of one, means for the row.
 *
 * The order of the questions is the order of certainty: did the request leave,
 * did it leave once, is there a status, what does IO say.  A status that is
 * known decides even where the body was cut.
 */
#include "verdict.h"

#include <stddef.h>
#include <string.h>

/* Whether the answer has this text; a NULL is never equal. */
static bool
is_text(const char *text, const char *wanted)
{
	return text != NULL && strcmp(text, wanted) == 0;
}

/* Whether the text begins so. */
static bool
begins_with(const char *text, const char *wanted)
{
	return text != NULL && strncmp(text, wanted, strlen(wanted)) == 0;
}

/* Whether the text holds that. */
static bool
contains(const char *text, const char *wanted)
{
	return text != NULL && strstr(text, wanted) != NULL;
}

/* The verdict of that kind, without the flag. */
static Verdict
make_verdict(VerdictKind kind, const char *reason)
{
	Verdict		verdict;

	verdict.kind = kind;
	verdict.reason = reason;
	verdict.no_id = false;
	return verdict;
}

/* Whether the body is the back end's own and has this title. */
static bool
has_title(const Answer *answer, const char *title)
{
	return answer->is_problem && is_text(answer->title, title);
}

/*
 * Whether a 500 of the back end is its parser's complaint about our JSON (IO's
 * back end answers so since its runtime of March 2026; the texts are V8's).
 * Errors of its database are JSON themselves and begin with a brace.
 */
static bool
is_json_parse_error(const Answer *answer)
{
	if (!has_title(answer, "Internal server error") ||
		begins_with(answer->detail, "{"))
		return false;
	return contains(answer->detail, "JSON input") ||
		contains(answer->detail, "in JSON at position") ||
		contains(answer->detail, "after JSON at position") ||
		contains(answer->detail, "is not valid JSON");
}

/* What a 403 says that concerns one row or the whole service. */
typedef struct Forbidden
{
	const char *title;			/* begins so */
	const char *detail;			/* begins so; NULL: whatever it is */
	const char *reason;
} Forbidden;

/*
 * The 403 that the row itself has earned (IO's back end, CreateMessage,
 * GetMessage); any other one is about the service, its network or its key.
 */
static const Forbidden row_forbidden[] = {
	{"Recipient forbidden", NULL, "recipient_forbidden"},
	{"Attachments call forbidden", NULL, "attachments_not_advanced"},
	{"No configuration id", NULL, "configuration_missing"},
	{"Not your configuration", NULL, "configuration_not_own"},
	{"You are not allowed here",
		"You do not have enough permissions to send an EUCovidCert message",
	"eu_covid_cert_not_allowed"},
	{"You are not allowed here",
		"You do not have enough permissions to send a payment message with"
		" payee",
	"payee_not_allowed"},
	{"You are not allowed here",
		"You do not have enough permissions to send a Premium message",
	"premium_not_allowed"},
	{"You are not allowed here",
		"You do not have enough permissions to send a third party message",
	"third_party_not_allowed"},
	{"You are not allowed here",
		"You are not allowed to read this message",
	"message_not_own"},
};

/* The verdict on a 403; one without the back end's body is the gateway's. */
static Verdict
judge_forbidden(const Answer *answer)
{
	size_t		count = sizeof(row_forbidden) / sizeof(row_forbidden[0]);

	if (!answer->is_problem)
		return make_verdict(VERDICT_SERVICE, "forbidden_by_gateway");
	for (size_t i = 0; i < count; i++)
	{
		const Forbidden *f = &row_forbidden[i];

		if (begins_with(answer->title, f->title) &&
			(f->detail == NULL || begins_with(answer->detail, f->detail)))
			return make_verdict(VERDICT_REFUSED, f->reason);
	}
	return make_verdict(VERDICT_SERVICE, "forbidden");
}

/*
 * Whether the answer means the same for each kind of call: a matter of the
 * key, the service, the account or the base URL, not of the row.
 */
static bool
judge_common(const Answer *answer, Verdict *verdict)
{
	int			status = answer->http_status;

	if (status == 401)
		*verdict = make_verdict(VERDICT_KEY, "key_refused");
	else if (status == 403)
		*verdict = judge_forbidden(answer);
	else if (status == 429)
		*verdict = make_verdict(VERDICT_THROTTLED, "throttled");
	else if (status >= 300 && status <= 399 && status != 303)
		*verdict = make_verdict(VERDICT_SERVICE, "redirected");
	else if (status == 404 && !answer->is_problem &&
			 answer->gateway_message != NULL)
		*verdict = make_verdict(VERDICT_SERVICE, "route_unknown");
	else
		return false;
	return true;
}

/* The verdict on a 400 to a message; its detail echoes values and is left. */
static Verdict
judge_bad_request(const Answer *answer)
{
	if (has_title(answer, "Error while sending payment metadata"))
		return make_verdict(VERDICT_REFUSED, "amount_over_maximum");
	return make_verdict(VERDICT_REFUSED, "invalid_request");
}

/* The verdict on a POST /messages that left once and has a status. */
static Verdict
judge_message(const Answer *answer)
{
	Verdict		verdict;

	if (judge_common(answer, &verdict))
		return verdict;
	switch (answer->http_status)
	{
		case 201:
			verdict = make_verdict(VERDICT_ACCEPTED, answer->has_id
								   ? "accepted" : "accepted_without_id");
			verdict.no_id = !answer->has_id;
			return verdict;
		case 400:
			return judge_bad_request(answer);
		case 404:
			if (has_title(answer, "Remote Content Configuration NOT FOUND"))
				return make_verdict(VERDICT_REFUSED, "configuration_unknown");
			return make_verdict(VERDICT_REFUSED, "not_found");
		case 413:
			return make_verdict(VERDICT_REFUSED, "too_large");
		case 500:
			if (is_json_parse_error(answer))
				return make_verdict(VERDICT_REFUSED, "malformed_json");
			if (answer->is_problem)
				return make_verdict(VERDICT_RETRY, "server_error");
			return make_verdict(VERDICT_UNKNOWN, "server_error_unexplained");
		case 502:
		case 503:
		case 504:
			return make_verdict(VERDICT_UNKNOWN, "gateway_error");
		default:
			return make_verdict(VERDICT_UNKNOWN, "unexpected_status");
	}
}

/* The verdict on a POST /profiles; to repeat it does no harm. */
static Verdict
judge_profile(const Answer *answer)
{
	Verdict		verdict;

	if (judge_common(answer, &verdict))
		return verdict;
	switch (answer->http_status)
	{
		case 200:
			if (answer->sender_allowed == SENDER_ALLOWED_TRUE)
				return make_verdict(VERDICT_ALLOWED, "sender_allowed");
			if (answer->sender_allowed == SENDER_ALLOWED_FALSE)
				return make_verdict(VERDICT_NOT_ALLOWED, "sender_not_allowed");
			return make_verdict(VERDICT_RETRY, "answer_unreadable");
		case 400:
			return make_verdict(VERDICT_REFUSED, "invalid_request");
		case 404:
			if (has_title(answer, "Profile not found"))
				return make_verdict(VERDICT_NOT_ALLOWED, "no_profile");
			return make_verdict(VERDICT_RETRY, "not_found");
		case 500:
			if (is_json_parse_error(answer))
				return make_verdict(VERDICT_REFUSED, "malformed_json");
			return make_verdict(VERDICT_RETRY, "server_error");
		case 502:
		case 503:
		case 504:
			return make_verdict(VERDICT_RETRY, "gateway_error");
		default:
			return make_verdict(VERDICT_RETRY, "unexpected_status");
	}
}

/* The verdict on a GET of a message; a failure keeps the last known status. */
static Verdict
judge_status(const Answer *answer)
{
	Verdict		verdict;

	if (judge_common(answer, &verdict))
		return verdict;
	switch (answer->http_status)
	{
		case 200:
			if (answer->has_status)
				return make_verdict(VERDICT_STATUS, "status_read");
			return make_verdict(VERDICT_RETRY, "answer_unreadable");
		case 400:
			return make_verdict(VERDICT_REFUSED, "invalid_request");
		case 404:
			return make_verdict(VERDICT_NOT_FOUND, "message_not_found");
		case 500:
			return make_verdict(VERDICT_RETRY, "server_error");
		case 502:
		case 503:
		case 504:
			return make_verdict(VERDICT_RETRY, "gateway_error");
		default:
			return make_verdict(VERDICT_RETRY, "unexpected_status");
	}
}

Verdict
iomsg_verdict_judge(const Answer *answer)
{
	bool		message = answer->call == CALL_MESSAGE;

	if (answer->guard_calls <= 0)
		return make_verdict(VERDICT_NOT_SENT, "not_sent");
	if (answer->guard_calls == 1 && answer->guard_refused)
		return make_verdict(VERDICT_NOT_SENT, "guard_refused");
	if (message && answer->guard_calls > 1)
		return make_verdict(VERDICT_UNKNOWN, "resend_stopped");
	if (answer->http_status <= 0)
		return make_verdict(message ? VERDICT_UNKNOWN : VERDICT_RETRY,
							"no_answer");
	switch (answer->call)
	{
		case CALL_PROFILE:
			return judge_profile(answer);
		case CALL_MESSAGE:
			return judge_message(answer);
		case CALL_STATUS:
			return judge_status(answer);
	}
	return make_verdict(VERDICT_UNKNOWN, "unexpected_status");
}
