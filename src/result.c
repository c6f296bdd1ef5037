/*
 * result.c
 *	  What came of a message, written into its row of outbox.
 *
 * With it goes what the row is to be found by later: its row in pending where
 * it is to be sent again, a place in a row of poll where IO is to be asked.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "append.h"
#include "columns.h"
#include "outbox.h"
#include "outbox_sql.h"
#include "rows.h"
#include "statement.h"

#define RESULT_COLUMNS	7
#define KEY_COLUMNS		3

static IoMsgStatement settle_in_flight = {.sql = SQL_SETTLE_IN_FLIGHT,
	.nargs = RESULT_COLUMNS,
.types = {INT8ARRAYOID, TEXTARRAYOID, TEXTARRAYOID, INT2ARRAYOID,
INT2ARRAYOID, TIMESTAMPTZARRAYOID, TEXTARRAYOID}};
static IoMsgStatement settle_queued = {.sql = SQL_SETTLE_QUEUED,
	.nargs = RESULT_COLUMNS + KEY_COLUMNS + 2,
.types = {INT8ARRAYOID, TEXTARRAYOID, TEXTARRAYOID, INT2ARRAYOID,
INT2ARRAYOID, TIMESTAMPTZARRAYOID, TEXTARRAYOID, INT4ARRAYOID, INT2ARRAYOID,
TIMESTAMPTZARRAYOID, INT8OID, INT4OID}};

/* The columns that a result changes come last. */
static IoMsgTable outbox_table = {
	.name = "outbox", .nkeys = 1, .ncolumns = 13,
	.columns = {{"id", INT8OID}, {"generation", INT8OID},
	{"timeline", INT4OID}, {"service_id", INT4OID}, {"priority", INT2OID},
	{"due_at", TIMESTAMPTZOID}, {"settled_at", TIMESTAMPTZOID},
	{"attempts", INT2OID}, {"http_status", INT2OID}, {"status", TEXTOID},
	{"reason", TEXTOID}, {"message_id", TEXTOID}, {"io_status", TEXTOID}}
};
enum
{
	OUTBOX_ID, OUTBOX_GENERATION, OUTBOX_TIMELINE, OUTBOX_SERVICE_ID,
	OUTBOX_PRIORITY, OUTBOX_DUE_AT, OUTBOX_SETTLED_AT, OUTBOX_ATTEMPTS,
	OUTBOX_HTTP_STATUS, OUTBOX_STATUS, OUTBOX_REASON, OUTBOX_MESSAGE_ID,
	OUTBOX_IO_STATUS, OUTBOX_NCOLUMNS
};

static IoMsgAppend poll = {.table = {
	.name = "poll", .ncolumns = 6,
	.columns = {{"generation", INT8OID}, {"timeline", INT4OID},
	{"service_id", INT4OID}, {"due_at", TIMESTAMPTZOID},
	{"first_id", INT8OID}, {"ids", INT8ARRAYOID}}
}};

/* A message that IO is to be asked about. */
typedef struct ToPoll
{
	int64		generation;
	int32		timeline;
	int32		service_id;
	TimestampTz due_at;
	int64		id;
} ToPoll;

/*
 * The ids that a statement returned are written.
 */
void
iomsg_result_note_written(WorkItem **items, int nitems, uint64 nrows)
{
	bool		isnull;

	for (uint64 row = 0; row < nrows; row++)
	{
		int64		id = DatumGetInt64(iomsg_statement_value(row, 0, &isnull));

		for (int i = 0; i < nitems; i++)
		{
			if (items[i]->id == id)
				items[i]->written = true;
		}
	}
}

static void
put_result(Columns *columns, const WorkItem *item)
{
	const Outcome *o = &item->outcome;

	iomsg_columns_set(columns, 0, Int64GetDatum(item->id));
	iomsg_columns_put_text(columns, 1, o->status);
	iomsg_columns_put_text(columns, 2, o->reason);
	iomsg_columns_put(columns, 3, Int16GetDatum(o->http_status),
					  o->http_status == 0);
	iomsg_columns_set(columns, 4,
					  Int16GetDatum(item->attempts + (o->counted ? 1 : 0)));
	iomsg_columns_put_time(columns, 5, o->next_due);
	iomsg_columns_put_text(columns, 6, o->message_id);
}

