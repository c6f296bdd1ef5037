/*
 * turn.c
 *	  A turn of the drainer's loop, as far as the database is concerned: one
 *	  short transaction that writes what has come and marks what will go.
 *
 * No transaction is open while a request is under way.  Where one fails,
 * nothing is lost: outcomes stay in hand and are written by a later one.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "clock.h"
#include "doubt.h"
#include "fault.h"
#include "notice.h"
#include "settings.h"
#include "signals.h"
#include "slots.h"
#include "standby.h"
#include "turn.h"

/* Pauses after a transaction has failed. */
#define FIRST_PAUSE_MS	50
#define LAST_PAUSE_MS	10000

/* How often orphans and outcomes that somebody has locked are tried again. */
#define LOCKED_PAUSE_MS 200

/* When to mark again what no standby has confirmed. */
#define UNCONFIRMED_PAUSE_MS 1000

/*
 * Start with nothing in hand.
 */
void
iomsg_turn_init(Turn *turn)
{
	memset(turn, 0, sizeof(*turn));
	turn->roster_due = true;
	iomsg_work_init(&turn->work);
}

/* ----------------------------------------------------------------------
 * The transaction
 */

/*
 * What will be in flight: what is and has not been written, and nmarked more.
 */
static void
write_in_flight(Turn *turn, int nmarked)
{
	int64	   *ids = palloc((turn->work.nactive + 1) * sizeof(int64));
	int			nids = 0;
	int			finished = 0;
	dlist_iter	iter;

	dlist_foreach(iter, &turn->work.active)
	{
		WorkItem   *item = dlist_container(WorkItem, node, iter.cur);

		if (!item->marked)
			continue;
		if (item->written)
			finished++;
		else
			ids[nids++] = item->id;
	}
	FAULT_NOTE(finished > 0 ? FAULT_RESULT : 0);
	if (finished == 0 && nmarked == 0)
		return;
	for (int i = 0; i < nmarked; i++)
		ids[nids++] = turn->marking[i]->id;
	iomsg_outbox_write_in_flight(&turn->outbox, ids, nids, nmarked > 0);
}

static bool
is_among(const int64 *ids, int nids, int64 id)
{
	for (int i = 0; i < nids; i++)
	{
		if (ids[i] == id)
			return true;
	}
	return false;
}

/*
 * Is there anything in hand whose result the last transaction has written, if
 * it is there at all?
 */
static bool
wrote_results(Turn *turn)
{
	dlist_iter	iter;

	dlist_foreach(iter, &turn->work.active)
	{
		const WorkItem *item = dlist_container(WorkItem, node, iter.cur);

		if (item->marked && item->tried)
			return true;
	}
	return false;
}

/*
 * What is in flight no more has been written: to write it again would be to
 * write over what has become of the row since.
 */
static void
forget_written(Turn *turn, const int64 *ids, int nids)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &turn->work.active)
	{
		WorkItem   *item = dlist_container(WorkItem, node, iter.cur);

		if (!item->marked || !item->tried || is_among(ids, nids, item->id))
			continue;
		iomsg_work_probe_service(item->service, DT_NOBEGIN);
		iomsg_work_drop(&turn->work, item);
	}
}

/*
 * A commit failed after a mark or a result: the database knows whether it is
 * there.  What was marked goes back unsent, what was written is done with; the
 * rest was never touched.
 */
static void
resync(Turn *turn)
{
	int64	   *ids = NULL;
	int			nids = iomsg_outbox_read_in_flight(&turn->outbox, &turn->work,
												   &ids);

	for (int i = 0; i < turn->nmarking; i++)
	{
		WorkItem   *item = turn->marking[i];

		item->marked |= is_among(ids, nids, item->id);
		if (item->marked)
		{
			item->marked_us = iomsg_clock_now_us();
			iomsg_work_finish(item, "queued", "mark_interrupted");
			item->outcome.next_due = GetCurrentTimestamp();
		}
	}
	if (turn->outbox.taken_over)
		forget_written(turn, ids, nids);
	if (ids)
		pfree(ids);
	turn->nmarking = 0;
	turn->resync = false;
}

