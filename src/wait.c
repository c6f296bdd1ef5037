/*
 * wait.c
 *	  io_wait: waits until a row has left our hands.
 *
 * Looks with a fresh snapshot each time and sleeps in between, from 1 to 50
 * ms, on the backend's own latch; nothing is held while it sleeps but the
 * snapshot of the statement that called.  The worker never knows.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "access.h"
#include "compat.h"
#include "service.h"
#include "statement.h"

#define PAUSE_MIN_MS	1
#define PAUSE_MAX_MS	50

IOMSG_SQL_FUNCTION(iomsg_wait_sql);

static IoMsgStatement look_at_row = {
	.sql = "SELECT CASE WHEN o.status OPERATOR(pg_catalog.=) 'queued'"
	" AND p.id IS NULL THEN 'sending' ELSE o.status END,"
	" o.xmin, o.service_id, o.enqueued_by::pg_catalog.text"
	"  FROM io_msg.outbox AS o LEFT JOIN io_msg.pending AS p"
	"    ON p.generation OPERATOR(pg_catalog.=) o.generation"
	"   AND p.timeline OPERATOR(pg_catalog.=) o.timeline"
	"   AND p.service_id OPERATOR(pg_catalog.=) o.service_id"
	"   AND p.priority OPERATOR(pg_catalog.=) o.priority"
	"   AND p.due_at OPERATOR(pg_catalog.=) o.due_at"
	"   AND p.id OPERATOR(pg_catalog.=) o.id"
	" WHERE o.id OPERATOR(pg_catalog.=) $1",
	.nargs = 1,
	.types = {INT8OID}
};

/*
 * The caller must be able to see who has sent: the role that enqueued the row,
 * or one that may enqueue for its service.
 */
static void
require_right(const IoMsgCaller *caller, int32 service_id,
			  const char *enqueued_by)
{
	if (!caller->is_owner && !iomsg_access_has_role(caller, enqueued_by) &&
		!iomsg_service_allowed(service_id, caller))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for this row of the outbox"),
				 errhint("Wait for rows that your role has enqueued, or may enqueue for their service.")));
}

/*
 * Looks once; returns the status, palloc'd, and whether the row is still in
 * our hands.
 */
static char *
look(const IoMsgCaller *caller, int64 id, bool *in_our_hands)
{
	MemoryContext context = CurrentMemoryContext;
	Datum		values[1] = {Int64GetDatum(id)};
	IoMsgScope	scope;
	bool		isnull;
	char	   *status;
	TransactionId writer;
	int32		service_id;
	char	   *enqueued_by;

	iomsg_access_become_owner(&scope, caller);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	if (iomsg_statement_look(&look_at_row, values) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("there is no row %lld in the outbox",
						(long long) id)));
	status = TextDatumGetCString(iomsg_statement_value(0, 0, &isnull));
	writer = DatumGetTransactionId(iomsg_statement_value(0, 1, &isnull));
	service_id = DatumGetInt32(iomsg_statement_value(0, 2, &isnull));
	enqueued_by = TextDatumGetCString(iomsg_statement_value(0, 3, &isnull));
	require_right(caller, service_id, enqueued_by);

	*in_our_hands = strcmp(status, "queued") == 0 ||
		strcmp(status, "sending") == 0;
	if (*in_our_hands && TransactionIdIsCurrentTransactionId(writer))
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("cannot wait for a row of the same transaction"),
				 errdetail("Nothing is sent before the transaction commits."),
				 errhint("Commit first, then wait.")));
	status = MemoryContextStrdup(context, status);
	SPI_finish();
	iomsg_access_leave(&scope);
	return status;
}

/*
 * When to stop waiting; infinite intervals and too long ones never end.
 */
static TimestampTz
deadline(FunctionCallInfo fcinfo, int n)
{
	Interval   *timeout;
	TimestampTz now = GetCurrentTimestamp();
	double		wait_us;

	if (PG_ARGISNULL(n))
		return now;
	timeout = PG_GETARG_INTERVAL_P(n);
	wait_us = (double) timeout->time +
		((double) timeout->day + (double) timeout->month * DAYS_PER_MONTH) *
		USECS_PER_DAY;
	if (wait_us <= 0)
		return now;
	if (wait_us >= (double) DAYS_PER_YEAR * USECS_PER_DAY * 100)
		return DT_NOEND;
	return now + (int64) wait_us;
}

static void
require_read_committed(void)
{
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("cannot wait in a transaction above isolation level READ COMMITTED"),
				 errdetail("It would never see the change that it waits for."),
				 errhint("Commit first, then wait in a transaction of its own.")));
}

/*
 * io_wait(id, timeout): returns the row's status once it is neither queued
 * nor being sent, or the present one when the time is over.
 */
Datum
iomsg_wait_sql(PG_FUNCTION_ARGS)
{
	IoMsgScope	scope;
	IoMsgCaller caller;
	TimestampTz end;
	long		pause_ms = PAUSE_MIN_MS;
	char	   *status;

	iomsg_access_hide(&scope);
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("id must not be null")));
	require_read_committed();
	iomsg_access_caller(fcinfo, &caller);
	end = deadline(fcinfo, 1);
	for (;;)
	{
		bool		in_our_hands;
		TimestampTz now;

		status = look(&caller, PG_GETARG_INT64(0), &in_our_hands);
		now = GetCurrentTimestamp();
		if (!in_our_hands || now >= end)
			break;
		pfree(status);
		if (end != DT_NOEND && (end - now) / 1000 < pause_ms)
			pause_ms = (end - now) / 1000 + 1;
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 pause_ms, iomsg_compat_wait_event("IoMsgWait"));
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		pause_ms = Min(pause_ms * 2, PAUSE_MAX_MS);
	}
	iomsg_access_unhide(&scope);
	PG_RETURN_TEXT_P(cstring_to_text(status));
}
