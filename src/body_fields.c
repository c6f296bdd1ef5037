/*
 * body_fields.c
 *	  The fields of IO's NewMessage: names, types, what may be left out.
 *
 * As in IO's OpenAPI (NewMessage, MessageContent, PaymentData, ThirdPartyData
 * and the older parts) and, where that says less, as IO's back end decodes
 * them: null only for fields with a default; third_party_data without
 * configuration_id is refused.
 */
#include "body_fields.h"

#include "core/message.h"

#define REQUIRED PROBLEM_FIELD_MISSING
#define OPTIONAL PROBLEM_NONE
#define OBJECT(where, list) {where, sizeof(list) / sizeof(list[0]), list}

static const BodyField payee_fields[] = {
	{"fiscal_code", BODY_STRING, MEANS_NOTHING, REQUIRED, false,
	iomsg_message_check_payee_fiscal_code, NULL},
};
const BodyObject iomsg_body_fields_payee =
OBJECT("content.payment_data.payee.", payee_fields);

static const BodyField payment_data_fields[] = {
	[PAYMENT_AMOUNT] = {"amount", BODY_INTEGER, MEANS_AMOUNT, REQUIRED,
	false, NULL, NULL},
	[PAYMENT_NOTICE_NUMBER] = {"notice_number", BODY_STRING, MEANS_NOTHING,
	REQUIRED, false, iomsg_message_check_notice_number, NULL},
	[PAYMENT_INVALID_AFTER_DUE_DATE] = {"invalid_after_due_date",
	BODY_BOOLEAN, MEANS_NOTHING, OPTIONAL, true, NULL, NULL},
	[PAYMENT_PAYEE] = {"payee", BODY_OBJECT, MEANS_PAYEE, OPTIONAL, false,
	NULL, &iomsg_body_fields_payee},
};
const BodyObject iomsg_body_fields_payment_data =
OBJECT("content.payment_data.", payment_data_fields);

static const BodyField third_party_data_fields[] = {
	[THIRD_PARTY_ID] = {"id", BODY_STRING, MEANS_NOTHING, REQUIRED, false,
	iomsg_message_check_third_party_id, NULL},
	[THIRD_PARTY_CONFIGURATION_ID] = {"configuration_id", BODY_STRING,
		MEANS_NOTHING, PROBLEM_CONFIGURATION_ID_MISSING, false,
	iomsg_message_check_configuration_id, NULL},
	[THIRD_PARTY_HAS_REMOTE_CONTENT] = {"has_remote_content", BODY_BOOLEAN,
	MEANS_NOTHING, OPTIONAL, true, NULL, NULL},
	[THIRD_PARTY_HAS_ATTACHMENTS] = {"has_attachments", BODY_BOOLEAN,
	MEANS_HAS_ATTACHMENTS, OPTIONAL, true, NULL, NULL},
	[THIRD_PARTY_HAS_PRECONDITION] = {"has_precondition", BODY_STRING,
		MEANS_NOTHING, OPTIONAL, false,
	iomsg_message_check_has_precondition, NULL},
	[THIRD_PARTY_ORIGINAL_SENDER] = {"original_sender", BODY_STRING,
		MEANS_NOTHING, OPTIONAL, false,
	iomsg_message_check_original_sender, NULL},
	[THIRD_PARTY_ORIGINAL_RECEIPT_DATE] = {"original_receipt_date",
		BODY_STRING, MEANS_RECEIPT_DATE, OPTIONAL, false,
	iomsg_message_check_original_receipt_date, NULL},
	[THIRD_PARTY_SUMMARY] = {"summary", BODY_STRING, MEANS_NOTHING, OPTIONAL,
	false, iomsg_message_check_summary, NULL},
};
const BodyObject iomsg_body_fields_third_party_data =
OBJECT("content.third_party_data.", third_party_data_fields);

static const BodyField eu_covid_cert_fields[] = {
	{"auth_code", BODY_STRING, MEANS_NOTHING, REQUIRED, false, NULL, NULL},
};
static const BodyObject eu_covid_cert =
OBJECT("content.eu_covid_cert.", eu_covid_cert_fields);

static const BodyField prescription_data_fields[] = {
	{"nre", BODY_STRING, MEANS_NOTHING, REQUIRED, false,
	iomsg_message_check_nre, NULL},
	{"iup", BODY_STRING, MEANS_NOTHING, OPTIONAL, false,
	iomsg_message_check_iup, NULL},
	{"prescriber_fiscal_code", BODY_STRING, MEANS_NOTHING, OPTIONAL, false,
	iomsg_message_check_prescriber_fiscal_code, NULL},
};
static const BodyObject prescription_data =
OBJECT("content.prescription_data.", prescription_data_fields);

