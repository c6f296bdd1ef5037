/*
 * agenda.c
 *	  Is there anything that a transaction of the worker should do now?
 */
#include "postgres.h"

#include "turn.h"

/*
 * Is there anything left of a worker that died, and are we to see to it?
 */
bool
iomsg_turn_has_orphans(const Turn *turn)
{
	return turn->outbox.armed && turn->outbox.norphans > 0;
}

/*
 * Is there a row of poll that names no message to be asked about any more?
 */
static bool
has_empty_batch(Turn *turn)
{
	dlist_iter	iter;

	dlist_foreach(iter, &turn->work.batches)
	{
		const PollBatch *batch = dlist_container(PollBatch, node,
												 iter.cur);

		if (batch->open == 0 && batch->complete && !batch->forgotten)
			return true;
	}
	return false;
}

/*
 * Is there anything to do that wants us in the place of the worker before us?
 */
bool
iomsg_turn_must_take_over(Turn *turn)
{
	return !turn->outbox.taken_over && turn->outbox.armed &&
		(turn->work.nactive > 0 || iomsg_turn_has_orphans(turn) ||
		 has_empty_batch(turn));
}

static bool
stops_wait(const Turn *turn)
{
	for (int i = 0; i < turn->work.nservices; i++)
	{
		if (turn->work.services[i]->stop_to_write ||
			turn->work.services[i]->unstop_to_write)
			return true;
	}
	return false;
}

/*
 * Is there anything to be written that somebody had locked?
 */
bool
iomsg_turn_waits_for_lock(Turn *turn)
{
	dlist_iter	iter;

	dlist_foreach(iter, &turn->work.active)
	{
		const WorkItem *item = dlist_container(WorkItem, node, iter.cur);

		if (item->state == ITEM_DONE && item->tried)
			return true;
	}
	return iomsg_turn_has_orphans(turn) || stops_wait(turn);
}

static bool
lanes_wait(const Turn *turn)
{
	for (int i = 0; i < turn->work.nservices; i++)
	{
		const Service *service = turn->work.services[i];

		for (int j = 0; j < IOMSG_LANES; j++)
		{
			const Lane *lane = &service->lanes[j];

			if (lane->probe && iomsg_work_has_place(lane) &&
				(lane->nitems == 0 || lane->stuck) &&
				iomsg_work_may_do(service, j == IOMSG_POLL_LANE))
				return true;
		}
	}
	return false;
}

/*
 * Is there anything that a transaction should do now?
 */
bool
iomsg_turn_needed(Turn *turn, int64 now_us)
{
	dlist_iter	iter;

	if (turn->gone || turn->outbox.fenced || turn->retry_at_us > now_us)
		return false;
	if (turn->roster_due || turn->resync || turn->adopting ||
		iomsg_turn_must_take_over(turn) ||
		(turn->outbox.taken_over && has_empty_batch(turn)))
		return true;
	dlist_foreach(iter, &turn->work.active)
	{
		const WorkItem *item = dlist_container(WorkItem, node, iter.cur);

		if (item->state == ITEM_DONE && !item->tried)
			return true;
		if (item->state == ITEM_READY && iomsg_turn_may_begin(turn) &&
			(item->budgeted || item->service->account->budget > 0))
			return true;
	}
	if (turn->locked_retry_us <= now_us && iomsg_turn_waits_for_lock(turn))
		return true;
	return iomsg_turn_may_begin(turn) && lanes_wait(turn) &&
		iomsg_turn_open_items(turn) < turn->max_in_flight;
}
