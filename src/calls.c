/*
 * calls.c
 *	  The calls to IO that items need: started within the quota, collected when
 *	  they have ended.
 */
#include "postgres.h"

#include "calls.h"
#include "exchange.h"
#include "fault.h"
#include "outcome.h"
#include "settings.h"

/* When the HTTP client has no room, which it should. */
#define NO_ROOM_US		INT64CONST(10000)

/* The least time for which an unanswered call may still be counted. */
#define LATE_US			INT64CONST(1000000)

/*
 * Note what has been answered; true if anything has.
 */
bool
iomsg_calls_collect(HttpClient *http, Work *work, int64 now_us,
					IoMsgCounters *counters)
{
	const HttpResult *result;
	bool		any = false;

	while ((result = iomsg_http_next(http)) != NULL)
	{
		WorkItem   *item = result->owner;

		iomsg_exchange_finish(work, item, result, now_us, counters);
		if (item->body && item->state == ITEM_DONE)
		{
			pfree(item->body);
			item->body = NULL;
		}
		if (item->state == ITEM_WAITING)
			iomsg_work_return(work, item);
		any = true;
	}
	return any;
}

/*
 * A planned stop: what has not left will not leave any more, and goes back.
 */
void
iomsg_calls_stop(HttpClient *http, Work *work, int64 now_us,
				 IoMsgCounters *counters)
{
	iomsg_http_cancel_unsent(http);
	(void) iomsg_calls_collect(http, work, now_us, counters);
}

/*
 * Start the call that an item needs.  Returns false while the quota or the
 * client has no room; *when_us is then when to ask again.
 */
static bool
start_call(HttpClient *http, WorkItem *item, ItemState under_way,
		   int64 now_us, int64 *when_us)
{
	ItemState	before = item->state;

	if (!iomsg_quota_take(&item->service->account->quota, now_us, when_us))
		return false;
	item->state = under_way;
	if (under_way == ITEM_SENDING)
		FAULT_POINT("before_request");
	if (iomsg_exchange_start(http, item, now_us))
		return true;
	item->state = before;
	*when_us = now_us + NO_ROOM_US;
	return false;
}

/*
 * A marked message that should not be sent any more goes back unsent.
 */
static bool
take_back(WorkItem *item, bool may_post, int64 now_us)
{
	int64		max_age_us = iomsg_max_mark_age_ms * INT64CONST(1000);

	if (!may_post)
		iomsg_work_not_sent(item, "stopped_before_sending", 0);
	else if (!iomsg_work_may_send(item->service) ||
			 item->service->dry_run || item->service->pause_until_us > now_us)
		iomsg_work_not_sent(item, "service_stopped", 0);
	else if (now_us - item->marked_us > max_age_us / 2)
		iomsg_work_not_sent(item, "stale_mark", 0);
	else
		return false;
	return true;
}

/*
 * Start all calls of one kind; returns when to try those that could not be.
 */
static int64
start_kind(HttpClient *http, Work *work, ItemState ready,
		   ItemState under_way, bool may_begin, int64 now_us)
{
	dlist_mutable_iter iter;
	int64		next_us = PG_INT64_MAX;
	int64		when_us;

	dlist_foreach_modify(iter, &work->active)
	{
		WorkItem   *item = dlist_container(WorkItem, node, iter.cur);

		if (item->state != ready)
			continue;
		if (item->marked && take_back(item, may_begin, now_us))
			next_us = now_us;
		else if (!item->marked && (!may_begin ||
								   !iomsg_work_may_send(item->service) ||
								   item->service->dry_run))
			iomsg_work_return(work, item);
		else if (!start_call(http, item, under_way, now_us, &when_us))
			next_us = Min(next_us, when_us);
	}
	return next_us;
}

/*
 * Start what is ready: messages first, then profiles, then what is left of
 * the quota for polls.  Where nothing may be begun, what is ready goes back.
 * Returns when to try again what could not be started.
 */
int64
iomsg_calls_start(HttpClient *http, Work *work, bool may_begin, int64 now_us)
{
	static const ItemState kinds[][2] = {
		{ITEM_MARKED, ITEM_SENDING},
		{ITEM_TO_CHECK, ITEM_CHECKING},
		{ITEM_TO_POLL, ITEM_POLLING}
	};
	int64		next_us = PG_INT64_MAX;

	for (size_t i = 0; i < lengthof(kinds); i++)
		next_us = Min(next_us,
					  start_kind(http, work, kinds[i][0], kinds[i][1],
								 may_begin, now_us));
	return next_us;
}

static bool
is_under_way(const WorkItem *item)
{
	return item->state == ITEM_CHECKING || item->state == ITEM_SENDING ||
		item->state == ITEM_POLLING;
}

/*
 * The calls of an account that are under way; and *late, how many of them have
 * left the quota's window unanswered.  Those may be counted by IO only now,
 * where it or this machine is slow; after some time they are hanging, and were
 * counted long ago.
 */
static int
count_calls(Work *work, const Account *account, int64 now_us, int *late)
{
	int64		period_us = account->quota.period_ms * 1000;
	int64		cap_us = Max(LATE_US, period_us + period_us / 5);
	dlist_iter	iter;
	int			calls = 0;

	*late = 0;
	dlist_foreach(iter, &work->active)
	{
		const WorkItem *item = dlist_container(WorkItem, node, iter.cur);
		int64		age_us = now_us - item->taken_us;

		if (item->service->account != account || !is_under_way(item))
			continue;
		calls++;
		if (age_us > period_us && age_us <= cap_us)
			(*late)++;
	}
	return calls;
}

/*
 * How many calls each account may make this turn.
 */
void
iomsg_calls_refresh_budgets(Work *work, int64 now_us)
{
	for (int i = 0; i < work->naccounts; i++)
	{
		Account    *account = work->accounts[i];
		int			late;
		int			calls = count_calls(work, account, now_us, &late);

		account->budget = iomsg_quota_available(&account->quota, now_us,
												&account->opens_us);
		if (late > 0 && late >= account->budget)
			account->opens_us = Max(account->opens_us, now_us + NO_ROOM_US);
		account->budget = Max(account->budget - late, 0);
		/* A host that could not be reached is tried with one call. */
		if (account->failures == 0)
			continue;
		account->budget = Min(account->budget, 1);
		if (calls > 0)
		{
			account->budget = 0;
			account->opens_us = PG_INT64_MAX;	/* its answer */
		}
	}
}