static const BodyField legal_data_fields[] = {
	{"sender_mail_from", BODY_STRING, MEANS_NOTHING, REQUIRED, false,
	iomsg_message_check_legal_text, NULL},
	{"has_attachment", BODY_BOOLEAN, MEANS_NOTHING, REQUIRED, false, NULL,
	NULL},
	{"message_unique_id", BODY_STRING, MEANS_NOTHING, REQUIRED, false,
	iomsg_message_check_legal_text, NULL},
	{"original_message_url", BODY_STRING, MEANS_NOTHING, OPTIONAL, false,
	iomsg_message_check_legal_text, NULL},
	{"pec_server_service_id", BODY_STRING, MEANS_NOTHING, OPTIONAL, false,
	iomsg_message_check_legal_text, NULL},
};
static const BodyObject legal_data =
OBJECT("content.legal_data.", legal_data_fields);

static const BodyField content_fields[] = {
	[CONTENT_SUBJECT] = {"subject", BODY_STRING, MEANS_SUBJECT, REQUIRED,
	false, iomsg_message_check_subject, NULL},
	[CONTENT_MARKDOWN] = {"markdown", BODY_STRING, MEANS_NOTHING, REQUIRED,
	false, iomsg_message_check_markdown, NULL},
	[CONTENT_DUE_DATE] = {"due_date", BODY_STRING, MEANS_DUE_DATE, OPTIONAL,
	false, iomsg_message_check_due_date, NULL},
	[CONTENT_PAYMENT_DATA] = {"payment_data", BODY_OBJECT,
		MEANS_PAYMENT_DATA, OPTIONAL, false, NULL,
	&iomsg_body_fields_payment_data},
	[CONTENT_THIRD_PARTY_DATA] = {"third_party_data", BODY_OBJECT,
		MEANS_THIRD_PARTY_DATA, OPTIONAL, false, NULL,
	&iomsg_body_fields_third_party_data},
	[CONTENT_REQUIRE_SECURE_CHANNELS] = {"require_secure_channels",
	BODY_BOOLEAN, MEANS_NOTHING, OPTIONAL, false, NULL, NULL},
	[CONTENT_EU_COVID_CERT] = {"eu_covid_cert", BODY_OBJECT, MEANS_NOTHING,
	OPTIONAL, false, NULL, &eu_covid_cert},
	[CONTENT_PRESCRIPTION_DATA] = {"prescription_data", BODY_OBJECT,
	MEANS_DISCARDED, OPTIONAL, false, NULL, &prescription_data},
	[CONTENT_LEGAL_DATA] = {"legal_data", BODY_OBJECT, MEANS_DISCARDED,
	OPTIONAL, false, NULL, &legal_data},
};
const BodyObject iomsg_body_fields_content =
OBJECT("content.", content_fields);

static const BodyField default_addresses_fields[] = {
	{"email", BODY_STRING, MEANS_NOTHING, OPTIONAL, false,
	iomsg_message_check_email, NULL},
};
static const BodyObject default_addresses =
OBJECT("default_addresses.", default_addresses_fields);

static const BodyField message_fields[] = {
	[MESSAGE_FISCAL_CODE] = {"fiscal_code", BODY_STRING, MEANS_FISCAL_CODE,
	REQUIRED, false, NULL, NULL},
	[MESSAGE_FEATURE_LEVEL_TYPE] = {"feature_level_type", BODY_STRING,
		MEANS_FEATURE_LEVEL_TYPE, OPTIONAL, true,
	iomsg_message_check_feature_level_type, NULL},
	[MESSAGE_CONTENT] = {"content", BODY_OBJECT, MEANS_NOTHING, REQUIRED,
	false, NULL, &iomsg_body_fields_content},
	[MESSAGE_TIME_TO_LIVE] = {"time_to_live", BODY_INTEGER,
	MEANS_TIME_TO_LIVE, OPTIONAL, true, NULL, NULL},
	[MESSAGE_DEFAULT_ADDRESSES] = {"default_addresses", BODY_OBJECT,
	MEANS_DISCARDED, OPTIONAL, false, NULL, &default_addresses},
};
const BodyObject iomsg_body_fields_message = OBJECT("", message_fields);
