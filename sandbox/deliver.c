/*
 * deliver.c
 *		Sends a request's answer, or what a fault makes of it.
 *
 * The answer is counted and journalled before it leaves.  A connection is
 * closed without an answer by ending the socket and telling libmicrohttpd
 * that the request failed.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deliver.h"
#include "hostile.h"
#include "rewrite.h"
#include "stats.h"
#include "timer.h"
#include "wire.h"

/* A body that is made while it is sent. */
typedef struct Stream
{
	Request    *request;		/* for a drip, which sleeps between bytes */
	char	   *head;			/* the first bytes, own memory */
	size_t		head_len;
	uint64_t	total;			/* bytes promised */
	uint64_t	stop_at;		/* bytes sent before breaking off */
	int64_t		drip_ms;		/* pause before each byte; 0 = none */
	bool		rested;
} Stream;

/* Ends a connection without an answer. */
static enum MHD_Result
close_connection(Request *request, bool reset)
{
	sandbox_stats_record(request, 0);
	sandbox_wire_end(request->fd, reset);
	return MHD_NO;
}

/* Gives libmicrohttpd the next bytes of a streamed body. */
static ssize_t
read_stream(void *context, uint64_t position, char *out, size_t room)
{
	Stream	   *stream = context;
	uint64_t	left;

	if (position >= stream->stop_at)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	left = stream->stop_at - position;
	if (stream->drip_ms > 0 && !stream->rested)
	{
		stream->rested = true;
		sandbox_timer_sleep(stream->request, stream->drip_ms);
		return 0;
	}
	stream->rested = false;
	if (stream->drip_ms > 0)
		left = 1;
	if (left > room)
		left = room;
	if (position < stream->head_len)
	{
		if (left > stream->head_len - position)
			left = stream->head_len - position;
		memcpy(out, stream->head + position, left);
	}
	else
		memset(out, position + left == stream->total ? '\n' : ' ', left);
	return (ssize_t) left;
}

/* Releases a streamed body. */
static void
free_stream(void *context)
{
	Stream	   *stream = context;

	free(stream->head);
	free(stream);
}

/* Makes a response that is streamed, as a fault asks. */
static struct MHD_Response *
stream_response(Request *request)
{
	const FaultPlan *plan = &request->plan;
	Answer	   *answer = &request->answer;
	Stream	   *stream = calloc(1, sizeof(Stream));
	const json_t *bytes = json_object_get(plan->spec, "bytes");
	const json_t *ms = json_object_get(plan->spec, "ms");

	if (stream == NULL)
		return NULL;
	stream->request = request;
	stream->head = answer->body;
	stream->head_len = answer->body_len;
	answer->body = NULL;
	stream->total = stream->head_len;
	if (plan->kind == FAULT_HUGE)
		stream->total += bytes ? (uint64_t) json_integer_value(bytes) :
			(uint64_t) 1024 * 1024;
	stream->stop_at = stream->total;
	if (plan->kind == FAULT_TRUNCATED)
		stream->stop_at = bytes ? (uint64_t) json_integer_value(bytes) :
			stream->head_len / 2;
	if (plan->kind == FAULT_DRIP)
		stream->drip_ms = ms ? json_integer_value(ms) : 1000;
	return MHD_create_response_from_callback(stream->total, 16384,
											 read_stream, stream,
											 free_stream);
}

/* Makes libmicrohttpd's response of an answer. */
static struct MHD_Response *
make_response(Request *request)
{
	Answer	   *answer = &request->answer;
	FaultKind	kind = request->plan.kind;
	struct MHD_Response *response;

	if (kind == FAULT_HUGE || kind == FAULT_TRUNCATED || kind == FAULT_DRIP)
		response = stream_response(request);
	else
	{
		response = MHD_create_response_from_buffer(answer->body_len,
												   answer->body,
												   MHD_RESPMEM_MUST_FREE);
		answer->body = NULL;
	}
	for (int i = 0; response && i < answer->header_count; i++)
		MHD_add_response_header(response, answer->names[i],
								answer->values[i]);
	return response;
}

/* Adds the gateway's figure of the calls that are left. */
static void
add_remaining(Request *request)
{
	char		text[24];

	if (request->service == NULL || request->quota.remaining < 0)
		return;
	snprintf(text, sizeof(text), "%" PRId64, request->quota.remaining);
	sandbox_answer_header(&request->answer, "x-rate-limit-remaining", text);
}

/* Sends a request's answer; MHD_NO makes libmicrohttpd close. */
enum MHD_Result
sandbox_deliver(Request *request)
{
	const FaultPlan *plan = &request->plan;
	const json_t *reset = json_object_get(plan->spec, "reset");
	struct MHD_Response *response;
	enum MHD_Result result;

	if (request->gone)
		return close_connection(request, false);
	if (plan->kind == FAULT_CLOSE)
		return close_connection(request, json_is_true(reset));
	sandbox_rewrite(request);
	add_remaining(request);
	sandbox_stats_record(request, plan->kind == FAULT_RAW ? 0 :
						 request->answer.status);
	if (sandbox_hostile_is_wanted(request))
		return sandbox_wire_send(request);
	response = make_response(request);
	if (response == NULL)
		return MHD_NO;
	result = MHD_queue_response(request->connection,
								(unsigned) request->answer.status, response);
	MHD_destroy_response(response);
	return result;
}
