/*
 * exchange.h
 *	  One call to IO for an item: the request, and what its answer means.
 */
#ifndef IOMSG_EXCHANGE_H
#define IOMSG_EXCHANGE_H

#include "postgres.h"

#include "http.h"
#include "slots.h"
#include "work.h"

extern bool iomsg_exchange_start(HttpClient *client, WorkItem *item,
								 int64 now_us);
extern void iomsg_exchange_finish(Work *work, WorkItem *item,
								  const HttpResult *result, int64 now_us,
								  IoMsgCounters *counters);
#endif							/* IOMSG_EXCHANGE_H */
