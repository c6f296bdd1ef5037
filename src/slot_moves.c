/*
 * slot_moves.c
 *	  How slots move from state to state: what the launcher and the drainers
 *	  do to them.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/proc.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "slot_array.h"

/* Pauses after a drainer ended badly: doubled from the first to the last. */
#define FIRST_COOL_DOWN_MS	1000
#define LAST_COOL_DOWN_MS	(5 * 60 * 1000)

/* How long a drainer may take to end. */
#define RETIRE_MS			100

/*
 * Note who the launcher is; pid 0 when it ends.
 */
void
iomsg_slots_launcher_is(pid_t pid, int procno)
{
	LWLockAcquire(iomsg_slots_lock, LW_EXCLUSIVE);
	iomsg_slots_array->launcher_pid = pid;
	iomsg_slots_array->launcher_procno = pid == 0 ? -1 : procno;
	/* What a launcher before was starting, nobody looks after any more. */
	for (int i = 0; i < iomsg_slots_array->nslots && pid != 0; i++)
	{
		IoMsgSlot  *slot = &iomsg_slots_array->slots[i];

		if (slot->state == SLOT_STARTING)
			iomsg_slots_change_state(slot, SLOT_WANTED);
	}
	LWLockRelease(iomsg_slots_lock);
}

/*
 * Have a database looked at; true if it has a slot now.
 */
bool
iomsg_slots_want(Oid database)
{
	IoMsgSlot  *slot;

	LWLockAcquire(iomsg_slots_lock, LW_EXCLUSIVE);
	slot = iomsg_slots_find(database);
	if (slot == NULL)
		slot = iomsg_slots_allocate(database);
	LWLockRelease(iomsg_slots_lock);
	return slot != NULL;
}

/*
 * Have all known databases looked at, those that cool down included.
 */
void
iomsg_slots_want_all(void)
{
	LWLockAcquire(iomsg_slots_lock, LW_EXCLUSIVE);
	for (int i = 0; i < iomsg_slots_array->nslots; i++)
	{
		if (iomsg_slots_array->slots[i].state == SLOT_WAITING)
			iomsg_slots_change_state(&iomsg_slots_array->slots[i],
									 SLOT_WANTED);
	}
	LWLockRelease(iomsg_slots_lock);
}

/*
 * Take a database that needs a drainer, mark it STARTING and number the start.
 * Returns false when there is none; *next_due is then when a waiting one will
 * be due.
 */
bool
iomsg_slots_next_wanted(TimestampTz now, Oid *database, uint32 *start,
						TimestampTz *next_due)
{
	bool		found = false;

	*next_due = DT_NOEND;
	LWLockAcquire(iomsg_slots_lock, LW_EXCLUSIVE);
	for (int i = 0; i < iomsg_slots_array->nslots && !found; i++)
	{
		IoMsgSlot  *slot = &iomsg_slots_array->slots[i];

		if (slot->state == SLOT_WANTED ||
			(slot->state == SLOT_WAITING && slot->due_at <= now))
		{
			iomsg_slots_change_state(slot, SLOT_STARTING);
			*database = slot->database;
			*start = slot->start = ++iomsg_slots_array->starts;
			found = true;
		}
		else if (slot->state == SLOT_WAITING)
			*next_due = Min(*next_due, slot->due_at);
	}
	LWLockRelease(iomsg_slots_lock);
	return found;
}

/*
 * The drainer is there no more, nor what it had met.
 */
static void
part_with_drainer(IoMsgSlot *slot)
{
	slot->pid = 0;
	slot->procno = -1;
	memset(&slot->troubles, 0, sizeof(slot->troubles));
}

static void
cool_down(IoMsgSlot *slot, int sqlstate)
{
	int			doublings = Min(slot->failures, 12);
	int			pause_ms = Min(FIRST_COOL_DOWN_MS << doublings,
							   LAST_COOL_DOWN_MS);

	slot->failures++;
	slot->sqlstate = sqlstate;
	part_with_drainer(slot);
	slot->due_at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
											   pause_ms);
	iomsg_slots_change_state(slot, SLOT_WAITING);
}

/*
 * The drainer of that start has ended, or was never registered: if it never
 * came up, let it cool down and return true.
 */
bool
iomsg_slots_did_not_start(Oid database, uint32 start, int sqlstate)
{
	IoMsgSlot  *slot;
	bool		never_up;

	LWLockAcquire(iomsg_slots_lock, LW_EXCLUSIVE);
	slot = iomsg_slots_find(database);
	never_up = slot != NULL && slot->state == SLOT_STARTING &&
		slot->start == start;
	if (never_up)
		cool_down(slot, sqlstate);
	LWLockRelease(iomsg_slots_lock);
	return never_up;
}

/*
 * The database is gone, or has no extension.
 */
void
iomsg_slots_forget(Oid database)
{
	IoMsgSlot  *slot;

	LWLockAcquire(iomsg_slots_lock, LW_EXCLUSIVE);
	slot = iomsg_slots_find(database);
	if (slot != NULL)
		memset(slot, 0, sizeof(IoMsgSlot));
	LWLockRelease(iomsg_slots_lock);
}

/* ----------------------------------------------------------------------
 * For the drainer
 */

/*
 * The drainer of this database is up; false if nobody started it.
 */
