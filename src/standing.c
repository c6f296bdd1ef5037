/*
 * standing.c
 *	  What answers tell about a service and its account: whether its keys are
 *	  taken, whether its host can be reached, how fast it may go.
 */
#include "postgres.h"

#include <time.h>

#include "core/retry.h"
#include "core/throttle.h"
#include "outcome.h"
#include "quota.h"
#include "slots.h"
#include "utils/timestamp.h"

/* The pauses when an account's host cannot be reached. */
#define ACCOUNT_PAUSE_BASE_MS	500
#define ACCOUNT_PAUSE_CAP_MS	60000

/* The pauses of a service after answers that decide nothing. */
#define SERVICE_PAUSE_BASE_MS	10000
#define SERVICE_PAUSE_CAP_MS	60000

/* Where a 429 does not say how long. */
#define THROTTLE_DEFAULT_S		5

/*
 * A number for jitter.
 */
uint32
iomsg_standing_random(void)
{
	uint32		number;

	return pg_strong_random(&number, sizeof(number)) ? number : 0;
}

/*
 * IO will take nothing from this service until a person has seen to it.
 */
void
iomsg_standing_stop_service(Service *service, const char *reason,
							int http_status)
{
	if (service->stop_reason != NULL)
		return;
	service->stop_reason = reason;
	service->stop_http_status = http_status;
	service->stop_to_write = true;
	service->unstop_to_write = false;
	ereport(WARNING,
			(errmsg("io_msg service \"%s\" stops: %s", service->name,
					iomsg_verdict_reason_text(reason)),
			 errdetail("IO answered with HTTP status %d.", http_status),
			 errhint("Its messages stay queued. Mend the cause, then call "
					 "io_resume('%s'); a new key resumes it by itself.",
					 service->name)));
}

/*
 * IO does not take the key: use the other one, and stop when there is none
 * left.  Calls that left before the change do not count against the new key.
 */
void
iomsg_standing_refuse_key(Service *service, bool was_secondary,
						  const char *reason,
						  int http_status)
{
	service->key_refused[was_secondary] = true;
	if (service->use_secondary != was_secondary)
		return;
	if (!service->key_refused[!was_secondary] &&
		(was_secondary || service->keys.secondary[0] != '\0'))
	{
		service->use_secondary = !was_secondary;
		ereport(LOG,
				(errmsg("io_msg service \"%s\" uses its %s key: IO refused "
						"the other one", service->name,
						was_secondary ? "primary" : "secondary")));
		return;
	}
	iomsg_standing_stop_service(service, reason, http_status);
}

/*
 * Learn from what IO says remains of the quota.
 */
void
iomsg_standing_learn_quota(Ending *end)
{
	const char *text = end->result->rate_limit_remaining;
	const IoMsgQuota *quota = &end->item->service->account->quota;
	char	   *rest;
	long		remaining;

	if (end->verdict.kind == VERDICT_THROTTLED || text[0] == '\0')
		return;
	errno = 0;
	remaining = strtol(text, &rest, 10);
	if (errno == 0 && *rest == '\0' && remaining >= 0)
		iomsg_quota_observe(quota, end->item->taken_us, end->now_us,
							remaining);
}

/*
 * IO said 429: the account waits; returns how long.
 */
int64
iomsg_standing_throttle(Ending *end)
{
	ThrottleHints hints = {
		.x_rate_limit_retry_after = end->result->rate_limit_retry_after,
		.retry_after = end->result->retry_after,
		.message = end->io.gateway_message,
		.now_s = (int64) time(NULL),
		.default_s = THROTTLE_DEFAULT_S
	};
	int64		wait_ms;

	if (hints.x_rate_limit_retry_after[0] == '\0')
		hints.x_rate_limit_retry_after = NULL;
	if (hints.retry_after[0] == '\0')
		hints.retry_after = NULL;
	wait_ms = iomsg_throttle_wait_s(&hints) * 1000;
	iomsg_quota_throttled(&end->item->service->account->quota,
						  end->item->taken_us, end->now_us, wait_ms);
	end->counters->throttled++;
	return wait_ms;
}

/*
 * The account's host cannot be reached: pause all its calls, longer each time.
 */
int64
iomsg_standing_pause_account(Ending *end)
{
	Account    *account = end->item->service->account;
	int64		pause_ms;

	/* Calls that were under way together count once. */
	if (account->pause_until_us > end->now_us)
		return (account->pause_until_us - end->now_us) / 1000 + 1;
	account->failures++;
	iomsg_quota_set_failures(&account->quota, account->failures);
	pause_ms = iomsg_retry_delay_ms(account->failures, ACCOUNT_PAUSE_BASE_MS,
									ACCOUNT_PAUSE_CAP_MS, iomsg_standing_random());
	account->pause_until_us = end->now_us + pause_ms * 1000;
	if (account->failures == 1)
		ereport(LOG,
				(errmsg("io_msg cannot reach \"%s\": %s", account->base_url,
						end->result->curl_text)));
	return pause_ms;
}

/*
 * Nobody knows whether a message arrived: after some in a row the service
 * pauses, so that few messages meet the same fate.  Those that were under way
 * together count once.
 */
void
iomsg_standing_note_unknown(Ending *end)
{
	Service    *service = end->item->service;
	int64		pause_ms;

	if (service->pause_until_us > end->now_us ||
		++service->unknown_in_row < IOMSG_UNKNOWN_MAX)
		return;
	service->pauses++;
	pause_ms = iomsg_retry_delay_ms(service->pauses, SERVICE_PAUSE_BASE_MS,
									SERVICE_PAUSE_CAP_MS,
									iomsg_standing_random());
	service->pause_until_us = end->now_us + pause_ms * 1000;
	iomsg_slots_service_pauses(service->id,
							   TimestampTzPlusMilliseconds(end->now, pause_ms));
}

/*
 * IO has decided about a message: the service need not pause.
 */
void
iomsg_standing_note_known(Service *service)
{
	if (service->pauses > 0)
		iomsg_slots_service_pauses(service->id, 0);
	service->unknown_in_row = service->pauses = 0;
}
