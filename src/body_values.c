/*
 * body_values.c
 *	  SQL values as the values of JSON that body.c takes.
 *
 * All results live in the present memory context and may point into the
 * argument.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/numeric.h"

#include "body.h"

/*
 * The object in a jsonb; false where it holds something else.
 */
bool
iomsg_body_source(Jsonb *in, IoMsgSource *source)
{
	memset(source, 0, sizeof(IoMsgSource));
	source->container = &in->root;
	return JB_ROOT_IS_OBJECT(in);
}

JsonbValue *
iomsg_body_text_value(const text *in)
{
	JsonbValue *value = palloc(sizeof(JsonbValue));

	value->type = jbvString;
	value->val.string.val = VARDATA_ANY(unconstify(text *, in));
	value->val.string.len = VARSIZE_ANY_EXHDR(in);
	return value;
}

JsonbValue *
iomsg_body_jsonb_value(Jsonb *in)
{
	JsonbValue *value = palloc(sizeof(JsonbValue));

	if (JB_ROOT_IS_SCALAR(in))
	{
		(void) JsonbExtractScalar(&in->root, value);
		return value;
	}
	value->type = jbvBinary;
	value->val.binary.data = &in->root;
	value->val.binary.len = VARSIZE_ANY_EXHDR(in);
	return value;
}

JsonbValue *
iomsg_body_bool_value(bool in)
{
	JsonbValue *value = palloc(sizeof(JsonbValue));

	value->type = jbvBool;
	value->val.boolean = in;
	return value;
}

JsonbValue *
iomsg_body_int64_value(int64 in)
{
	JsonbValue *value = palloc(sizeof(JsonbValue));

	value->type = jbvNumeric;
	value->val.numeric = int64_to_numeric(in);
	return value;
}

/*
 * A time that iomsg_due_date_from_timestamp has passed.
 */
JsonbValue *
iomsg_body_time_value(TimestampTz in)
{
	JsonbValue *value = palloc(sizeof(JsonbValue));

	value->type = jbvDatetime;
	value->val.datetime.value = TimestampTzGetDatum(in);
	value->val.datetime.typid = TIMESTAMPTZOID;
	return value;
}
