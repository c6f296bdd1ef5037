/*
 * settle.c
 *	  What came of the items: their outcomes, written.
 *
 * What cannot be written now, because somebody has locked the row, stays in
 * hand for the next transaction.  An item leaves our hands only when what was
 * written of it is committed.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "outbox.h"
#include "outbox_sql.h"
#include "statement.h"

#define RESULT_COLUMNS	7
#define KEY_COLUMNS		3

/* When to look again at a row that somebody else held. */
#define REREAD_MS		1000

static IoMsgStatement settle_in_flight = {.sql = SQL_SETTLE_IN_FLIGHT,
	.nargs = RESULT_COLUMNS,
.types = {INT8ARRAYOID, TEXTARRAYOID, TEXTARRAYOID, INT2ARRAYOID,
INT2ARRAYOID, TIMESTAMPTZARRAYOID, TEXTARRAYOID}};
static IoMsgStatement settle_queued = {.sql = SQL_SETTLE_QUEUED,
	.nargs = RESULT_COLUMNS + KEY_COLUMNS + 2,
.types = {INT8ARRAYOID, TEXTARRAYOID, TEXTARRAYOID, INT2ARRAYOID,
INT2ARRAYOID, TIMESTAMPTZARRAYOID, TEXTARRAYOID, INT4ARRAYOID, INT2ARRAYOID,
TIMESTAMPTZARRAYOID, INT8OID, INT4OID}};
static IoMsgStatement settle_polls = {.sql = SQL_SETTLE_POLLS, .nargs = 6,
.types = {INT8ARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID,
INT2ARRAYOID, TIMESTAMPTZARRAYOID}};
static IoMsgStatement polls_delete = {.sql = SQL_POLLS_DELETE, .nargs = 5,
.types = {INT4ARRAYOID, TIMESTAMPTZARRAYOID, INT8ARRAYOID, INT8OID,
INT4OID}};
static IoMsgStatement still_open = {.sql = SQL_STILL_OPEN, .nargs = 1,
.types = {INT8ARRAYOID}};
static IoMsgStatement profiles_update = {.sql = SQL_PROFILES_UPDATE,
	.nargs = 6,
.types = {INT4ARRAYOID, TEXTARRAYOID, BOOLARRAYOID, BOOLARRAYOID,
TEXTARRAYOID, TIMESTAMPTZARRAYOID}};
static IoMsgStatement profiles_insert = {.sql = SQL_PROFILES_INSERT,
	.nargs = 6,
.types = {INT4ARRAYOID, TEXTARRAYOID, BOOLARRAYOID, BOOLARRAYOID,
TEXTARRAYOID, TIMESTAMPTZARRAYOID}};

/* Columns of a statement's arrays, being filled. */
typedef struct Columns
{
	int			ncolumns;
	int			nrows;
	Oid			types[10];
	Datum	   *values[10];
	bool	   *nulls[10];
} Columns;

static void
init_columns(Columns *columns, const Oid *types, int ncolumns, int max_rows)
{
	columns->ncolumns = ncolumns;
	columns->nrows = 0;
	for (int c = 0; c < ncolumns; c++)
	{
		columns->types[c] = types[c];
		columns->values[c] = palloc(Max(max_rows, 1) * sizeof(Datum));
		columns->nulls[c] = palloc0(Max(max_rows, 1) * sizeof(bool));
	}
}

static void
put(Columns *columns, int column, Datum value, bool isnull)
{
	columns->values[column][columns->nrows] = value;
	columns->nulls[column][columns->nrows] = isnull;
}

static void
put_text(Columns *columns, int column, const char *text)
{
	bool		isnull = text == NULL || text[0] == '\0';

	put(columns, column, isnull ? (Datum) 0 : CStringGetTextDatum(text),
		isnull);
}

static void
put_time(Columns *columns, int column, TimestampTz at)
{
	put(columns, column, TimestampTzGetDatum(at), at == DT_NOEND);
}

static void
make_arguments(const Columns *columns, Datum *args)
{
	for (int c = 0; c < columns->ncolumns; c++)
		args[c] = iomsg_statement_array(columns->values[c],
										columns->nulls[c], columns->nrows,
										columns->types[c]);
}

/*
 * The ids that a statement returned are written.
 */
