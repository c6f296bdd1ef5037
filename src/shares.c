/*
 * shares.c
 *	  Whose item gets the next free connection.
 *
 * Each service is served in its turn, so that a paused, stopped or slow one
 * never delays another.  Within a service the order is priority, then due
 * time, then id, but for two messages to one person.
 */
#include "postgres.h"

#include "work.h"

/*
 * Is another message to the same person under way?  Then this one waits, so
 * that the two arrive in their order.
 */
static bool
recipient_busy(Work *work, const WorkItem *item)
{
	dlist_iter	iter;

	if (item->kind == ITEM_POLL)
		return false;
	dlist_foreach(iter, &work->active)
	{
		const WorkItem *other = dlist_container(WorkItem, node, iter.cur);

		if (other->service == item->service && other->kind != ITEM_POLL &&
			strcmp(other->fiscal_code, item->fiscal_code) == 0)
			return true;
	}
	return false;
}

static WorkItem *
take_from_lane(Work *work, Lane *lane)
{
	dlist_iter	iter;

	lane->stuck = false;
	dlist_foreach(iter, &lane->items)
	{
		WorkItem   *item = dlist_container(WorkItem, node, iter.cur);

		if (recipient_busy(work, item))
			continue;
		dlist_delete(&item->node);
		lane->nitems--;
		dlist_push_tail(&work->active, &item->node);
		work->nactive++;
		return item;
	}
	lane->stuck = lane->nitems > 0;
	return NULL;
}

static WorkItem *
take_from_service(Work *work, Service *service, bool polls)
{
	WorkItem   *item = NULL;

	if (polls)
		return take_from_lane(work, &service->lanes[IOMSG_POLL_LANE]);
	for (int i = 0; i < IOMSG_PRIORITIES && item == NULL; i++)
		item = take_from_lane(work, &service->lanes[i]);
	return item;
}

/*
 * After too many answers that decide nothing one message at a time goes, until
 * one decides: is there one on its way?
 */
static bool
tries_one(Work *work, const Service *service)
{
	dlist_iter	iter;

	if (service->unknown_in_row < IOMSG_UNKNOWN_MAX)
		return false;
	dlist_foreach(iter, &work->active)
	{
		const WorkItem *item = dlist_container(WorkItem, node, iter.cur);

		if (item->service == service && item->kind == ITEM_MESSAGE &&
			item->state != ITEM_DONE)
			return true;
	}
	return false;
}

/*
 * May a call of this service leave now, if there is a connection for it?
 */
static bool
may_leave(Work *work, const Service *service, bool polls, int64 now_us)
{
	if (!iomsg_work_may_do(service, polls))
		return false;
	return service->dry_run ||
		(service->account->budget > 0 &&
		 iomsg_work_paused_until(service, now_us) == 0 &&
		 (polls || !tries_one(work, service)));
}

static bool
wants_connections(Work *work, const Service *service, int64 now_us)
{
	if (!may_leave(work, service, true, now_us))
		return false;
	for (int i = 0; i < IOMSG_LANES; i++)
	{
		if (service->lanes[i].nitems > 0)
			return true;
	}
	return false;
}

/*
 * Share the connections out among the services that have calls under way or
 * that want to begin some.  One of them alone may have three quarters, two
 * three sevenths each, and so on: what is left is there for a service that
 * comes later.
 */
void
iomsg_work_share_out(Work *work, int connections, int64 now_us)
{
	int			sharing = 0;
	dlist_iter	iter;

	for (int i = 0; i < work->nservices; i++)
		work->services[i]->under_way = 0;
	dlist_foreach(iter, &work->active)
	{
		const WorkItem *item = dlist_container(WorkItem, node, iter.cur);

		if (item->state != ITEM_DONE)
			item->service->under_way++;
	}
	for (int i = 0; i < work->nservices; i++)
	{
		if (work->services[i]->under_way > 0 ||
			wants_connections(work, work->services[i], now_us))
			sharing++;
	}
	work->share = (3 * connections + 3 * sharing) / (3 * sharing + 1);
}

/*
 * The next item of a service with fewer than so many calls under way.
 */
static WorkItem *
next_below(Work *work, int limit, bool polls, int64 now_us)
{
	for (int i = 0; i < work->nservices; i++)
	{
		int			index = (work->next_service + i) % work->nservices;
		Service    *service = work->services[index];
		WorkItem   *item;

		if (!may_leave(work, service, polls, now_us) ||
			(!service->dry_run && service->under_way >= limit))
			continue;
		item = take_from_service(work, service, polls);
		if (item == NULL)
			continue;
		service->under_way++;
		work->next_service = (index + 1) % work->nservices;
		return item;
	}
	return NULL;
}

/*
 * Take the next item that may leave now, moving it to the active ones: a
 * message, or a status poll.  Services take turns; room is how many
 * connections are free.  NULL when there is none.
 *
 * However much of a service is queued and however slowly it is answered, it
 * gets another connection only while it has less than three times as many as
 * are left, so that one that comes later finds some; and those come first that
 * have less than their share.
 */
WorkItem *
iomsg_work_next(Work *work, bool polls, int room, int64 now_us)
{
	int			limit = work->nservices == 1 ? PG_INT32_MAX : 3 * room;
	WorkItem   *item = next_below(work, Min(work->share, limit), polls,
								  now_us);

	if (item == NULL)
		item = next_below(work, limit, polls, now_us);
	return item;
}
