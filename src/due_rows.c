/*
 * due_rows.c
 *	  The rows of pending, and what else there is about the messages in them:
 *	  SQL_PEEK, row by row.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/timestamp.h"

#include "append.h"
#include "due_rows.h"

/* What is read, and the places of the columns that are not keys. */
enum
{
	PENDING_DUE_AT = 4, PENDING_ID
};
static IoMsgTable outbox_table = {
	.name = "outbox", .nkeys = 1, .ncolumns = 8,
	.columns = {{"id", INT8OID}, {"status", TEXTOID},
	{"due_at", TIMESTAMPTZOID}, {"kind", TEXTOID}, {"fiscal_code", TEXTOID},
	{"attempts", INT2OID}, {"expires_at", TIMESTAMPTZOID},
	{"reason", TEXTOID}}
};
enum
{
	OUTBOX_STATUS = 1, OUTBOX_DUE_AT, OUTBOX_KIND, OUTBOX_FISCAL_CODE,
	OUTBOX_ATTEMPTS, OUTBOX_EXPIRES_AT, OUTBOX_REASON
};
static IoMsgTable profile_table = {
	.name = "profile", .nkeys = 2, .ncolumns = 5,
	.columns = {{"service_id", INT4OID}, {"fiscal_code", TEXTOID},
	{"exists", BOOLOID}, {"sender_allowed", BOOLOID},
	{"checked_at", TIMESTAMPTZOID}}
};
enum
{
	PROFILE_EXISTS = 2, PROFILE_SENDER_ALLOWED, PROFILE_CHECKED_AT
};
static IoMsgTable attempt_table = {
	.name = "attempt", .nkeys = 2, .ncolumns = 3,
	.columns = {{"id", INT8OID}, {"number", INT4OID}, {"class", TEXTOID}}
};
enum
{
	ATTEMPT_CLASS = 2
};

/*
 * Opens the tables; false where they cannot be read row by row.
 */
bool
iomsg_due_rows_open(DueRows *due)
{
	IoMsgRows  *rows[] = {&due->pending, &due->outbox, &due->profile,
	&due->attempt};
	IoMsgTable *tables[] = {&iomsg_append_pending.table, &outbox_table,
	&profile_table, &attempt_table};

	for (int i = 0; i < lengthof(rows); i++)
	{
		if (iomsg_rows_begin(rows[i], tables[i], CMD_SELECT))
			continue;
		while (--i >= 0)
			iomsg_rows_end(rows[i]);
		return false;
	}
	return true;
}

void
iomsg_due_rows_close(DueRows *due)
{
	iomsg_rows_end(&due->attempt);
	iomsg_rows_end(&due->profile);
	iomsg_rows_end(&due->outbox);
	iomsg_rows_end(&due->pending);
}

/*
 * May IO have accepted an earlier attempt?  A row that has come to nothing yet
 * has had none, which is most of them.
 */
static bool
is_doubtful(IoMsgRows *outbox, IoMsgRows *attempt, Datum id)
{
	bool		isnull;

	if (DatumGetInt16(iomsg_rows_value(outbox, OUTBOX_ATTEMPTS,
									   &isnull)) == 0)
	{
		(void) iomsg_rows_value(outbox, OUTBOX_REASON, &isnull);
		if (isnull)
			return false;
	}
	iomsg_rows_seek(attempt, &id, 1, false);
	while (iomsg_rows_next(attempt))
	{
		if (iomsg_table_text_is(iomsg_rows_value(attempt, ATTEMPT_CLASS,
												 &isnull), "unknown"))
			return true;
	}
	return false;
}

/*
 * Finds the next row of pending, after iomsg_rows_seek: its id and due time.
 */
bool
iomsg_due_rows_next(DueRows *due, Datum *v)
{
	bool		isnull;

	if (!iomsg_rows_next(&due->pending))
		return false;
	v[DUE_ID] = iomsg_rows_value(&due->pending, PENDING_ID, &isnull);
	v[DUE_AT] = iomsg_rows_value(&due->pending, PENDING_DUE_AT, &isnull);
	return true;
}

/*
 * Reads what else there is about it; false where its row of outbox does not
 * wait for this any more.  What is returned stays valid until the next read.
 */
bool
iomsg_due_rows_read(DueRows *due, int32 service_id, Datum *v, bool *n)
{
	IoMsgRows  *outbox = &due->outbox;
	IoMsgRows  *profile = &due->profile;
	Datum		person[2];
	bool		isnull;

	if (!iomsg_rows_find(outbox, &v[DUE_ID]) ||
		!iomsg_table_text_is(iomsg_rows_value(outbox, OUTBOX_STATUS, &isnull),
							 "queued") ||
		DatumGetTimestampTz(iomsg_rows_value(outbox, OUTBOX_DUE_AT,
											 &isnull)) !=
		DatumGetTimestampTz(v[DUE_AT]))
		return false;
	v[DUE_IS_PROFILE] = BoolGetDatum(
		iomsg_table_text_is(iomsg_rows_value(outbox, OUTBOX_KIND, &isnull),
							"profile"));
	v[DUE_FISCAL_CODE] = iomsg_rows_value(outbox, OUTBOX_FISCAL_CODE,
										  &n[DUE_FISCAL_CODE]);
	v[DUE_ATTEMPTS] = iomsg_rows_value(outbox, OUTBOX_ATTEMPTS, &isnull);
	v[DUE_EXPIRES_AT] = iomsg_rows_value(outbox, OUTBOX_EXPIRES_AT,
										 &n[DUE_EXPIRES_AT]);
	v[DUE_DOUBTFUL] = BoolGetDatum(is_doubtful(outbox, &due->attempt,
											   v[DUE_ID]));
	person[0] = Int32GetDatum(service_id);
	person[1] = v[DUE_FISCAL_CODE];
	n[DUE_CHECKED_AT] = !iomsg_rows_find(profile, person);
	if (!n[DUE_CHECKED_AT])
	{
		v[DUE_EXISTS] = iomsg_rows_value(profile, PROFILE_EXISTS, &isnull);
		v[DUE_ALLOWED] = iomsg_rows_value(profile, PROFILE_SENDER_ALLOWED,
										  &isnull);
		v[DUE_CHECKED_AT] = iomsg_rows_value(profile, PROFILE_CHECKED_AT,
											 &isnull);
	}
	return true;
}
