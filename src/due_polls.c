/*
 * due_polls.c
 *	  Which sent messages IO is to be asked about now.
 *
 * Messages that left together share a row of io_msg.poll, and are in hand
 * together until each has been asked about.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "outbox_sql.h"
#include "probe.h"
#include "rows.h"
#include "statement.h"

static IoMsgTable poll_table = {
	.name = "poll", .nkeys = 5, .ncolumns = 5,
	.columns = {{"generation", INT8OID}, {"timeline", INT4OID},
	{"service_id", INT4OID}, {"due_at", TIMESTAMPTZOID},
	{"first_id", INT8OID}}
};
enum
{
	POLL_DUE_AT = 3, POLL_COLUMNS = 5
};

static IoMsgStatement peek_polls = {.sql = SQL_PEEK_POLLS, .nargs = 7,
.types = {INT4ARRAYOID, TIMESTAMPTZARRAYOID, INT8ARRAYOID, INT8OID, INT4OID,
INT8OID, TIMESTAMPTZOID}};

static PollBatch *
take_batch(Work *work, Service *service, TimestampTz due_at, int64 first_id)
{
	PollBatch  *batch;
	dlist_iter	iter;

	dlist_foreach(iter, &work->batches)
	{
		batch = dlist_container(PollBatch, node, iter.cur);
		if (batch->service == service && batch->due_at == due_at &&
			batch->first_id == first_id && !batch->forgotten)
			return batch;
	}
	batch = MemoryContextAllocZero(work->context, sizeof(PollBatch));
	batch->service = service;
	batch->due_at = due_at;
	batch->first_id = first_id;
	dlist_push_tail(&work->batches, &batch->node);
	return batch;
}

static void
take_poll(Work *work, PollBatch *batch, Datum *v, bool *n)
{
	WorkItem   *item = iomsg_work_add(work, batch->service, IOMSG_POLL_LANE,
									  DatumGetInt64(v[3]));

	if (item == NULL)
	{
		/* In hand by another batch, and of no use there: read it again. */
		batch->forgotten |= batch->open == 0;
		return;
	}
	item->kind = ITEM_POLL;
	item->batch = batch;
	batch->open++;
	item->due_at = batch->due_at;
	item->expires_at = DT_NOEND;
	iomsg_probe_text(item->fiscal_code, sizeof(item->fiscal_code), v[4], n[4]);
	item->polls = DatumGetInt16(v[5]);
	item->verifying = DatumGetBool(v[14]);
	item->sent_at = n[6] ? GetCurrentTimestamp() : DatumGetTimestampTz(v[6]);
	item->due_date = iomsg_probe_time(v[7], n[7]);
	item->advanced = DatumGetBool(v[8]);
	item->has_payment = DatumGetBool(v[9]);
	iomsg_probe_text(item->message_id, sizeof(item->message_id), v[10], n[10]);
	iomsg_probe_text(item->io_status, sizeof(item->io_status), v[11], n[11]);
	iomsg_probe_text(item->read_status, sizeof(item->read_status), v[12],
					 n[12]);
	iomsg_probe_text(item->payment_status, sizeof(item->payment_status), v[13],
			  n[13]);
}

/*
 * When the first poll of a lane is due that has not been read, DT_NOEND if
 * there is none.
 */
static TimestampTz
first_due_at(IoMsgRows *polls, const Outbox *outbox, const Probe *probe,
			 int lane)
{
	Datum		key[POLL_COLUMNS];
	bool		isnull;

	key[0] = Int64GetDatum(outbox->generation);
	key[1] = Int32GetDatum(outbox->timeline);
	key[2] = probe->service_ids[lane];
	key[3] = probe->due_ats[lane];
	key[4] = probe->ids[lane];
	/* Those due at the time of the last one read, then later ones. */
	for (int nequal = POLL_DUE_AT + 1; nequal >= POLL_DUE_AT; nequal--)
	{
		iomsg_rows_seek(polls, key, nequal, true);
		if (iomsg_rows_next(polls))
			return DatumGetTimestampTz(iomsg_rows_value(polls, POLL_DUE_AT,
														&isnull));
	}
	return DT_NOEND;
}

/*
 * Is any poll due?  Mostly none is, and to find that out takes a look at an
 * index; the statement is long, and a worker that has just come would plan it
 * before its first message leaves.
 */
static bool
any_is_due(const Outbox *outbox, Probe *probe, TimestampTz now)
{
	IoMsgRows	polls;
	bool		due = false;

	if (!iomsg_rows_begin(&polls, &poll_table, CMD_SELECT))
		return true;
	for (int i = 0; i < probe->nlanes && !due; i++)
	{
		Lane	   *lane = &probe->services[i]->lanes[IOMSG_POLL_LANE];
		TimestampTz due_at = first_due_at(&polls, outbox, probe, i);

		due = due_at <= now;
		if (!due)
			lane->next_due = Min(lane->next_due, due_at);
	}
	iomsg_rows_end(&polls);
	return due;
}

/*
 * Read which messages are to be asked about.
 */
void
iomsg_probe_polls(Outbox *outbox, Work *work, Probe *probe, TimestampTz now)
{
	Datum		args[7];
	uint64		nrows;
	PollBatch  *batch = NULL;

	if (!any_is_due(outbox, probe, now))
		return;
	args[0] = iomsg_statement_array(probe->service_ids, NULL, probe->nlanes,
									INT4OID);
	args[1] = iomsg_statement_array(probe->due_ats, NULL, probe->nlanes,
									TIMESTAMPTZOID);
	args[2] = iomsg_statement_array(probe->ids, NULL, probe->nlanes, INT8OID);
	args[3] = Int64GetDatum(outbox->generation);
	args[4] = Int32GetDatum(outbox->timeline);
	args[5] = Int64GetDatum(IOMSG_PROBE_BATCHES);
	args[6] = TimestampTzGetDatum(now);
	nrows = iomsg_statement_run(&peek_polls, args, NULL);

	for (uint64 row = 0; row < nrows; row++)
	{
		Datum		v[15];
		bool		n[15];
		int			i;
		TimestampTz due_at;
		int64		first_id;
		Lane	   *lane;

		heap_deform_tuple(SPI_tuptable->vals[row], SPI_tuptable->tupdesc,
						  v, n);
		i = (int) DatumGetInt64(v[0]) - 1;
		due_at = DatumGetTimestampTz(v[1]);
		first_id = DatumGetInt64(v[2]);
		if (batch == NULL || batch->service != probe->services[i] ||
			batch->due_at != due_at || batch->first_id != first_id)
		{
			/* The first row of another batch. */
			if (batch)
				batch->complete = true;
			probe->nrows[i]++;
			batch = NULL;
			lane = &probe->services[i]->lanes[IOMSG_POLL_LANE];
			if (!iomsg_probe_advance(lane, due_at, first_id, now))
				continue;
			batch = take_batch(work, probe->services[i], due_at, first_id);
		}
		if (!n[3])
			take_poll(work, batch, v, n);
	}
	if (batch)
		batch->complete = true;
}
