/*
 * content.c
 *	  The content of what was just marked.
 *
 * Read in a transaction of its own, after the mark is durable: no content can
 * be the reason why a server does not come up.
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "clock.h"
#include "turn.h"

/* When to send again what could not be read for a moment. */
#define UNREADABLE_PAUSE_MS 1000

/*
 * Is it the row that cannot be read, and not the moment?
 */
static bool
is_content_error(int sqlstate)
{
	return ERRCODE_TO_CATEGORY(sqlstate) == ERRCODE_DATA_EXCEPTION ||
		sqlstate == ERRCODE_DATA_CORRUPTED;
}

/*
 * Read the content of some items; false where that failed.
 */
static bool
try_load(Turn *turn, WorkItem **items, int nitems)
{
	MemoryContext old = CurrentMemoryContext;
	volatile bool loaded = false;

	PG_TRY();
	{
		if (iomsg_outbox_begin(&turn->outbox) != OUTBOX_OPEN)
			turn->gone = true;
		else
		{
			iomsg_claim_load(items, nitems, &turn->work);
			iomsg_outbox_commit(&turn->outbox);
		}
		loaded = true;
	}
	PG_CATCH();
	{
		iomsg_turn_recover(turn, iomsg_clock_now_us());
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);
	return loaded;
}

static void
give_back(WorkItem *item)
{
	iomsg_work_finish(item, "queued", "content_not_read");
	item->outcome.next_due =
		TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
									UNREADABLE_PAUSE_MS);
}

/*
 * Read each by itself: a message whose own content cannot be read has failed,
 * and none keeps the others waiting.  Where somebody has locked the content,
 * that is so for all.
 */
static void
load_each(Turn *turn, WorkItem **items, int nitems)
{
	for (int i = 0; i < nitems; i++)
	{
		/* They fail together: one pause, one line in the log. */
		turn->failures = 1;
		if (turn->last_sqlstate != ERRCODE_LOCK_NOT_AVAILABLE &&
			try_load(turn, &items[i], 1))
			continue;
		if (is_content_error(turn->last_sqlstate))
			iomsg_work_finish(items[i], "failed", "content_unreadable");
		else
			give_back(items[i]);
	}
}

/*
 * Read the content of all that is marked and has none yet.  What cannot be
 * read is finished without having been sent.
 */
void
iomsg_turn_load(Turn *turn)
{
	WorkItem  **items = palloc((turn->work.nactive + 1) * sizeof(WorkItem *));
	int			nitems = 0;
	dlist_iter	iter;

	dlist_foreach(iter, &turn->work.active)
	{
		WorkItem   *item = dlist_container(WorkItem, node, iter.cur);

		if (item->state == ITEM_MARKED && item->body == NULL)
			items[nitems++] = item;
	}
	if (nitems == 0)
		return;
	if (!try_load(turn, items, nitems))
		load_each(turn, items, nitems);
	for (int i = 0; i < nitems && !turn->gone; i++)
	{
		if (items[i]->state == ITEM_MARKED && items[i]->body == NULL)
			iomsg_work_finish(items[i], "failed", "body_missing");
	}
}
