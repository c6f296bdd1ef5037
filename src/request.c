/*
 * request.c
 *	  The arguments of the functions that enqueue, read and checked.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"

#include "due_date.h"
#include "request.h"
#include "statement.h"

#define PRIORITY_MIN		1
#define PRIORITY_MAX		4
#define LABEL_MAX			255 /* characters, so that an index takes it */

static const IoMsgFinding priority_range = {
	ERRCODE_INVALID_PARAMETER_VALUE, "priority", "priority_out_of_range",
	"priority must be between 1 and 4", "1 is sent first; the default is 2.",
	false
};
static const IoMsgFinding send_after_infinite = {
	ERRCODE_DATETIME_FIELD_OVERFLOW, "send_after", "send_after_infinite",
	"send_after must be a finite time", "Leave it out to send at once.", false
};
static const IoMsgFinding expires_at_infinite = {
	ERRCODE_DATETIME_FIELD_OVERFLOW, "expires_at", "expires_at_infinite",
	"expires_at must be a finite time", "Leave it out for no expiry.", false
};
static const IoMsgFinding expires_at_early = {
	ERRCODE_INVALID_PARAMETER_VALUE, "expires_at", "expires_at_too_early",
	"expires_at must be later than now and than send_after",
	"The message could never be sent.", false
};
static const IoMsgFinding dedup_key_empty = {
	ERRCODE_INVALID_PARAMETER_VALUE, "dedup_key", "dedup_key_empty",
	"dedup_key must not be empty", "Leave it out instead.", false
};

/* Arguments of the JSON form that are put into the message's content. */
static const char *const jsonb_content[] = {
	"payment_data", "third_party_data", "require_secure_channels"
};
#define REQUIRE_SECURE_CHANNELS 2	/* the one that is no JSON */

static text *
text_argument(FunctionCallInfo fcinfo, int i)
{
	return PG_ARGISNULL(i) ? NULL : PG_GETARG_TEXT_PP(i);
}

/*
 * Reads the arguments that are ours; in the JSON form some of IO's stand
 * between them.
 */
void
iomsg_request_options(FunctionCallInfo fcinfo, bool is_jsonb,
					  IoMsgOptions *options)
{
	int			i = is_jsonb ? IOMSG_JSONB_OPTIONS : IOMSG_FIELDS_OPTIONS;
	text	   *service = text_argument(fcinfo, i++);

	options->service = service ? text_to_cstring(service) : NULL;
	options->reference = text_argument(fcinfo, i++);
	options->dedup_key = text_argument(fcinfo, i++);
	if (is_jsonb)
		i += lengthof(jsonb_content);
	options->lot = text_argument(fcinfo, i++);
	options->priority = PG_ARGISNULL(i) ? IOMSG_PRIORITY_DEFAULT :
		PG_GETARG_INT32(i);
	i++;
	options->has_send_after = !PG_ARGISNULL(i);
	options->send_after = options->has_send_after ?
		PG_GETARG_TIMESTAMPTZ(i) : 0;
	i++;
	options->has_expires_at = !PG_ARGISNULL(i);
	options->expires_at = options->has_expires_at ?
		PG_GETARG_TIMESTAMPTZ(i) : 0;
}

static void
check_label(const text *label, const char *name, IoMsgFindings *findings)
{
	IoMsgFinding finding = {
		ERRCODE_INVALID_PARAMETER_VALUE, name, "text_too_long",
		"text must have at most 255 characters", NULL, false
	};

	if (label &&
		pg_mbstrlen_with_len(VARDATA_ANY(label),
							 VARSIZE_ANY_EXHDR(label)) > LABEL_MAX)
		iomsg_findings_add_own(findings, &finding);
}

/*
 * Checks the arguments that are ours, apart from the service.
 */
void
iomsg_request_check_options(const IoMsgOptions *options, TimestampTz now,
							IoMsgFindings *findings)
{
	TimestampTz earliest = now;

	check_label(options->reference, "reference", findings);
	check_label(options->dedup_key, "dedup_key", findings);
	check_label(options->lot, "lot", findings);
	if (options->dedup_key && VARSIZE_ANY_EXHDR(options->dedup_key) == 0)
		iomsg_findings_add_own(findings, &dedup_key_empty);
	if (options->priority < PRIORITY_MIN || options->priority > PRIORITY_MAX)
		iomsg_findings_add_own(findings, &priority_range);

	if (options->has_send_after)
	{
		if (TIMESTAMP_NOT_FINITE(options->send_after))
			iomsg_findings_add_own(findings, &send_after_infinite);
		else if (options->send_after > earliest)
			earliest = options->send_after;
	}
	if (options->has_expires_at)
	{
		if (TIMESTAMP_NOT_FINITE(options->expires_at))
			iomsg_findings_add_own(findings, &expires_at_infinite);
		else if (options->expires_at <= earliest)
			iomsg_findings_add_own(findings, &expires_at_early);
	}
}

static JsonbValue *
text_value(FunctionCallInfo fcinfo, int i)
{
	return PG_ARGISNULL(i) ? NULL :
		iomsg_body_text_value(PG_GETARG_TEXT_PP(i));
}

static JsonbValue *
jsonb_value(FunctionCallInfo fcinfo, int i)
{
	return PG_ARGISNULL(i) ? NULL :
		iomsg_body_jsonb_value(PG_GETARG_JSONB_P(i));
}

/*
 * The argument due_date in any of its forms; NULL where absent or refused.
 */
