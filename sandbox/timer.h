/*
 * timer.h
 *		Requests that wait for a time, or until somebody releases them.
 */
#ifndef SANDBOX_TIMER_H
#define SANDBOX_TIMER_H

#include "request.h"

extern bool sandbox_timer_start(void);
extern void sandbox_timer_sleep(Request *request, int64_t delay_ms);
extern int	sandbox_timer_release(void);
extern void sandbox_timer_stop(void);

#endif
