/*
 * verdict_text.c
 *		The verdicts and their reasons in words.
 *
 * Declared in verdict.h.  Reasons are stored in rows and never change; the
 * words may be improved.
 */
#include <stddef.h>
#include <string.h>

#include "verdict.h"

typedef struct ReasonText
{
	const char *reason;
	const char *text;
} ReasonText;

static const ReasonText reasons[] = {
	{"accepted", "IO accepted the message"},
	{"accepted_without_id",
	"IO accepted the message, but its id could not be read"},
	{"amount_over_maximum",
	"the amount is above what IO allows this service"},
	{"answer_unreadable", "the answer of IO could not be read"},
	{"attachments_not_advanced",
	"attachments need a message of type ADVANCED"},
	{"configuration_missing",
	"the third-party data has no configuration id"},
	{"configuration_not_own",
	"the configuration id belongs to another organization"},
	{"configuration_unknown", "IO does not know the configuration id"},
	{"eu_covid_cert_not_allowed",
	"the organization may not send this kind of message"},
	{"forbidden",
		"IO refuses the service: check its state, its groups and the"
	" addresses it may call from"},
	{"forbidden_by_gateway",
		"IO's gateway refuses the calls: check the client certificate and"
	" the network"},
	{"gateway_error", "IO's gateway could not reach its back end"},
	{"guard_refused",
	"the request was held back before anything was sent"},
	{"invalid_request", "IO found the request not valid"},
	{"key_refused", "IO does not accept the service's key"},
	{"malformed_json", "IO could not parse the request"},
	{"message_not_found", "IO does not know the message"},
	{"message_not_own", "the message was sent by another service"},
	{"no_answer", "the request was sent, but no answer arrived"},
	{"no_profile", "the person is not on IO or has the inbox switched off"},
	{"not_found", "IO answered that something was not found"},
	{"not_sent", "the connection failed before anything was sent"},
	{"payee_not_allowed", "the organization may not name a payee"},
	{"premium_not_allowed",
	"the organization may not send messages of type ADVANCED"},
	{"recipient_forbidden",
	"the service may not write to this recipient"},
	{"redirected", "IO's address answers with a redirect: check the URL"},
	{"resend_stopped",
		"the connection broke and a second sending was stopped: the first"
	" may have arrived"},
	{"route_unknown", "IO's gateway does not know the path: check the URL"},
	{"sender_allowed", "the person may be written to"},
	{"sender_not_allowed", "the person does not want messages of the service"},
	{"server_error", "IO had an internal error and did not take the request"},
	{"server_error_unexplained",
	"an internal error was reported, but not by IO's back end"},
	{"status_read", "IO told the status of the message"},
	{"third_party_not_allowed",
	"the organization may not send third-party data"},
	{"throttled", "the quota of calls was used up"},
	{"too_large", "the request was too large"},
	{"unexpected_status", "the answer had a status that IO does not document"},
};

const char *
iomsg_verdict_reason_text(const char *reason)
{
	size_t		count = sizeof(reasons) / sizeof(reasons[0]);

	for (size_t i = 0; reason != NULL && i < count; i++)
	{
		if (strcmp(reasons[i].reason, reason) == 0)
			return reasons[i].text;
	}
	return "the reason is not known";
}

const char *
iomsg_verdict_name(VerdictKind kind)
{
	switch (kind)
	{
		case VERDICT_ACCEPTED:
			return "accepted";
		case VERDICT_ALLOWED:
			return "allowed";
		case VERDICT_NOT_ALLOWED:
			return "not_allowed";
		case VERDICT_STATUS:
			return "status";
		case VERDICT_NOT_FOUND:
			return "not_found";
		case VERDICT_NOT_SENT:
			return "not_sent";
		case VERDICT_REFUSED:
			return "refused";
		case VERDICT_RETRY:
			return "retry";
		case VERDICT_THROTTLED:
			return "throttled";
		case VERDICT_KEY:
			return "key";
		case VERDICT_SERVICE:
			return "service";
		case VERDICT_UNKNOWN:
			return "unknown";
	}
	return "invalid";
}
