/*
 * body.c
 *	  The JSON body that IO gets, checked while it is built.
 *
 * One walk over the fields that IO knows serves both forms of a message: the
 * parameters of a function and IO's own JSON.  What is checked is the text as
 * it will leave, in UTF-8; what is kept is in the server's encoding.  Absent
 * fields stay absent, never null.  All problems are collected; a body with
 * problems is not to be used.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/numeric.h"

#include "body.h"
#include "core/message.h"
#include "core/subject.h"
#include "due_date.h"
#include "encoding.h"

static void build_object(IoMsgBody *body, const BodyObject *object,
						 const IoMsgSource *source);

/* A field on its way: where it belongs and what IO calls it. */
typedef struct Place
{
	const BodyObject *object;
	const BodyField *field;
} Place;

static void
complain(IoMsgBody *body, const Place *place, Problem problem)
{
	if (problem != PROBLEM_NONE)
		iomsg_findings_add(body->findings, problem,
						   psprintf("%s%s", place->object->path,
									place->field->name));
}

/*
 * Begins a field of the object that is being written.
 */
static void
begin_field(IoMsgBody *body, const Place *place)
{
	StringInfo	json = &body->json;

	if (json->data[json->len - 1] != '{')
		appendStringInfoChar(json, ',');
	escape_json(json, place->field->name);
	appendStringInfoChar(json, ':');
}

static void
write_text(IoMsgBody *body, const Place *place, const char *value)
{
	begin_field(body, place);
	escape_json(&body->json, value);
}

/*
 * A time: parsed by the caller, or in IO's own form; leaves in UTC.
 */
static void
take_time(IoMsgBody *body, const Place *place, const JsonbValue *value)
{
	char		written[IOMSG_DUE_DATE_SIZE];
	TimestampTz time;

	if (value->type == jbvDatetime)
		time = DatumGetTimestampTz(value->val.datetime.value);
	else
	{
		Problem		problem = place->field->check(value->val.string.val,
												  value->val.string.len);

		if (problem == PROBLEM_NONE)
			problem = iomsg_due_date_from_json(value->val.string.val,
											   value->val.string.len, &time);
		if (problem != PROBLEM_NONE)
		{
			complain(body, place,
					 place->field->meaning == MEANS_RECEIPT_DATE ?
					 PROBLEM_ORIGINAL_RECEIPT_DATE : problem);
			return;
		}
	}
	if (place->field->meaning == MEANS_DUE_DATE)
	{
		body->has_due_date = true;
		body->due_date = time;
	}
	iomsg_due_date_write(time, written);
	write_text(body, place, written);
}

/*
 * A recipient: what leaves is trimmed and in upper case.
 */
static void
take_fiscal_code(IoMsgBody *body, const Place *place, const char *utf8,
				 size_t len)
{
	if (iomsg_fiscal_code_normalize(utf8, len, body->fiscal_code) !=
		FISCAL_CODE_OK)
	{
		complain(body, place, PROBLEM_FISCAL_CODE);
		return;
	}
	write_text(body, place, body->fiscal_code);
}

/*
 * Warns of personal data in a subject, one finding for each kind.
 */
static void
look_for_personal_data(IoMsgBody *body, const Place *place, const char *utf8,
					   size_t len)
{
	body->subject_kinds = iomsg_subject_find(utf8, len) &
		~IOMSG_SUBJECT_FISCAL_CODE;
	for (unsigned int bit = 1; bit <= IOMSG_SUBJECT_TELEPHONE; bit <<= 1)
	{
		if (body->subject_kinds & bit)
			complain(body, place, iomsg_subject_problem(bit));
	}
}

static void
take_string(IoMsgBody *body, const Place *place, JsonbValue *value)
{
	const BodyField *field = place->field;
	const char *utf8;
	size_t		len;
	Problem		problem;

	if (field->meaning == MEANS_DUE_DATE ||
		field->meaning == MEANS_RECEIPT_DATE)
	{
		take_time(body, place, value);
		return;
	}
	if (!iomsg_encoding_to_utf8(value->val.string.val, value->val.string.len,
								&utf8, &len))
	{
		complain(body, place, PROBLEM_TEXT_ENCODING);
		return;
	}
	if (field->meaning == MEANS_FISCAL_CODE)
	{
		take_fiscal_code(body, place, utf8, len);
		return;
	}
	problem = field->check ? field->check(utf8, len) : PROBLEM_NONE;
	complain(body, place, problem);
	if (field->meaning == MEANS_SUBJECT)
		look_for_personal_data(body, place, utf8, len);
	if (field->meaning == MEANS_FEATURE_LEVEL_TYPE)
		body->advanced = (len == 8 && memcmp(utf8, "ADVANCED", 8) == 0);
	write_text(body, place, pnstrdup(value->val.string.val,
									 value->val.string.len));
}

/*
 * Reads a whole number of JSON, 100.0 included; out of int64's range it is
 * the nearest end of that.  False where there is a fraction.
 */
static bool
whole_number(Numeric in, int64 *out)
{
	const char *digits = numeric_normalize(in);
	bool		negative = digits[0] == '-';
	size_t		len = strlen(digits) - (negative ? 1 : 0);

	if (strchr(digits, '.') != NULL)
		return false;
	if (len > 18)
		*out = negative ? PG_INT64_MIN : PG_INT64_MAX;
	else
		*out = strtoll(digits, NULL, 10);
	return true;
}

