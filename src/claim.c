/*
 * claim.c
 *	  What is due, the mark that makes it ours, and its content.
 *
 * Probing reads ahead without any lock: what it finds is a hint.  The mark
 * decides: it takes the row out of pending in a transaction that is durable
 * before anything of the message leaves.  Only then is the content read.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "fault.h"
#include "outbox.h"
#include "outbox_sql.h"
#include "statement.h"

/* A lane is read when it holds fewer than LOW rows, PEEK_ROWS at a time. */
#define LANE_LOW		32
#define LANE_STUCK		1024	/* while all in it wait for each other */
#define PEEK_ROWS		64
#define PEEK_BATCHES	4
#define PEEK_LANES		512

static IoMsgStatement peek = {.sql = SQL_PEEK, .nargs = 7,
.types = {INT4ARRAYOID, INT2ARRAYOID, TIMESTAMPTZARRAYOID, INT8ARRAYOID,
INT8OID, INT4OID, INT8OID}};
static IoMsgStatement peek_polls = {.sql = SQL_PEEK_POLLS, .nargs = 7,
.types = {INT4ARRAYOID, TIMESTAMPTZARRAYOID, INT8ARRAYOID, INT8OID, INT4OID,
INT8OID, TIMESTAMPTZOID}};
static IoMsgStatement mark = {.sql = SQL_MARK, .nargs = 6,
.types = {INT4ARRAYOID, INT2ARRAYOID, TIMESTAMPTZARRAYOID, INT8ARRAYOID,
INT8OID, INT4OID}};
static IoMsgStatement load = {.sql = SQL_LOAD, .nargs = 1,
.types = {INT8ARRAYOID}};

/* The lanes of one probe, and what they found. */
typedef struct Probe
{
	int			nlanes;
	Service    *services[PEEK_LANES];
	int			lanes[PEEK_LANES];
	int			nrows[PEEK_LANES];
	Datum		service_ids[PEEK_LANES];
	Datum		priorities[PEEK_LANES];
	Datum		due_ats[PEEK_LANES];
	Datum		ids[PEEK_LANES];
} Probe;

static void
add_lane(Probe *probe, Service *service, int lane)
{
	const Lane *l = &service->lanes[lane];
	int			n = probe->nlanes++;

	probe->services[n] = service;
	probe->lanes[n] = lane;
	probe->nrows[n] = 0;
	probe->service_ids[n] = Int32GetDatum(service->id);
	probe->priorities[n] = Int16GetDatum(lane + 1);
	probe->due_ats[n] = TimestampTzGetDatum(l->cursor_due_at);
	probe->ids[n] = Int64GetDatum(l->cursor_id);
}

/*
 * Collect the lanes to be read: of services that may send, where there may be
 * rows and few are in hand.
 */
static void
collect_lanes(Probe *probe, Work *work, bool polls)
{
	probe->nlanes = 0;
	for (int i = 0; i < work->nservices; i++)
	{
		Service    *service = work->services[i];

		if (!iomsg_work_may_send(service))
			continue;
		for (int j = 0; j < IOMSG_LANES; j++)
		{
			if ((j == IOMSG_POLL_LANE) == polls &&
				service->lanes[j].probe &&
				service->lanes[j].nitems <
				(service->lanes[j].stuck ? LANE_STUCK : LANE_LOW) &&
				probe->nlanes < PEEK_LANES)
				add_lane(probe, service, j);
		}
	}
}

static void
copy_text(char *to, size_t size, Datum datum, bool isnull)
{
	to[0] = '\0';
	if (!isnull)
		text_to_cstring_buffer(DatumGetTextPP(datum), to, size);
}

static TimestampTz
time_or_never(Datum datum, bool isnull)
{
	return isnull ? DT_NOEND : DatumGetTimestampTz(datum);
}

/*
 * Note a row that was read: within the lane when it is due, else as the time
 * to look again.  Returns false for the latter.
 */
static bool
advance_lane(Lane *lane, TimestampTz due_at, int64 id, TimestampTz now)
{
	if (due_at > now)
	{
		lane->next_due = Min(lane->next_due, due_at);
		return false;
	}
	lane->cursor_due_at = due_at;
	lane->cursor_id = id;
	return true;
}

