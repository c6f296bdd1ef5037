/*
 * slots.c
 *	  Shared memory: a slot for each database that has work.
 *
 * One lock guards all slots; it is held for a few memory accesses only.  A
 * commit's wish and a drainer's decision to leave meet under that lock, so
 * that no wish is lost between them.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "shmem.h"
#include "slot_array.h"
#include "wake.h"

SlotArray  *iomsg_slots_array = NULL;
LWLock	   *iomsg_slots_lock = NULL;
static int	nslots = 0;

static void
attach(void *memory, LWLock *its_lock, bool fresh)
{
	iomsg_slots_array = memory;
	iomsg_slots_lock = its_lock;
	if (fresh)
	{
		iomsg_slots_array->nslots = nslots;
		iomsg_slots_array->launcher_procno = -1;
	}
}

/*
 * Ask for the memory of that many slots, while the library is preloaded.
 */
void
iomsg_slots_install(int max_databases)
{
	nslots = max_databases;
	iomsg_shmem_add("io_msg slots",
					add_size(offsetof(SlotArray, slots),
							 mul_size(sizeof(IoMsgSlot), nslots)),
					attach);
}

/*
 * Is there any shared memory: was the library preloaded?
 */
bool
iomsg_slots_available(void)
{
	return iomsg_slots_array != NULL;
}

/*
 * Set the latch of a process by its PGPROC.  It may be gone: then whoever has
 * the PGPROC now wakes once for nothing.
 */
void
iomsg_slots_wake_process(int procno)
{
	if (procno >= 0)
		SetLatch(&ProcGlobal->allProcs[procno].procLatch);
}

/*
 * The slot of a database, or NULL.  As all that follows, under the lock.
 */
IoMsgSlot *
iomsg_slots_find(Oid database)
{
	for (int i = 0; i < iomsg_slots_array->nslots; i++)
	{
		if (iomsg_slots_array->slots[i].database == database &&
			iomsg_slots_array->slots[i].state != SLOT_FREE)
			return &iomsg_slots_array->slots[i];
	}
	return NULL;
}

/*
 * Move a slot to another state.
 */
void
iomsg_slots_change_state(IoMsgSlot *slot, IoMsgSlotState state)
{
	slot->state = state;
	slot->state_since = GetCurrentTimestamp();
}

/*
 * A slot for a database that has none: a free one, else the one that waits
 * longest still, whose rows the sweep will find again.
 */
IoMsgSlot *
iomsg_slots_allocate(Oid database)
{
	IoMsgSlot  *best = NULL;

	for (int i = 0; i < iomsg_slots_array->nslots; i++)
	{
		IoMsgSlot  *slot = &iomsg_slots_array->slots[i];

		if (slot->state == SLOT_FREE)
		{
			best = slot;
			break;
		}
		if (slot->state == SLOT_WAITING &&
			(best == NULL || slot->due_at > best->due_at))
			best = slot;
	}
	if (best == NULL || best->state != SLOT_FREE)
		iomsg_slots_array->shortages++;
	if (best == NULL)
		return NULL;
	memset(best, 0, sizeof(IoMsgSlot));
	best->database = database;
	best->procno = -1;
	iomsg_slots_change_state(best, SLOT_WANTED);
	return best;
}

/*
 * Bring a committed transaction's wish to this database's slot.  Nothing here
 * may fail.
 */
void
iomsg_slots_deliver(const IoMsgWake *wish)
{
	IoMsgSlot  *slot;
	int			procno = -1;

	LWLockAcquire(iomsg_slots_lock, LW_EXCLUSIVE);
	slot = iomsg_slots_find(MyDatabaseId);
	if (slot == NULL)
		slot = iomsg_slots_allocate(MyDatabaseId);
	if (slot != NULL)
	{
		iomsg_wake_merge(&slot->wake, wish);
		if (slot->state == SLOT_RUNNING)
			procno = slot->procno;
		else if (slot->state == SLOT_WAITING && slot->failures == 0)
			iomsg_slots_change_state(slot, SLOT_WANTED);
		if (slot->state == SLOT_WANTED)
			procno = iomsg_slots_array->launcher_procno;
	}
	LWLockRelease(iomsg_slots_lock);
	iomsg_slots_wake_process(procno);
}

/*
 * Copy the slot of a database; false when it has none.
 */
bool
iomsg_slots_read(Oid database, IoMsgSlot *copy)
{
	IoMsgSlot  *slot;

	if (iomsg_slots_array == NULL)
		return false;
	LWLockAcquire(iomsg_slots_lock, LW_SHARED);
	slot = iomsg_slots_find(database);
	if (slot != NULL)
		*copy = *slot;
	LWLockRelease(iomsg_slots_lock);
	return slot != NULL;
}

/*
 * The launcher's PID, 0 when it is not there.
 */
pid_t
iomsg_slots_launcher_pid(void)
{
	return iomsg_slots_array == NULL ? 0 : iomsg_slots_array->launcher_pid;
}

/*
 * How often a database found no free slot since the server started.
 */
int64
iomsg_slots_shortages(void)
{
	return iomsg_slots_array == NULL ? 0 : iomsg_slots_array->shortages;
}
