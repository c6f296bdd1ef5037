/*
 * probe.c
 *	  What is due.
 *
 * Reads ahead of what is sent, without any lock: what it finds is a hint, and
 * the mark decides.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "append.h"
#include "due_rows.h"
#include "outbox.h"
#include "outbox_sql.h"
#include "probe.h"
#include "statement.h"

#define PEEK_ROWS		64		/* of a lane at a time */

static IoMsgStatement peek = {.sql = SQL_PEEK, .nargs = 7,
.types = {INT4ARRAYOID, INT2ARRAYOID, TIMESTAMPTZARRAYOID, INT8ARRAYOID,
INT8OID, INT4OID, INT8OID}};

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
 * rows and few are in hand.  Those for which there is no place come first the
 * next time, or who comes before them could keep them waiting for ever.
 */
static void
collect_lanes(Probe *probe, Work *work, bool polls)
{
	int		   *first = &work->first_probed[polls];
	int			begin = *first;

	probe->nlanes = 0;
	for (int i = 0; i < work->nservices; i++)
	{
		int			index = (begin + i) % work->nservices;
		Service    *service = work->services[index];

		if (probe->nlanes + IOMSG_LANES > IOMSG_PROBE_LANES)
		{
			*first = index;
			return;
		}
		for (int j = 0; j < IOMSG_LANES; j++)
		{
			if ((j == IOMSG_POLL_LANE) == polls &&
				service->lanes[j].probe &&
				iomsg_work_may_do(service, polls) &&
				iomsg_work_has_place(&service->lanes[j]))
				add_lane(probe, service, j);
		}
	}
}

/*
 * A short text into an item.
 */
void
iomsg_probe_text(char *to, size_t size, Datum datum, bool isnull)
{
	to[0] = '\0';
	if (!isnull)
		text_to_cstring_buffer(DatumGetTextPP(datum), to, size);
}

/*
 * A time that may be absent.
 */
TimestampTz
iomsg_probe_time(Datum datum, bool isnull)
{
	return isnull ? DT_NOEND : DatumGetTimestampTz(datum);
}

/*
 * Note a row that was read: within the lane when it is due, else as the time
 * to look again.  Returns false for the latter.
 */
bool
iomsg_probe_advance(Lane *lane, TimestampTz due_at, int64 id, TimestampTz now)
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
									  DatumGetInt64(v[DUE_ID]));

	if (item == NULL)
		return;
	item->due_at = DatumGetTimestampTz(v[DUE_AT]);
	item->kind = DatumGetBool(v[DUE_IS_PROFILE]) ? ITEM_PROFILE :
		ITEM_MESSAGE;
	iomsg_probe_text(item->fiscal_code, sizeof(item->fiscal_code),
					 v[DUE_FISCAL_CODE], n[DUE_FISCAL_CODE]);
	item->attempts = DatumGetInt16(v[DUE_ATTEMPTS]);
	item->expires_at = iomsg_probe_time(v[DUE_EXPIRES_AT], n[DUE_EXPIRES_AT]);
	item->due_date = DT_NOEND;
	item->doubtful = DatumGetBool(v[DUE_DOUBTFUL]);
	item->profile_known = !n[DUE_CHECKED_AT];
	if (item->profile_known)
	{
		item->profile_exists = DatumGetBool(v[DUE_EXISTS]);
		item->profile_allowed = item->profile_exists &&
			DatumGetBool(v[DUE_ALLOWED]);
		item->profile_checked_at = DatumGetTimestampTz(v[DUE_CHECKED_AT]);
	}
}

/*
 * Takes the rows of pending that were sought, until there are enough of them
 * or one is not due: false then.
 */
static bool
take_rows(DueRows *due, Work *work, Probe *probe, int i, TimestampTz now)
{
	Service    *service = probe->services[i];
	int			lane = probe->lanes[i];
	Datum		v[DUE_NCOLUMNS];

	while (probe->nrows[i] < PEEK_ROWS && iomsg_due_rows_next(due, v))
	{
		bool		n[DUE_NCOLUMNS] = {false};

		probe->nrows[i]++;
		if (!iomsg_probe_advance(&service->lanes[lane],
								 DatumGetTimestampTz(v[DUE_AT]),
								 DatumGetInt64(v[DUE_ID]), now))
			return false;
		if (iomsg_due_rows_read(due, service->id, v, n))
			take_row(work, service, lane, v, n);
	}
	return probe->nrows[i] < PEEK_ROWS;
}

/*
 * Reads the lanes of a probe row by row; false where that cannot be done.
 */
static bool
probe_rows(Outbox *outbox, Work *work, Probe *probe, TimestampTz now)
{
	DueRows		due;

	if (!iomsg_due_rows_open(&due))
		return false;
	for (int i = 0; i < probe->nlanes; i++)
	{
		Datum		key[IOMSG_PENDING_COLUMNS];

		key[0] = Int64GetDatum(outbox->generation);
		key[1] = Int32GetDatum(outbox->timeline);
		key[2] = probe->service_ids[i];
		key[3] = probe->priorities[i];
		key[4] = probe->due_ats[i];
		key[5] = probe->ids[i];
		/* Those due at the time of the last one read, then later ones. */
		iomsg_rows_seek(&due.pending, key, 5, true);
		if (!take_rows(&due, work, probe, i, now))
			continue;
		iomsg_rows_seek(&due.pending, key, 4, true);
		(void) take_rows(&due, work, probe, i, now);
	}
	iomsg_due_rows_close(&due);
	return true;
}

/*
 * The same by a statement.
 */
static void
probe_by_statement(Outbox *outbox, Work *work, Probe *probe, TimestampTz now)
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
		Datum		v[DUE_NCOLUMNS];
		bool		n[DUE_NCOLUMNS];
		Lane	   *lane;
		int			i;

		heap_deform_tuple(SPI_tuptable->vals[row], SPI_tuptable->tupdesc,
						  v, n);
		i = (int) DatumGetInt64(v[DUE_LANE]) - 1;
		probe->nrows[i]++;
		lane = &probe->services[i]->lanes[probe->lanes[i]];
		if (iomsg_probe_advance(lane, DatumGetTimestampTz(v[DUE_AT]),
								DatumGetInt64(v[DUE_ID]), now) &&
			!n[DUE_IS_PROFILE])
			take_row(work, probe->services[i], probe->lanes[i], v, n);
	}
}

/* Read what is due and not yet in hand. */
void
iomsg_probe(Outbox *outbox, Work *work, TimestampTz now)
{
	Probe	   *probe = palloc(sizeof(Probe));

	for (int polls = 0; polls <= 1; polls++)
	{
		int			limit = polls ? IOMSG_PROBE_BATCHES : PEEK_ROWS;

		collect_lanes(probe, work, polls);
		if (probe->nlanes == 0)
			continue;
		for (int i = 0; i < probe->nlanes; i++)
			probe->services[i]->lanes[probe->lanes[i]].next_due = DT_NOEND;
		if (polls)
			iomsg_probe_polls(outbox, work, probe, now);
		else if (!probe_rows(outbox, work, probe, now))
			probe_by_statement(outbox, work, probe, now);
		for (int i = 0; i < probe->nlanes; i++)
		{
			Lane	   *lane = &probe->services[i]->lanes[probe->lanes[i]];

			lane->probe = probe->nrows[i] == limit &&
				lane->next_due == DT_NOEND;
		}
	}
	pfree(probe);
}
