/*
 * outbox.c
 *	  The worker's transactions on io_msg's tables: how each begins and ends,
 *	  and what a worker that died has left.
 *
 * Each transaction locks the extension, so that it cannot be dropped under
 * it, and works as the extension's owner in a restricted security context: no
 * code of anybody else gets the worker's rights.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "fault.h"
#include "installation.h"
#include "outbox.h"
#include "outbox_sql.h"
#include "settings.h"
#include "statement.h"
#include "standby.h"
#include "rows.h"

static IoMsgStatement installation = {.sql = SQL_INSTALLATION, .nargs = 1,
.types = {INT4OID}};
static IoMsgStatement take_over = {.sql = SQL_TAKE_OVER};
static IoMsgStatement write_in_flight = {.sql = SQL_IN_FLIGHT, .nargs = 3,
.types = {INT8ARRAYOID, INT8OID, BOOLOID}};
static IoMsgTable drainer_table = {
	.name = "drainer", .nkeys = 1, .ncolumns = 4,
	.columns = {{"slot", INT2OID}, {"epoch", INT8OID},
	{"in_flight", INT8ARRAYOID}, {"synchronous", BOOLOID}}
};
enum
{
	DRAINER_SLOT, DRAINER_EPOCH, DRAINER_IN_FLIGHT, DRAINER_SYNCHRONOUS
};
static IoMsgStatement read_in_flight = {.sql = SQL_READ_IN_FLIGHT, .nargs = 1,
.types = {INT8OID}};
static IoMsgStatement crash_loop = {.sql = SQL_CRASH_LOOP};
static IoMsgStatement retire = {.sql = SQL_RETIRE, .nargs = 1,
.types = {INT8OID}};

/*
 * Is the extension here, the same as before, and of our version?
 */
static OutboxState
check_extension(Outbox *outbox)
{
	char	   *version = NULL;

	Oid			extension = outbox->extension;

	if (!OidIsValid(extension))
		extension = iomsg_installation_extension();
	if (!OidIsValid(extension))
		return OUTBOX_NO_EXTENSION;
	/* While a DROP is open we wait here, as long as lock_timeout lets us. */
	LockDatabaseObject(ExtensionRelationId, extension, 0, AccessShareLock);
	/* One that was created anew has another OID. */
	outbox->owner = iomsg_installation_owner_of(extension, &version);
	if (!OidIsValid(outbox->owner))
		return OUTBOX_NO_EXTENSION;
	outbox->extension = extension;
	if (strcmp(version, IOMSG_VERSION) != 0)
		return OUTBOX_OTHER_VERSION;
	return OUTBOX_OPEN;
}

/*
 * Begin a transaction.  Where the extension is not as it should be, none is
 * left open.
 */
OutboxState
iomsg_outbox_begin(Outbox *outbox)
{
	OutboxState state;

	outbox->took_over_now = false;
	outbox->judged_now = false;
	FAULT_BEGIN();
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	state = check_extension(outbox);
	PopActiveSnapshot();
	if (state != OUTBOX_OPEN)
	{
		CommitTransactionCommand();
		return state;
	}
	PushActiveSnapshot(GetTransactionSnapshot());
	GetUserIdAndSecContext(&outbox->saved_user, &outbox->saved_context);
	SetUserIdAndSecContext(outbox->owner,
						   outbox->saved_context |
						   SECURITY_LOCAL_USERID_CHANGE |
						   SECURITY_RESTRICTED_OPERATION);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	return OUTBOX_OPEN;
}

/*
 * Commit; what was written is durable when this returns.
 */
void
iomsg_outbox_commit(Outbox *outbox)
{
	FAULT_BEFORE_COMMIT();
	SPI_finish();
	SetUserIdAndSecContext(outbox->saved_user, outbox->saved_context);
	PopActiveSnapshot();
	CommitTransactionCommand();
	/* Whatever fails from here on, these have happened. */
	outbox->took_over_now = false;
	if (outbox->judged_now)
		iomsg_orphans_judged(outbox);
	FAULT_AFTER_COMMIT();
	(void) pgstat_report_stat(false);
}

