/*
 * adopt.c
 *	  What was queued before a promotion, where promotions are trusted.
 *
 * A synchronous standby has every mark that anything was sent on, so what it
 * has as queued was not sent.  Its rows get the present timeline, some in
 * each transaction, so that none is long.  Nothing is adopted where no
 * synchronous standby is asked for, or where the lost server's last mark that
 * is known here waited for none: that server may have sent it.
 */
#include "postgres.h"

#include "access/xlog_internal.h"
#include "catalog/pg_type.h"
#include "replication/syncrep.h"
#include "storage/fd.h"
#include "utils/guc.h"

#include "doubt_sql.h"
#include "outbox.h"
#include "settings.h"
#include "standby.h"
#include "statement.h"

#define BATCH_ROWS		1000
#define BATCH_POLLS		4		/* each of up to some hundred messages */

static IoMsgStatement judge = {.sql = SQL_JUDGE_TIMELINE, .nargs = 3,
.types = {INT4OID, BOOLOID, BOOLOID}};
static IoMsgStatement adopt_pending = {.sql = SQL_ADOPT_PENDING, .nargs = 4,
.types = {INT8OID, INT4OID, INT8OID, INT4OID}};
static IoMsgStatement adopt_polls = {.sql = SQL_ADOPT_POLLS, .nargs = 4,
.types = {INT8OID, INT4OID, INT8OID, INT4OID}};
static IoMsgStatement note = {.sql = SQL_ADOPT_NOTE, .nargs = 2,
.types = {INT4OID, INT8OID}};

/*
 * Was this server recovered to an earlier time, or to another end than that
 * of the latest timeline?  Then it does not know what has been sent since.
 * The history of its timeline tells, whatever is set by now: the last line has
 * the timeline before, where it ended, and what target there was.
 */
static bool
goes_back(TimeLineID timeline)
{
	const char *wanted = GetConfigOption("recovery_target_timeline", true,
										 false);
	char		path[MAXPGPATH];
	char		line[MAXPGPATH];
	TimeLineID	before;
	FILE	   *file;
	bool		is_behind = true;

	if (wanted != NULL && strcmp(wanted, "latest") != 0)
		return true;
	if (timeline == 1)
		return false;
	TLHistoryFilePath(path, timeline);
	file = AllocateFile(path, "r");
	if (file == NULL)
		return true;
	while (fgets(line, sizeof(line), file) != NULL)
	{
		/* Where there was one in between, some other server has run it. */
		if (sscanf(line, "%u", &before) == 1)
			is_behind = before != timeline - 1 ||
				strstr(line, "no recovery target specified") == NULL;
	}
	FreeFile(file);
	return is_behind;
}

/*
 * On the first look at a new timeline decide for good whether rows from before
 * it may ever be taken up: what this server sends from now on, and whether a
 * standby confirms that, tells nothing about them.  Where promotions are not
 * trusted then, what is held waits for a person whatever is set later.
 */
void
iomsg_adopt_judge(Outbox *outbox)
{
	Datum		args[3];
	bool		isnull;

	if (!outbox->armed || outbox->judged_timeline == outbox->timeline)
		return;
	args[0] = Int32GetDatum(outbox->timeline);
	args[1] = BoolGetDatum(iomsg_on_promotion != ON_PROMOTION_TRUST ||
						   goes_back((TimeLineID) outbox->timeline));
	args[2] = BoolGetDatum(iomsg_standby_wanted());
	if (iomsg_statement_run(&judge, args, NULL) == 1)
		outbox->held_before = DatumGetInt32(iomsg_statement_value(0, 0,
																  &isnull));
}

/*
 * Are there rows of an earlier timeline that may be taken up?
 */
bool
iomsg_adopt_wanted(const Outbox *outbox)
{
	return iomsg_on_promotion == ON_PROMOTION_TRUST &&
		SyncRepStandbyNames != NULL && SyncRepStandbyNames[0] != '\0' &&
		outbox->armed && outbox->holds_earlier;
}

/*
 * Take up some of them, *messages of which are queued; false when there are no
 * more.  Those that somebody has locked are left for the next time that the
 * roster is read.
 */
bool
iomsg_adopt_some(Outbox *outbox, uint64 *messages)
{
	Datum		args[4];

	args[0] = Int64GetDatum(outbox->generation);
	args[1] = Int32GetDatum(outbox->timeline);
	args[2] = Int64GetDatum(BATCH_ROWS);
	args[3] = Int32GetDatum(outbox->held_before);
	*messages = iomsg_statement_run(&adopt_pending, args, NULL);
	if (*messages > 0)
		return true;
	args[2] = Int64GetDatum(BATCH_POLLS);
	return iomsg_statement_run(&adopt_polls, args, NULL) > 0;
}

/*
 * Note for those who ask later that so many messages were taken up.
 */
void
iomsg_adopt_note(Outbox *outbox, uint64 messages)
{
	Datum		args[2];

	args[0] = Int32GetDatum(outbox->timeline);
	args[1] = Int64GetDatum((int64) messages);
	(void) iomsg_statement_run(&note, args, NULL);
}
