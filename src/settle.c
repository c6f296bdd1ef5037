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
#include "utils/timestamp.h"

#include "columns.h"
#include "doubt.h"
#include "outbox.h"
#include "outbox_sql.h"
#include "statement.h"

/* When to look again at a row that somebody else held. */
#define REREAD_MS		1000

static IoMsgStatement settle_polls = {.sql = SQL_SETTLE_POLLS, .nargs = 6,
.types = {INT8ARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID,
INT2ARRAYOID, TIMESTAMPTZARRAYOID}};
static IoMsgStatement polls_delete = {.sql = SQL_POLLS_DELETE, .nargs = 5,
.types = {INT4ARRAYOID, TIMESTAMPTZARRAYOID, INT8ARRAYOID, INT8OID,
INT4OID}};
static IoMsgStatement still_open = {.sql = SQL_STILL_OPEN, .nargs = 2,
.types = {INT8ARRAYOID, TIMESTAMPTZARRAYOID}};
static IoMsgStatement profiles_update = {.sql = SQL_PROFILES_UPDATE,
	.nargs = 6,
.types = {INT4ARRAYOID, TEXTARRAYOID, BOOLARRAYOID, BOOLARRAYOID,
TEXTARRAYOID, TIMESTAMPTZARRAYOID}};
static IoMsgStatement profiles_insert = {.sql = SQL_PROFILES_INSERT,
	.nargs = 6,
.types = {INT4ARRAYOID, TEXTARRAYOID, BOOLARRAYOID, BOOLARRAYOID,
TEXTARRAYOID, TIMESTAMPTZARRAYOID}};

