/*
 * wake.c
 *	  A transaction's wish that the drainer look at its rows, kept until it
 *	  commits.
 *
 * One transaction callback is registered once per backend, whatever the
 * number of transactions.  A transaction that rolls back wakes nobody.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/timestamp.h"

#include "slots.h"
#include "wake.h"

/* What this backend's transaction will ask for when it commits. */
static IoMsgWake wish;
static bool callback_registered = false;

/*
 * Add one wish to another.
 */
void
iomsg_wake_merge(IoMsgWake *into, const IoMsgWake *from)
{
	if (!from->asked)
		return;
	if (!into->asked || from->oldest < into->oldest)
		into->oldest = from->oldest;
	into->asked = true;
	into->settings |= from->settings;
	into->all_services |= from->all_services;
	for (int i = 0; i < from->nservices && !into->all_services; i++)
	{
		int			known = 0;

		while (known < into->nservices &&
			   into->services[known] != from->services[i])
			known++;
		if (known < into->nservices)
			continue;
		if (known == IOMSG_WAKE_SERVICES)
			into->all_services = true;
		else
			into->services[into->nservices++] = from->services[i];
	}
}

static void
at_transaction_end(XactEvent event, void *arg)
{
	if (!wish.asked)
		return;
	if (event == XACT_EVENT_COMMIT)
		iomsg_slots_deliver(&wish);
	/* A prepared transaction is committed elsewhere: the sweep finds it. */
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT ||
		event == XACT_EVENT_PREPARE)
		memset(&wish, 0, sizeof(wish));
}

static void
wish_for(const IoMsgWake *addition)
{
	if (!iomsg_slots_available())
		return;
	if (!callback_registered)
	{
		RegisterXactCallback(at_transaction_end, NULL);
		callback_registered = true;
	}
	iomsg_wake_merge(&wish, addition);
}

/*
 * When this transaction commits, ask the drainer to look at a service, whose
 * new row is due at due_at.  A rolled-back savepoint leaves the wish: to look
 * for nothing does no harm.
 */
void
iomsg_wake_service_at_commit(int32 service_id, TimestampTz due_at)
{
	IoMsgWake	addition = {.asked = true, .nservices = 1, .oldest = due_at};

	addition.services[0] = service_id;
	wish_for(&addition);
}

/*
 * When this transaction commits, ask the drainer to look at everything anew:
 * accounts, services, pauses, all rows.
 */
void
iomsg_wake_all_at_commit(void)
{
	IoMsgWake	addition = {.asked = true, .settings = true,
	.all_services = true, .oldest = DT_NOBEGIN};

	wish_for(&addition);
}