/*
 * Write results by a statement.
 */
static void
write_by_statement(Outbox *outbox, WorkItem **items, int nitems,
				   bool in_flight)
{
	static const Oid types[] = {INT8OID, TEXTOID, TEXTOID, INT2OID, INT2OID,
	TIMESTAMPTZOID, TEXTOID, INT4OID, INT2OID, TIMESTAMPTZOID};
	int			ncolumns = RESULT_COLUMNS + (in_flight ? 0 : KEY_COLUMNS);
	Datum		args[RESULT_COLUMNS + KEY_COLUMNS + 2];
	Columns		columns;
	uint64		nrows;

	iomsg_columns_init(&columns, types, ncolumns, nitems);
	for (int i = 0; i < nitems; i++)
	{
		put_result(&columns, items[i]);
		if (!in_flight)
		{
			iomsg_columns_set(&columns, 7,
							  Int32GetDatum(items[i]->service->id));
			iomsg_columns_set(&columns, 8, Int16GetDatum(items[i]->lane + 1));
			iomsg_columns_put_time(&columns, 9, items[i]->due_at);
		}
		columns.nrows++;
	}
	iomsg_columns_arguments(&columns, args);
	args[ncolumns] = Int64GetDatum(outbox->generation);
	args[ncolumns + 1] = Int32GetDatum(outbox->timeline);
	nrows = iomsg_statement_run(in_flight ? &settle_in_flight : &settle_queued,
								args, NULL);
	iomsg_result_note_written(items, nitems, nrows);
}

static void
set_text(Datum *value, bool *isnull, const char *text)
{
	*isnull = text == NULL || text[0] == '\0';
	*value = *isnull ? 0 : CStringGetTextDatum(text);
}

/*
 * The row that was found, as the result of its message leaves it.
 */
static void
change_row(IoMsgRows *rows, const WorkItem *item, Datum *v, bool *n)
{
	const Outcome *o = &item->outcome;
	bool		is_queued = strcmp(o->status, "queued") == 0;

	for (int i = 0; i < OUTBOX_NCOLUMNS; i++)
		v[i] = iomsg_rows_value(rows, i, &n[i]);
	if (o->next_due != DT_NOEND)
		v[OUTBOX_DUE_AT] = TimestampTzGetDatum(o->next_due);
	n[OUTBOX_SETTLED_AT] = is_queued;
	v[OUTBOX_SETTLED_AT] = TimestampTzGetDatum(GetCurrentTimestamp());
	v[OUTBOX_ATTEMPTS] = Int16GetDatum(item->attempts + (o->counted ? 1 : 0));
	if (o->http_status != 0)
	{
		v[OUTBOX_HTTP_STATUS] = Int16GetDatum(o->http_status);
		n[OUTBOX_HTTP_STATUS] = false;
	}
	set_text(&v[OUTBOX_STATUS], &n[OUTBOX_STATUS], o->status);
	set_text(&v[OUTBOX_REASON], &n[OUTBOX_REASON], o->reason);
	if (o->message_id[0] != '\0')
		set_text(&v[OUTBOX_MESSAGE_ID], &n[OUTBOX_MESSAGE_ID],
				 o->message_id);
	if (strcmp(o->status, "sent") == 0)
		set_text(&v[OUTBOX_IO_STATUS], &n[OUTBOX_IO_STATUS], "ACCEPTED");
}

/*
 * Where its row is to be found from now on; what is to be polled is noted.
 */
static void
schedule(const WorkItem *item, const Datum *v, ToPoll *to_poll, int *npolls)
{
	const Outcome *o = &item->outcome;
	bool		nulls[6] = {false};
	Datum		values[6];

	if (strcmp(o->status, "queued") == 0)
	{
		values[0] = v[OUTBOX_GENERATION];
		values[1] = v[OUTBOX_TIMELINE];
		values[2] = v[OUTBOX_SERVICE_ID];
		values[3] = v[OUTBOX_PRIORITY];
		values[4] = v[OUTBOX_DUE_AT];
		values[5] = v[OUTBOX_ID];
		iomsg_append_row(&iomsg_append_pending, values, nulls);
	}
	else if (strcmp(o->status, "sent") == 0 && o->next_due != DT_NOEND)
	{
		to_poll[*npolls].generation = DatumGetInt64(v[OUTBOX_GENERATION]);
		to_poll[*npolls].timeline = DatumGetInt32(v[OUTBOX_TIMELINE]);
		to_poll[*npolls].service_id = DatumGetInt32(v[OUTBOX_SERVICE_ID]);
		to_poll[*npolls].due_at = o->next_due;
		to_poll[*npolls].id = item->id;
		(*npolls)++;
	}
}