static void
write_polls(WorkItem **items, int nitems)
{
	static const Oid types[] = {INT8OID, TEXTOID, TEXTOID, TEXTOID, INT2OID,
	TIMESTAMPTZOID};
	Datum		args[6];
	Columns		columns;

	if (nitems == 0)
		return;
	iomsg_columns_init(&columns, types, 6, nitems);
	for (int i = 0; i < nitems; i++)
	{
		const Outcome *o = &items[i]->outcome;

		iomsg_columns_set(&columns, 0, Int64GetDatum(items[i]->id));
		iomsg_columns_put_text(&columns, 1, o->io_status);
		iomsg_columns_put_text(&columns, 2, o->read_status);
		iomsg_columns_put_text(&columns, 3, o->payment_status);
		iomsg_columns_set(&columns, 4,
						  Int16GetDatum(items[i]->polls +
										(o->counted ? 1 : 0)));
		iomsg_columns_put_time(&columns, 5, o->next_due);
		columns.nrows++;
	}
	iomsg_columns_arguments(&columns, args);
	iomsg_result_note_written(items, nitems,
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
	iomsg_columns_init(&columns, types, 3, nbatches);
	dlist_foreach(iter, &work->batches)
	{
		PollBatch  *batch = dlist_container(PollBatch, node, iter.cur);

		batch->deleted = batch->settled == batch->open &&
			!batch->forgotten && batch->complete;
		if (!batch->deleted)
			continue;
		iomsg_columns_set(&columns, 0, Int32GetDatum(batch->service->id));
		iomsg_columns_put_time(&columns, 1, batch->due_at);
		iomsg_columns_set(&columns, 2, Int64GetDatum(batch->first_id));
		columns.nrows++;
	}
	if (columns.nrows == 0)
		return;
	iomsg_columns_arguments(&columns, args);
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

	iomsg_columns_init(&columns, types, 6, work->nactive);
	dlist_foreach(iter, &work->active)
	{
		const WorkItem *item = dlist_container(WorkItem, node, iter.cur);

		if (!item->profile_to_store)
			continue;
		iomsg_columns_set(&columns, 0, Int32GetDatum(item->service->id));
		iomsg_columns_put_text(&columns, 1, item->fiscal_code);
		iomsg_columns_set(&columns, 2, BoolGetDatum(item->profile_exists));
		iomsg_columns_set(&columns, 3, BoolGetDatum(item->profile_allowed));
		iomsg_columns_put_text(&columns, 4, item->languages);
		iomsg_columns_put_time(&columns, 5, item->profile_checked_at);
		columns.nrows++;
	}
	if (columns.nrows == 0)
		return;
	iomsg_columns_arguments(&columns, args);
	iomsg_statement_run(&profiles_update, args, NULL);
	iomsg_statement_run(&profiles_insert, args, NULL);
}

/*
 * Of the items that could not be written, some never can: a person has
 * cancelled the row or said what became of it, or it is gone.  An id of IO's
 * goes to the log then.
 */
static void
find_lost(WorkItem **items, int nitems)
{
	static const Oid types[] = {INT8OID, TIMESTAMPTZOID};
	Columns		columns;
	Datum		args[2];
	uint64		nrows;
	bool		isnull;

	iomsg_columns_init(&columns, types, 2, nitems);
	for (int i = 0; i < nitems; i++)
	{
		if (items[i]->written)
			continue;
		iomsg_columns_set(&columns, 0, Int64GetDatum(items[i]->id));
		iomsg_columns_put_time(&columns, 1, items[i]->kind == ITEM_POLL ?
							   items[i]->due_at : DT_NOEND);
		columns.nrows++;
	}
	if (columns.nrows == 0)
		return;
	iomsg_columns_arguments(&columns, args);
	nrows = iomsg_statement_run(&still_open, args, NULL);
	for (int i = 0; i < nitems; i++)
	{
		bool		open = false;

		for (uint64 row = 0; row < nrows && !open; row++)
			open = DatumGetInt64(iomsg_statement_value(row, 0, &isnull)) ==
				items[i]->id;
		if (items[i]->written || open)
			continue;
		items[i]->written = true;
		items[i]->lost = true;
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
			(errmsg("io_msg row %lld ended as \"%s\" with "
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
	WorkItem  **lists[4];
	int			counts[4] = {0, 0, 0, 0};
	dlist_iter	iter;

	for (int i = 0; i < 4; i++)
		lists[i] = palloc(max * sizeof(WorkItem *));
	dlist_foreach(iter, &work->batches)
		dlist_container(PollBatch, node, iter.cur)->settled = 0;
	dlist_foreach(iter, &work->active)
	{
		WorkItem   *item = dlist_container(WorkItem, node, iter.cur);
		int			list = item->marked ? 0 : item->kind != ITEM_POLL ? 1 :
			item->verifying ? 3 : 2;

		item->written = item->lost = false;
		item->tried = item->state == ITEM_DONE;
		if (item->tried)
			lists[list][counts[list]++] = item;
	}
	write_profiles(work);
	iomsg_result_write_in_flight(outbox, lists[0], counts[0]);
	iomsg_result_write_queued(outbox, lists[1], counts[1]);
	for (int list = 0; list <= 1; list++)
		iomsg_doubt_write_attempts(lists[list], counts[list]);
	write_polls(lists[2], counts[2]);
	if (counts[3] > 0)
		iomsg_result_note_written(lists[3], counts[3],
					 iomsg_doubt_write_verified(lists[3], counts[3]));
	/* Of a row that is still queued nothing has left: it is read again. */
	find_lost(lists[0], counts[0]);
	for (int list = 2; list <= 3; list++)
	{
		find_lost(lists[list], counts[list]);
		for (int i = 0; i < counts[list]; i++)
		{
			if (lists[list][i]->written)
				lists[list][i]->batch->settled++;
		}
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
		/* What its row has become was passed by while it was in hand. */
		if (item->lost)
			iomsg_work_probe_service(item->service, DT_NOBEGIN);
		else
			iomsg_work_expect(item);
		iomsg_work_drop(work, item);
	}
	dlist_foreach_modify(iter, &work->batches)
	{
		PollBatch  *batch = dlist_container(PollBatch, node, iter.cur);

		if (batch->open > 0 || !(batch->deleted || batch->forgotten))
			continue;
		dlist_delete(&batch->node);
		pfree(batch);
	}
}
