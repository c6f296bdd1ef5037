/*
 * exchange.c
 *	  One call to IO for an item: the request, and the verdict on its answer.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/json.h"
#include "utils/timestamp.h"

#include "answer.h"
#include "core/verdict.h"
#include "exchange.h"
#include "outcome.h"
#include "settings.h"

static CallKind
call_kind(const WorkItem *item)
{
	switch (item->state)
	{
		case ITEM_POLLING:
			return CALL_STATUS;
		case ITEM_SENDING:
			return CALL_MESSAGE;
		default:
			return CALL_PROFILE;
	}
}

static const char *
make_url(StringInfo url, const WorkItem *item)
{
	appendStringInfoString(url, item->service->account->base_url);
	while (url->len > 0 && url->data[url->len - 1] == '/')
		url->data[--url->len] = '\0';
	switch (call_kind(item))
	{
		case CALL_PROFILE:
			appendStringInfoString(url, "/profiles");
			break;
		case CALL_MESSAGE:
			appendStringInfoString(url, "/messages");
			break;
		case CALL_STATUS:
			appendStringInfo(url, "/messages/%s/%s", item->fiscal_code,
							 item->message_id);
			break;
	}
	return url->data;
}

static int
request_flags(const WorkItem *item)
{
	const char *host = strstr(item->service->account->base_url, "://") + 3;
	int			flags = 0;

	if (item->state != ITEM_SENDING)
		flags |= HTTP_REPEATABLE;
	if (item->service->account->loopback)
		flags |= HTTP_ALLOW_LOOPBACK;
	/* An address, not a name, was put into io_msg.allowed_hosts knowingly. */
	if (*host == '[' || (*host >= '0' && *host <= '9'))
		flags |= HTTP_ALLOW_PRIVATE;
	return flags;
}

/*
 * Hand an item to the HTTP client; its state says which call it needs.
 * Returns false, with nothing sent, where the client cannot take it.
 */
bool
iomsg_exchange_start(HttpClient *client, WorkItem *item, int64 now_us)
{
	Service    *service = item->service;
	HttpRequest request = {
		.owner = item,
		.method = item->state == ITEM_POLLING ? HTTP_GET : HTTP_POST,
		.flags = request_flags(item),
		/* Not set: the system's authorities. */
		.ca_file = iomsg_ca_file[0] != '\0' ? iomsg_ca_file : NULL,
		.proxy = service->account->proxy,
		.deadline_us = now_us + iomsg_answer_timeout_ms * INT64CONST(1000)
	};
	StringInfoData url;
	StringInfoData body;
	bool		started;

	initStringInfo(&url);
	initStringInfo(&body);
	request.url = make_url(&url, item);
	if (item->state == ITEM_CHECKING)
	{
		appendStringInfoString(&body, "{\"fiscal_code\":");
		escape_json(&body, item->fiscal_code);
		appendStringInfoChar(&body, '}');
		request.body = body.data;
		request.body_len = body.len;
	}
	else if (item->state == ITEM_SENDING)
	{
		request.body = item->body;
		request.body_len = item->body_len;
		request.send_before_us = item->marked_us +
			iomsg_max_mark_age_ms * INT64CONST(1000);
	}
	item->keys_version = service->keys_version;
	item->used_secondary = service->use_secondary;
	request.key = service->use_secondary ? service->keys.secondary :
		service->keys.primary;
	item->taken_us = now_us;
	started = iomsg_http_start(client, &request);

	/* They hold a fiscal code. */
	explicit_bzero(url.data, url.len);
	explicit_bzero(body.data, body.len);
	pfree(url.data);
	pfree(body.data);
	return started;
}

static const char *
text_or_null(const char *text)
{
	return text[0] == '\0' ? NULL : text;
}

static void
judge(Ending *end)
{
	const HttpResult *result = end->result;
	Answer		answer = {
		.call = call_kind(end->item),
		/* A refused sending called the guard too. */
		.guard_calls = result->sendings + (result->guard_refused ? 1 : 0),
		.guard_refused = result->guard_refused && result->sendings == 0,
		.http_status = (int) result->status
	};

	iomsg_answer_parse(result->body, result->body_len, &end->io);
	if (answer.call == CALL_MESSAGE)
		iomsg_answer_id_from_location(result->location, &end->io);
	answer.is_problem = end->io.title[0] != '\0' &&
		pg_strncasecmp(result->content_type, "application/problem+json",
					   strlen("application/problem+json")) == 0;
	answer.title = text_or_null(end->io.title);
	answer.detail = text_or_null(end->io.detail);
	answer.gateway_message = text_or_null(end->io.gateway_message);
	answer.has_id = end->io.message_id[0] != '\0';
	answer.sender_allowed = end->io.sender_allowed;
	answer.has_status = end->io.io_status[0] != '\0';
	end->verdict = iomsg_verdict_judge(&answer);
}

/*
 * There is an answer: the host is there, and a message was decided about.
 */
static void
note_reached(Ending *end)
{
	Service    *service = end->item->service;

	if (service->account->failures > 0)
	{
		service->account->failures = 0;
		iomsg_quota_set_failures(&service->account->quota, 0);
	}
	if (end->item->state == ITEM_SENDING &&
		end->verdict.kind != VERDICT_UNKNOWN)
		iomsg_standing_note_known(service);
}

/*
 * A call has ended: settle what it means.  Afterwards the item is DONE, READY
 * to be marked, or WAITING to be put back into its lane.
 */
void
iomsg_exchange_finish(Work *work, WorkItem *item, const HttpResult *result,
					  int64 now_us, IoMsgCounters *counters)
{
	Ending		end = {
		.work = work, .item = item, .result = result, .now_us = now_us,
		.now = GetCurrentTimestamp(), .counters = counters
	};

	judge(&end);
	if (result->sendings > 0)
	{
		if (item->state == ITEM_SENDING)
			counters->message_calls++;
		else if (item->state == ITEM_POLLING)
			counters->status_calls++;
		else
			counters->profile_calls++;
	}
	if (result->status > 0)
		note_reached(&end);
	iomsg_standing_learn_quota(&end);
	if (result->status > 0 && end.verdict.kind != VERDICT_THROTTLED)
		iomsg_quota_answered(&item->service->account->quota, call_kind(item),
							 item->taken_us, iomsg_http_now_us());
	iomsg_outcome_apply(&end);
	explicit_bzero(&end.io, sizeof(end.io));
}