static int
compare_to_poll(const void *a, const void *b)
{
	const ToPoll *x = a;
	const ToPoll *y = b;

#define COMPARE(field) \
	if (x->field != y->field) \
		return x->field < y->field ? -1 : 1
	COMPARE(generation);
	COMPARE(timeline);
	COMPARE(service_id);
	COMPARE(due_at);
	COMPARE(id);
#undef COMPARE
	return 0;
}

/*
 * A row of poll for those that are to be asked about at the same time.
 */
static void
schedule_polls(ToPoll *to_poll, int npolls)
{
	bool		nulls[6] = {false};
	int64	   *ids = palloc(Max(npolls, 1) * sizeof(int64));

	qsort(to_poll, npolls, sizeof(ToPoll), compare_to_poll);
	for (int i = 0, nids; i < npolls; i += nids)
	{
		const ToPoll *first = &to_poll[i];
		Datum		values[6];

		for (nids = 0; i + nids < npolls; nids++)
		{
			const ToPoll *next = &to_poll[i + nids];

			if (next->generation != first->generation ||
				next->timeline != first->timeline ||
				next->service_id != first->service_id ||
				next->due_at != first->due_at)
				break;
			ids[nids] = next->id;
		}
		values[0] = Int64GetDatum(first->generation);
		values[1] = Int32GetDatum(first->timeline);
		values[2] = Int32GetDatum(first->service_id);
		values[3] = TimestampTzGetDatum(first->due_at);
		values[4] = Int64GetDatum(first->id);
		values[5] = iomsg_outbox_ids(ids, nids);
		iomsg_append_row(&poll, values, nulls);
	}
}

/*
 * Write results row by row; false where that cannot be done.
 */
static bool
write_rows(WorkItem **items, int nitems)
{
	ToPoll	   *to_poll = palloc(nitems * sizeof(ToPoll));
	int			npolls = 0;
	IoMsgRows	rows;

	if (!iomsg_rows_begin(&rows, &outbox_table, CMD_UPDATE))
		return false;
	for (int i = 0; i < nitems; i++)
	{
		Datum		id = Int64GetDatum(items[i]->id);
		Datum		v[OUTBOX_NCOLUMNS];
		bool		n[OUTBOX_NCOLUMNS];

		if (!iomsg_rows_find(&rows, &id) || !iomsg_rows_lock(&rows) ||
			!iomsg_table_text_is(iomsg_rows_value(&rows, OUTBOX_STATUS,
												  &n[OUTBOX_STATUS]),
								 "queued"))
			continue;
		change_row(&rows, items[i], v, n);
		iomsg_rows_update(&rows, OUTBOX_DUE_AT, &v[OUTBOX_DUE_AT],
						  &n[OUTBOX_DUE_AT]);
		schedule(items[i], v, to_poll, &npolls);
		items[i]->written = true;
	}
	iomsg_rows_end(&rows);
	schedule_polls(to_poll, npolls);
	return true;
}

/*
 * Write what came of messages that are in flight, and so in nobody's hands but
 * ours; those whose rows somebody has locked are not marked as written.
 */
void
iomsg_result_write_in_flight(Outbox *outbox, WorkItem **items, int nitems)
{
	if (nitems > 0 && !write_rows(items, nitems))
		write_by_statement(outbox, items, nitems, true);
}

/*
 * Write what came of messages of which nothing has left.
 */
void
iomsg_result_write_queued(Outbox *outbox, WorkItem **items, int nitems)
{
	if (nitems > 0)
		write_by_statement(outbox, items, nitems, false);
}
