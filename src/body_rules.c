/*
 * body_rules.c
 *	  The rules that join several fields of a message, and what its service
 *	  may send.
 */
#include "postgres.h"

#include "body.h"
#include "core/message.h"

/* Where no service is known: IO's own limits. */
const IoMsgRules iomsg_body_any_rules = {true, true, true, IOMSG_AMOUNT_MAX};

/*
 * The rules that join several fields, and what the service may send.
 */
void
iomsg_body_check_whole(IoMsgBody *body)
{
	IoMsgFindings *findings = body->findings;

	if (body->advanced && !body->rules.premium)
		iomsg_findings_add(findings, PROBLEM_PREMIUM_NOT_ALLOWED,
						   "feature_level_type");
	if (body->has_payee && !body->rules.payee)
		iomsg_findings_add(findings, PROBLEM_PAYEE_NOT_ALLOWED,
						   "content.payment_data.payee");
	/* IO: ADVANCED messages need no further right to it */
	if (body->has_third_party && !body->rules.third_party &&
		!(body->advanced && body->rules.premium))
		iomsg_findings_add(findings, PROBLEM_THIRD_PARTY_NOT_ALLOWED,
						   "content.third_party_data");
	iomsg_findings_add(findings,
					   iomsg_message_check_attachments(body->has_attachments,
													   body->advanced),
					   "content.third_party_data.has_attachments");
}
