/*
 * notice.c
 *	  What the server's log is told once, however many drainers come and go.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "commands/dbcommands.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

#include "doubt.h"
#include "notice.h"
#include "settings.h"
#include "slots.h"

/* Which notice, as a bit of the slot. */
#define NOTICE_NOT_ARMED	0x01
#define NOTICE_HELD			0x02
#define NOTICE_CRASH_LOOP	0x04
#define NOTICE_UNLOGGED		0x08
#define NOTICE_FSYNC_OFF	0x10
#define NOTICE_NO_KEY		0x20

/*
 * What puts the guarantee at risk: nothing is begun, but for the last.
 */
static void
tell_risks(const Outbox *outbox)
{
	if (iomsg_slots_tell(NOTICE_CRASH_LOOP, outbox->crash_loop))
		ereport(WARNING,
				(errmsg("io_msg begins nothing in database \"%s\": its worker "
						"was cut off three times within 10 minutes",
						get_database_name(MyDatabaseId)),
				 errhint("Look for the cause in this log; io_resume() lets it "
						 "go on.")));
	if (iomsg_slots_tell(NOTICE_UNLOGGED, !outbox->logged))
		ereport(WARNING,
				(errmsg("io_msg sends nothing from database \"%s\": one of its "
						"tables is unlogged", get_database_name(MyDatabaseId)),
				 errdetail("A crash would lose what was sent."),
				 errhint("ALTER TABLE ... SET LOGGED mends it.")));
	if (iomsg_slots_tell(NOTICE_FSYNC_OFF, !enableFsync))
		ereport(WARNING,
				(errmsg("io_msg works with fsync off"),
				 errdetail("After a crash of the machine messages could be "
						   "sent twice.")));
}

/*
 * Remind of messages that wait for a person's word.
 */
static void
remind_of_uncertain(void)
{
	TimestampTz now = GetCurrentTimestamp();
	int64		oldest_s = 0;
	int64		count;

	if (iomsg_uncertain_reminder_ms == 0 ||
		!iomsg_slots_may_remind(now, iomsg_uncertain_reminder_ms))
		return;
	count = iomsg_doubt_count(&oldest_s);
	if (count == 0)
		return;
	iomsg_slots_reminded(now);
	ereport(WARNING,
			(errmsg_plural("%lld io_msg message is uncertain in database "
						   "\"%s\"",
						   "%lld io_msg messages are uncertain in database "
						   "\"%s\"",
						   (unsigned long) count, (long long) count,
						   get_database_name(MyDatabaseId)),
			 errdetail("The oldest since %lld seconds. IO may have accepted "
					   "them.", (long long) oldest_s),
			 errhint("Say what became of them with io_resolve().")));
}

/*
 * A copy on another host is without keys: the log says so there, too.
 */
static void
tell_missing_keys(const Work *work)
{
	const Service *first = NULL;

	for (int i = 0; i < work->nservices && first == NULL; i++)
	{
		if (work->services[i]->present &&
			work->services[i]->key_state != KEYS_OK &&
			!work->services[i]->dry_run)
			first = work->services[i];
	}
	if (iomsg_slots_tell(NOTICE_NO_KEY, first != NULL) && first != NULL)
		ereport(WARNING,
				(errmsg("io_msg has no key for service \"%s\" of database "
						"\"%s\", and sends nothing of it", first->name,
						get_database_name(MyDatabaseId)),
				 errhint("Give it a line in the file that "
						 "\"io_msg.keys_file\" names, and reload.")));
}

/*
 * Say in the log why rows do not leave, once while it is so, and remind of
 * those that wait for a person.
 */
void
iomsg_notice_standing(const Outbox *outbox, const Work *work)
{
	tell_risks(outbox);
	remind_of_uncertain();
	tell_missing_keys(work);
	if (iomsg_slots_tell(NOTICE_NOT_ARMED, !outbox->armed))
		ereport(WARNING,
				(errmsg("io_msg sends nothing from database \"%s\": it is not "
						"the one that was armed", get_database_name(MyDatabaseId)),
				 errdetail("It is a copy, or \"io_msg.instance\" has "
						   "changed."),
				 errhint("If this is to be the sender, call io_arm().")));
	if (iomsg_slots_tell(NOTICE_HELD, outbox->armed && outbox->holds_rows &&
						 (outbox->adopted_all || !iomsg_adopt_wanted(outbox))))
		ereport(WARNING,
				(errmsg("io_msg holds messages in database \"%s\" that were "
						"queued before it was restored, copied or promoted",
						get_database_name(MyDatabaseId)),
				 errdetail("They may have been sent by the original."),
				 errhint("io_release() lets them go.")));
}
