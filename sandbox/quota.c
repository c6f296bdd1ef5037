/*
 * quota.c
 *		The sliding quota of calls that all services of an account share.
 *
 * A call at time t is let through if fewer than "calls" were let through in
 * the period that ends at t.  Refused calls do not fill the window of those
 * let through, but they do count in the window of those seen, whose greatest
 * length tells whether a client ever went above the quota.
 */
#include <stdlib.h>

#include "clock.h"
#include "quota.h"

/* Forgets the calls that lie a period or more before now. */
static void
expire_window(Window *window, int64_t until_us)
{
	while (window->count > 0 && window->times_us[window->first] <= until_us)
	{
		window->first = (window->first + 1) % window->room;
		window->count--;
	}
}

/* Makes a ring twice as large, or leaves it if there is no memory. */
static bool
grow_window(Window *window)
{
	size_t		room = window->room ? window->room * 2 : 256;
	int64_t    *times_us = malloc(room * sizeof(int64_t));

	if (times_us == NULL)
		return false;
	for (size_t i = 0; i < window->count; i++)
		times_us[i] = window->times_us[(window->first + i) % window->room];
	free(window->times_us);
	window->times_us = times_us;
	window->room = room;
	window->first = 0;
	return true;
}

/* Adds a call at the end of a window. */
static void
push_call(Window *window, int64_t now_us)
{
	if (window->count == window->room && !grow_window(window))
		return;
	window->times_us[(window->first + window->count) % window->room] = now_us;
	window->count++;
	if (window->count > window->highest)
		window->highest = window->count;
}

/* Sets up a quota of "calls" in each period of scaled milliseconds. */
void
sandbox_quota_init(Quota *quota, int64_t calls, int64_t period_ms)
{
	pthread_mutex_init(&quota->lock, NULL);
	sandbox_quota_set(quota, calls, period_ms);
}

/* Changes a quota; calls already counted stay counted. */
void
sandbox_quota_set(Quota *quota, int64_t calls, int64_t period_ms)
{
	pthread_mutex_lock(&quota->lock);
	quota->calls = calls;
	quota->period_us = period_ms * 1000;
	pthread_mutex_unlock(&quota->lock);
}

/* Counts one call, now, and says whether it may pass. */
void
sandbox_quota_take(Quota *quota, QuotaVerdict *verdict)
{
	Window	   *granted = &quota->granted;
	int64_t		now_us;

	pthread_mutex_lock(&quota->lock);
	now_us = sandbox_clock_now_us();
	quota->total++;
	expire_window(&quota->seen, now_us - quota->period_us);
	push_call(&quota->seen, now_us);
	expire_window(granted, now_us - quota->period_us);
	verdict->granted =
		quota->calls == 0 || (int64_t) granted->count < quota->calls;
	verdict->retry_after_s = 0;
	if (verdict->granted)
		push_call(granted, now_us);
	else
	{
		int64_t		wait_us = granted->times_us[granted->first] +
		quota->period_us - now_us;

		quota->refused++;
		verdict->retry_after_s =
			(sandbox_clock_to_real_us(wait_us) + 999999) / 1000000;
		if (verdict->retry_after_s < 1)
			verdict->retry_after_s = 1;
	}
	verdict->remaining = quota->calls - (int64_t) granted->count;
	if (verdict->remaining < 0)
		verdict->remaining = 0;
	if (quota->calls == 0)
		verdict->remaining = -1;
	pthread_mutex_unlock(&quota->lock);
}

/* Forgets all calls and figures, as after a long pause. */
void
sandbox_quota_reset(Quota *quota)
{
	pthread_mutex_lock(&quota->lock);
	quota->granted.count = quota->granted.highest = 0;
	quota->seen.count = quota->seen.highest = 0;
	quota->total = quota->refused = 0;
	pthread_mutex_unlock(&quota->lock);
}
