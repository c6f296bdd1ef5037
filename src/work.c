/*
 * work.c
 *	  What the drainer has in hand: services, their lanes, and the items that
 *	  travel through them.
 *
 * A row is never in hand twice.
 */
#include "postgres.h"

#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "work.h"

/* The ids in hand. */
static HTAB *ids = NULL;

/*
 * Start with empty hands.
 */
void
iomsg_work_init(Work *work)
{
	HASHCTL		control = {.keysize = sizeof(int64),
	.entrysize = sizeof(int64)};

	memset(work, 0, sizeof(*work));
	work->context = AllocSetContextCreate(TopMemoryContext, "io_msg work",
										  ALLOCSET_DEFAULT_SIZES);
	dlist_init(&work->active);
	dlist_init(&work->batches);
	control.hcxt = work->context;
	ids = hash_create("io_msg ids in hand", 1024, &control,
					  HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/*
 * A transaction failed: which rows of poll name no message any more may have
 * been judged by what it had written.  They are read again.
 */
void
iomsg_work_forget_batches(Work *work)
{
	dlist_iter	iter;

	dlist_foreach(iter, &work->batches)
		dlist_container(PollBatch, node, iter.cur)->forgotten = true;
}

/*
 * The service of that id, or NULL.
 */
Service *
iomsg_work_service(Work *work, int32 id)
{
	for (int i = 0; i < work->nservices; i++)
	{
		if (work->services[i]->id == id)
			return work->services[i];
	}
	return NULL;
}

/*
 * May anything of this service leave, as far as its settings go?  A service
 * that only tries out needs no key: nothing leaves.
 */
bool
iomsg_work_may_send(const Service *service)
{
	if (service->dry_run)
		return service->present && !service->paused;
	return service->present && !service->paused &&
		service->key_state == KEYS_OK && service->stop_reason == NULL &&
		service->account->host_allowed;
}

/*
 * The same of its polls, or of its messages alone: one that only tries out
 * finishes its messages, and asks for nothing.
 */
bool
iomsg_work_may_do(const Service *service, bool polls)
{
	return iomsg_work_may_send(service) && !(service->dry_run && polls);
}

/*
 * Keep a text, or NULL, in the place of another, which stays where that
 * fails.
 */
void
iomsg_work_keep_text(Work *work, char **place, const char *text)
{
	char	   *kept = text == NULL ? NULL :
		MemoryContextStrdup(work->context, text);

	if (*place)
		pfree(*place);
	*place = kept;
}

/*
 * Put a row that was read at the end of its lane; NULL if it is in hand
 * already.
 */
WorkItem *
iomsg_work_add(Work *work, Service *service, int lane, int64 id)
{
	WorkItem   *item;
	bool		found;

	/* First: without it the id would be in hand, and nobody's. */
	item = MemoryContextAllocZero(work->context, sizeof(WorkItem));
	(void) hash_search(ids, &id, HASH_ENTER, &found);
	if (found)
	{
		pfree(item);
		return NULL;
	}
	item->id = id;
	item->service = service;
	item->lane = lane;
	item->state = ITEM_WAITING;
	dlist_push_tail(&service->lanes[lane].items, &item->node);
	service->lanes[lane].nitems++;
	return item;
}

/*
 * When may calls of this service leave again, if not now; 0 if they may.
 */
int64
iomsg_work_paused_until(const Service *service, int64 now_us)
{
	int64		until = Max(service->pause_until_us,
							service->account->pause_until_us);

	return until > now_us ? until : 0;
}

/*
 * The item is done, and that is to be written.  Where IO may have accepted an
 * earlier request for it, nothing but another try or an id settles that.
 */
void
iomsg_work_finish(WorkItem *item, const char *status, const char *reason)
{
	memset(&item->outcome, 0, sizeof(item->outcome));
	item->state = ITEM_DONE;
	item->outcome.status = status;
	item->outcome.reason = reason;
	if (item->doubtful && status != NULL && strcmp(status, "queued") != 0 &&
		strcmp(status, "sent") != 0)
	{
		item->outcome.status = "uncertain";
		item->outcome.reason = "maybe_accepted";
	}
	item->outcome.next_due = DT_NOEND;
	item->outcome.duration_ms = -1;
}

/*
 * Nothing of the item has left, or IO said that it did not take it: the row
 * goes back to the queue, or the item to its lane where the row is there yet.
 */
void
iomsg_work_not_sent(WorkItem *item, const char *reason, int64 wait_ms)
{
	if (!item->marked && item->state != ITEM_DONE)
	{
		item->state = ITEM_WAITING;
		return;
	}
	iomsg_work_finish(item, "queued", reason);
	item->outcome.next_due = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
														  wait_ms);
}

/*
 * Nothing has come of an active item yet: back to the head of its lane.
 */
void
iomsg_work_return(Work *work, WorkItem *item)
{
	Lane	   *lane = &item->service->lanes[item->lane];

	dlist_delete(&item->node);
	work->nactive--;
	item->state = ITEM_WAITING;
	item->budgeted = false;
	dlist_push_head(&lane->items, &item->node);
	lane->nitems++;
}

/*
 * The item is finished with: forget it.  Active ones only.
 */
void
iomsg_work_drop(Work *work, WorkItem *item)
{
	(void) hash_search(ids, &item->id, HASH_REMOVE, NULL);
	dlist_delete(&item->node);
	work->nactive--;
	if (item->body)
		pfree(item->body);
	if (item->languages)
		pfree(item->languages);
	pfree(item);
}

/*
 * Put what has been read of a service and not started out of hand, and look
 * at its rows from the beginning.
 */
void
iomsg_work_forget_waiting(Work *work, Service *service)
{
	for (int i = 0; i < IOMSG_LANES; i++)
	{
		Lane	   *lane = &service->lanes[i];
		dlist_mutable_iter iter;

		dlist_foreach_modify(iter, &lane->items)
		{
			WorkItem   *item = dlist_container(WorkItem, node, iter.cur);

			if (item->batch)
			{
				item->batch->open--;
				item->batch->forgotten = true;
			}
			work->nactive++;
			iomsg_work_drop(work, item);
		}
		lane->nitems = 0;
	}
	iomsg_work_probe_service(service, DT_NOBEGIN);
}

/*
 * Is there an outcome to wait for, or to write?  Questions about profiles and
 * statuses can be asked again.
 */
bool
iomsg_work_has_unfinished(Work *work)
{
	dlist_iter	iter;

	dlist_foreach(iter, &work->active)
	{
		const WorkItem *item = dlist_container(WorkItem, node, iter.cur);

		if (item->marked || item->state == ITEM_DONE)
			return true;
	}
	return false;
}
