/*
 * outcome.c
 *	  What a verdict means for the row: what is to be written of it.
 */
#include "postgres.h"

#include "core/polls.h"
#include "core/retry.h"
#include "outcome.h"
#include "settings.h"
#include "utils/timestamp.h"

/* The longest pause before trying a row again. */
#define ROW_PAUSE_CAP_MS		(6 * 3600 * 1000)

static TimestampTz
in_ms(TimestampTz now, int64 ms)
{
	return now + ms * INT64CONST(1000);
}

/*
 * An attempt that counts has not brought the row further: try it again later,
 * until it has had enough and gets its last status.
 */
static void
retry_later(Ending *end, const char *last_status, int64 *last_counter)
{
	WorkItem   *item = end->item;
	int			attempts = item->attempts + 1;

	if (iomsg_retry_exhausted(attempts, iomsg_max_attempts))
	{
		iomsg_work_finish(item, last_status, end->verdict.reason);
		item->outcome.counted = true;
		(*last_counter)++;
		return;
	}
	iomsg_work_finish(item, "queued", end->verdict.reason);
	item->outcome.counted = true;
	item->outcome.next_due =
		in_ms(end->now, iomsg_retry_delay_ms(attempts, iomsg_retry_pause_ms,
											 ROW_PAUSE_CAP_MS,
											 iomsg_standing_random()));
	end->counters->retried++;
}

/*
 * When to ask for the status again, DT_NOEND for never.  Messages that were
 * sent about the same time are asked about together.
 */
static TimestampTz
next_poll(const Ending *end, const char *io_status, const char *read_status,
		  const char *payment_status)
{
	const WorkItem *item = end->item;
	TimestampTz sent_at = item->kind == ITEM_POLL ? item->sent_at : end->now;
	PollFacts	facts = {
		.age_ms = Max((end->now - sent_at) / 1000, 0),
		.io_status = io_status, .advanced = item->advanced,
		.has_payment = item->has_payment, .read_status = read_status,
		.payment_status = payment_status,
		.has_due_date = item->due_date != DT_NOEND
	};
	int64		next_ms;
	int64		grid_us;
	TimestampTz due;

	if (facts.has_due_date)
		facts.due_age_ms = (item->due_date - sent_at) / 1000;
	/* The same jitter for those that are judged together. */
	next_ms = iomsg_polls_next_ms(&facts, iomsg_poll_delay_ms,
								  (uint32) (end->now_us / 1000000));
	if (next_ms == IOMSG_POLLS_NEVER)
		return DT_NOEND;
	due = in_ms(sent_at, next_ms);
	grid_us = Max(1000, (due - end->now) / 64);
	return (due / grid_us + 1) * grid_us;
}

static void
finish_accepted(Ending *end)
{
	WorkItem   *item = end->item;

	iomsg_work_finish(item, "sent", end->verdict.no_id ? end->verdict.reason : NULL);
	item->outcome.counted = true;
	strlcpy(item->outcome.message_id, end->io.message_id,
			IOMSG_MESSAGE_ID_SIZE);
	if (!end->verdict.no_id)
		item->outcome.next_due = next_poll(end, "ACCEPTED", NULL, NULL);
	end->counters->sent++;
	end->counters->latency_us += end->result->duration_us;
}

/*
 * The profile of a person is known: the other items for the same person in
 * this service need not ask.
 */
static void
share_profile(const WorkItem *from)
{
	for (int i = 0; i < IOMSG_PRIORITIES; i++)
	{
		dlist_iter	iter;

		dlist_foreach(iter, &from->service->lanes[i].items)
		{
			WorkItem   *item = dlist_container(WorkItem, node, iter.cur);

			if (strcmp(item->fiscal_code, from->fiscal_code) != 0)
				continue;
			item->profile_known = true;
			item->profile_exists = from->profile_exists;
			item->profile_allowed = from->profile_allowed;
			item->profile_checked_at = from->profile_checked_at;
		}
	}
}

