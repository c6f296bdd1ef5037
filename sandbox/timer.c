/*
 * timer.c
 *		Requests that wait for a time, or until somebody releases them.
 *
 * A waiting request holds no thread: its connection is suspended and put into
 * a list by time of waking.  Since a suspended connection is not watched, the
 * timer looks from time to time whether the client has left.
 */
#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>
#include <time.h>

#include "timer.h"

#define LOOK_EVERY_US 200000

static pthread_mutex_t timer_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t timer_wake;
static pthread_t timer_thread;
static bool timer_stopping;
static Request *first_sleeper;
static Request *last_sleeper;

/* Takes a request out of the list and lets it go on; lock held. */
static void
wake_sleeper(Request *request)
{
	if (request->previous_waiting)
		request->previous_waiting->next_waiting = request->next_waiting;
	else
		first_sleeper = request->next_waiting;
	if (request->next_waiting)
		request->next_waiting->previous_waiting = request->previous_waiting;
	else
		last_sleeper = request->previous_waiting;
	request->next_waiting = request->previous_waiting = NULL;
	MHD_resume_connection(request->connection);
}

/* Wakes the requests whose clients have left; lock held. */
static void
look_for_leavers(void)
{
	Request    *next;

	for (Request *r = first_sleeper; r; r = next)
	{
		char		byte;
		ssize_t		got = recv(r->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

		next = r->next_waiting;
		if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
		{
			r->gone = true;
			wake_sleeper(r);
		}
	}
}

/* Waits until a moment of the monotonic clock, or a signal; lock held. */
static void
wait_until(int64_t until_us)
{
	struct timespec deadline;

	deadline.tv_sec = (time_t) (until_us / 1000000);
	deadline.tv_nsec = (long) (until_us % 1000000) * 1000;
	pthread_cond_timedwait(&timer_wake, &timer_lock, &deadline);
}

/* The thread that wakes those whose time has come. */
static void *
run_timer(void *unused)
{
	int64_t		look_us = 0;

	(void) unused;
	pthread_mutex_lock(&timer_lock);
	while (!timer_stopping)
	{
		int64_t		now_us = sandbox_clock_monotonic_us();

		while (first_sleeper && first_sleeper->wake_us <= now_us)
			wake_sleeper(first_sleeper);
		if (first_sleeper == NULL)
		{
			pthread_cond_wait(&timer_wake, &timer_lock);
			continue;
		}
		if (now_us >= look_us)
		{
			look_for_leavers();
			look_us = now_us + LOOK_EVERY_US;
			continue;
		}
		wait_until(first_sleeper->wake_us < look_us ?
				   first_sleeper->wake_us : look_us);
	}
	while (first_sleeper)
	{
		first_sleeper->gone = true;
		wake_sleeper(first_sleeper);
	}
	pthread_mutex_unlock(&timer_lock);
	return NULL;
}

/* Starts the timer's thread. */
bool
sandbox_timer_start(void)
{
	pthread_condattr_t attributes;

	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&timer_wake, &attributes);
	pthread_condattr_destroy(&attributes);
	return pthread_create(&timer_thread, NULL, run_timer, NULL) == 0;
}

/*
 * Suspends a request for real milliseconds, or until it is released if the
 * delay is INT64_MAX.
 */
void
sandbox_timer_sleep(Request *request, int64_t delay_ms)
{
	Request    *before;

	request->wake_us = delay_ms == INT64_MAX ? INT64_MAX :
		sandbox_clock_monotonic_us() + delay_ms * 1000;
	MHD_suspend_connection(request->connection);
	pthread_mutex_lock(&timer_lock);
	if (timer_stopping)
	{
		request->gone = true;
		MHD_resume_connection(request->connection);
		pthread_mutex_unlock(&timer_lock);
		return;
	}
	before = last_sleeper;
	while (before && before->wake_us > request->wake_us)
		before = before->previous_waiting;
	request->previous_waiting = before;
	request->next_waiting = before ? before->next_waiting : first_sleeper;
	if (request->next_waiting)
		request->next_waiting->previous_waiting = request;
	else
		last_sleeper = request;
	if (before)
		before->next_waiting = request;
	else
		first_sleeper = request;
	pthread_cond_signal(&timer_wake);
	pthread_mutex_unlock(&timer_lock);
}

/* Lets all waiting requests go on at once; returns how many. */
int
sandbox_timer_release(void)
{
	int			released = 0;

	pthread_mutex_lock(&timer_lock);
	for (; first_sleeper; released++)
		wake_sleeper(first_sleeper);
	pthread_mutex_unlock(&timer_lock);
	return released;
}

/* Sends those who wait away without an answer and ends the thread. */
void
sandbox_timer_stop(void)
{
	pthread_mutex_lock(&timer_lock);
	timer_stopping = true;
	pthread_cond_signal(&timer_wake);
	pthread_mutex_unlock(&timer_lock);
	pthread_join(timer_thread, NULL);
}
