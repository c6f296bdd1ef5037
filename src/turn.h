/*
 * turn.h
 *	  A turn of the drainer's loop, as far as the database is concerned.
 */
#ifndef IOMSG_TURN_H
#define IOMSG_TURN_H

#include "postgres.h"

#include "outbox.h"
#include "work.h"

typedef struct Turn
{
	Work		work;
	Outbox		outbox;
	bool		roster_due;		/* read accounts, services, identity anew */
	bool		stopping;		/* nothing new is begun */
	bool		gone;			/* the extension is */
	bool		other_version;	/* or it is not ours */
	bool		resync;			/* a commit's end is not known */
	bool		worked;			/* there has been anything to do */
	bool		adopting;		/* rows from before a promotion */
	int			max_in_flight;	/* connections that there are */
	int			failures;		/* transactions that failed, in a row */
	int			last_sqlstate;
	int64		retry_at_us;	/* after those */
	int64		locked_retry_us;	/* for what somebody had locked */
	int			nmarking;		/* marked in the present transaction */
	WorkItem   *marking[512];
} Turn;

extern void iomsg_turn_init(Turn *turn);
extern void iomsg_turn_choose(Turn *turn, int64 now_us);
extern void iomsg_turn_put_back_ready(Turn *turn);
extern bool iomsg_turn_has_orphans(const Turn *turn);
extern bool iomsg_turn_waits_for_lock(Turn *turn);
extern void iomsg_turn_pick(Turn *turn, int64 now_us);
extern bool iomsg_turn_needed(Turn *turn, int64 now_us);
extern void iomsg_turn_write(Turn *turn, int64 now_us);
extern void iomsg_turn_recover(Turn *turn, int64 now_us);
extern void iomsg_turn_load(Turn *turn);
extern ErrorData *iomsg_turn_abort(Turn *turn);
extern bool iomsg_turn_must_take_over(Turn *turn);
extern int	iomsg_turn_open_items(Turn *turn);
extern bool iomsg_turn_may_begin(const Turn *turn);
extern int64 iomsg_turn_linger_us(const Turn *turn);

/* errands.c */
extern void iomsg_errands_tell(Turn *turn);
extern void iomsg_errands_adopt(Turn *turn);
extern bool iomsg_errands_retire(Turn *turn);

#endif							/* IOMSG_TURN_H */
