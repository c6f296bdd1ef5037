/*
 * ledger.c
 *		The file of everything that was accepted, durable before the answer.
 *
 * A request whose message was accepted hands in its line and sleeps.  One
 * thread writes the lines that have gathered, flushes them with a single
 * fdatasync() and then wakes their requests: no answer leaves before its line
 * is on disk, and many requests share one flush.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ledger.h"

static pthread_mutex_t ledger_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t ledger_wake = PTHREAD_COND_INITIALIZER;
static pthread_t ledger_thread;
static int	ledger_fd = -1;
static bool ledger_with_body;
static bool ledger_stopping;
static bool ledger_stopped;		/* the thread has ended */
static char *lines;				/* waiting to be written */
static size_t lines_len;
static size_t lines_room;
static Request *waiting;		/* those whose lines these are */

/* Appends bytes to the lines that wait; the lock must be held. */
static bool
append_line(const char *text, size_t length)
{
	if (lines_len + length + 1 > lines_room)
	{
		size_t		room = (lines_len + length + 1) * 2;
		char	   *grown = realloc(lines, room);

		if (grown == NULL)
			return false;
		lines = grown;
		lines_room = room;
	}
	memcpy(lines + lines_len, text, length);
	lines[lines_len + length] = '\n';
	lines_len += length + 1;
	return true;
}

/* Writes all bytes and flushes them to disk. */
static bool
write_durably(const char *text, size_t length)
{
	while (length > 0)
	{
		ssize_t		done = write(ledger_fd, text, length);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return false;
		text += done;
		length -= (size_t) done;
	}
	/* a pipe or /dev/null cannot be flushed and need not be */
	return fdatasync(ledger_fd) == 0 || errno == EINVAL || errno == EROFS;
}

/* Lets the requests of a batch go on. */
static void
wake_requests(Request *batch, bool good)
{
	while (batch)
	{
		Request    *next = batch->next_waiting;

		batch->write_failed = !good;
		MHD_resume_connection(batch->connection);
		batch = next;
	}
}

/* The thread that writes; ends when told to and nothing waits. */
static void *
run_ledger(void *unused)
{
	(void) unused;
	pthread_mutex_lock(&ledger_lock);
	while (!ledger_stopping || waiting)
	{
		Request    *batch = waiting;
		char	   *text = lines;
		size_t		length = lines_len;
		bool		good;

		if (batch == NULL)
		{
			pthread_cond_wait(&ledger_wake, &ledger_lock);
			continue;
		}
		waiting = NULL;
		lines = NULL;
		lines_len = lines_room = 0;
		pthread_mutex_unlock(&ledger_lock);
		good = write_durably(text, length);
		if (!good)
			fprintf(stderr, "io-sandbox: cannot write the ledger: %s\n",
					strerror(errno));
		free(text);
		wake_requests(batch, good);
		pthread_mutex_lock(&ledger_lock);
	}
	ledger_stopped = true;
	pthread_mutex_unlock(&ledger_lock);
	return NULL;
}

/* Opens the ledger, to append, and starts its thread. */
bool
sandbox_ledger_start(const char *path, bool with_body)
{
	ledger_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (ledger_fd < 0)
		return false;
	ledger_with_body = with_body;
	return pthread_create(&ledger_thread, NULL, run_ledger, NULL) == 0;
}

/* Says whether a ledger is kept. */
bool
sandbox_ledger_is_on(void)
{
	return ledger_fd >= 0;
}

/* Makes the line of an accepted message. */
static char *
format_line(const Request *request)
{
	char		ts[40];
	json_t	   *line;
	json_t	   *number;
	char	   *text;

	sandbox_clock_format(sandbox_clock_real_us() / 1000, ts, sizeof(ts));
	line = json_pack("{s:s, s:I, s:s, s:s, s:s, s:s, s:s}", "ts", ts,
					 "clock_ms", (json_int_t) (sandbox_clock_now_us() / 1000),
					 "service", request->service->name,
					 "service_id", request->service->service_id,
					 "account", request->service->account->name,
					 "key", request->secondary_key ? "secondary" : "primary",
					 "id", request->accepted_id);
	json_object_update(line, request->message);
	number = json_integer((json_int_t) request->connection_number);
	json_object_set_new(line, "connection", number);
	number = json_integer(request->request_number);
	json_object_set_new(line, "request", number);
	if (request->plan.id)
		json_object_set_new(line, "fault", json_integer(request->plan.id));
	if (ledger_with_body && request->body)
		json_object_set_new(line, "body", json_stringn(request->body,
													   request->body_len));
	text = json_dumps(line, JSON_COMPACT);
	json_decref(line);
	return text;
}

/*
 * Hands in the line of an accepted message.  The request's connection is
 * suspended and goes on once the line is durable.
 */
void
sandbox_ledger_add(Request *request)
{
	char	   *text = format_line(request);

	MHD_suspend_connection(request->connection);
	pthread_mutex_lock(&ledger_lock);
	if (text == NULL || ledger_stopped ||
		!append_line(text, strlen(text)))
	{
		request->write_failed = true;
		request->gone = ledger_stopped;
		pthread_mutex_unlock(&ledger_lock);
		MHD_resume_connection(request->connection);
		free(text);
		return;
	}
	request->next_waiting = waiting;
	waiting = request;
	pthread_cond_signal(&ledger_wake);
	pthread_mutex_unlock(&ledger_lock);
	free(text);
}

/*
 * Writes what still waits and ends the thread.  What comes after is neither
 * accepted nor answered, so the file stays open until the process ends.
 */
void
sandbox_ledger_stop(void)
{
	if (ledger_fd < 0)
		return;
	pthread_mutex_lock(&ledger_lock);
	ledger_stopping = true;
	pthread_cond_signal(&ledger_wake);
	pthread_mutex_unlock(&ledger_lock);
	pthread_join(ledger_thread, NULL);
}