static void
note_written(WorkItem **items, int nitems, uint64 nrows)
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

	put(columns, 0, Int64GetDatum(item->id), false);
	put_text(columns, 1, o->status);
	put_text(columns, 2, o->reason);
	put(columns, 3, Int16GetDatum(o->http_status), o->http_status == 0);
	put(columns, 4, Int16GetDatum(item->attempts + (o->counted ? 1 : 0)),
		false);
	put_time(columns, 5, o->next_due);
	put_text(columns, 6, o->message_id);
}

static void
write_results(Outbox *outbox, WorkItem **items, int nitems, bool in_flight)
{
	static const Oid types[] = {INT8OID, TEXTOID, TEXTOID, INT2OID, INT2OID,
	TIMESTAMPTZOID, TEXTOID, INT4OID, INT2OID, TIMESTAMPTZOID};
	int			ncolumns = RESULT_COLUMNS + (in_flight ? 0 : KEY_COLUMNS);
	Datum		args[RESULT_COLUMNS + KEY_COLUMNS + 2];
	Columns		columns;
	uint64		nrows;

	if (nitems == 0)
		return;
	init_columns(&columns, types, ncolumns, nitems);
	for (int i = 0; i < nitems; i++)
	{
		put_result(&columns, items[i]);
		if (!in_flight)
		{
			put(&columns, 7, Int32GetDatum(items[i]->service->id), false);
			put(&columns, 8, Int16GetDatum(items[i]->lane + 1), false);
			put_time(&columns, 9, items[i]->due_at);
		}
		columns.nrows++;
	}
	make_arguments(&columns, args);
	args[ncolumns] = Int64GetDatum(outbox->generation);
	args[ncolumns + 1] = Int32GetDatum(outbox->timeline);
	nrows = iomsg_statement_run(in_flight ? &settle_in_flight : &settle_queued,
								args, NULL);
	note_written(items, nitems, nrows);
}

static void
write_polls(WorkItem **items, int nitems)
{
	static const Oid types[] = {INT8OID, TEXTOID, TEXTOID, TEXTOID, INT2OID,
	TIMESTAMPTZOID};
	Datum		args[6];
	Columns		columns;

	if (nitems == 0)
		return;
	init_columns(&columns, types, 6, nitems);
	for (int i = 0; i < nitems; i++)
	{
		const Outcome *o = &items[i]->outcome;

		put(&columns, 0, Int64GetDatum(items[i]->id), false);
		put_text(&columns, 1, o->io_status);
		put_text(&columns, 2, o->read_status);
		put_text(&columns, 3, o->payment_status);
		put(&columns, 4, Int16GetDatum(items[i]->polls + (o->counted ? 1 : 0)),
			false);
		put_time(&columns, 5, o->next_due);
		columns.nrows++;
	}
	make_arguments(&columns, args);
	note_written(items, nitems,
				 iomsg_statement_run(&settle_polls, args, NULL));
}

/*
 * Delete the rows of poll of which no item is left.
 */
static void
delete_batches(Outbox *outbox, Work *work)
{
	static const Oid types[] = {INT4OID, TIMESTAMPTZOID, INT8OID};
	Datum		args[5];
	Columns		columns;
	dlist_iter	iter;
	int			nbatches = 0;

	dlist_foreach(iter, &work->batches)
		nbatches++;
	init_columns(&columns, types, 3, nbatches);
	dlist_foreach(iter, &work->batches)
	{
		const PollBatch *batch = dlist_container(PollBatch, node, iter.cur);

		if (batch->settled < batch->open || batch->forgotten)
			continue;
		put(&columns, 0, Int32GetDatum(batch->service->id), false);
		put_time(&columns, 1, batch->due_at);
		put(&columns, 2, Int64GetDatum(batch->first_id), false);
		columns.nrows++;
	}
	if (columns.nrows == 0)
		return;
	make_arguments(&columns, args);
	args[3] = Int64GetDatum(outbox->generation);
	args[4] = Int32GetDatum(outbox->timeline);
	iomsg_statement_run(&polls_delete, args, NULL);
}

/*
 * Store what IO said about people.
 */
static void
write_profiles(Work *work)
{
	static const Oid types[] = {INT4OID, TEXTOID, BOOLOID, BOOLOID, TEXTOID,
	TIMESTAMPTZOID};
	Datum		args[6];
	Columns		columns;
	dlist_iter	iter;

	init_columns(&columns, types, 6, work->nactive);
	dlist_foreach(iter, &work->active)
	{
		const WorkItem *item = dlist_container(WorkItem, node, iter.cur);

		if (!item->profile_to_store)
			continue;
		put(&columns, 0, Int32GetDatum(item->service->id), false);
		put_text(&columns, 1, item->fiscal_code);
		put(&columns, 2, BoolGetDatum(item->profile_exists), false);
		put(&columns, 3, BoolGetDatum(item->profile_allowed), false);
		put_text(&columns, 4, item->languages);
		put_time(&columns, 5, item->profile_checked_at);
		columns.nrows++;
	}
	if (columns.nrows == 0)
		return;
	make_arguments(&columns, args);
	iomsg_statement_run(&profiles_update, args, NULL);
	iomsg_statement_run(&profiles_insert, args, NULL);
}

