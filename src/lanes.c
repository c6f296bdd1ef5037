/*
 * lanes.c
 *	  When the rows of a service are to be looked into, and when what has been
 *	  read of them may leave.
 *
 * A lane is read from its cursor on.  Whatever may have made a row behind the
 * cursor sets that back: a commit, an outcome, somebody who held the row.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "work.h"

/* A lane is read when it holds fewer than this. */
#define LANE_LOW		32
#define LANE_STUCK		1024	/* while all in it wait for each other */

/*
 * Are so few of its rows in hand that more may be read?
 */
bool
iomsg_work_has_place(const Lane *lane)
{
	return lane->nitems < (lane->stuck ? LANE_STUCK : LANE_LOW);
}

static void
probe_lane(Lane *lane, TimestampTz from)
{
	lane->probe = true;
	if (from <= lane->cursor_due_at)
	{
		lane->cursor_due_at = from;
		lane->cursor_id = 0;
	}
}

/*
 * Rows of this service may have come that are due at "from" or later.
 */
void
iomsg_work_probe_service(Service *service, TimestampTz from)
{
	for (int i = 0; i < IOMSG_LANES; i++)
		probe_lane(&service->lanes[i], from);
}

/*
 * The same for all services.
 */
void
iomsg_work_probe_all(Work *work, TimestampTz from)
{
	for (int i = 0; i < work->nservices; i++)
		iomsg_work_probe_service(work->services[i], from);
}

/*
 * Look again into the lanes whose first future row has become due.
 */
void
iomsg_work_probe_due(Work *work, TimestampTz now)
{
	for (int i = 0; i < work->nservices; i++)
	{
		for (int j = 0; j < IOMSG_LANES; j++)
		{
			Lane	   *lane = &work->services[i]->lanes[j];

			if (lane->next_due <= now)
			{
				lane->probe = true;
				lane->next_due = DT_NOEND;
			}
			if (lane->reread_at > now)
				continue;
			probe_lane(lane, lane->reread_from);
			lane->reread_at = DT_NOEND;
		}
	}
}

/*
 * Read a lane again, at that time, from the rows due at "from" on: the cursor
 * may have passed them.
 */
static void
read_again(Lane *lane, TimestampTz from, TimestampTz at)
{
	if (lane->reread_at == DT_NOEND || from < lane->reread_from)
		lane->reread_from = from;
	lane->reread_at = Min(lane->reread_at, at);
}

/*
 * Somebody else holds or has changed the row: forget the item, and read the
 * lane from there again at that time.
 */
void
iomsg_work_put_back(Work *work, WorkItem *item, TimestampTz at)
{
	read_again(&item->service->lanes[item->lane], item->due_at, at);
	iomsg_work_drop(work, item);
}

/*
 * Does a service pause for answers that decided nothing?  It is noted nowhere
 * but here.
 */
bool
iomsg_work_pauses(const Work *work, int64 now_us)
{
	for (int i = 0; i < work->nservices; i++)
	{
		if (work->services[i]->pause_until_us > now_us)
			return true;
	}
	return false;
}

/*
 * What was written of the item has made a row that will be due, to be sent
 * again or to be polled: its lane is looked into then.
 */
void
iomsg_work_expect(const WorkItem *item)
{
	const Outcome *outcome = &item->outcome;
	bool		was_sent = outcome->status != NULL &&
		strcmp(outcome->status, "sent") == 0;
	Lane	   *lane = &item->service->lanes[was_sent ? IOMSG_POLL_LANE :
										 item->lane];

	read_again(lane, outcome->next_due, outcome->next_due);
}

/*
 * When the first row that is not yet due will be, DT_NOEND if there is none.
 */
TimestampTz
iomsg_work_next_due(const Work *work)
{
	TimestampTz next = DT_NOEND;

	for (int i = 0; i < work->nservices; i++)
	{
		const Service *service = work->services[i];

		for (int j = 0; j < IOMSG_LANES; j++)
		{
			if (iomsg_work_may_do(service, j == IOMSG_POLL_LANE))
				next = Min(next, Min(service->lanes[j].next_due,
									 service->lanes[j].reread_at));
		}
	}
	return next;
}

/*
 * When a service that waits for a pause to end, or for the quota, may call
 * again, perhaps in the past by now; 0 if it waits for neither.
 */
static int64
blocked_until(const Service *service, int64 now_us)
{
	int64		until = iomsg_work_paused_until(service, now_us);

	if (service->account->budget <= 0)
		until = Max(until, service->account->opens_us);
	return until;
}

/*
 * Is there anything read that could leave, or will by itself?  *when_us is
 * then when the first may that waits for a pause or the quota; the others
 * wait for an answer.
 */
bool
iomsg_work_has_waiting(Work *work, int64 now_us, int64 *when_us)
{
	bool		any = false;
	dlist_iter	iter;

	*when_us = PG_INT64_MAX;
	for (int i = 0; i < work->nservices; i++)
	{
		const Service *service = work->services[i];

		for (int j = 0; j < IOMSG_LANES; j++)
		{
			int64		until;

			if (service->lanes[j].nitems == 0 ||
				!iomsg_work_may_do(service, j == IOMSG_POLL_LANE))
				continue;
			any = true;
			until = blocked_until(service, now_us);
			if (until != 0)
				*when_us = Min(*when_us, until);
		}
	}
	dlist_foreach(iter, &work->active)
	{
		const WorkItem *item = dlist_container(WorkItem, node, iter.cur);

		if (item->state != ITEM_READY || item->budgeted)
			continue;
		any = true;
		*when_us = Min(*when_us, item->service->account->opens_us);
	}
	return any;
}
