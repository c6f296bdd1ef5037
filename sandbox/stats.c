/*
 * stats.c
 *		The sandbox's figures and its journal of requests.
 *
 * Each request that is not of the admin path is counted and written to the
 * journal once: just before its answer leaves, or when its connection ends
 * without one (status 0).
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "messages.h"
#include "stats.h"

#define STATUS_COUNT 600

static pthread_mutex_t stats_lock = PTHREAD_MUTEX_INITIALIZER;
static FILE *journal;
static uint64_t answers[ROUTE_COUNT][STATUS_COUNT];
static uint64_t accepted;
static uint64_t secondary_calls;
static uint64_t connections;
static int64_t connections_open;
static int64_t in_flight;
static int64_t max_in_flight;

static const char *const route_names[] = {
	[ROUTE_NONE] = "other",
	[ROUTE_PROFILE_POST] = "profile",
	[ROUTE_PROFILE_GET] = "profile_get",
	[ROUTE_MESSAGE_POST] = "message",
	[ROUTE_MESSAGE_POST_PATH] = "message_path",
	[ROUTE_MESSAGE_GET] = "status",
	[ROUTE_ADMIN] = "admin",
};

/* Returns the name of an endpoint in journal and figures. */
const char *
sandbox_stats_route_name(Route route)
{
	return route_names[route];
}

/* Opens the journal, to append. */
bool
sandbox_stats_open_journal(const char *path)
{
	journal = fopen(path, "ae");
	return journal != NULL;
}

/* Closes the journal. */
void
sandbox_stats_close_journal(void)
{
	if (journal)
		fclose(journal);
	journal = NULL;
}

/* Counts a connection that opened (1) or ended (-1). */
void
sandbox_stats_connection(int change)
{
	pthread_mutex_lock(&stats_lock);
	connections += change > 0;
	connections_open += change;
	pthread_mutex_unlock(&stats_lock);
}

/* Counts a request that arrived. */
void
sandbox_stats_begin(void)
{
	pthread_mutex_lock(&stats_lock);
	if (++in_flight > max_in_flight)
		max_in_flight = in_flight;
	pthread_mutex_unlock(&stats_lock);
}

/* Counts a request that has ended. */
void
sandbox_stats_end(void)
{
	pthread_mutex_lock(&stats_lock);
	in_flight--;
	pthread_mutex_unlock(&stats_lock);
}

/* Makes a request's line of the journal. */
static char *
format_line(const Request *request, int status)
{
	const Service *service = request->service;
	char		ts[40];
	char		id[ULID_LENGTH + 1] = "";
	json_t	   *line;
	char	   *text;

	if (request->accepted || request->route == ROUTE_MESSAGE_GET)
		snprintf(id, sizeof(id), "%.26s", request->accepted ?
				 request->accepted_id : request->message_id);
	sandbox_clock_format(request->arrived_real_us / 1000, ts, sizeof(ts));
	line = json_pack("{s:s, s:I, s:I, s:s, s:s, s:i, s:s*, s:s*, s:s*, s:s*,"
					 "s:s*, s:b, s:I, s:i, s:I, s:I}",
					 "ts", ts,
					 "real_us", (json_int_t) request->arrived_real_us,
					 "clock_us", (json_int_t) request->arrived_clock_us,
					 "method", request->method,
					 "path", sandbox_stats_route_name(request->route),
					 "status", status,
					 "service", service ? service->name : NULL,
					 "account", service ? service->account->name : NULL,
					 "key", !service ? NULL :
					 request->secondary_key ? "secondary" : "primary",
					 "fiscal_code",
					 request->fiscal_code[0] ? request->fiscal_code : NULL,
					 "id", id[0] ? id : NULL,
					 "accepted", request->accepted,
					 "connection", (json_int_t) request->connection_number,
					 "request", (int) request->request_number,
					 "fault", (json_int_t) request->plan.id,
					 "took_us", (json_int_t) (sandbox_clock_real_us() -
											  request->arrived_real_us));
	text = line ? json_dumps(line, JSON_COMPACT) : NULL;
	json_decref(line);
	return text;
}

