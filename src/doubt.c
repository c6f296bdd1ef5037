/*
 * doubt.c
 *	  What does not simply end in sent: the attempts that are kept for those
 *	  who ask later, and what a person has said of an uncertain message.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "clock.h"
#include "columns.h"
#include "doubt.h"
#include "doubt_sql.h"
#include "outbox.h"
#include "rows.h"
#include "statement.h"

#define ATTEMPT_COLUMNS		9
#define VERIFIED_COLUMNS	9

static const Oid attempt_types[] = {INT8OID, TEXTOID, TEXTOID, INT2OID,
INT4OID, TEXTOID, TIMESTAMPTZOID, TEXTOID, BOOLOID};
static const Oid verified_types[] = {INT8OID, TEXTOID, TEXTOID, TEXTOID,
TEXTOID, TEXTOID, INT2OID, TIMESTAMPTZOID, TIMESTAMPTZOID};

static IoMsgStatement attempts = {.sql = SQL_ATTEMPTS,
	.nargs = ATTEMPT_COLUMNS,
.types = {INT8ARRAYOID, TEXTARRAYOID, TEXTARRAYOID, INT2ARRAYOID,
INT4ARRAYOID, TEXTARRAYOID, TIMESTAMPTZARRAYOID, TEXTARRAYOID,
BOOLARRAYOID}};
static IoMsgStatement settle_verified = {.sql = SQL_SETTLE_VERIFIED,
	.nargs = VERIFIED_COLUMNS,
.types = {INT8ARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID,
TEXTARRAYOID, TEXTARRAYOID, INT2ARRAYOID, TIMESTAMPTZARRAYOID,
TIMESTAMPTZARRAYOID}};
static IoMsgTable uncertain_table = {
	.name = "uncertain", .nkeys = 1, .ncolumns = 1,
	.columns = {{"id", INT8OID}}
};
static IoMsgStatement uncertain = {.sql = SQL_UNCERTAIN};
static IoMsgStatement tell = {.sql = SQL_TELL_UNCERTAIN, .nargs = 1,
.types = {INT8ARRAYOID}};

/* New uncertain messages that listeners have not been told of. */
static int64 untold[512];
static int	nuntold = 0;

static bool
is_uncertain(const Outcome *outcome)
{
	return strcmp(outcome->status, "uncertain") == 0;
}

static void
put_attempt(Columns *columns, const WorkItem *item)
{
	const Outcome *o = &item->outcome;
	TimestampTz marked_at = !item->marked ? DT_NOEND :
		GetCurrentTimestamp() - (iomsg_clock_now_us() - item->marked_us);

	iomsg_columns_set(columns, 0, Int64GetDatum(item->id));
	iomsg_columns_put_text(columns, 1, o->class ? o->class : "not_sent");
	iomsg_columns_put_text(columns, 2, o->answer ? o->answer : o->reason);
	iomsg_columns_put(columns, 3, Int16GetDatum(o->http_status),
					  o->http_status == 0);
	iomsg_columns_put(columns, 4, Int32GetDatum(o->duration_ms),
					  o->duration_ms < 0);
	iomsg_columns_put_text(columns, 5, o->phase);
	iomsg_columns_put_time(columns, 6, marked_at);
	iomsg_columns_put_text(columns, 7, o->class == NULL ? NULL :
						   item->used_secondary ? "secondary" : "primary");
	iomsg_columns_set(columns, 8, BoolGetDatum(is_uncertain(o)));
	columns->nrows++;
}

/*
 * Of items whose outcome has just been written: keep how the attempt ended,
 * unless IO accepted the message under an id, and which ones are uncertain.
 */