static void
finish_profile(Ending *end)
{
	WorkItem   *item = end->item;

	item->profile_known = true;
	item->profile_to_store = true;
	item->profile_checked_at = end->now;
	item->profile_exists = end->result->status == 200;
	item->profile_allowed = end->verdict.kind == VERDICT_ALLOWED;
	iomsg_work_keep_text(end->work, &item->languages,
						 end->io.languages[0] == '\0' ? NULL :
						 end->io.languages);
	share_profile(item);
	if (item->kind == ITEM_PROFILE)
	{
		iomsg_work_finish(item, "checked", NULL);
		item->outcome.counted = true;
	}
	else if (item->profile_allowed)
	{
		item->state = ITEM_READY;
		item->budgeted = false;
	}
	else
	{
		iomsg_work_finish(item, "not_allowed", end->verdict.reason);
		end->counters->not_allowed++;
	}
}

/*
 * A status call has ended.  Where it asked about an id that a person gave for
 * an uncertain message, IO's answer settles that too.
 */
static void
finish_status(Ending *end)
{
	WorkItem   *item = end->item;
	Outcome    *outcome = &item->outcome;
	bool		told = end->verdict.kind == VERDICT_STATUS;

	iomsg_work_finish(item, NULL, NULL);
	if (item->verifying)
	{
		outcome->status = told ? "sent" : "uncertain";
		outcome->reason = told ? "resolved_sent" : "being_verified";
	}
	outcome->counted = true;
	if (told)
	{
		strlcpy(outcome->io_status, end->io.io_status, IOMSG_STATUS_SIZE);
		strlcpy(outcome->read_status, end->io.read_status,
				IOMSG_STATUS_SIZE);
		strlcpy(outcome->payment_status, end->io.payment_status,
				IOMSG_STATUS_SIZE);
	}
	if (end->verdict.kind == VERDICT_REFUSED ||
		(end->verdict.kind == VERDICT_NOT_FOUND &&
		 item->polls + 1 >= IOMSG_POLLS_NOT_FOUND_MAX))
	{
		if (item->verifying)
			outcome->reason = "not_verified";
		return;
	}
	if (item->verifying && !told)
	{
		/* However long ago it was sent: a person waits for the answer. */
		outcome->next_due =
			in_ms(end->now, iomsg_retry_delay_ms(item->polls + 1,
												 iomsg_poll_delay_ms,
												 ROW_PAUSE_CAP_MS,
												 iomsg_standing_random()));
		return;
	}
	outcome->next_due =
		next_poll(end,
				  told ? outcome->io_status : item->io_status,
				  outcome->read_status[0] ? outcome->read_status :
				  item->read_status,
				  outcome->payment_status[0] ? outcome->payment_status :
				  item->payment_status);
}

/*
 * IO may have accepted it: a person decides, unless the service has decided
 * once for all.
 */
static void
finish_unknown(Ending *end)
{
	if (end->item->service->resends)
		retry_later(end, "uncertain", &end->counters->uncertain);
	else
	{
		iomsg_work_finish(end->item, "uncertain", end->verdict.reason);
		end->item->outcome.counted = true;
		end->counters->uncertain++;
	}
	iomsg_standing_note_unknown(end);
}

/*
 * IO had an error of its own and says that it did not take the call.  Where
 * the service does not believe that, the attempt is kept as one of which
 * nobody knows: so it will be when the next one ends.
 */
static void
finish_retry(Ending *end)
{
	WorkItem   *item = end->item;

	if (item->kind == ITEM_POLL)
		finish_status(end);
	else if (item->state == ITEM_SENDING && !item->service->trusts_500)
	{
		end->verdict.kind = VERDICT_UNKNOWN;
		finish_unknown(end);
	}
	else
		retry_later(end, "failed", &end->counters->failed);
}

