/*
 * claim.c
 *	  The mark that makes a message ours, and its content.
 *
 * The mark takes the row out of pending in a transaction that is durable
 * before anything of the message leaves.  Only then is the content read.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "append.h"
#include "fault.h"
#include "outbox.h"
#include "outbox_sql.h"
#include "rows.h"
#include "statement.h"

static IoMsgStatement mark = {.sql = SQL_MARK, .nargs = 6,
.types = {INT4ARRAYOID, INT2ARRAYOID, TIMESTAMPTZARRAYOID, INT8ARRAYOID,
INT8OID, INT4OID}};
static IoMsgStatement load = {.sql = SQL_LOAD, .nargs = 1,
.types = {INT8ARRAYOID}};

static IoMsgTable body_table = {
	.name = "body", .nkeys = 1, .ncolumns = 2,
	.columns = {{"id", INT8OID}, {"body", JSONOID}}
};

static void
to_front(WorkItem **items, int i, int *nfront)
{
	WorkItem   *item = items[i];

	items[i] = items[*nfront];
	items[(*nfront)++] = item;
}

/*
 * Take items out of pending, row by row; -1 where that cannot be done.
 */
static int
mark_rows(Outbox *outbox, WorkItem **items, int nitems)
{
	IoMsgRows	rows;
	int			nmarked = 0;

	if (!iomsg_rows_begin(&rows, &iomsg_append_pending.table, CMD_DELETE))
		return -1;
	for (int i = 0; i < nitems; i++)
	{
		Datum		key[IOMSG_PENDING_COLUMNS];

		key[0] = Int64GetDatum(outbox->generation);
		key[1] = Int32GetDatum(outbox->timeline);
		key[2] = Int32GetDatum(items[i]->service->id);
		key[3] = Int16GetDatum(items[i]->lane + 1);
		key[4] = TimestampTzGetDatum(items[i]->due_at);
		key[5] = Int64GetDatum(items[i]->id);
		if (iomsg_rows_find(&rows, key) && iomsg_rows_delete(&rows))
			to_front(items, i, &nmarked);
	}
	iomsg_rows_end(&rows);
	return nmarked;
}

/*
 * The same by a statement.
 */
static int
mark_by_statement(Outbox *outbox, WorkItem **items, int nitems)
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
	nrows = iomsg_statement_run(&mark, args, NULL);

	for (uint64 row = 0; row < nrows; row++)
	{
		int64		id = DatumGetInt64(iomsg_statement_value(row, 0, &isnull));

		for (int i = nmarked; i < nitems; i++)
		{
			if (items[i]->id == id)
			{
				to_front(items, i, &nmarked);
				break;
			}
		}
	}
	return nmarked;
}

/*
 * Take items out of pending, by their keys alone.  Those that somebody else
 * holds or has changed are moved behind the others; returns how many are ours
 * once the transaction commits.
 */
int
iomsg_claim_mark(Outbox *outbox, WorkItem **items, int nitems)
{
	int			nmarked;

	FAULT_POINT("before_claim");
	nmarked = mark_rows(outbox, items, nitems);
	if (nmarked < 0)
		nmarked = mark_by_statement(outbox, items, nitems);
	FAULT_POINT("after_claim");
	FAULT_NOTE(FAULT_MARK);
	return nmarked;
}

/*
 * Keep the content of an item, in UTF-8.
 */
static void
keep_content(WorkItem *item, char *content, Work *work)
{
	char	   *utf8 = pg_server_to_any(content, strlen(content), PG_UTF8);

	FAULT_CONTENT(utf8);
	/* One may be there from a transaction that failed at another item. */
	iomsg_work_keep_text(work, &item->body, utf8);
	item->body_len = strlen(utf8);
}

/*
 * Read the content row by row; false where that cannot be done.
 */
static bool
load_rows(WorkItem **items, int nitems, Work *work)
{
	IoMsgRows	rows;

	if (!iomsg_rows_begin(&rows, &body_table, CMD_SELECT))
		return false;
	for (int i = 0; i < nitems; i++)
	{
		Datum		id = Int64GetDatum(items[i]->id);
		bool		isnull;

		if (iomsg_rows_find(&rows, &id))
			keep_content(items[i],
						 TextDatumGetCString(iomsg_rows_value(&rows, 1,
															  &isnull)),
						 work);
	}
	iomsg_rows_end(&rows);
	return true;
}

/*
 * The same by a statement.
 */
static void
load_by_statement(WorkItem **items, int nitems, Work *work)
{
	Datum	   *ids = palloc(nitems * sizeof(Datum));
	Datum		arg;
	uint64		nrows;
	bool		isnull;

	for (int i = 0; i < nitems; i++)
		ids[i] = Int64GetDatum(items[i]->id);
	arg = iomsg_statement_array(ids, NULL, nitems, INT8OID);
	nrows = iomsg_statement_run(&load, &arg, NULL);
	for (uint64 row = 0; row < nrows; row++)
	{
		int64		id = DatumGetInt64(iomsg_statement_value(row, 0, &isnull));
		char	   *content = TextDatumGetCString(iomsg_statement_value(row, 1,
																	 &isnull));

		for (int i = 0; i < nitems; i++)
		{
			if (items[i]->id == id)
			{
				keep_content(items[i], content, work);
				break;
			}
		}
	}
}

/*
 * Read the content of marked items, in UTF-8; one without keeps a NULL body.
 */
void
iomsg_claim_load(WorkItem **items, int nitems, Work *work)
{
	FAULT_POINT("before_content");
	if (!load_rows(items, nitems, work))
		load_by_statement(items, nitems, work);
}
