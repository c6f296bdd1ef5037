/*
 * slot_troubles.c
 *	  What a drainer has met and goes on with, for io_health(): transactions
 *	  that fail, services that pause, a commit that waits for a standby.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/proc.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "slot_array.h"

/*
 * So many transactions of this drainer have failed in a row, 0 for none any
 * more.
 */
void
iomsg_slots_transactions_fail(int failures, int sqlstate)
{
	IoMsgSlot  *slot;

	LWLockAcquire(iomsg_slots_lock, LW_EXCLUSIVE);
	slot = iomsg_slots_find(MyDatabaseId);
	if (slot != NULL)
	{
		IoMsgTroubles *troubles = &slot->troubles;

		if (failures == 0)
			troubles->since = 0;
		else if (troubles->since == 0)
			troubles->since = GetCurrentTimestamp();
		troubles->failures = failures;
		troubles->sqlstate = failures == 0 ? 0 : sqlstate;
	}
	LWLockRelease(iomsg_slots_lock);
}

/*
 * A service pauses until then, 0: it sends again.  Where more pause than there
 * are places, those that came first are told of.
 */
void
iomsg_slots_service_pauses(int32 service, TimestampTz until)
{
	IoMsgSlot  *slot;
	IoMsgPause *place = NULL;

	LWLockAcquire(iomsg_slots_lock, LW_EXCLUSIVE);
	slot = iomsg_slots_find(MyDatabaseId);
	for (int i = 0; slot != NULL && i < IOMSG_PAUSES; i++)
	{
		IoMsgPause *pause = &slot->troubles.pauses[i];

		if (pause->until != 0 && pause->service == service)
		{
			place = pause;
			break;
		}
		if (pause->until == 0 && until != 0 && place == NULL)
			place = pause;
	}
	if (place != NULL)
	{
		place->service = service;
		place->until = until;
	}
	LWLockRelease(iomsg_slots_lock);
}

/*
 * Does a commit of the slot's drainer wait for a synchronous standby at this
 * moment?  Anybody may look at a process's wait event; the statistics views
 * would hide it from an owner who is no superuser.
 */
bool
iomsg_slots_awaits_standby(const IoMsgSlot *slot)
{
	const PGPROC *proc;

	if (slot->state != SLOT_RUNNING || slot->procno < 0)
		return false;
	proc = &ProcGlobal->allProcs[slot->procno];
	return proc->pid == slot->pid &&
		proc->wait_event_info == WAIT_EVENT_SYNC_REP;
}