/*
 * Of the items that could not be written, some never can: a person has
 * cancelled the row, or it is gone.  An id of IO's goes to the log then.
 */
static void
find_lost(WorkItem **items, int nitems)
{
	Datum	   *ids = palloc(Max(nitems, 1) * sizeof(Datum));
	int			nids = 0;
	Datum		arg;
	uint64		nrows;
	bool		isnull;

	for (int i = 0; i < nitems; i++)
	{
		if (!items[i]->written)
			ids[nids++] = Int64GetDatum(items[i]->id);
	}
	if (nids == 0)
		return;
	arg = iomsg_statement_array(ids, NULL, nids, INT8OID);
	nrows = iomsg_statement_run(&still_open, &arg, NULL);
	for (int i = 0; i < nitems; i++)
	{
		bool		open = false;

		for (uint64 row = 0; row < nrows && !open; row++)
			open = DatumGetInt64(iomsg_statement_value(row, 0, &isnull)) ==
				items[i]->id;
		if (items[i]->written || open)
			continue;
		items[i]->written = true;
		if (items[i]->marked)
			iomsg_settle_log(items[i]);
	}
}

/*
 * What became of a message whose row cannot say it any more goes to the
 * server's log: ids only.
 */
void
iomsg_settle_log(const WorkItem *item)
{
	ereport(LOG,
			(errmsg("io_msg row %lld, which is gone, ended as \"%s\" with "
					"message id \"%s\"",
					(long long) item->id,
					item->outcome.status ? item->outcome.status : "uncertain",
					item->outcome.message_id)));
}

/*
 * Write the outcomes of all items that are done, and the profiles learned.
 */
void
iomsg_settle_write(Outbox *outbox, Work *work)
{
	int			max = Max(work->nactive, 1);
	WorkItem  **lists[3];
	int			counts[3] = {0, 0, 0};
	dlist_iter	iter;

	for (int i = 0; i < 3; i++)
		lists[i] = palloc(max * sizeof(WorkItem *));
	dlist_foreach(iter, &work->batches)
		dlist_container(PollBatch, node, iter.cur)->settled = 0;
	dlist_foreach(iter, &work->active)
	{
		WorkItem   *item = dlist_container(WorkItem, node, iter.cur);
		int			list = item->marked ? 0 : item->kind == ITEM_POLL ? 2 : 1;

		item->written = false;
		item->tried = item->state == ITEM_DONE;
		if (item->tried)
			lists[list][counts[list]++] = item;
	}
	write_profiles(work);
	write_results(outbox, lists[0], counts[0], true);
	write_results(outbox, lists[1], counts[1], false);
	write_polls(lists[2], counts[2]);
	/* Of a row that is still queued nothing has left: it is read again. */
	find_lost(lists[0], counts[0]);
	find_lost(lists[2], counts[2]);
	for (int i = 0; i < counts[2]; i++)
	{
		if (lists[2][i]->written)
			lists[2][i]->batch->settled++;
	}
	delete_batches(outbox, work);
}

/*
 * What was written is committed: the items and poll batches that it finished
 * leave our hands.
 */
void
iomsg_settle_committed(Work *work)
{
	dlist_mutable_iter iter;
	TimestampTz later = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
													REREAD_MS);

	dlist_foreach_modify(iter, &work->active)
	{
		WorkItem   *item = dlist_container(WorkItem, node, iter.cur);

		item->profile_to_store = false;
		if (item->tried && !item->written && !item->marked &&
			item->kind != ITEM_POLL)
		{
			iomsg_work_put_back(work, item, later);
			continue;
		}
		if (!item->written)
			continue;
		if (item->batch)
			item->batch->open--;
		iomsg_work_expect(item);
		iomsg_work_drop(work, item);
	}
	dlist_foreach_modify(iter, &work->batches)
	{
		PollBatch  *batch = dlist_container(PollBatch, node, iter.cur);

		if (batch->open > 0)
			continue;
		dlist_delete(&batch->node);
		pfree(batch);
	}
}
