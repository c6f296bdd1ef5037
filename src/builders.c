/*
 * builders.c
 *	  The SQL-callable functions that build and check parts of a message:
 *	  payment_data, third_party_data, fiscal codes.
 *
 * They know no service, so they check IO's own limits; what a service allows
 * is checked when the message is enqueued.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "access.h"
#include "body.h"
#include "compat.h"
#include "core/fiscal_code.h"
#include "due_date.h"

IOMSG_SQL_FUNCTION(iomsg_builders_payment_data);
IOMSG_SQL_FUNCTION(iomsg_builders_third_party_data);
IOMSG_SQL_FUNCTION(iomsg_builders_is_fiscal_code);

/* The n-th argument as a value of JSON; NULL where it is null. */
static JsonbValue *
text_argument(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? NULL :
		iomsg_body_text_value(PG_GETARG_TEXT_PP(n));
}

static JsonbValue *
bool_argument(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? NULL : iomsg_body_bool_value(PG_GETARG_BOOL(n));
}

/*
 * Builds one object from values; raises the first problem.
 */
static Jsonb *
build(const BodyObject *object, JsonbValue **values, IoMsgFindings *findings)
{
	IoMsgSource source = {NULL, values, NULL};
	IoMsgBody	body;

	memset(&body, 0, sizeof(body));
	body.findings = findings;
	body.rules = iomsg_body_any_rules;
	iomsg_body_build(&body, object, &source);
	iomsg_findings_raise(findings);
	return DatumGetJsonbP(
		DirectFunctionCall1(jsonb_in, CStringGetDatum(body.json.data)));
}

/*
 * io_payment_data(amount, notice_number, invalid_after_due_date,
 * payee_fiscal_code)
 */
Datum
iomsg_builders_payment_data(PG_FUNCTION_ARGS)
{
	JsonbValue *values[PAYMENT_NFIELDS] = {NULL};
	IoMsgScope	scope;
	IoMsgFindings findings;
	Jsonb	   *result;

	iomsg_access_hide(&scope);
	iomsg_findings_init(&findings, "content.payment_data.");
	if (!PG_ARGISNULL(0))
		values[PAYMENT_AMOUNT] = iomsg_body_int64_value(PG_GETARG_INT64(0));
	values[PAYMENT_NOTICE_NUMBER] = text_argument(fcinfo, 1);
	values[PAYMENT_INVALID_AFTER_DUE_DATE] = bool_argument(fcinfo, 2);
	if (!PG_ARGISNULL(3))
	{
		JsonbValue *payee_values[1] = {text_argument(fcinfo, 3)};

		values[PAYMENT_PAYEE] =
			iomsg_body_jsonb_value(build(&iomsg_body_fields_payee,
										 payee_values, &findings));
	}
	result = build(&iomsg_body_fields_payment_data, values, &findings);
	iomsg_access_unhide(&scope);
	PG_RETURN_JSONB_P(result);
}

/*
 * io_third_party_data(id, configuration_id, has_remote_content,
 * has_attachments, has_precondition, original_sender, original_receipt_date,
 * summary)
 */
Datum
iomsg_builders_third_party_data(PG_FUNCTION_ARGS)
{
	JsonbValue *values[THIRD_PARTY_NFIELDS] = {NULL};
	IoMsgScope	scope;
	IoMsgFindings findings;
	Jsonb	   *result;

	iomsg_access_hide(&scope);
	iomsg_findings_init(&findings, "content.third_party_data.");
	values[THIRD_PARTY_ID] = text_argument(fcinfo, 0);
	values[THIRD_PARTY_CONFIGURATION_ID] = text_argument(fcinfo, 1);
	values[THIRD_PARTY_HAS_REMOTE_CONTENT] = bool_argument(fcinfo, 2);
	values[THIRD_PARTY_HAS_ATTACHMENTS] = bool_argument(fcinfo, 3);
	values[THIRD_PARTY_HAS_PRECONDITION] = text_argument(fcinfo, 4);
	values[THIRD_PARTY_ORIGINAL_SENDER] = text_argument(fcinfo, 5);
	if (!PG_ARGISNULL(6))
	{
		TimestampTz time;

		if (iomsg_due_date_from_timestamp(PG_GETARG_TIMESTAMPTZ(6),
										  &time) == PROBLEM_NONE)
			values[THIRD_PARTY_ORIGINAL_RECEIPT_DATE] =
				iomsg_body_time_value(time);
		else
			iomsg_findings_add(&findings, PROBLEM_ORIGINAL_RECEIPT_DATE,
							   "original_receipt_date");
	}
	values[THIRD_PARTY_SUMMARY] = text_argument(fcinfo, 7);
	result = build(&iomsg_body_fields_third_party_data, values, &findings);
	iomsg_access_unhide(&scope);
	PG_RETURN_JSONB_P(result);
}

/*
 * io_is_fiscal_code(fiscal_code, strict): IO's pattern; strict adds the check
 * character and the day of birth.
 */
Datum
iomsg_builders_is_fiscal_code(PG_FUNCTION_ARGS)
{
	text	   *in = PG_GETARG_TEXT_PP(0);
	char		normal[IOMSG_FISCAL_CODE_LENGTH + 1];
	FiscalCodeCheck check;

	check = PG_GETARG_BOOL(1) ?
		iomsg_fiscal_code_check_strictly(VARDATA_ANY(in),
										 VARSIZE_ANY_EXHDR(in)) :
		iomsg_fiscal_code_normalize(VARDATA_ANY(in), VARSIZE_ANY_EXHDR(in),
									normal);
	PG_RETURN_BOOL(check == FISCAL_CODE_OK);
}
