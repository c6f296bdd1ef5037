/*
 * wake.h
 *	  A transaction's wish that the drainer look at its rows.
 */
#ifndef IOMSG_WAKE_H
#define IOMSG_WAKE_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "slots.h"

extern void iomsg_wake_service_at_commit(int32 service_id,
										 TimestampTz due_at);
extern void iomsg_wake_all_at_commit(void);
extern void iomsg_wake_merge(IoMsgWake *into, const IoMsgWake *from);

#endif							/* IOMSG_WAKE_H */
