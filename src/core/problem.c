/*
 * problem.c
 *		The table of problems: identifier, field, text, hint.
 *
 * Identifiers are part of the interface of io_validate_message and stay as
 * they are; the texts may be improved.
 */
#include "problem.h"

#include <stddef.h>

static const ProblemText texts[PROBLEM_COUNT] = {
	[PROBLEM_NONE] = {"none", NULL, "nothing is wrong", NULL, false},

	[PROBLEM_FIELD_UNKNOWN] = {
		"field_unknown", NULL,
		"message has a field that IO does not know",
		"IO would drop it in silence. Check the spelling and the place"
		" of the field.", false
	},
	[PROBLEM_FIELD_MISSING] = {
		"field_missing", NULL,
		"a required field of the message is missing",
		NULL, false
	},
	[PROBLEM_FIELD_NULL] = {
		"field_null", NULL,
		"a field of the message is null where IO refuses null",
		"Leave the field out instead.", false
	},
	[PROBLEM_FIELD_TYPE] = {
		"field_type", NULL,
		"a field of the message has the wrong JSON type",
		NULL, false
	},
	[PROBLEM_FIELD_DISCARDED] = {
		"field_discarded", NULL,
		"message has a field that IO accepts and discards",
		"Leave the field out: nobody will read it.", true
	},
	[PROBLEM_TEXT_ENCODING] = {
		"text_encoding", NULL,
		"a text of the message is not valid UTF-8",
		NULL, false
	},

	[PROBLEM_FISCAL_CODE] = {
		"fiscal_code_invalid", "fiscal_code",
		"fiscal code of the recipient is not valid",
		"It must be the 16-character fiscal code of a person; codes of"
		" organizations are not on IO.", false
	},
	[PROBLEM_SUBJECT_TOO_SHORT] = {
		"subject_too_short", "content.subject",
		"subject must have at least 10 characters",
		NULL, false
	},
	[PROBLEM_SUBJECT_TOO_LONG] = {
		"subject_too_long", "content.subject",
		"subject must have at most 120 characters",
		"IO counts UTF-16 code units: an emoji counts as two or more.", false
	},
	[PROBLEM_SUBJECT_HAS_FISCAL_CODE] = {
		"subject_has_fiscal_code", "content.subject",
		"subject must not contain a fiscal code",
		"Personal data must not be in the subject. Write it in the"
		" markdown if it is needed at all.", false
	},
	[PROBLEM_SUBJECT_HAS_EMAIL] = {
		"subject_has_email", "content.subject",
		"subject seems to contain an e-mail address",
		"Personal data must not be in the subject.", true
	},
	[PROBLEM_SUBJECT_HAS_IBAN] = {
		"subject_has_iban", "content.subject",
		"subject seems to contain an IBAN",
		"Personal data must not be in the subject.", true
	},
	[PROBLEM_SUBJECT_HAS_TELEPHONE] = {
		"subject_has_telephone", "content.subject",
		"subject seems to contain a telephone number",
		"Personal data must not be in the subject.", true
	},
	[PROBLEM_MARKDOWN_TOO_SHORT] = {
		"markdown_too_short", "content.markdown",
		"markdown must have at least 80 characters",
		NULL, false
	},
	[PROBLEM_MARKDOWN_TOO_LONG] = {
		"markdown_too_long", "content.markdown",
		"markdown must have at most 10000 characters",
		"IO counts UTF-16 code units: an emoji counts as two or more.", false
	},
	[PROBLEM_DUE_DATE] = {
		"due_date_invalid", "content.due_date",
		"due date is not a valid date or timestamp",
		"Write it like 2026-12-31T22:59:59Z.", false
	},
	[PROBLEM_DUE_DATE_ZONE] = {
		"due_date_without_zone", "content.due_date",
		"due date has a time but no time zone",
		"Add Z or an offset like +01:00.", false
	},
	[PROBLEM_DUE_DATE_RANGE] = {
		"due_date_out_of_range", "content.due_date",
		"due date is out of range",
		"It must be a finite time in the years 1 to 9999.", false
	},
	[PROBLEM_TIME_TO_LIVE] = {
		"time_to_live_out_of_range", "time_to_live",
		"time to live must be between 3600 and 604800 seconds",
		"The field is deprecated: leave it out.", false
	},
	[PROBLEM_FEATURE_LEVEL_TYPE] = {
		"feature_level_type_invalid", "feature_level_type",
		"feature level type must be STANDARD or ADVANCED",
		NULL, false
	},
	[PROBLEM_EMAIL] = {
		"email_invalid", "default_addresses.email",
		"default e-mail address is not valid",
		"The field is deprecated: leave it out.", false
	},

	[PROBLEM_AMOUNT] = {
		"amount_out_of_range", "content.payment_data.amount",
		"amount must be between 1 and 9999999999 euro cents",
		"120.50 euro are written 12050.", false
	},
	[PROBLEM_NOTICE_NUMBER] = {
		"notice_number_invalid", "content.payment_data.notice_number",
		"notice number must be 18 digits, the first from 0 to 3",
		"It is the \"codice avviso\" of pagoPA, auxiliary digit included.",
		false
	},
	[PROBLEM_PAYEE_FISCAL_CODE] = {
		"payee_fiscal_code_invalid", "content.payment_data.payee.fiscal_code",
		"fiscal code of the payee must be 11 digits",
		NULL, false
	},

	[PROBLEM_THIRD_PARTY_ID] = {
		"third_party_id_empty", "content.third_party_data.id",
		"id of the third-party data must not be empty",
		NULL, false
	},
	[PROBLEM_CONFIGURATION_ID_MISSING] = {
		"configuration_id_missing",
		"content.third_party_data.configuration_id",
		"third-party data must have a configuration id",
		"IO refuses remote content and attachments without one.", false
	},
	[PROBLEM_CONFIGURATION_ID] = {
		"configuration_id_invalid",
		"content.third_party_data.configuration_id",
		"configuration id must be a ULID of 26 characters",
		NULL, false
	},
	[PROBLEM_HAS_PRECONDITION] = {
		"has_precondition_invalid",
		"content.third_party_data.has_precondition",
		"precondition must be ALWAYS, ONCE or NEVER",
		NULL, false
	},
	[PROBLEM_ATTACHMENTS_NOT_ADVANCED] = {
		"attachments_not_advanced",
		"content.third_party_data.has_attachments",
		"attachments need a message of feature level type ADVANCED",
		NULL, false
	},
	[PROBLEM_ORIGINAL_SENDER] = {
		"original_sender_empty", "content.third_party_data.original_sender",
		"original sender must not be empty",
		"Leave the field out instead.", false
	},
	[PROBLEM_SUMMARY] = {
		"summary_empty", "content.third_party_data.summary",
		"summary of the third-party data must not be empty",
		"Leave the field out instead.", false
	},
	[PROBLEM_ORIGINAL_RECEIPT_DATE] = {
		"original_receipt_date_invalid",
		"content.third_party_data.original_receipt_date",
		"original receipt date is not a valid timestamp",
		"Write it like 2026-12-31T22:59:59Z.", false
	},

	[PROBLEM_NRE] = {
		"nre_invalid", "content.prescription_data.nre",
		"nre of the prescription must have 15 characters",
		NULL, false
	},
	[PROBLEM_IUP] = {
		"iup_invalid", "content.prescription_data.iup",
		"iup of the prescription must have 1 to 16 characters",
		NULL, false
	},
	[PROBLEM_PRESCRIBER_FISCAL_CODE] = {
		"prescriber_fiscal_code_invalid",
		"content.prescription_data.prescriber_fiscal_code",
		"fiscal code of the prescriber is not valid",
		NULL, false
	},
	[PROBLEM_LEGAL_DATA] = {
		"legal_data_empty", "content.legal_data",
		"a text of the legal data must not be empty",
		NULL, false
	},

	[PROBLEM_AMOUNT_OVER_MAXIMUM] = {
		"amount_over_maximum", "content.payment_data.amount",
		"amount is above the maximum of the service",
		"IO refuses it until the service's maximum amount is raised.", false
	},
	[PROBLEM_PREMIUM_NOT_ALLOWED] = {
		"premium_not_allowed", "feature_level_type",
		"service may not send messages of feature level type ADVANCED",
		"ADVANCED messages need IO's premium contract.", false
	},
	[PROBLEM_PAYEE_NOT_ALLOWED] = {
		"payee_not_allowed", "content.payment_data.payee",
		"service may not name a payee",
		"Leave the payee out: IO fills in the service's organization.", false
	},
	[PROBLEM_THIRD_PARTY_NOT_ALLOWED] = {
		"third_party_not_allowed", "content.third_party_data",
		"service may not send third-party data",
		"Remote content has to be enabled by IO for the organization.", false
	},
};

const ProblemText *
iomsg_problem_text(Problem problem)
{
	static const ProblemText unheard_of = {
		"unknown", NULL, "message is not valid", NULL, false
	};

	if ((unsigned int) problem >= PROBLEM_COUNT)
		return &unheard_of;
	return &texts[problem];
}