static void
take_row(Work *work, Service *service, int lane, Datum *v, bool *n)
{
	WorkItem   *item = iomsg_work_add(work, service, lane,
									  DatumGetInt64(v[1]));

	if (item == NULL)
		return;
	item->due_at = DatumGetTimestampTz(v[2]);
	item->kind = DatumGetBool(v[3]) ? ITEM_PROFILE : ITEM_MESSAGE;
	copy_text(item->fiscal_code, sizeof(item->fiscal_code), v[4], n[4]);
	item->attempts = DatumGetInt16(v[5]);
	item->expires_at = time_or_never(v[6], n[6]);
	item->due_date = DT_NOEND;
	item->doubtful = DatumGetBool(v[10]);
	item->profile_known = !n[9];
	if (item->profile_known)
	{
		item->profile_exists = DatumGetBool(v[7]);
		item->profile_allowed = item->profile_exists && DatumGetBool(v[8]);
		item->profile_checked_at = DatumGetTimestampTz(v[9]);
	}
}

static void
probe_messages(Outbox *outbox, Work *work, Probe *probe, TimestampTz now)
{
	Datum		args[7];
	uint64		nrows;

	args[0] = iomsg_statement_array(probe->service_ids, NULL, probe->nlanes,
									INT4OID);
	args[1] = iomsg_statement_array(probe->priorities, NULL, probe->nlanes,
									INT2OID);
	args[2] = iomsg_statement_array(probe->due_ats, NULL, probe->nlanes,
									TIMESTAMPTZOID);
	args[3] = iomsg_statement_array(probe->ids, NULL, probe->nlanes, INT8OID);
	args[4] = Int64GetDatum(outbox->generation);
	args[5] = Int32GetDatum(outbox->timeline);
	args[6] = Int64GetDatum(PEEK_ROWS);
	nrows = iomsg_statement_run(&peek, args, NULL);

	for (uint64 row = 0; row < nrows; row++)
	{
		Datum		v[11];
		bool		n[11];
		int			i;

		heap_deform_tuple(SPI_tuptable->vals[row], SPI_tuptable->tupdesc,
						  v, n);
		i = (int) DatumGetInt64(v[0]) - 1;
		probe->nrows[i]++;
		if (advance_lane(&probe->services[i]->lanes[probe->lanes[i]],
						 DatumGetTimestampTz(v[2]), DatumGetInt64(v[1]), now))
			take_row(work, probe->services[i], probe->lanes[i], v, n);
	}
}

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
	copy_text(item->fiscal_code, sizeof(item->fiscal_code), v[4], n[4]);
	item->polls = DatumGetInt16(v[5]);
	item->verifying = DatumGetBool(v[14]);
	item->sent_at = n[6] ? GetCurrentTimestamp() : DatumGetTimestampTz(v[6]);
	item->due_date = time_or_never(v[7], n[7]);
	item->advanced = DatumGetBool(v[8]);
	item->has_payment = DatumGetBool(v[9]);
	copy_text(item->message_id, sizeof(item->message_id), v[10], n[10]);
	copy_text(item->io_status, sizeof(item->io_status), v[11], n[11]);
	copy_text(item->read_status, sizeof(item->read_status), v[12], n[12]);
	copy_text(item->payment_status, sizeof(item->payment_status), v[13],
			  n[13]);
}

static void
probe_polls(Outbox *outbox, Work *work, Probe *probe, TimestampTz now)
{
	Datum		args[7];
	uint64		nrows;
	PollBatch  *batch = NULL;

	args[0] = iomsg_statement_array(probe->service_ids, NULL, probe->nlanes,
									INT4OID);
	args[1] = iomsg_statement_array(probe->due_ats, NULL, probe->nlanes,
									TIMESTAMPTZOID);
	args[2] = iomsg_statement_array(probe->ids, NULL, probe->nlanes, INT8OID);
	args[3] = Int64GetDatum(outbox->generation);
	args[4] = Int32GetDatum(outbox->timeline);
	args[5] = Int64GetDatum(PEEK_BATCHES);
	args[6] = TimestampTzGetDatum(now);
	nrows = iomsg_statement_run(&peek_polls, args, NULL);

	for (uint64 row = 0; row < nrows; row++)
	{
		Datum		v[15];
		bool		n[15];
		int			i;
		TimestampTz due_at;
		int64		first_id;

		heap_deform_tuple(SPI_tuptable->vals[row], SPI_tuptable->tupdesc,
						  v, n);
		i = (int) DatumGetInt64(v[0]) - 1;
		due_at = DatumGetTimestampTz(v[1]);
		first_id = DatumGetInt64(v[2]);
		if (batch == NULL || batch->service != probe->services[i] ||
			batch->due_at != due_at || batch->first_id != first_id)
		{
			/* The first row of another batch. */
			probe->nrows[i]++;
			batch = NULL;
			if (!advance_lane(&probe->services[i]->lanes[IOMSG_POLL_LANE],
							  due_at, first_id, now))
				continue;
			batch = take_batch(work, probe->services[i], due_at, first_id);
		}
		if (!n[3])
			take_poll(work, batch, v, n);
	}
}

