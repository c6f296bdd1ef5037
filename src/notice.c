/*
 * notice.c
 *	  What the server's log is told once, however many drainers come and go.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "notice.h"
#include "slots.h"

/* Which notice, as a bit of the slot. */
#define NOTICE_NOT_ARMED	0x01
#define NOTICE_HELD			0x02

/*
 * Say in the log, once, why rows do not leave.
 */
void
iomsg_notice_held(const Outbox *outbox)
{
	if (iomsg_slots_tell(NOTICE_NOT_ARMED, !outbox->armed))
		ereport(WARNING,
				(errmsg("io_msg sends nothing from database %u: it is not "
						"the one that was armed", MyDatabaseId),
				 errdetail("It is a copy, or \"io_msg.instance\" has "
						   "changed."),
				 errhint("If this is to be the sender, call io_arm().")));
	if (iomsg_slots_tell(NOTICE_HELD, outbox->armed && outbox->holds_rows))
		ereport(WARNING,
				(errmsg("io_msg holds messages in database %u that were "
						"queued before it was restored, copied or promoted",
						MyDatabaseId),
				 errdetail("They may have been sent by the original."),
				 errhint("io_release() lets them go.")));
}
