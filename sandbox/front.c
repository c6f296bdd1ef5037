/*
 * front.c
 *		The HTTP server: takes requests in and moves each through its steps.
 *
 * libmicrohttpd calls from a few threads.  A request that has to wait, for
 * the ledger or for a fault's delay, is suspended and holds no thread; when
 * it is resumed it goes on with its next step.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "admin.h"
#include "api.h"
#include "deliver.h"
#include "front.h"
#include "gateway.h"
#include "ledger.h"
#include "messages.h"
#include "stats.h"
#include "timer.h"
#include "wire.h"

/* What is known of a connection. */
typedef struct Connection
{
	uint64_t	number;
	unsigned	requests;
} Connection;

static struct MHD_Daemon *daemon_handle;
static uint64_t last_connection;
static bool started;

/* Releases a request. */
static void
free_request(Request *request)
{
	free(request->method);
	free(request->path);
	free(request->body);
	json_decref(request->json);
	json_decref(request->message);
	sandbox_answer_clear(&request->answer);
	sandbox_faults_forget(&request->plan);
	free(request);
}

/* Makes a request of what its first line and its headers tell. */
static Request *
open_request(struct MHD_Connection *connection, const char *path,
			 const char *method)
{
	const union MHD_ConnectionInfo *info;
	Request    *request = calloc(1, sizeof(Request));
	Connection *from;

	if (request == NULL)
		return NULL;
	request->connection = connection;
	request->method = strdup(method);
	request->path = strdup(path);
	request->arrived_real_us = sandbox_clock_real_us();
	request->arrived_clock_us = sandbox_clock_now_us();
	info = MHD_get_connection_info(connection,
								   MHD_CONNECTION_INFO_CONNECTION_FD);
	request->fd = info ? info->connect_fd : -1;
	info = MHD_get_connection_info(connection,
								   MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	from = info ? info->socket_context : NULL;
	if (from)
	{
		request->connection_number = from->number;
		request->request_number = ++from->requests;
	}
	sandbox_gateway_route(request);
	if (request->route != ROUTE_ADMIN)
		sandbox_stats_begin();
	return request;
}

/* Adds a piece of the body, up to a limit. */
static void
take_body(Request *request, const char *data, size_t size)
{
	if (request->body_len + size > BODY_LIMIT)
	{
		request->body_too_large = true;
		return;
	}
	if (request->body_len + size + 1 > request->body_room)
	{
		size_t		room = (request->body_len + size) * 2 + 1;
		char	   *grown = realloc(request->body, room);

		if (grown == NULL)
		{
			request->body_too_large = true;
			return;
		}
		request->body = grown;
		request->body_room = room;
	}
	memcpy(request->body + request->body_len, data, size);
	request->body_len += size;
	request->body[request->body_len] = '\0';
}

/* Gives a request to the back end. */
static void
work_request(Request *request)
{
	sandbox_registry_lock(false);
	switch (request->route)
	{
		case ROUTE_PROFILE_POST:
		case ROUTE_PROFILE_GET:
			sandbox_api_profile(request);
			break;
		case ROUTE_MESSAGE_POST:
		case ROUTE_MESSAGE_POST_PATH:
			sandbox_api_create_message(request);
			break;
		case ROUTE_MESSAGE_GET:
			sandbox_api_get_message(request);
			break;
		case ROUTE_NONE:
		case ROUTE_ADMIN:
			break;
	}
	sandbox_registry_unlock();
}

/* STEP_JUDGE: the gateway's verdict, then the faults; true to go on. */
static bool
judge_request(Request *request)
{
	if (request->route == ROUTE_ADMIN)
	{
		sandbox_admin_answer(request);
		request->step = STEP_ANSWER;
		return true;
	}
	if (request->answer.status == 0)
		sandbox_gateway_read_body(request);
	if (request->answer.status != 0)
	{
		request->step = STEP_ANSWER;
		return true;
	}
	sandbox_gateway_choose_faults(request, MOMENT_BEFORE);
	request->step = STEP_WORK;
	if (request->plan.delay_before_ms == 0)
		return true;
	sandbox_timer_sleep(request, request->plan.delay_before_ms);
	return false;
}

/* STEP_WORK: the back end, unless a fault comes before it. */
static bool
begin_work(Request *request)
{
	bool		works = request->plan.kind == FAULT_NONE ||
	request->plan.work;

	request->step = STEP_WRITTEN;
	if (request->gone)
		return true;
	if (works)
		work_request(request);
	if (!request->accepted || !sandbox_ledger_is_on())
		return true;
	sandbox_ledger_add(request);
	return false;
}

/* STEP_WRITTEN: what was accepted is on disk, or could not be written. */
static bool
end_work(Request *request)
{
	request->step = STEP_ANSWER;
	if (request->write_failed)
	{
		sandbox_messages_remove(request->accepted_id);
		sandbox_answer_problem(&request->answer, 500, "Internal server error",
							   "The ledger cannot be written.");
	}
	if (request->plan.delay_after_ms == 0 || request->gone)
		return true;
	sandbox_timer_sleep(request, request->plan.delay_after_ms);
	return false;
}

/* Moves a request on until it waits or is answered; MHD_NO closes. */
static enum MHD_Result
advance_request(Request *request)
{
	for (;;)
	{
		switch (request->step)
		{
			case STEP_BODY:
				request->step = STEP_JUDGE;
				break;
			case STEP_JUDGE:
				if (!judge_request(request))
					return MHD_YES;
				break;
			case STEP_WORK:
				if (!begin_work(request))
					return MHD_YES;
				break;
			case STEP_WRITTEN:
				if (!end_work(request))
					return MHD_YES;
				break;
			case STEP_ANSWER:
				request->step = STEP_DONE;
				return sandbox_deliver(request);
			case STEP_DONE:
				return request->gone ? MHD_NO : MHD_YES;
		}
	}
}

/* libmicrohttpd's call for a request: first headers, then body, then end. */
static enum MHD_Result
handle_request(void *unused, struct MHD_Connection *connection,
			   const char *path, const char *method, const char *version,
			   const char *data, size_t *size, void **context)
{
	Request    *request = *context;

	(void) unused;
	(void) version;
	if (request == NULL)
	{
		*context = request = open_request(connection, path, method);
		if (request == NULL)
			return MHD_NO;
		sandbox_gateway_judge(request);
		if (request->answer.status != 0 || request->route == ROUTE_ADMIN)
			return MHD_YES;
		sandbox_gateway_choose_faults(request, MOMENT_HEADERS);
		return request->plan.kind == FAULT_NONE ? MHD_YES :
			sandbox_deliver(request);
	}
	if (*size > 0)
	{
		take_body(request, data, *size);
		*size = 0;
		return MHD_YES;
	}
	return advance_request(request);
}

/* libmicrohttpd's call when a request has ended, answered or not. */
static void
complete_request(void *unused, struct MHD_Connection *connection,
				 void **context, enum MHD_RequestTerminationCode how)
{
	Request    *request = *context;

	(void) unused;
	(void) connection;
	(void) how;
	if (request == NULL)
		return;
	*context = NULL;
	sandbox_stats_record(request, 0);
	if (request->route != ROUTE_ADMIN)
		sandbox_stats_end();
	free_request(request);
}

/* Ends a connection just made, if a fault strikes it. */
static void
refuse_connection(struct MHD_Connection *connection)
{
	FaultFacts	facts = {.moment = MOMENT_CONNECT};
	FaultPlan	plan = {.kind = FAULT_NONE};
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection,
								MHD_CONNECTION_INFO_CONNECTION_FD);

	if (info && sandbox_faults_choose(&facts, &plan))
		sandbox_wire_end(info->connect_fd,
						 json_is_true(json_object_get(plan.spec, "reset")));
	sandbox_faults_forget(&plan);
}