static JsonbValue *
due_date_value(FunctionCallInfo fcinfo, int i, DueDateForm form,
			   IoMsgFindings *findings)
{
	TimestampTz time = 0;
	Problem		problem = PROBLEM_NONE;

	if (PG_ARGISNULL(i))
		return NULL;
	switch (form)
	{
		case DUE_DATE_TIMESTAMPTZ:
			problem = iomsg_due_date_from_timestamp(PG_GETARG_TIMESTAMPTZ(i),
													&time);
			break;
		case DUE_DATE_DATE:
			problem = iomsg_due_date_from_date(PG_GETARG_DATEADT(i), &time);
			break;
		case DUE_DATE_TEXT:
			{
				text	   *in = PG_GETARG_TEXT_PP(i);

				problem = iomsg_due_date_from_text(VARDATA_ANY(in),
												   VARSIZE_ANY_EXHDR(in),
												   &time);
				break;
			}
	}
	iomsg_findings_add(findings, problem, "due_date");
	return problem == PROBLEM_NONE ? iomsg_body_time_value(time) : NULL;
}

/*
 * Builds the body from the first eight arguments.
 */
void
iomsg_request_fields(FunctionCallInfo fcinfo, DueDateForm form,
					 IoMsgBody *body)
{
	JsonbValue *message_values[MESSAGE_NFIELDS] = {NULL};
	JsonbValue *content_values[CONTENT_NFIELDS] = {NULL};
	JsonbValue	content_object = {.type = jbvBinary};
	IoMsgSource content = {NULL, content_values, NULL};
	IoMsgSource message = {NULL, message_values, &content};

	message_values[MESSAGE_FISCAL_CODE] = text_value(fcinfo, 0);
	message_values[MESSAGE_FEATURE_LEVEL_TYPE] = text_value(fcinfo, 7);
	message_values[MESSAGE_CONTENT] = &content_object;
	content_values[CONTENT_SUBJECT] = text_value(fcinfo, 1);
	content_values[CONTENT_MARKDOWN] = text_value(fcinfo, 2);
	content_values[CONTENT_DUE_DATE] = due_date_value(fcinfo, 3, form,
													  body->findings);
	content_values[CONTENT_PAYMENT_DATA] = jsonb_value(fcinfo, 4);
	content_values[CONTENT_THIRD_PARTY_DATA] = jsonb_value(fcinfo, 5);
	if (!PG_ARGISNULL(6))
		content_values[CONTENT_REQUIRE_SECURE_CHANNELS] =
			iomsg_body_bool_value(PG_GETARG_BOOL(6));

	iomsg_body_build(body, &iomsg_body_fields_message, &message);
	iomsg_body_check_whole(body);
}

/*
 * A field of a JSON object; NULL where that is no object or has none.
 */
static JsonbValue *
object_field(JsonbContainer *object, const char *name, JsonbValue *value)
{
	if (object == NULL || !JsonContainerIsObject(object))
		return NULL;
	return getKeyJsonValueFromContainer(object, name, strlen(name), value);
}

/*
 * The message with one more field in its content.  Where it has that already
 * it is a finding; where it has no content, others will say so.
 */
static Jsonb *
insert_into_content(Jsonb *message, const char *name, Jsonb *value,
					IoMsgFindings *findings)
{
	IoMsgFinding twice = {
		ERRCODE_INVALID_PARAMETER_VALUE, name, "field_twice",
		"field must not be given twice",
		"Leave it out of the message or of the call.", false
	};
	JsonbValue	content;
	JsonbValue	field;
	Datum		path[2];

	if (object_field(&message->root, "content", &content) == NULL ||
		content.type != jbvBinary ||
		!JsonContainerIsObject(content.val.binary.data))
		return message;
	if (object_field(content.val.binary.data, name, &field) != NULL)
	{
		iomsg_findings_add_own(findings, &twice);
		return message;
	}
	path[0] = CStringGetTextDatum("content");
	path[1] = CStringGetTextDatum(name);
	return DatumGetJsonbP(
		DirectFunctionCall4(jsonb_insert, JsonbPGetDatum(message),
							iomsg_statement_array(path, NULL, 2, TEXTOID),
							JsonbPGetDatum(value), BoolGetDatum(false)));
}

/*
 * The message, with what was given apart in its content.
 */
static Jsonb *
complete_message(FunctionCallInfo fcinfo, IoMsgFindings *findings)
{
	Jsonb	   *message = PG_GETARG_JSONB_P(0);

	for (int i = 0; i < lengthof(jsonb_content); i++)
	{
		int			place = IOMSG_JSONB_CONTENT + i;
		JsonbValue	flag = {.type = jbvBool};
		Jsonb	   *value;

		if (PG_ARGISNULL(place))
			continue;
		if (i < REQUIRE_SECURE_CHANNELS)
			value = PG_GETARG_JSONB_P(place);
		else
		{
			flag.val.boolean = PG_GETARG_BOOL(place);
			value = JsonbValueToJsonb(&flag);
		}
		message = insert_into_content(message, jsonb_content[i], value,
									  findings);
	}
	return message;
}

/*
 * Builds the body from the first argument, a message in IO's own form.
 */
void
iomsg_request_jsonb(FunctionCallInfo fcinfo, IoMsgBody *body)
{
	IoMsgSource source;

	if (PG_ARGISNULL(0))
	{
		iomsg_findings_add(body->findings, PROBLEM_FIELD_MISSING, "message");
		return;
	}
	if (!iomsg_body_source(complete_message(fcinfo, body->findings), &source))
	{
		iomsg_findings_add(body->findings, PROBLEM_FIELD_TYPE, "message");
		return;
	}
	iomsg_body_build(body, &iomsg_body_fields_message, &source);
	iomsg_body_check_whole(body);
}
