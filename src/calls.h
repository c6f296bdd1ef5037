/*
 * calls.h
 *	  The calls to IO that items need.
 */
#ifndef IOMSG_CALLS_H
#define IOMSG_CALLS_H

#include "postgres.h"

#include "http.h"
#include "slots.h"
#include "work.h"

extern bool iomsg_calls_collect(HttpClient *http, Work *work, int64 now_us,
								IoMsgCounters *counters);
extern void iomsg_calls_stop(HttpClient *http, Work *work, int64 now_us,
							 IoMsgCounters *counters);
extern int64 iomsg_calls_start(HttpClient *http, Work *work, bool may_begin,
							   int64 now_us);
extern void iomsg_calls_refresh_budgets(Work *work, int64 now_us);

#endif							/* IOMSG_CALLS_H */
