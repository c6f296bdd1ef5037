/*
 * core_verdict_test.c
 *		Every answer that IO's back end and gateway are known to give, and
 *		every way in which no answer comes; then every combination of facts.
 */
#include "tap.h"
#include "verdict.h"

/* how the body came */
typedef enum Body
{
	EMPTY,						/* none, cut, HTML, garbage */
	PROBLEM_BODY,				/* problem+json of the back end */
	GATEWAY_BODY				/* {"statusCode","message"} */
} Body;

typedef struct Case
{
	CallKind	call;
	int			status;
	Body		body;
	const char *title;			/* of a gateway: its message */
	const char *detail;
	VerdictKind want;
	const char *reason;
} Case;

#define P	CALL_PROFILE
#define M	CALL_MESSAGE
#define G	CALL_STATUS
#define NOT_ALLOWED_HERE "You are not allowed here"
#define NO_PERMISSION "You do not have enough permissions to send "
#define ISE "Internal server error"

static const Case cases[] = {
	/* POST /messages, in the order in which IO's back end checks */
	{M, 401, GATEWAY_BODY, "Access denied due to missing subscription key. "
		"Make sure to include subscription key when making requests.",
	NULL, VERDICT_KEY, "key_refused"},
	{M, 401, GATEWAY_BODY, "Access denied due to invalid subscription key.",
	NULL, VERDICT_KEY, "key_refused"},
	{M, 429, GATEWAY_BODY, "Rate limit is exceeded. Try again in 3 seconds.",
	NULL, VERDICT_THROTTLED, "throttled"},
	{M, 500, PROBLEM_BODY, ISE, "Unexpected end of JSON input",
	VERDICT_REFUSED, "malformed_json"},
	{M, 500, PROBLEM_BODY, ISE, "Unexpected token } in JSON at position 9",
	VERDICT_REFUSED, "malformed_json"},
	{M, 500, PROBLEM_BODY, ISE,
		"Unexpected token 'a', \"abc\" is not valid JSON",
	VERDICT_REFUSED, "malformed_json"},
	{M, 500, PROBLEM_BODY, ISE,
		"Unexpected non-whitespace character after JSON at position 2",
	VERDICT_REFUSED, "malformed_json"},
	{M, 403, PROBLEM_BODY, "User has no valid scopes", "",
	VERDICT_SERVICE, "forbidden"},
	{M, 403, PROBLEM_BODY, "Anonymous user", "", VERDICT_SERVICE, "forbidden"},
	{M, 403, PROBLEM_BODY, NOT_ALLOWED_HERE, "You do not have enough "
		"permission to complete the operation you requested",
	VERDICT_SERVICE, "forbidden"},
	{M, 403, PROBLEM_BODY, NOT_ALLOWED_HERE, NULL,
	VERDICT_SERVICE, "forbidden"},
	{M, 400, PROBLEM_BODY, "Invalid message structure", "value ...",
	VERDICT_REFUSED, "invalid_request"},
	{M, 400, PROBLEM_BODY, "Invalid string that matches the pattern \"^\"",
	"", VERDICT_REFUSED, "invalid_request"},
	{M, 403, PROBLEM_BODY, NOT_ALLOWED_HERE,
		NO_PERMISSION "an EUCovidCert message",
	VERDICT_REFUSED, "eu_covid_cert_not_allowed"},
	{M, 403, PROBLEM_BODY, NOT_ALLOWED_HERE,
		NO_PERMISSION "a payment message with payee",
	VERDICT_REFUSED, "payee_not_allowed"},
	{M, 403, PROBLEM_BODY, NOT_ALLOWED_HERE,
		NO_PERMISSION "a Premium message",
	VERDICT_REFUSED, "premium_not_allowed"},
	{M, 403, PROBLEM_BODY, NOT_ALLOWED_HERE,
		NO_PERMISSION "a third party message",
	VERDICT_REFUSED, "third_party_not_allowed"},
	{M, 403, PROBLEM_BODY, NOT_ALLOWED_HERE, NO_PERMISSION "a new kind",
	VERDICT_SERVICE, "forbidden"},
	{M, 403, PROBLEM_BODY, "Another title", NO_PERMISSION "a Premium message",
	VERDICT_SERVICE, "forbidden"},
	{M, 500, PROBLEM_BODY, ISE,
		"IP address cannot be extracted from the request",
	VERDICT_RETRY, "server_error"},
	{M, 400, PROBLEM_BODY, "Bad parameters", "",
	VERDICT_REFUSED, "invalid_request"},
	{M, 403, PROBLEM_BODY, "No configuration id for remote content", "",
	VERDICT_REFUSED, "configuration_missing"},
	{M, 404, PROBLEM_BODY, "Remote Content Configuration NOT FOUND", "",
	VERDICT_REFUSED, "configuration_unknown"},
	{M, 403, PROBLEM_BODY, "Not your configuration", "",
	VERDICT_REFUSED, "configuration_not_own"},
	{M, 500, PROBLEM_BODY, ISE, "", VERDICT_RETRY, "server_error"},
	{M, 400, PROBLEM_BODY, "Validation error", "",
	VERDICT_REFUSED, "invalid_request"},
	{M, 403, PROBLEM_BODY, "Attachments call forbidden", "",
	VERDICT_REFUSED, "attachments_not_advanced"},
	{M, 403, PROBLEM_BODY, "Recipient forbidden", "",
	VERDICT_REFUSED, "recipient_forbidden"},
	{M, 403, PROBLEM_BODY, "Production call forbidden", "",
	VERDICT_SERVICE, "forbidden"},
	{M, 400, PROBLEM_BODY, "Error while sending payment metadata",
		"The requested amount (2 cents) exceeds the maximum allowed",
	VERDICT_REFUSED, "amount_over_maximum"},
	{M, 500, PROBLEM_BODY, ISE,
		"{\"code\":429,\"body\":\"in JSON at position\"}",
	VERDICT_RETRY, "server_error"},
	{M, 500, PROBLEM_BODY, "Query error (COSMOS_ERROR_RESPONSE)", "x",
	VERDICT_RETRY, "server_error"},
	{M, 500, PROBLEM_BODY, "Query error", "Unexpected end of JSON input",
	VERDICT_RETRY, "server_error"},
	{M, 500, PROBLEM_BODY, "Unable to store processing message", "",
	VERDICT_RETRY, "server_error"},

	/* POST /messages, from the gateway, from others, cut and garbled */
	{M, 201, EMPTY, NULL, NULL, VERDICT_ACCEPTED, "accepted_without_id"},
	{M, 500, EMPTY, NULL, NULL, VERDICT_UNKNOWN, "server_error_unexplained"},
	{M, 500, EMPTY, ISE, "Unexpected end of JSON input",
	VERDICT_UNKNOWN, "server_error_unexplained"},
	{M, 500, GATEWAY_BODY, ISE, NULL,
	VERDICT_UNKNOWN, "server_error_unexplained"},
	{M, 502, EMPTY, NULL, NULL, VERDICT_UNKNOWN, "gateway_error"},
	{M, 503, GATEWAY_BODY, "x", NULL, VERDICT_UNKNOWN, "gateway_error"},
	{M, 504, PROBLEM_BODY, "x", NULL, VERDICT_UNKNOWN, "gateway_error"},
	{M, 501, PROBLEM_BODY, "x", NULL, VERDICT_UNKNOWN, "unexpected_status"},
	{M, 403, EMPTY, NULL, NULL, VERDICT_SERVICE, "forbidden_by_gateway"},
	{M, 403, EMPTY, "Recipient forbidden", NULL,
	VERDICT_SERVICE, "forbidden_by_gateway"},
	{M, 403, GATEWAY_BODY, "Invalid client certificate", NULL,
	VERDICT_SERVICE, "forbidden_by_gateway"},
	{M, 401, EMPTY, NULL, NULL, VERDICT_KEY, "key_refused"},
	{M, 429, EMPTY, NULL, NULL, VERDICT_THROTTLED, "throttled"},
	{M, 400, EMPTY, NULL, NULL, VERDICT_REFUSED, "invalid_request"},
	{M, 404, EMPTY, NULL, NULL, VERDICT_REFUSED, "not_found"},
	{M, 404, PROBLEM_BODY, "Not found", NULL, VERDICT_REFUSED, "not_found"},
	{M, 404, GATEWAY_BODY, "Resource not found", NULL,
	VERDICT_SERVICE, "route_unknown"},
	{M, 413, EMPTY, NULL, NULL, VERDICT_REFUSED, "too_large"},
	{M, 300, EMPTY, NULL, NULL, VERDICT_SERVICE, "redirected"},
	{M, 301, EMPTY, NULL, NULL, VERDICT_SERVICE, "redirected"},
	{M, 302, EMPTY, NULL, NULL, VERDICT_SERVICE, "redirected"},
	{M, 303, EMPTY, NULL, NULL, VERDICT_UNKNOWN, "unexpected_status"},
	{M, 304, EMPTY, NULL, NULL, VERDICT_SERVICE, "redirected"},
	{M, 307, EMPTY, NULL, NULL, VERDICT_SERVICE, "redirected"},
	{M, 308, EMPTY, NULL, NULL, VERDICT_SERVICE, "redirected"},
	{M, 399, EMPTY, NULL, NULL, VERDICT_SERVICE, "redirected"},
	{M, 200, EMPTY, NULL, NULL, VERDICT_UNKNOWN, "unexpected_status"},
	{M, 202, EMPTY, NULL, NULL, VERDICT_UNKNOWN, "unexpected_status"},
	{M, 204, EMPTY, NULL, NULL, VERDICT_UNKNOWN, "unexpected_status"},
	{M, 100, EMPTY, NULL, NULL, VERDICT_UNKNOWN, "unexpected_status"},
	{M, 408, EMPTY, NULL, NULL, VERDICT_UNKNOWN, "unexpected_status"},
	{M, 999, EMPTY, NULL, NULL, VERDICT_UNKNOWN, "unexpected_status"},
	{M, 0, EMPTY, NULL, NULL, VERDICT_UNKNOWN, "no_answer"},
	{M, -1, EMPTY, NULL, NULL, VERDICT_UNKNOWN, "no_answer"},

	/* POST /profiles */
	{P, 200, EMPTY, NULL, NULL, VERDICT_RETRY, "answer_unreadable"},
	{P, 404, PROBLEM_BODY, "Profile not found", "The profile you requested "
		"was not found in the system.",
	VERDICT_NOT_ALLOWED, "no_profile"},
	{P, 404, PROBLEM_BODY, "Other", "", VERDICT_RETRY, "not_found"},
	{P, 404, EMPTY, NULL, NULL, VERDICT_RETRY, "not_found"},
	{P, 404, GATEWAY_BODY, "Resource not found", NULL,
	VERDICT_SERVICE, "route_unknown"},
	{P, 400, PROBLEM_BODY, "Invalid FiscalCodePayload", "value",
	VERDICT_REFUSED, "invalid_request"},
	{P, 401, GATEWAY_BODY, "x", NULL, VERDICT_KEY, "key_refused"},
	{P, 403, PROBLEM_BODY, "Recipient forbidden", "",
	VERDICT_REFUSED, "recipient_forbidden"},
	{P, 403, PROBLEM_BODY, NOT_ALLOWED_HERE, "x",
	VERDICT_SERVICE, "forbidden"},
	{P, 403, EMPTY, NULL, NULL, VERDICT_SERVICE, "forbidden_by_gateway"},
	{P, 429, GATEWAY_BODY, "x", NULL, VERDICT_THROTTLED, "throttled"},
	{P, 500, PROBLEM_BODY, "Query error (COSMOS_X)$ x", "",
	VERDICT_RETRY, "server_error"},
	{P, 500, PROBLEM_BODY, ISE, "Unexpected end of JSON input",
	VERDICT_REFUSED, "malformed_json"},
	{P, 500, EMPTY, NULL, NULL, VERDICT_RETRY, "server_error"},
	{P, 502, EMPTY, NULL, NULL, VERDICT_RETRY, "gateway_error"},
	{P, 503, EMPTY, NULL, NULL, VERDICT_RETRY, "gateway_error"},
	{P, 504, EMPTY, NULL, NULL, VERDICT_RETRY, "gateway_error"},
	{P, 302, EMPTY, NULL, NULL, VERDICT_SERVICE, "redirected"},
	{P, 303, EMPTY, NULL, NULL, VERDICT_RETRY, "unexpected_status"},
	{P, 204, EMPTY, NULL, NULL, VERDICT_RETRY, "unexpected_status"},
	{P, 0, EMPTY, NULL, NULL, VERDICT_RETRY, "no_answer"},

	/* GET /messages/{fiscal_code}/{id} */
	{G, 200, EMPTY, NULL, NULL, VERDICT_RETRY, "answer_unreadable"},
	{G, 404, PROBLEM_BODY, "Message not found", "",
	VERDICT_NOT_FOUND, "message_not_found"},
	{G, 404, EMPTY, NULL, NULL, VERDICT_NOT_FOUND, "message_not_found"},
	{G, 404, GATEWAY_BODY, "Resource not found", NULL,
	VERDICT_SERVICE, "route_unknown"},
	{G, 400, PROBLEM_BODY, "Invalid string", "",
	VERDICT_REFUSED, "invalid_request"},
	{G, 401, GATEWAY_BODY, "x", NULL, VERDICT_KEY, "key_refused"},
	{G, 403, PROBLEM_BODY, NOT_ALLOWED_HERE, "You are not allowed to read "
		"this message, you can only read messages that you have sent",
	VERDICT_REFUSED, "message_not_own"},
	{G, 403, PROBLEM_BODY, NOT_ALLOWED_HERE, "x",
	VERDICT_SERVICE, "forbidden"},
	{G, 403, EMPTY, NULL, NULL, VERDICT_SERVICE, "forbidden_by_gateway"},
	{G, 429, GATEWAY_BODY, "x", NULL, VERDICT_THROTTLED, "throttled"},
	{G, 500, PROBLEM_BODY, "Error retrieving Payment Status: x", "",
	VERDICT_RETRY, "server_error"},
	{G, 502, EMPTY, NULL, NULL, VERDICT_RETRY, "gateway_error"},
	{G, 503, EMPTY, NULL, NULL, VERDICT_RETRY, "gateway_error"},
	{G, 504, EMPTY, NULL, NULL, VERDICT_RETRY, "gateway_error"},
	{G, 301, EMPTY, NULL, NULL, VERDICT_SERVICE, "redirected"},
	{G, 418, EMPTY, NULL, NULL, VERDICT_RETRY, "unexpected_status"},
	{G, 0, EMPTY, NULL, NULL, VERDICT_RETRY, "no_answer"},
};

