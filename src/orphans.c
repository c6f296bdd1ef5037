/*
 * orphans.c
 *	  What a worker that died was sending: nobody knows whether IO has it.
 *
 * It is uncertain, unless its service would rather have it sent again.  Rows
 * that somebody has locked are judged later.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"

#include "doubt.h"
#include "doubt_sql.h"
#include "fault.h"
#include "outbox.h"
#include "settings.h"
#include "statement.h"

static IoMsgStatement resend = {.sql = SQL_ORPHANS_RESEND, .nargs = 2,
.types = {INT8ARRAYOID, INT4OID}};
static IoMsgStatement settle = {.sql = SQL_ORPHANS_SETTLE, .nargs = 1,
.types = {INT8ARRAYOID}};
static IoMsgStatement left = {.sql = SQL_ORPHANS_LEFT, .nargs = 2,
.types = {INT8ARRAYOID, INT8OID}};

static void
send_again(Datum ids)
{
	Datum		values[2];

	values[0] = ids;
	values[1] = Int32GetDatum(iomsg_max_attempts);
	(void) iomsg_statement_run(&resend, values, NULL);
}

/*
 * Judge those in outbox->orphans; it counts once the transaction commits.
 */
void
iomsg_orphans_settle(Outbox *outbox, Work *work)
{
	Datum		values[2];
	bool		isnull;

	if (outbox->norphans == 0)
		return;
	FAULT_POINT("before_orphans");
	FAULT_NOTE(FAULT_ORPHAN);
	values[0] = iomsg_outbox_ids(outbox->orphans, outbox->norphans);
	values[1] = Int64GetDatum(outbox->epoch);
	send_again(values[0]);
	outbox->nuncertain = (int) iomsg_statement_run(&settle, values, NULL);
	iomsg_doubt_note(outbox->nuncertain);
	if (iomsg_statement_run(&left, values, NULL) != 1)
		iomsg_outbox_report_fenced(outbox);
	outbox->nleft =
		iomsg_outbox_copy_ids(iomsg_statement_value(0, 0, &isnull), work,
							  &outbox->left);
	outbox->judged_now = true;
}

/*
 * The transaction has committed: few are left, or none.
 */
void
iomsg_orphans_judged(Outbox *outbox)
{
	if (outbox->orphans)
		pfree(outbox->orphans);
	outbox->orphans = outbox->left;
	outbox->norphans = outbox->nleft;
	outbox->left = NULL;
	outbox->judged_now = false;
	if (outbox->nuncertain == 0)
		return;
	/* What else this transaction wrote is not noted yet: no end here. */
	HOLD_INTERRUPTS();
	ereport(WARNING,
			(errmsg_plural("%d message was being sent when the last "
						   "io_msg worker ended, and is uncertain",
						   "%d messages were being sent when the last "
						   "io_msg worker ended, and are uncertain",
						   outbox->nuncertain, outbox->nuncertain),
			 errdetail("IO may have accepted it; it cannot be asked."),
			 errhint("Say what became of it with io_resolve().")));
	RESUME_INTERRUPTS();
}