/* Counts a request and writes it to the journal; status 0 = no answer. */
void
sandbox_stats_record(Request *request, int status)
{
	char	   *text = NULL;

	if (request->recorded || request->route == ROUTE_ADMIN)
		return;
	request->recorded = true;
	if (journal)
		text = format_line(request, status);
	pthread_mutex_lock(&stats_lock);
	if (status >= 0 && status < STATUS_COUNT)
		answers[request->route][status]++;
	accepted += request->accepted && !request->write_failed;
	secondary_calls += request->service && request->secondary_key;
	if (text)
	{
		fprintf(journal, "%s\n", text);
		fflush(journal);
	}
	pthread_mutex_unlock(&stats_lock);
	free(text);
}

/* Returns the counts of answers by endpoint and status. */
static json_t *
show_answers(uint64_t *calls, uint64_t *limited)
{
	json_t	   *endpoints = json_object();

	for (int r = 0; r < ROUTE_COUNT; r++)
	{
		json_t	   *statuses = json_object();

		for (int s = 0; s < STATUS_COUNT; s++)
		{
			char		name[8];

			if (answers[r][s] == 0)
				continue;
			snprintf(name, sizeof(name), "%d", s);
			json_object_set_new(statuses, name,
								json_integer((json_int_t) answers[r][s]));
			*calls += answers[r][s];
			if (s == 429)
				*limited += answers[r][s];
		}
		if (json_object_size(statuses))
			json_object_set_new(endpoints, route_names[r], statuses);
		else
			json_decref(statuses);
	}
	return endpoints;
}

/* Returns the figures of each account. */
static json_t *
show_accounts(void)
{
	json_t	   *shown = json_object();

	sandbox_registry_lock(false);
	for (Account *a = sandbox_registry_first_account(); a; a = a->next)
	{
		Quota	   *q = &a->quota;

		pthread_mutex_lock(&q->lock);
		json_object_set_new(shown, a->name,
							json_pack("{s:I, s:I, s:I, s:I, s:I}",
									  "quota_calls", (json_int_t) q->calls,
									  "quota_period_ms",
									  (json_int_t) (q->period_us / 1000),
									  "calls", (json_int_t) q->total,
									  "refused", (json_int_t) q->refused,
									  "max_window_calls",
									  (json_int_t) q->seen.highest));
		pthread_mutex_unlock(&q->lock);
	}
	sandbox_registry_unlock();
	return shown;
}

/* Returns all figures. */
json_t *
sandbox_stats_show(void)
{
	json_t	   *shown;
	uint64_t	calls = 0;
	uint64_t	limited = 0;
	json_t	   *endpoints;
	json_t	   *count;

	pthread_mutex_lock(&stats_lock);
	endpoints = show_answers(&calls, &limited);
	shown = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}",
					  "calls", (json_int_t) calls,
					  "accepted", (json_int_t) accepted,
					  "rate_limited", (json_int_t) limited,
					  "secondary_key_calls", (json_int_t) secondary_calls,
					  "connections", (json_int_t) connections,
					  "connections_open", (json_int_t) connections_open,
					  "in_flight", (json_int_t) in_flight,
					  "max_in_flight", (json_int_t) max_in_flight,
					  "endpoints", endpoints);
	pthread_mutex_unlock(&stats_lock);
	json_object_set_new(shown, "accounts", show_accounts());
	count = json_integer((json_int_t) sandbox_messages_count());
	json_object_set_new(shown, "messages", count);
	count = json_integer(sandbox_clock_now_us() / 1000);
	json_object_set_new(shown, "clock_ms", count);
	json_object_set_new(shown, "clock_scale",
						json_real(sandbox_clock_scale()));
	return shown;
}

/* Sets all figures to zero but those of what goes on now. */
void
sandbox_stats_reset(void)
{
	pthread_mutex_lock(&stats_lock);
	memset(answers, 0, sizeof(answers));
	accepted = secondary_calls = connections = 0;
	max_in_flight = in_flight;
	pthread_mutex_unlock(&stats_lock);
}