void
iomsg_doubt_write_attempts(WorkItem **items, int nitems)
{
	Datum		args[ATTEMPT_COLUMNS];
	Columns		columns;

	iomsg_columns_init(&columns, attempt_types, ATTEMPT_COLUMNS, nitems);
	for (int i = 0; i < nitems; i++)
	{
		const Outcome *o = &items[i]->outcome;

		if (items[i]->written && !items[i]->lost && o->status != NULL &&
			(items[i]->marked || is_uncertain(o)) &&
			(strcmp(o->status, "sent") != 0 || o->reason != NULL))
			put_attempt(&columns, items[i]);
	}
	if (columns.nrows == 0)
		return;
	iomsg_columns_arguments(&columns, args);
	iomsg_doubt_note((int) iomsg_statement_run(&attempts, args, NULL));
}

/*
 * The statement that has just been run returned the ids of messages that are
 * uncertain now.
 */
void
iomsg_doubt_note(int nrows)
{
	bool		isnull;

	for (int i = 0; i < nrows && nuntold < lengthof(untold); i++)
		untold[nuntold++] = DatumGetInt64(iomsg_statement_value(i, 0,
																&isnull));
}

/*
 * The transaction that noted some has failed, or they have been told of.
 */
void
iomsg_doubt_forget(void)
{
	nuntold = 0;
}

bool
iomsg_doubt_any(void)
{
	return nuntold > 0;
}

/*
 * Tell those who listen on io_msg_uncertain.  In a transaction apart, since
 * their queue may be full, and a commit that notifies waits for others that
 * do.
 */
void
iomsg_doubt_tell(void)
{
	Datum		ids = iomsg_outbox_ids(untold, nuntold);

	(void) iomsg_statement_run(&tell, &ids, NULL);
}

/*
 * Write what IO said of the ids that people have given for uncertain
 * messages.  Returns how many rows were written; their ids are the result.
 */
uint64
iomsg_doubt_write_verified(WorkItem **items, int nitems)
{
	Datum		args[VERIFIED_COLUMNS];
	Columns		columns;

	iomsg_columns_init(&columns, verified_types, VERIFIED_COLUMNS, nitems);
	for (int i = 0; i < nitems; i++)
	{
		const Outcome *o = &items[i]->outcome;

		iomsg_columns_set(&columns, 0, Int64GetDatum(items[i]->id));
		iomsg_columns_put_text(&columns, 1, o->status);
		iomsg_columns_put_text(&columns, 2, o->reason);
		iomsg_columns_put_text(&columns, 3, o->io_status);
		iomsg_columns_put_text(&columns, 4, o->read_status);
		iomsg_columns_put_text(&columns, 5, o->payment_status);
		iomsg_columns_set(&columns, 6,
						  Int16GetDatum(items[i]->polls +
										(o->counted ? 1 : 0)));
		iomsg_columns_put_time(&columns, 7, o->next_due);
		iomsg_columns_put_time(&columns, 8, items[i]->due_at);
		columns.nrows++;
	}
	iomsg_columns_arguments(&columns, args);
	return iomsg_statement_run(&settle_verified, args, NULL);
}

/*
 * Is any message uncertain?  Mostly none is, and each worker that comes asks.
 */
static bool
any_is_uncertain(void)
{
	IoMsgRows	rows;
	bool		any;

	if (!iomsg_rows_begin(&rows, &uncertain_table, CMD_SELECT))
		return true;
	iomsg_rows_seek(&rows, NULL, 0, false);
	any = iomsg_rows_next(&rows);
	iomsg_rows_end(&rows);
	return any;
}

/*
 * How many messages are uncertain, and for how many seconds the oldest is.
 */
int64
iomsg_doubt_count(int64 *oldest_s)
{
	int64		count;
	bool		isnull;

	if (!any_is_uncertain() ||
		iomsg_statement_run(&uncertain, NULL, NULL) != 1)
		return 0;
	count = DatumGetInt64(iomsg_statement_value(0, 0, &isnull));
	*oldest_s = DatumGetInt64(iomsg_statement_value(0, 1, &isnull));
	if (isnull)
		*oldest_s = 0;
	return count;
}