static Answer
build_answer(const Case *c)
{
	Answer		answer = {.call = c->call,.guard_calls = 1,
		.http_status = c->status};

	answer.is_problem = c->body == PROBLEM_BODY;
	if (c->body == GATEWAY_BODY)
		answer.gateway_message = c->title;
	else
		answer.title = c->title;
	answer.detail = c->detail;
	return answer;
}

static void
is_verdict(const Answer *answer, VerdictKind kind, const char *reason,
		   const char *name)
{
	Verdict		verdict = iomsg_verdict_judge(answer);

	if (!tap_ok(verdict.kind == kind && strcmp(verdict.reason, reason) == 0,
				"%d: %d %s", (int) answer->call, answer->http_status, name))
		printf("# got %s (%s)\n", iomsg_verdict_name(verdict.kind),
			   verdict.reason);
}

/* What is seen of the sending decides before any status. */
static void
check_sending(void)
{
	Answer		a = {.call = M,.has_id = true,.http_status = 201};

	is_verdict(&a, VERDICT_NOT_SENT, "not_sent", "no call of the guard");
	a.http_status = 0;
	is_verdict(&a, VERDICT_NOT_SENT, "not_sent", "no connection");
	a.guard_calls = 1;
	a.guard_refused = true;
	is_verdict(&a, VERDICT_NOT_SENT, "guard_refused", "an old mark");
	a.guard_calls = 2;
	is_verdict(&a, VERDICT_UNKNOWN, "resend_stopped", "two calls, refused");
	a.guard_refused = false;
	is_verdict(&a, VERDICT_UNKNOWN, "resend_stopped", "two calls");
	a.http_status = 400;
	is_verdict(&a, VERDICT_UNKNOWN, "resend_stopped", "two calls and a 400");
	a.http_status = 201;
	is_verdict(&a, VERDICT_UNKNOWN, "resend_stopped", "two calls and a 201");
	a.guard_calls = 1;
	is_verdict(&a, VERDICT_ACCEPTED, "accepted", "one call and a 201");
	tap_ok(!iomsg_verdict_judge(&a).no_id, "with an id");
	a.has_id = false;
	is_verdict(&a, VERDICT_ACCEPTED, "accepted_without_id", "no id");
	tap_ok(iomsg_verdict_judge(&a).no_id, "is flagged");
	a.call = P;
	a.http_status = 200;
	a.sender_allowed = SENDER_ALLOWED_TRUE;
	is_verdict(&a, VERDICT_ALLOWED, "sender_allowed", "allowed");
	a.guard_calls = 2;
	is_verdict(&a, VERDICT_ALLOWED, "sender_allowed", "asked twice: harmless");
	a.sender_allowed = SENDER_ALLOWED_FALSE;
	is_verdict(&a, VERDICT_NOT_ALLOWED, "sender_not_allowed", "opted out");
	a.guard_calls = 0;
	is_verdict(&a, VERDICT_NOT_SENT, "not_sent", "profile not asked");
	a = (Answer) {.call = G,.guard_calls = 2,.http_status = 200,
		.has_status = true};
	is_verdict(&a, VERDICT_STATUS, "status_read", "a status");
	a.call = (CallKind) 77;
	is_verdict(&a, VERDICT_UNKNOWN, "unexpected_status", "no such call");
}