static void
read_roster(Turn *turn)
{
	int64		generation = turn->outbox.generation;
	int32		timeline = turn->outbox.timeline;

	iomsg_outbox_read_installation(&turn->outbox, &turn->work);
	iomsg_adopt_judge(&turn->outbox);
	if (generation != turn->outbox.generation ||
		timeline != turn->outbox.timeline)
	{
		for (int i = 0; i < turn->work.nservices; i++)
			iomsg_work_forget_waiting(&turn->work, turn->work.services[i]);
	}
	iomsg_roster_load(&turn->work);
	iomsg_notice_standing(&turn->outbox, &turn->work);
	turn->adopting = iomsg_adopt_wanted(&turn->outbox);
}

/*
 * Read what is due, and begin what can be begun; returns how many marks.
 */
static int
claim(Turn *turn, int64 now_us)
{
	int			nmarked = 0;

	turn->nmarking = 0;
	if (!iomsg_turn_may_begin(turn))
		return 0;
	iomsg_probe(&turn->outbox, &turn->work, GetCurrentTimestamp());
	iomsg_turn_pick(turn, now_us);
	if (!turn->outbox.taken_over)
		return 0;
	iomsg_turn_choose(turn, now_us);
	if (turn->nmarking > 0)
		nmarked = iomsg_claim_mark(&turn->outbox, turn->marking,
								   turn->nmarking);
	return nmarked;
}

/*
 * The transaction is durable: items that it finished leave our hands, those
 * that it marked may be sent, unless a standby that should have confirmed
 * them has not.
 */
static void
after_commit(Turn *turn, int nmarked, int64 now_us)
{
	TimestampTz later = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
													LOCKED_PAUSE_MS);
	bool		confirmed = nmarked == 0 || iomsg_standby_confirmed();

	for (int i = 0; i < nmarked; i++)
	{
		turn->marking[i]->marked = true;
		turn->marking[i]->marked_us = now_us;
		turn->marking[i]->state = ITEM_MARKED;
		if (!confirmed)
			iomsg_work_not_sent(turn->marking[i], "mark_unconfirmed",
								   UNCONFIRMED_PAUSE_MS);
	}
	for (int i = nmarked; i < turn->nmarking; i++)
		iomsg_work_put_back(&turn->work, turn->marking[i], later);
	turn->nmarking = 0;
	iomsg_settle_committed(&turn->work);
	for (int i = 0; i < turn->work.nservices; i++)
	{
		Service    *service = turn->work.services[i];

		if (!service->stop_written)
			continue;
		service->stop_to_write = false;
		service->unstop_to_write = false;
	}
}

/*
 * What a turn writes.  A worker that has just come takes the place of the one
 * before and does nothing else in that transaction: if any of the rest cuts
 * it off, it is known that it was at work.
 */
static void
run_transaction(Turn *turn, int64 now_us)
{
	OutboxState state = iomsg_outbox_begin(&turn->outbox);
	bool		reads_roster = turn->roster_due;
	bool		took_over;
	int			nmarked;

	if (state != OUTBOX_OPEN)
	{
		if (state == OUTBOX_OTHER_VERSION)
			ereport(LOG,
					(errmsg("the io_msg library has version %s, the "
							"extension has not", IOMSG_VERSION),
					 errhint("Run ALTER EXTENSION io_msg UPDATE, or restart "
							 "the server with the right library.")));
		turn->gone = true;
		turn->other_version = state == OUTBOX_OTHER_VERSION;
		return;
	}
	/* First: what of ours is in flight is nobody's orphan. */
	if (turn->resync)
		resync(turn);
	if (reads_roster)
		read_roster(turn);
	if (turn->outbox.taken_over)
	{
		if (iomsg_turn_has_orphans(turn))
			iomsg_orphans_settle(&turn->outbox, &turn->work);
		iomsg_settle_write(&turn->outbox, &turn->work);
	}
	nmarked = claim(turn, now_us);
	if (iomsg_turn_must_take_over(turn))
		iomsg_outbox_take_over(&turn->outbox, &turn->work);
	write_in_flight(turn, nmarked);
	iomsg_roster_write_stops(&turn->work);
	took_over = turn->outbox.took_over_now;

	/* A time-out that is late must not end a wait for the standby. */
	CHECK_FOR_INTERRUPTS();
	iomsg_signals_begin_commit();
	iomsg_outbox_commit(&turn->outbox);
	iomsg_signals_end_commit();
	after_commit(turn, nmarked, iomsg_clock_now_us());
	/* Not before: a failure undoes what was judged of the timeline, too. */
	if (reads_roster)
		turn->roster_due = false;
	/* That nothing is begun is to be said in the log. */
	turn->roster_due |= took_over && turn->outbox.crash_loop;
	turn->locked_retry_us = took_over ? now_us :
		now_us + LOCKED_PAUSE_MS * INT64CONST(1000);
}