static void
finish_refused(Ending *end)
{
	if (end->item->kind == ITEM_POLL)
	{
		finish_status(end);
		return;
	}
	iomsg_work_finish(end->item, "failed", end->verdict.reason);
	end->item->outcome.counted = true;
	end->counters->failed++;
}

static void
finish_not_sent(Ending *end)
{
	int64		wait_ms = 1000;

	if (end->result->cancelled)
	{
		iomsg_work_not_sent(end->item, "stopped_before_sending", 0);
		return;
	}
	/* A mark too old, or a connection not clean, tells of no bad network. */
	if (!end->result->guard_refused || end->result->phase < HTTP_PHASE_READY)
		wait_ms = iomsg_standing_pause_account(end);
	iomsg_work_not_sent(end->item, end->verdict.reason, wait_ms);
}

/*
 * How the call ended, for those who ask later.
 */
static void
note_attempt(Ending *end)
{
	static const char *const classes[] = {
		[VERDICT_ACCEPTED] = "accepted",
		[VERDICT_REFUSED] = "refused",
		[VERDICT_RETRY] = "retry",
		[VERDICT_THROTTLED] = "throttled",
		[VERDICT_KEY] = "key",
		[VERDICT_SERVICE] = "service",
		[VERDICT_NOT_SENT] = "not_sent",
		[VERDICT_UNKNOWN] = "unknown"
	};
	static const char *const phases[] = {
		[HTTP_PHASE_NONE] = "none",
		[HTTP_PHASE_CONNECTING] = "connecting",
		[HTTP_PHASE_CONNECTED] = "connected",
		[HTTP_PHASE_READY] = "ready",
		[HTTP_PHASE_SENT] = "sent",
		[HTTP_PHASE_STATUS] = "status",
		[HTTP_PHASE_HEADERS] = "headers",
		[HTTP_PHASE_BODY] = "body",
		[HTTP_PHASE_DONE] = "done"
	};
	Outcome    *outcome = &end->item->outcome;

	outcome->http_status = (int) end->result->status;
	outcome->class = classes[end->verdict.kind];
	outcome->answer = end->verdict.reason;
	outcome->phase = phases[end->result->phase];
	outcome->duration_ms = (int) (end->result->duration_us / 1000);
}

/*
 * Apply the verdict.  Afterwards the item is DONE, READY to be marked, or
 * WAITING to be put back into its lane.
 */
void
iomsg_outcome_apply(Ending *end)
{
	WorkItem   *item = end->item;
	Service    *service = item->service;
	const char *reason = end->verdict.reason;
	int			http_status = (int) end->result->status;

	switch (end->verdict.kind)
	{
		case VERDICT_ACCEPTED:
			finish_accepted(end);
			break;
		case VERDICT_ALLOWED:
		case VERDICT_NOT_ALLOWED:
			finish_profile(end);
			break;
		case VERDICT_STATUS:
		case VERDICT_NOT_FOUND:
			finish_status(end);
			break;
		case VERDICT_NOT_SENT:
			finish_not_sent(end);
			break;
		case VERDICT_REFUSED:
			finish_refused(end);
			break;
		case VERDICT_RETRY:
			finish_retry(end);
			break;
		case VERDICT_THROTTLED:
			iomsg_work_not_sent(item, reason, iomsg_standing_throttle(end));
			break;
		case VERDICT_KEY:
			/* It may have left before the keys were mended. */
			if (item->keys_version == service->keys_version)
				iomsg_standing_refuse_key(service, item->used_secondary,
										  reason, http_status);
			iomsg_work_not_sent(item, reason, 0);
			break;
		case VERDICT_SERVICE:
			iomsg_standing_stop_service(service, reason, http_status);
			iomsg_work_not_sent(item, reason, 0);
			break;
		case VERDICT_UNKNOWN:
			finish_unknown(end);
			break;
	}
	if (item->state == ITEM_DONE)
		note_attempt(end);
}