/* A problem whose texts could not be read is judged by its status. */
static void
check_missing_texts(void)
{
	Answer		a = {.call = M,.guard_calls = 1,.is_problem = true,
		.http_status = 500};

	is_verdict(&a, VERDICT_RETRY, "server_error", "no title");
	a.title = ISE;
	is_verdict(&a, VERDICT_RETRY, "server_error", "no detail");
	a.http_status = 403;
	is_verdict(&a, VERDICT_SERVICE, "forbidden", "neither of a 403");
	a.title = NULL;
	a.http_status = 404;
	is_verdict(&a, VERDICT_REFUSED, "not_found", "no title of a 404");
}

/*
 * Over every status and body: a message is retried only on proof, accepted
 * only on 201, and the verdicts of one kind of call never come to another.
 */
static void
check_everything(void)
{
	int			wrong = 0;
	int			unworded = 0;

	for (int i = 0; i < 3 * 4 * 2 * 600 * 3 * 2; i++)
	{
		Answer		a = {.call = (CallKind) (i % 3),
			.guard_calls = i / 3 % 4,.guard_refused = i / 12 % 2 == 1,
			.http_status = i / 24 % 600,.is_problem = i / 14400 % 3 == 1,
			.has_id = i / 43200 % 2 == 1};
		Verdict		v;
		bool		once;

		a.title = a.is_problem ? "x" : NULL;
		a.gateway_message = i / 14400 % 3 == 2 ? "x" : NULL;
		v = iomsg_verdict_judge(&a);
		once = a.guard_calls == 1 && !a.guard_refused;
		if (a.call == M && v.kind == VERDICT_ACCEPTED &&
			!(once && a.http_status == 201 && v.no_id == !a.has_id))
			wrong++;
		if (a.call == M && v.kind == VERDICT_RETRY &&
			!(once && a.http_status == 500 && a.is_problem))
			wrong++;
		if (a.call == M && v.kind == VERDICT_NOT_SENT &&
			a.guard_calls >= (a.guard_refused ? 2 : 1))
			wrong++;
		if (a.call == M && a.guard_calls > 1 && v.kind != VERDICT_UNKNOWN)
			wrong++;
		if (a.call == M && v.kind >= VERDICT_ALLOWED &&
			v.kind <= VERDICT_NOT_FOUND)
			wrong++;
		if (a.call != M && (v.kind == VERDICT_UNKNOWN ||
							v.kind == VERDICT_ACCEPTED))
			wrong++;
		if (strcmp(iomsg_verdict_reason_text(v.reason),
				   iomsg_verdict_reason_text(NULL)) == 0)
			unworded++;
	}
	tap_is_int(wrong, 0, "86,400 combinations keep the rules");
	tap_is_int(unworded, 0, "and have words");
}

static void
check_words(void)
{
	tap_is_text(iomsg_verdict_reason_text("nonsense"),
				"the reason is not known", "a reason that is none");
	for (int kind = VERDICT_ACCEPTED; kind <= VERDICT_UNKNOWN; kind++)
		tap_ok(strcmp(iomsg_verdict_name((VerdictKind) kind), "invalid") != 0,
			   "%s", iomsg_verdict_name((VerdictKind) kind));
	tap_is_text(iomsg_verdict_name((VerdictKind) 99), "invalid",
				"a verdict that is none");
}

int
main(void)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		Answer		answer = build_answer(&cases[i]);

		is_verdict(&answer, cases[i].want, cases[i].reason,
				   cases[i].title != NULL ? cases[i].title : "");
		if (strcmp(iomsg_verdict_reason_text(cases[i].reason),
				   iomsg_verdict_reason_text(NULL)) == 0)
			tap_ok(false, "%s has no words", cases[i].reason);
	}
	check_sending();
	check_missing_texts();
	check_everything();
	check_words();
	return tap_done();
}