/* libmicrohttpd's call when a connection begins or ends. */
static void
notice_connection(void *unused, struct MHD_Connection *connection,
				  void **context, enum MHD_ConnectionNotificationCode what)
{
	(void) unused;
	(void) connection;
	if (what == MHD_CONNECTION_NOTIFY_STARTED)
	{
		Connection *from = calloc(1, sizeof(Connection));

		if (from)
			from->number = __atomic_add_fetch(&last_connection, 1,
											  __ATOMIC_RELAXED);
		*context = from;
		sandbox_stats_connection(1);
		refuse_connection(connection);
		return;
	}
	free(*context);
	*context = NULL;
	sandbox_stats_connection(-1);
}

/* Passes on what libmicrohttpd says while it starts; later it is noise. */
static void
log_start(void *unused, const char *format, va_list arguments)
{
	(void) unused;
	if (!__atomic_load_n(&started, __ATOMIC_RELAXED))
		vfprintf(stderr, format, arguments);
}

/* Starts the server; "port" receives the port that it got. */
bool
sandbox_front_start(const FrontOptions *options, uint16_t *port)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	const union MHD_DaemonInfo *info;
	unsigned	flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ERROR_LOG |
	MHD_ALLOW_SUSPEND_RESUME;
	struct MHD_OptionItem tls[] = {
		{MHD_OPTION_HTTPS_MEM_CERT, 0, (void *) options->certificate},
		{MHD_OPTION_HTTPS_MEM_KEY, 0, (void *) options->private_key},
		{options->tls_priority ? MHD_OPTION_HTTPS_PRIORITIES :
		MHD_OPTION_END, 0, (void *) options->tls_priority},
		{MHD_OPTION_END, 0, NULL}
	};

	if (options->certificate)
		flags |= MHD_USE_TLS;
	else
		tls[0].option = MHD_OPTION_END;
	address.sin_port = htons(options->port);
	if (inet_pton(AF_INET, options->listen_address, &address.sin_addr) != 1)
	{
		fputs("--listen takes an IPv4 address\n", stderr);
		return false;
	}
	daemon_handle =
		MHD_start_daemon(flags, options->port, NULL, NULL,
						 handle_request, NULL,
						 MHD_OPTION_EXTERNAL_LOGGER, log_start, NULL,
						 MHD_OPTION_SOCK_ADDR, &address,
						 MHD_OPTION_THREAD_POOL_SIZE, options->threads,
						 MHD_OPTION_CONNECTION_LIMIT, 8192u,
						 MHD_OPTION_CONNECTION_TIMEOUT,
						 options->idle_timeout_s,
						 MHD_OPTION_LISTEN_BACKLOG_SIZE, 1024u,
						 MHD_OPTION_NOTIFY_COMPLETED, complete_request, NULL,
						 MHD_OPTION_NOTIFY_CONNECTION, notice_connection,
						 NULL,
						 MHD_OPTION_ARRAY, tls, MHD_OPTION_END);
	if (daemon_handle == NULL)
		return false;
	__atomic_store_n(&started, true, __ATOMIC_RELAXED);
	info = MHD_get_daemon_info(daemon_handle, MHD_DAEMON_INFO_BIND_PORT);
	*port = info && info->port ? info->port : options->port;
	return true;
}

/* Stops the server; nothing may be suspended any more. */
void
sandbox_front_stop(void)
{
	MHD_stop_daemon(daemon_handle);
}