/*
 * Another worker has raised the epoch: nothing of ours may count any more.
 */
void
iomsg_outbox_report_fenced(Outbox *outbox)
{
	outbox->fenced = true;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("another io_msg drainer has taken over")));
}

/*
 * Keep a bigint[] as a C array in the work's memory, NULL where it is empty,
 * in the place of another, which stays where that fails.  Returns how many.
 */
int
iomsg_outbox_copy_ids(Datum datum, Work *work, int64 **ids)
{
	ArrayType  *array = DatumGetArrayTypeP(datum);
	Datum	   *values;
	int			nvalues;
	int64	   *kept = NULL;

	deconstruct_array(array, INT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE,
					  &values, NULL, &nvalues);
	if (nvalues > 0)
		kept = MemoryContextAlloc(work->context, nvalues * sizeof(int64));
	for (int i = 0; i < nvalues; i++)
		kept[i] = DatumGetInt64(values[i]);
	if (*ids)
		pfree(*ids);
	*ids = kept;
	return nvalues;
}

/*
 * The other way round, as an argument of a statement.
 */
Datum
iomsg_outbox_ids(const int64 *ids, int nids)
{
	Datum	   *values = palloc(Max(nids, 1) * sizeof(Datum));

	for (int i = 0; i < nids; i++)
		values[i] = Int64GetDatum(ids[i]);
	return iomsg_statement_array(values, NULL, nids, INT8OID);
}

/*
 * Read whether this database is the one that was armed, and what a worker
 * before us has left.
 */
void
iomsg_outbox_read_installation(Outbox *outbox, Work *work)
{
	IoMsgIdentity identity;
	Datum		values[13];
	bool		isnull[13];
	Datum		timeline;

	iomsg_installation_identity(&identity);
	outbox->timeline = (int32) identity.timeline;
	timeline = Int32GetDatum(outbox->timeline);
	if (iomsg_statement_run(&installation, &timeline, NULL) != 1)
	{
		/* Somebody emptied the table: this copy is not armed. */
		outbox->armed = false;
		return;
	}
	for (int i = 0; i < lengthof(values); i++)
		values[i] = iomsg_statement_value(0, i, &isnull[i]);

	outbox->generation = DatumGetInt64(values[0]);
	outbox->armed =
		DatumGetInt64(values[1]) == (int64) identity.system_identifier &&
		DatumGetObjectId(values[2]) == identity.database &&
		strcmp(TextDatumGetCString(values[3]), identity.instance) == 0;
	outbox->paused = DatumGetBool(values[4]);
	outbox->holds_earlier = DatumGetBool(values[8]);
	outbox->holds_rows = DatumGetBool(values[7]) || outbox->holds_earlier;
	outbox->crash_loop = DatumGetBool(values[9]);
	outbox->logged = DatumGetBool(values[10]);
	outbox->judged_timeline = DatumGetInt32(values[11]);
	outbox->held_before = DatumGetInt32(values[12]);
	if (outbox->taken_over && outbox->epoch != DatumGetInt64(values[5]))
		iomsg_outbox_report_fenced(outbox);
	if (!outbox->taken_over)
		outbox->norphans = iomsg_outbox_copy_ids(values[6], work,
												 &outbox->orphans);
}

/*
 * Raise the epoch: from now on no result of a worker before us is written,
 * and what it had in flight is in outbox->orphans.  Where that one was cut
 * off, this start is counted: too many in a short time and nothing is begun.
 */
