/*
 * verdict_fuzz.c
 *		Fuzzes core/verdict.c: what an answer means for the row.
 *
 * Asserted beside it, from the facts alone: what may have been accepted is
 * never tried again or called refused, and accepted is only what IO has said.
 */
#include "fuzz.h"
#include "verdict.h"

#define TEXTS	4

/* Statuses and texts that the code knows come up more often than others. */
static const int statuses[] = {
	0, 100, 200, 201, 202, 204, 301, 303, 307, 400, 401, 403, 404, 408, 409,
	413, 429, 500, 501, 502, 503, 504, 599, 999
};
static const char *const known[] = {
	NULL, "", "Internal server error", "Recipient forbidden",
	"Attachments call forbidden", "No configuration id",
	"Not your configuration", "You are not allowed here",
	"You do not have enough permissions to send a Premium message",
	"You are not allowed to read this message", "Profile not found",
	"Remote Content Configuration NOT FOUND", "Unexpected end of JSON input",
	"Unexpected token x in JSON at position 1", "{\"code\":429}",
	"Error while sending payment metadata", "Resource not found"
};

/* A known text, or one of the input's own in *own. */
static const char *
choose_text(Input *input, char **own)
{
	size_t		n = sizeof(known) / sizeof(known[0]);
	uint8_t		choice = take_byte(input);

	*own = NULL;
	if (choice < 128)
		return known[choice % n];
	*own = take_text(input);
	return *own;
}

/* Is it sure, by the facts alone, that IO has not accepted the message? */
static bool
is_surely_not_accepted(const Answer *a)
{
	if (a->guard_calls <= 0 || (a->guard_calls == 1 && a->guard_refused))
		return true;
	if (a->guard_calls > 1)
		return false;
	switch (a->http_status)
	{
		case 400:
		case 401:
		case 403:
		case 404:
		case 413:
		case 429:
			return true;
		case 500:
			return a->is_problem;
		default:
			return a->http_status / 100 == 3 && a->http_status != 303;
	}
}

/* A message: accepted, surely not accepted, or unknown; nothing between. */
static void
check_message(const Answer *a, const Verdict *v)
{
	bool		left_once = a->guard_calls == 1 && !a->guard_refused;

	MUST((v->kind == VERDICT_ACCEPTED) ==
		 (left_once && a->http_status == 201));
	MUST(v->no_id == (v->kind == VERDICT_ACCEPTED && !a->has_id));
	switch (v->kind)
	{
		case VERDICT_ACCEPTED:
			break;
		case VERDICT_UNKNOWN:
			MUST(!is_surely_not_accepted(a));
			break;
		case VERDICT_NOT_SENT:
			MUST(a->guard_calls <= 0 || a->guard_refused);
			break;
		case VERDICT_REFUSED:
		case VERDICT_RETRY:
		case VERDICT_THROTTLED:
		case VERDICT_KEY:
		case VERDICT_SERVICE:
			MUST(left_once && is_surely_not_accepted(a));
			break;
		case VERDICT_ALLOWED:
		case VERDICT_NOT_ALLOWED:
		case VERDICT_STATUS:
		case VERDICT_NOT_FOUND:
			MUST(!"a verdict on another call");
	}
}

/* A question: its answers, or to be asked again; never unknown. */
static void
check_question(const Answer *a, const Verdict *v)
{
	bool		profile = a->call == CALL_PROFILE;

	MUST(v->kind != VERDICT_ACCEPTED && v->kind != VERDICT_UNKNOWN);
	MUST(!v->no_id);
	if (v->kind == VERDICT_ALLOWED)
		MUST(profile && a->http_status == 200 &&
			 a->sender_allowed == SENDER_ALLOWED_TRUE);
	if (v->kind == VERDICT_NOT_ALLOWED)
		MUST(profile && ((a->http_status == 200 &&
						  a->sender_allowed == SENDER_ALLOWED_FALSE) ||
						 (a->http_status == 404 && a->is_problem)));
	if (v->kind == VERDICT_STATUS)
		MUST(!profile && a->http_status == 200 && a->has_status);
	if (v->kind == VERDICT_NOT_FOUND)
		MUST(!profile && a->http_status == 404);
}

static void
check_reason(const Verdict *v)
{
	size_t		length = strlen(v->reason);

	MUST(length > 0 && strspn(v->reason,
							  "abcdefghijklmnopqrstuvwxyz0123456789_") ==
		 length);
	MUST(strlen(iomsg_verdict_reason_text(v->reason)) > 0);
	MUST(strcmp(iomsg_verdict_name(v->kind), "invalid") != 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Input		input = {data, size};
	char	   *own[TEXTS];
	Answer		a;
	Verdict		v;
	Verdict		again;
	uint8_t		bits = take_byte(&input);

	memset(&a, 0, sizeof(a));
	a.call = (CallKind) (bits & 3) % 3;
	a.guard_refused = bits & 4;
	a.is_problem = bits & 8;
	a.has_id = bits & 16;
	a.has_status = bits & 32;
	a.sender_allowed = (SenderAllowed) (bits >> 6) % 3;
	a.guard_calls = (int8_t) take_byte(&input) / 32;
	bits = take_byte(&input);
	a.http_status = bits < 192 ?
		statuses[bits % (sizeof(statuses) / sizeof(statuses[0]))] :
		(int16_t) take_number(&input, 2);
	a.title = choose_text(&input, &own[0]);
	a.detail = choose_text(&input, &own[1]);
	a.gateway_message = choose_text(&input, &own[2]);
	own[3] = take_text(&input);

	v = iomsg_verdict_judge(&a);
	again = iomsg_verdict_judge(&a);
	MUST(v.kind == again.kind && v.no_id == again.no_id &&
		 strcmp(v.reason, again.reason) == 0);
	check_reason(&v);
	if (a.guard_calls <= 0)
		MUST(v.kind == VERDICT_NOT_SENT);
	if (a.call == CALL_MESSAGE)
		check_message(&a, &v);
	else
		check_question(&a, &v);
	/* Whatever a reason was read from, it has some words. */
	MUST(iomsg_verdict_reason_text(own[3]) != NULL);
	for (int i = 0; i < TEXTS; i++)
		free(own[i]);
	return 0;
}