/* ----------------------------------------------------------------------
 * When it fails
 */

/*
 * A transaction failed: abort it.  Returns why, in the work's memory.
 */
ErrorData *
iomsg_turn_abort(Turn *turn)
{
	ErrorData  *error;

	HOLD_INTERRUPTS();
	iomsg_signals_end_commit();
	MemoryContextSwitchTo(turn->work.context);
	error = CopyErrorData();
	FlushErrorState();
	AbortCurrentTransaction();
	MemoryContextSwitchTo(turn->work.context);
	RESUME_INTERRUPTS();
	return error;
}

/*
 * A turn's transaction failed: say so without a word of its content, and
 * pause.
 */
void
iomsg_turn_recover(Turn *turn, int64 now_us)
{
	ErrorData  *error = iomsg_turn_abort(turn);
	int			pause_ms;

	/* The epoch that was raised in it is not. */
	if (turn->outbox.took_over_now)
		turn->outbox.taken_over = false;
	turn->last_sqlstate = error->sqlerrcode;
	pause_ms = Min(FIRST_PAUSE_MS << Min(turn->failures, 10), LAST_PAUSE_MS);
	turn->failures++;
	iomsg_slots_transactions_fail(turn->failures, turn->last_sqlstate);
	turn->retry_at_us = now_us + pause_ms * INT64CONST(1000);
	/* A DROP EXTENSION that is not committed yet is nothing to talk about. */
	if (turn->failures == 1 &&
		error->sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE)
		ereport(LOG,
				(errmsg("an io_msg transaction failed with SQLSTATE %s and "
						"is tried again",
						unpack_sql_state(error->sqlerrcode)),
				 error->funcname ?
				 errdetail("It was raised in %s.", error->funcname) : 0));
	FreeErrorData(error);
}

/*
 * One turn's transaction; where it fails, nothing of it counts.
 */
void
iomsg_turn_write(Turn *turn, int64 now_us)
{
	MemoryContext old = CurrentMemoryContext;

	PG_TRY();
	{
		run_transaction(turn, now_us);
		if (turn->failures > 0)
			iomsg_slots_transactions_fail(0, 0);
		turn->failures = 0;
		turn->retry_at_us = 0;
	}
	PG_CATCH();
	{
		turn->resync = turn->nmarking > 0 || wrote_results(turn);
		iomsg_doubt_forget();
		iomsg_work_forget_batches(&turn->work);
		iomsg_turn_recover(turn, now_us);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);
	if (turn->failures == 0 && !turn->gone)
		iomsg_turn_load(turn);
	if (iomsg_doubt_any())
		iomsg_errands_tell(turn);
	if (turn->adopting && turn->failures == 0 && !turn->gone)
		iomsg_errands_adopt(turn);
	/* What has waited for another message to the same person. */
	iomsg_turn_pick(turn, now_us);
	if (turn->work.nactive > 0 || iomsg_turn_has_orphans(turn))
		turn->worked = true;
}