void
iomsg_outbox_take_over(Outbox *outbox, Work *work)
{
	bool		isnull;

	if (outbox->taken_over)
		return;
	if (iomsg_statement_run(&take_over, NULL, NULL) != 1)
		elog(ERROR, "io_msg.drainer has no row");
	outbox->epoch = DatumGetInt64(iomsg_statement_value(0, 0, &isnull));
	outbox->norphans =
		iomsg_outbox_copy_ids(iomsg_statement_value(0, 1, &isnull), work,
							  &outbox->orphans);
	outbox->taken_over = true;
	outbox->took_over_now = true;
	if (iomsg_statement_run(&crash_loop, NULL, NULL) == 1)
		outbox->crash_loop =
			DatumGetBool(iomsg_statement_value(0, 0, &isnull));
}

/*
 * A planned end: the next worker need not wonder why we are gone.
 */
void
iomsg_outbox_retire(Outbox *outbox)
{
	Datum		value = Int64GetDatum(outbox->epoch);

	if (iomsg_statement_run(&retire, &value, NULL) != 1)
		iomsg_outbox_report_fenced(outbox);
}

/*
 * Find the drainer's row.  Its versions may be many while an old snapshot
 * keeps them, so the place of our last one is tried first.
 */
static bool
find_drainer(IoMsgRows *rows, ItemPointer last)
{
	Datum		slot = Int16GetDatum(0);
	bool		isnull;

	if (iomsg_rows_fetch(rows, last) &&
		DatumGetInt16(iomsg_rows_value(rows, DRAINER_SLOT, &isnull)) == 0)
		return true;
	return iomsg_rows_find(rows, &slot);
}

/*
 * Note it where the row is as we left it; false where it is not, or somebody
 * has locked it.
 */
static bool
write_in_flight_row(Outbox *outbox, Datum ids, bool marks, bool synchronous)
{
	static ItemPointerData last;
	Datum		values[2];
	bool		nulls[2] = {false};
	IoMsgRows	rows;
	bool		done = false;

	if (iomsg_rows_begin(&rows, &drainer_table, CMD_UPDATE))
	{
		if (find_drainer(&rows, &last) && iomsg_rows_lock(&rows) &&
			DatumGetInt64(iomsg_rows_value(&rows, DRAINER_EPOCH,
										   &nulls[0])) == outbox->epoch)
		{
			values[0] = ids;
			values[1] = marks ? BoolGetDatum(synchronous) :
				iomsg_rows_value(&rows, DRAINER_SYNCHRONOUS, &nulls[1]);
			iomsg_rows_update(&rows, DRAINER_IN_FLIGHT, values, nulls);
			last = rows.updated;
			done = true;
		}
		iomsg_rows_end(&rows);
	}
	return done;
}

/*
 * Note what is in flight once this transaction commits and, where it marks,
 * whether that waits for a standby.  Fails where another worker has taken
 * over: then nothing of this transaction may count.
 */
void
iomsg_outbox_write_in_flight(Outbox *outbox, const int64 *ids, int nids,
							 bool marks)
{
	Datum		values[3];

	values[0] = iomsg_outbox_ids(ids, nids);
	values[1] = Int64GetDatum(outbox->epoch);
	values[2] = BoolGetDatum(iomsg_standby_wanted());
	if (write_in_flight_row(outbox, values[0], marks,
							DatumGetBool(values[2])))
		return;
	if (iomsg_statement_run(&write_in_flight, values,
							marks ? NULL : "  n") != 1)
		iomsg_outbox_report_fenced(outbox);
}

/*
 * What the database has as in flight, after a transaction whose end is not
 * known; in the work's memory.
 */
int
iomsg_outbox_read_in_flight(Outbox *outbox, Work *work, int64 **ids)
{
	Datum		value = Int64GetDatum(outbox->epoch);
	bool		isnull;

	if (iomsg_statement_run(&read_in_flight, &value, NULL) != 1)
		iomsg_outbox_report_fenced(outbox);
	return iomsg_outbox_copy_ids(iomsg_statement_value(0, 0, &isnull), work,
								 ids);
}
