/*
 * enqueue.c
 *	  Puts a checked message, or a profile check, into the outbox.
 *
 * For use between SPI_connect and SPI_finish, as the extension's owner.  Reads
 * nothing that the worker writes, so that neither waits for the other.  All
 * values have been checked before and meet the CHECK constraints.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/sequence.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "append.h"
#include "encoding.h"
#include "enqueue.h"
#include "installation.h"
#include "statement.h"
#include "wake.h"

/* how often a dedup key may vanish under us before we give up */
#define DEDUP_TRIES 10

/* In the order of insert_into_outbox. */
static IoMsgAppend outbox = {.table = {
	.name = "outbox",
	.ncolumns = 21,
	.columns = {{"id", INT8OID}, {"generation", INT8OID},
	{"due_at", TIMESTAMPTZOID}, {"created_at", TIMESTAMPTZOID},
	{"expires_at", TIMESTAMPTZOID}, {"due_date", TIMESTAMPTZOID},
	{"timeline", INT4OID}, {"service_id", INT4OID}, {"priority", INT2OID},
	{"has_payment", BOOLOID}, {"advanced", BOOLOID}, {"kind", TEXTOID},
	{"fiscal_code", TEXTOID}, {"reference", TEXTOID}, {"lot", TEXTOID},
	{"dedup_key", TEXTOID}, {"enqueued_by", TEXTOID},
	{"session_role", TEXTOID}, {"status", TEXTOID}, {"attempts", INT2OID},
	{"polls", INT2OID}}
}};

static IoMsgTable outbox_id_seq = {.name = "outbox_id_seq"};

static IoMsgAppend message_body = {.table = {
	.name = "body",
	.ncolumns = 2,
	.columns = {{"id", INT8OID}, {"body", JSONOID}}
}};

static IoMsgStatement insert_dedup_key = {
	.sql = "INSERT INTO io_msg.dedup_key (service_id, dedup_key, content_hash, id)"
	" VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
	.nargs = 4,
	.types = {INT4OID, TEXTOID, BYTEAOID, INT8OID}
};

static IoMsgStatement find_dedup_key = {
	.sql = "SELECT d.id, d.content_hash OPERATOR(pg_catalog.=) $3"
	"  FROM io_msg.dedup_key AS d"
	" WHERE d.service_id OPERATOR(pg_catalog.=) $1"
	"   AND d.dedup_key OPERATOR(pg_catalog.=) $2",
	.nargs = 3,
	.types = {INT4OID, TEXTOID, BYTEAOID}
};

/* A row on its way into outbox. */
typedef struct NewRow
{
	int64		id;
	TimestampTz due_at;
	int32		timeline;
	const IoMsgCaller *caller;
	const IoMsgService *service;
	const IoMsgOptions *options;	/* NULL for a profile check */
	const IoMsgBody *body;		/* NULL for a profile check */
	const char *fiscal_code;
	TimestampTz now;
} NewRow;

/*
 * Draws the next id; the sequence belongs to the extension.
 */
static int64
next_id(void)
{
	Oid			sequence = iomsg_table_oid(&outbox_id_seq);

	if (!OidIsValid(sequence))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("sequence \"%s\" does not exist",
						"io_msg.outbox_id_seq")));
	return nextval_internal(sequence, false);
}

static Datum
name_of_role(Oid role)
{
	return CStringGetTextDatum(GetUserNameFromId(role, false));
}

static void
set_text(Datum *value, bool *isnull, const text *in)
{
	*value = PointerGetDatum(in);
	*isnull = in == NULL;
}

static void
insert_into_outbox(const NewRow *row)
{
	const IoMsgOptions *options = row->options;
	const IoMsgBody *body = row->body;
	Datum		values[21];
	bool		nulls[21] = {false};

	values[0] = Int64GetDatum(row->id);
	values[1] = Int64GetDatum(row->service->generation);
	values[2] = TimestampTzGetDatum(row->due_at);
	values[3] = TimestampTzGetDatum(row->now);
	values[4] = options ? TimestampTzGetDatum(options->expires_at) : 0;
	nulls[4] = options == NULL || !options->has_expires_at;
	values[5] = body ? TimestampTzGetDatum(body->due_date) : 0;
	nulls[5] = body == NULL || !body->has_due_date;
	values[6] = Int32GetDatum(row->timeline);
	values[7] = Int32GetDatum(row->service->id);
	values[8] = Int16GetDatum((int16) (options ? options->priority :
									   IOMSG_PRIORITY_DEFAULT));
	values[9] = BoolGetDatum(body && body->has_payment);
	values[10] = BoolGetDatum(body && body->advanced);
	values[11] = CStringGetTextDatum(body ? "message" : "profile");
	values[12] = CStringGetTextDatum(row->fiscal_code);
	set_text(&values[13], &nulls[13], options ? options->reference : NULL);
	set_text(&values[14], &nulls[14], options ? options->lot : NULL);
	set_text(&values[15], &nulls[15], options ? options->dedup_key : NULL);
	values[16] = name_of_role(row->caller->outer);
	values[17] = row->caller->session == row->caller->outer ? values[16] :
		name_of_role(row->caller->session);
	values[18] = CStringGetTextDatum("queued");
	values[19] = Int16GetDatum(0);
	values[20] = Int16GetDatum(0);
	iomsg_append_row(&outbox, values, nulls);
}

