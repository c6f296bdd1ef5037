/*
 * slot_array.h
 *	  The array behind slots.h, for slots.c, slot_moves.c and
 *	  slot_troubles.c alone.
 */
#ifndef IOMSG_SLOT_ARRAY_H
#define IOMSG_SLOT_ARRAY_H

#include "postgres.h"

#include "slots.h"
#include "storage/lwlock.h"

typedef struct SlotArray
{
	pid_t		launcher_pid;
	int			launcher_procno;
	int			nslots;
	uint32		starts;			/* drainers ever started */
	int64		shortages;		/* times that a database found no free slot */
	IoMsgSlot	slots[FLEXIBLE_ARRAY_MEMBER];
} SlotArray;

extern SlotArray *iomsg_slots_array;
extern LWLock *iomsg_slots_lock;

extern IoMsgSlot *iomsg_slots_find(Oid database);
extern IoMsgSlot *iomsg_slots_allocate(Oid database);
extern void iomsg_slots_change_state(IoMsgSlot *slot, IoMsgSlotState state);
extern void iomsg_slots_wake_process(int procno);

#endif							/* IOMSG_SLOT_ARRAY_H */