static void
take_integer(IoMsgBody *body, const Place *place, const JsonbValue *value)
{
	int64		whole;
	Problem		problem;

	if (!whole_number(value->val.numeric, &whole))
	{
		complain(body, place, PROBLEM_FIELD_TYPE);
		return;
	}
	if (place->field->meaning == MEANS_AMOUNT)
		problem = iomsg_message_check_amount(whole,
											 body->rules.max_allowed_payment_amount);
	else
		problem = iomsg_message_check_time_to_live(whole);
	complain(body, place, problem);
	begin_field(body, place);
	appendStringInfo(&body->json, INT64_FORMAT, whole);
}

static void
take_object(IoMsgBody *body, const Place *place, JsonbValue *value,
			const IoMsgSource *content)
{
	IoMsgSource source = {NULL, NULL, NULL};

	if (value->type == jbvBinary)
		source.container = value->val.binary.data;
	begin_field(body, place);
	build_object(body, place->field->object, content ? content : &source);
}

static bool
is_of_type(const JsonbValue *value, BodyType type)
{
	switch (type)
	{
		case BODY_STRING:
			return value->type == jbvString || value->type == jbvDatetime;
		case BODY_INTEGER:
			return value->type == jbvNumeric;
		case BODY_BOOLEAN:
			return value->type == jbvBool;
		case BODY_OBJECT:
			return value->type == jbvBinary &&
				(value->val.binary.data == NULL ||
				 JsonContainerIsObject(value->val.binary.data));
	}
	return false;
}

/* What the presence of a field says about the message. */
static void
note_meaning(IoMsgBody *body, const BodyField *field, const JsonbValue *value)
{
	if (field->meaning == MEANS_PAYMENT_DATA)
		body->has_payment = true;
	else if (field->meaning == MEANS_PAYEE)
		body->has_payee = true;
	else if (field->meaning == MEANS_THIRD_PARTY_DATA)
		body->has_third_party = true;
	else if (field->meaning == MEANS_DISCARDED)
		body->has_discarded = true;
	else if (field->meaning == MEANS_HAS_ATTACHMENTS &&
			 value->type == jbvBool)
		body->has_attachments = value->val.boolean;
}

static void
take_field(IoMsgBody *body, const Place *place, JsonbValue *value,
		   const IoMsgSource *content)
{
	const BodyField *field = place->field;

	if (value == NULL)
	{
		complain(body, place, field->absent);
		return;
	}
	if (value->type == jbvNull)
	{
		if (!field->null_ok)
			complain(body, place, PROBLEM_FIELD_NULL);
		return;
	}
	note_meaning(body, field, value);
	if (!is_of_type(value, field->type))
	{
		complain(body, place, PROBLEM_FIELD_TYPE);
		return;
	}
	if (field->meaning == MEANS_DISCARDED)
		complain(body, place, PROBLEM_FIELD_DISCARDED);
	switch (field->type)
	{
		case BODY_STRING:
			take_string(body, place, value);
			break;
		case BODY_INTEGER:
			take_integer(body, place, value);
			break;
		case BODY_BOOLEAN:
			begin_field(body, place);
			appendStringInfoString(&body->json,
								   value->val.boolean ? "true" : "false");
			break;
		case BODY_OBJECT:
			take_object(body, place, value, content);
			break;
	}
}

/* Whether a name of unknown origin may be shown. */
static bool
looks_like_field(const char *name)
{
	size_t		len = strlen(name);

	return len > 0 && len <= 40 &&
		strspn(name, "abcdefghijklmnopqrstuvwxyz"
			   "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == len &&
		!iomsg_fiscal_code_occurs_in(name, len);
}

/*
 * Names the fields that IO does not know.  A name that looks like anything but
 * a field's is not shown.
 */
static void
complain_of_unknown(IoMsgBody *body, const BodyObject *object,
					JsonbContainer *container)
{
	JsonbIterator *iterator = JsonbIteratorInit(container);
	JsonbIteratorToken token;
	JsonbValue	key;
	int			i;

	while ((token = JsonbIteratorNext(&iterator, &key, true)) != WJB_DONE)
	{
		char	   *name;

		if (token != WJB_KEY)
			continue;
		name = pnstrdup(key.val.string.val, key.val.string.len);
		for (i = 0; i < object->nfields; i++)
		{
			if (strcmp(name, object->fields[i].name) == 0)
				break;
		}
		if (i < object->nfields)
			continue;
		if (!looks_like_field(name))
			name = "(name not shown)";
		iomsg_findings_add(body->findings, PROBLEM_FIELD_UNKNOWN,
						   psprintf("%s%s", object->path, name));
	}
}

static void
build_object(IoMsgBody *body, const BodyObject *object,
			 const IoMsgSource *source)
{
	int			found = 0;

	appendStringInfoChar(&body->json, '{');
	for (int i = 0; i < object->nfields; i++)
	{
		Place		place = {object, &object->fields[i]};
		JsonbValue	buffer;
		JsonbValue *value = NULL;

		if (source->container)
			value = getKeyJsonValueFromContainer(source->container,
												 place.field->name,
												 strlen(place.field->name),
												 &buffer);
		else if (source->values)
			value = source->values[i];
		if (value)
			found++;
		take_field(body, &place, value, source->content);
	}
	if (source->container && JsonContainerSize(source->container) != found)
		complain_of_unknown(body, object, source->container);
	appendStringInfoChar(&body->json, '}');
}

/*
 * Builds and checks an object; body->json is the result, to be used only where
 * no error was found.
 */
void
iomsg_body_build(IoMsgBody *body, const BodyObject *object,
				 const IoMsgSource *source)
{
	initStringInfo(&body->json);
	build_object(body, object, source);
}