static void
insert_into_pending(const NewRow *row)
{
	Datum		values[6];
	bool		nulls[6] = {false};

	values[0] = Int64GetDatum(row->service->generation);
	values[1] = Int32GetDatum(row->timeline);
	values[2] = Int32GetDatum(row->service->id);
	values[3] = Int16GetDatum((int16) (row->options ? row->options->priority :
									   IOMSG_PRIORITY_DEFAULT));
	values[4] = TimestampTzGetDatum(row->due_at);
	values[5] = Int64GetDatum(row->id);
	iomsg_append_row(&iomsg_append_pending, values, nulls);
}

/*
 * Inserts a row with all that hangs on it, and wakes the drainer at commit.
 */
static void
insert_row(NewRow *row)
{
	IoMsgIdentity identity;

	iomsg_installation_identity(&identity);
	row->timeline = (int32) identity.timeline;
	insert_into_outbox(row);
	if (row->body)
	{
		Datum		values[2];
		bool		nulls[2] = {false};

		values[0] = Int64GetDatum(row->id);
		values[1] = PointerGetDatum(
			cstring_to_text_with_len(row->body->json.data,
									 row->body->json.len));
		iomsg_append_row(&message_body, values, nulls);
	}
	insert_into_pending(row);
	iomsg_wake_service_at_commit(row->service->id, row->due_at);
}

/*
 * SHA-256 of a body, of its text in UTF-8 so that it outlives a dump.
 */
static Datum
content_hash(const IoMsgBody *body)
{
	const char *utf8;
	size_t		len;
	text	   *bytes;

	if (!iomsg_encoding_to_utf8(body->json.data, body->json.len, &utf8, &len))
		elog(ERROR, "body could not be converted to UTF-8");
	bytes = cstring_to_text_with_len(utf8, len);
	return DirectFunctionCall1(sha256_bytea, PointerGetDatum(bytes));
}

/*
 * Takes a dedup key for id, waiting for another transaction that is about to.
 * Returns 0 when the key is now ours, else the id of the earlier message with
 * the same content; other content under the same key is an error.
 */
static int64
take_dedup_key(const NewRow *row)
{
	Datum		values[4];

	values[0] = Int32GetDatum(row->service->id);
	values[1] = PointerGetDatum(row->options->dedup_key);
	values[2] = content_hash(row->body);
	values[3] = Int64GetDatum(row->id);
	for (int i = 0; i < DEDUP_TRIES; i++)
	{
		bool		isnull;

		if (iomsg_statement_write(&insert_dedup_key, values, NULL) > 0)
			return 0;
		/* not found where it was removed in between */
		if (iomsg_statement_look(&find_dedup_key, values) == 0)
			continue;
		if (!DatumGetBool(iomsg_statement_value(0, 1, &isnull)))
			ereport(ERROR,
					(errcode(ERRCODE_UNIQUE_VIOLATION),
					 errmsg("another message with this dedup_key exists for the service"),
					 errdetail("Its content differs from this one's."),
					 errhint("Use the same dedup_key only to repeat the same message.")));
		return DatumGetInt64(iomsg_statement_value(0, 0, &isnull));
	}
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			 errmsg("could not take the dedup_key: it is being removed and added at once"),
			 errhint("Try the transaction again.")));
}

/*
 * Enqueues a message; returns its id in the outbox, or the id of an earlier
 * one with the same dedup_key and content.
 */
int64
iomsg_enqueue_message(const IoMsgCaller *caller, const IoMsgService *service,
					  const IoMsgOptions *options, const IoMsgBody *body,
					  TimestampTz now, bool *is_new)
{
	NewRow		row = {0};

	row.id = next_id();
	row.due_at = now;
	if (options->has_send_after && options->send_after > now)
		row.due_at = options->send_after;
	row.caller = caller;
	row.service = service;
	row.options = options;
	row.body = body;
	row.fiscal_code = body->fiscal_code;
	row.now = now;

	if (options->dedup_key)
	{
		int64		earlier = take_dedup_key(&row);

		*is_new = false;
		if (earlier != 0)
			return earlier;
	}
	*is_new = true;
	insert_row(&row);
	return row.id;
}

/*
 * Enqueues a profile check; returns its id in the outbox.
 */
int64
iomsg_enqueue_profile(const IoMsgCaller *caller, const IoMsgService *service,
					  const char *fiscal_code, TimestampTz now)
{
	NewRow		row = {0};

	row.id = next_id();
	row.due_at = now;
	row.caller = caller;
	row.service = service;
	row.fiscal_code = fiscal_code;
	row.now = now;
	insert_row(&row);
	return row.id;
}
