/*
 * outbox.h
 *	  The worker's transactions on io_msg's tables.
 */
#ifndef IOMSG_OUTBOX_H
#define IOMSG_OUTBOX_H

#include "postgres.h"

#include "work.h"

typedef enum OutboxState
{
	OUTBOX_OPEN,				/* the transaction is open */
	OUTBOX_NO_EXTENSION,		/* it has been dropped */
	OUTBOX_OTHER_VERSION		/* its SQL is not of this library's version */
} OutboxState;

typedef struct Outbox
{
	Oid			extension;		/* InvalidOid until first seen */
	Oid			owner;
	bool		armed;			/* this copy of the database may send */
	bool		paused;
	bool		holds_rows;		/* of another generation or timeline */
	bool		holds_earlier;	/* of ours, from before a promotion */
	bool		adopted_all;	/* of the latter that may be */
	bool		crash_loop;		/* workers before us were cut off */
	bool		logged;			/* the tables survive a crash */
	bool		taken_over;		/* the epoch is ours */
	bool		took_over_now;	/* in the open transaction */
	bool		judged_now;		/* orphans, in it */
	bool		fenced;			/* another worker's is higher */
	int64		generation;
	int32		timeline;
	int32		judged_timeline;	/* the last one that was looked at */
	int32		held_before;	/* timelines whose rows wait for a person */
	int64		epoch;
	int			norphans;		/* of a worker that died */
	int64	   *orphans;
	int			nleft;			/* of those, once the transaction commits */
	int64	   *left;
	int			nuncertain;		/* of those that were judged */

	/* of the open transaction */
	Oid			saved_user;
	int			saved_context;
} Outbox;

/* outbox.c */
extern OutboxState iomsg_outbox_begin(Outbox *outbox);
extern void iomsg_outbox_commit(Outbox *outbox);
extern void iomsg_outbox_read_installation(Outbox *outbox, Work *work);
extern void iomsg_outbox_take_over(Outbox *outbox, Work *work);
extern void iomsg_outbox_write_in_flight(Outbox *outbox, const int64 *ids,
										 int nids, bool marks);
extern void iomsg_outbox_retire(Outbox *outbox);
extern int	iomsg_outbox_read_in_flight(Outbox *outbox, Work *work,
										int64 **ids);

extern void iomsg_outbox_report_fenced(Outbox *outbox);
extern int	iomsg_outbox_copy_ids(Datum datum, Work *work, int64 **ids);
extern Datum iomsg_outbox_ids(const int64 *ids, int nids);

/* orphans.c */
extern void iomsg_orphans_settle(Outbox *outbox, Work *work);
extern void iomsg_orphans_judged(Outbox *outbox);

/* adopt.c */
extern void iomsg_adopt_judge(Outbox *outbox);
extern bool iomsg_adopt_wanted(const Outbox *outbox);
extern bool iomsg_adopt_some(Outbox *outbox, uint64 *messages);
extern void iomsg_adopt_note(Outbox *outbox, uint64 messages);

/* roster.c */
extern void iomsg_roster_load(Work *work);
extern void iomsg_roster_forget_keys(void);
extern bool iomsg_roster_keys_changed(void);
extern void iomsg_roster_write_stops(Work *work);

/* probe.c */
extern void iomsg_probe(Outbox *outbox, Work *work, TimestampTz now);

/* claim.c */
extern int	iomsg_claim_mark(Outbox *outbox, WorkItem **items, int nitems);
extern void iomsg_claim_load(WorkItem **items, int nitems, Work *work);

/* result.c */
extern void iomsg_result_note_written(WorkItem **items, int nitems,
									  uint64 nrows);
extern void iomsg_result_write_in_flight(Outbox *outbox, WorkItem **items,
										 int nitems);
extern void iomsg_result_write_queued(Outbox *outbox, WorkItem **items,
									  int nitems);

/* settle.c */
extern void iomsg_settle_write(Outbox *outbox, Work *work);
extern void iomsg_settle_committed(Work *work);
extern void iomsg_settle_log(const WorkItem *item);

#endif							/* IOMSG_OUTBOX_H */