/* Read what is due and not yet in hand. */
void
iomsg_claim_probe(Outbox *outbox, Work *work, TimestampTz now)
{
	Probe	   *probe = palloc(sizeof(Probe));

	for (int polls = 0; polls <= 1; polls++)
	{
		int			limit = polls ? PEEK_BATCHES : PEEK_ROWS;

		collect_lanes(probe, work, polls);
		if (probe->nlanes == 0)
			continue;
		for (int i = 0; i < probe->nlanes; i++)
			probe->services[i]->lanes[probe->lanes[i]].next_due = DT_NOEND;
		if (polls)
			probe_polls(outbox, work, probe, now);
		else
			probe_messages(outbox, work, probe, now);
		for (int i = 0; i < probe->nlanes; i++)
		{
			Lane	   *lane = &probe->services[i]->lanes[probe->lanes[i]];

			lane->probe = probe->nrows[i] == limit &&
				lane->next_due == DT_NOEND;
		}
	}
	pfree(probe);
}

/*
 * Take items out of pending, by their keys alone.  Those that somebody else
 * holds or has changed are moved behind the others; returns how many are ours
 * once the transaction commits.
 */
int
iomsg_claim_mark(Outbox *outbox, WorkItem **items, int nitems)
{
	Datum	   *columns[4];
	Datum		args[6];
	int			nmarked = 0;
	uint64		nrows;
	bool		isnull;

	for (int c = 0; c < 4; c++)
		columns[c] = palloc(nitems * sizeof(Datum));
	for (int i = 0; i < nitems; i++)
	{
		columns[0][i] = Int32GetDatum(items[i]->service->id);
		columns[1][i] = Int16GetDatum(items[i]->lane + 1);
		columns[2][i] = TimestampTzGetDatum(items[i]->due_at);
		columns[3][i] = Int64GetDatum(items[i]->id);
	}
	for (int c = 0; c < 4; c++)
		args[c] = iomsg_statement_array(columns[c], NULL, nitems,
										c == 0 ? INT4OID : c == 1 ? INT2OID :
										c == 2 ? TIMESTAMPTZOID : INT8OID);
	args[4] = Int64GetDatum(outbox->generation);
	args[5] = Int32GetDatum(outbox->timeline);
	FAULT_POINT("before_claim");
	nrows = iomsg_statement_run(&mark, args, NULL);
	FAULT_POINT("after_claim");
	FAULT_NOTE(FAULT_MARK);

	for (uint64 row = 0; row < nrows; row++)
	{
		int64		id = DatumGetInt64(iomsg_statement_value(row, 0, &isnull));

		for (int i = nmarked; i < nitems; i++)
		{
			if (items[i]->id == id)
			{
				WorkItem   *item = items[i];

				items[i] = items[nmarked];
				items[nmarked++] = item;
				break;
			}
		}
	}
	return nmarked;
}

/*
 * Read the content of marked items, in UTF-8; one without keeps a NULL body.
 */
void
iomsg_claim_load(WorkItem **items, int nitems, Work *work)
{
	Datum	   *ids = palloc(nitems * sizeof(Datum));
	Datum		arg;
	uint64		nrows;
	bool		isnull;

	for (int i = 0; i < nitems; i++)
		ids[i] = Int64GetDatum(items[i]->id);
	arg = iomsg_statement_array(ids, NULL, nitems, INT8OID);
	FAULT_POINT("before_content");
	nrows = iomsg_statement_run(&load, &arg, NULL);
	for (uint64 row = 0; row < nrows; row++)
	{
		int64		id = DatumGetInt64(iomsg_statement_value(row, 0, &isnull));
		char	   *content = TextDatumGetCString(iomsg_statement_value(row, 1,
																	 &isnull));
		char	   *utf8 = pg_server_to_any(content, strlen(content), PG_UTF8);

		FAULT_CONTENT(utf8);
		for (int i = 0; i < nitems; i++)
		{
			if (items[i]->id != id)
				continue;
			items[i]->body = MemoryContextStrdup(work->context, utf8);
			items[i]->body_len = strlen(utf8);
			break;
		}
	}
}