bool
iomsg_slots_begin(void)
{
	IoMsgSlot  *slot;
	bool		expected;

	LWLockAcquire(iomsg_slots_lock, LW_EXCLUSIVE);
	slot = iomsg_slots_find(MyDatabaseId);
	expected = slot != NULL && slot->state == SLOT_STARTING;
	if (expected)
	{
		slot->pid = MyProcPid;
		slot->procno = iomsg_compat_procno(MyProc);
		slot->heartbeat = GetCurrentTimestamp();
		iomsg_slots_change_state(slot, SLOT_RUNNING);
	}
	LWLockRelease(iomsg_slots_lock);
	return expected;
}

/*
 * Once a turn: add what was counted and take what commits have asked for.
 */
void
iomsg_slots_turn(const IoMsgCounters *counted, IoMsgWake *wake)
{
	IoMsgSlot  *slot;
	const int64 *from = (const int64 *) counted;

	memset(wake, 0, sizeof(IoMsgWake));
	LWLockAcquire(iomsg_slots_lock, LW_EXCLUSIVE);
	slot = iomsg_slots_find(MyDatabaseId);
	if (slot != NULL)
	{
		int64	   *to = (int64 *) &slot->counters;

		for (size_t i = 0; i < sizeof(IoMsgCounters) / sizeof(int64); i++)
			to[i] += from[i];
		slot->heartbeat = GetCurrentTimestamp();
		if (slot->failures > 0 &&
			TimestampDifferenceExceeds(slot->state_since, slot->heartbeat,
									   LAST_COOL_DOWN_MS))
			slot->failures = 0;
		*wake = slot->wake;
		memset(&slot->wake, 0, sizeof(IoMsgWake));
	}
	LWLockRelease(iomsg_slots_lock);
}

/*
 * Should a notice go to the log?  Once, when it begins to hold: drainers come
 * and go, and each would say it again.
 */
bool
iomsg_slots_tell(uint32 notice, bool holds)
{
	IoMsgSlot  *slot;
	bool		tell = false;

	LWLockAcquire(iomsg_slots_lock, LW_EXCLUSIVE);
	slot = iomsg_slots_find(MyDatabaseId);
	if (slot != NULL)
	{
		tell = holds && (slot->told & notice) == 0;
		slot->told = holds ? slot->told | notice : slot->told & ~notice;
	}
	LWLockRelease(iomsg_slots_lock);
	return tell;
}

/*
 * Is it time to remind of uncertain messages again?
 */
bool
iomsg_slots_may_remind(TimestampTz now, int interval_ms)
{
	IoMsgSlot  *slot;
	bool		may;

	LWLockAcquire(iomsg_slots_lock, LW_SHARED);
	slot = iomsg_slots_find(MyDatabaseId);
	may = slot != NULL &&
		(slot->reminded_at == 0 ||
		 TimestampDifferenceExceeds(slot->reminded_at, now, interval_ms));
	LWLockRelease(iomsg_slots_lock);
	return may;
}

/*
 * They have been reminded of.
 */
void
iomsg_slots_reminded(TimestampTz now)
{
	IoMsgSlot  *slot;

	LWLockAcquire(iomsg_slots_lock, LW_EXCLUSIVE);
	slot = iomsg_slots_find(MyDatabaseId);
	if (slot != NULL)
		slot->reminded_at = now;
	LWLockRelease(iomsg_slots_lock);
}

/*
 * The drainer wants to leave until due_at; false if a commit has just asked
 * for it.
 */
bool
iomsg_slots_leave(TimestampTz due_at)
{
	IoMsgSlot  *slot;
	bool		may_leave = true;
	int			procno = -1;

	LWLockAcquire(iomsg_slots_lock, LW_EXCLUSIVE);
	slot = iomsg_slots_find(MyDatabaseId);
	if (slot != NULL && slot->wake.asked)
		may_leave = false;
	else if (slot != NULL && slot->state == SLOT_RUNNING)
	{
		part_with_drainer(slot);
		slot->due_at = due_at;
		slot->failures = 0;
		slot->sqlstate = 0;
		iomsg_slots_change_state(slot, SLOT_WAITING);
		procno = iomsg_slots_array->launcher_procno;
	}
	LWLockRelease(iomsg_slots_lock);
	iomsg_slots_wake_process(procno);
	return may_leave;
}

/*
 * The drainer has found no extension, or no longer the one it served: free the
 * slot, unless there is cause to look again.
 */
void
iomsg_slots_retire(bool look_again)
{
	IoMsgSlot  *slot;
	int			procno = -1;

	LWLockAcquire(iomsg_slots_lock, LW_EXCLUSIVE);
	slot = iomsg_slots_find(MyDatabaseId);
	if (slot != NULL && (look_again || slot->wake.asked))
	{
		part_with_drainer(slot);
		slot->due_at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
												   RETIRE_MS);
		iomsg_slots_change_state(slot, SLOT_WAITING);
		procno = iomsg_slots_array->launcher_procno;
	}
	else if (slot != NULL)
		memset(slot, 0, sizeof(IoMsgSlot));
	LWLockRelease(iomsg_slots_lock);
	iomsg_slots_wake_process(procno);
}

/*
 * The drainer ends badly: another one follows after a pause.
 */
void
iomsg_slots_failed(int sqlstate)
{
	IoMsgSlot  *slot;
	int			procno;

	LWLockAcquire(iomsg_slots_lock, LW_EXCLUSIVE);
	slot = iomsg_slots_find(MyDatabaseId);
	if (slot != NULL && slot->state == SLOT_RUNNING && slot->pid == MyProcPid)
		cool_down(slot, sqlstate);
	procno = iomsg_slots_array->launcher_procno;
	LWLockRelease(iomsg_slots_lock);
	iomsg_slots_wake_process(procno);
}
