/*
 * pick.c
 *	  Which of the items that are due to begin with, and how.
 *
 * In memory only.  A message needs a fresh profile before it may be marked; a
 * person who does not want it, or a service that only tries out, needs no call
 * at all.
 */
#include "postgres.h"

#include "settings.h"
#include "signals.h"
#include "turn.h"
#include "utils/timestamp.h"

/*
 * An answer serves the message that asked for it, if that leaves so soon;
 * where a service keeps no answers, one would be asked for for ever.
 */
#define ASKED_FOR_US	(60 * INT64CONST(1000000))

#define PAUSED_LINGER_MS 2000

/*
 * May anything new be begun: is this database allowed to send, and should it?
 */
bool
iomsg_turn_may_begin(const Turn *turn)
{
	return iomsg_enabled && turn->outbox.armed && turn->outbox.logged &&
		!turn->outbox.paused && !turn->outbox.crash_loop &&
		!turn->stopping && !iomsg_signals_stop_requested() &&
		!turn->gone && !turn->resync && !turn->outbox.fenced;
}

/*
 * Microseconds that the worker lingers with nothing to do: not for long where
 * it may do nothing, so that a pause frees the database.
 */
int64
iomsg_turn_linger_us(const Turn *turn)
{
	int			linger_ms = iomsg_idle_exit_ms;

	if (!iomsg_turn_may_begin(turn))
		linger_ms = Min(linger_ms, PAUSED_LINGER_MS);
	return linger_ms * INT64CONST(1000);
}

/*
 * Items that are being worked on, apart from those that only wait to be
 * written.
 */
int
iomsg_turn_open_items(Turn *turn)
{
	dlist_iter	iter;
	int			open = 0;

	dlist_foreach(iter, &turn->work.active)
	{
		if (dlist_container(WorkItem, node, iter.cur)->state != ITEM_DONE)
			open++;
	}
	return open;
}

static bool
may_receive(const Service *service, const char *fiscal_code)
{
	if (service->nrecipients < 0)
		return true;
	for (int i = 0; i < service->nrecipients; i++)
	{
		if (pg_strcasecmp(service->recipients[i], fiscal_code) == 0)
			return true;
	}
	return false;
}

/*
 * Is what is known of the person good enough, whatever its age below
 * at_least_us?
 */
static bool
profile_is_fresh(const WorkItem *item, TimestampTz now, int64 at_least_us)
{
	int64		max_age_us = item->profile_allowed ?
		item->service->profile_max_age_us :
		item->service->profile_negative_max_age_us;

	return item->profile_known &&
		now - item->profile_checked_at < Max(max_age_us, at_least_us);
}

/*
 * Why a message is not to be sent whoever the person is, and the status that
 * this gives it; NULL if it may be.
 */
static const char *
find_refusal(const WorkItem *item, TimestampTz now, const char **status)
{
	if (item->expires_at <= now)
	{
		*status = "expired";
		return "expired";
	}
	if (item->service->dry_run)
	{
		*status = "cancelled";
		return "dry_run";
	}
	if (!may_receive(item->service, item->fiscal_code))
	{
		*status = "not_allowed";
		return "not_in_only_recipients";
	}
	return NULL;
}

/*
 * Decide what a message needs first.
 */
static void
route(WorkItem *item, TimestampTz now)
{
	const char *status;
	const char *refusal = find_refusal(item, now, &status);

	if (refusal != NULL)
		iomsg_work_finish(item, status, refusal);
	else if (item->kind == ITEM_PROFILE ||
			 !profile_is_fresh(item, now, 0))
		item->state = ITEM_TO_CHECK;
	else if (item->profile_allowed)
		item->state = ITEM_READY;
	else
		iomsg_work_finish(item, "not_allowed", item->profile_exists ?
					"sender_not_allowed" : "no_profile");
	item->budgeted = item->state != ITEM_DONE;
	if (item->budgeted)
		item->service->account->budget--;
}

/*
 * Choose, of what has been read, what to begin with; sending goes before
 * asking for statuses.  Takes no more than there are connections.
 */
void
iomsg_turn_pick(Turn *turn, int64 now_us)
{
	TimestampTz now = GetCurrentTimestamp();
	int			connections = Min(iomsg_max_in_flight, turn->max_in_flight);
	int			room = connections - iomsg_turn_open_items(turn);
	int			done = 0;
	WorkItem   *item;

	if (!iomsg_turn_may_begin(turn))
		return;
	iomsg_work_share_out(&turn->work, connections, now_us);
	/* Those finished without a call are written in one go, too. */
	while (room > 0 && done < 4 * iomsg_max_in_flight &&
		   (item = iomsg_work_next(&turn->work, false, room,
								   now_us)) != NULL)
	{
		route(item, now);
		if (item->state == ITEM_DONE)
		{
			item->service->under_way--;
			done++;
		}
		else
			room--;
	}
	while (room > 0 &&
		   (item = iomsg_work_next(&turn->work, true, room, now_us)) != NULL)
	{
		item->state = ITEM_TO_POLL;
		item->service->account->budget--;
		room--;
	}
}

/*
 * Has the quota room for the item's message, which is ready?
 */
static bool
has_budget(WorkItem *item)
{
	if (!item->budgeted && item->service->account->budget > 0)
	{
		item->service->account->budget--;
		item->budgeted = true;
	}
	return item->budgeted;
}

/*
 * Where messages go one at a time, is another before this one?
 */
static bool
is_one_too_many(Turn *turn, const WorkItem *item)
{
	dlist_iter	iter;

	if (item->service->unknown_in_row < IOMSG_UNKNOWN_MAX)
		return false;
	dlist_foreach(iter, &turn->work.active)
	{
		const WorkItem *other = dlist_container(WorkItem, node, iter.cur);

		if (other == item)
			break;
		if (other->service == item->service && other->kind == ITEM_MESSAGE &&
			other->state != ITEM_DONE)
			return true;
	}
	return false;
}

/*
 * The items whose mark can be set now; others that were ready go back.
 */
void
iomsg_turn_choose(Turn *turn, int64 now_us)
{
	TimestampTz now = GetCurrentTimestamp();
	const char *status;
	dlist_mutable_iter iter;

	turn->nmarking = 0;
	dlist_foreach_modify(iter, &turn->work.active)
	{
		WorkItem   *item = dlist_container(WorkItem, node, iter.cur);

		if (item->state != ITEM_READY)
			continue;
		if (!iomsg_work_may_send(item->service) ||
			find_refusal(item, now, &status) != NULL ||
			!profile_is_fresh(item, now, ASKED_FOR_US) ||
			iomsg_work_paused_until(item->service, now_us) != 0 ||
			is_one_too_many(turn, item))
			iomsg_work_return(&turn->work, item);
		else if (turn->nmarking < lengthof(turn->marking) &&
				 has_budget(item))
			turn->marking[turn->nmarking++] = item;
	}
}

/*
 * Nothing may be begun: what was ready goes back.
 */
void
iomsg_turn_put_back_ready(Turn *turn)
{
	dlist_mutable_iter iter;

	/* A mark of these may be there. */
	if (turn->resync)
		return;
	dlist_foreach_modify(iter, &turn->work.active)
	{
		WorkItem   *item = dlist_container(WorkItem, node, iter.cur);

		if (item->state == ITEM_READY)
			iomsg_work_return(&turn->work, item);
	}
}
