/*
 * outcome.h
 *	  What a verdict means: for the row, for the service, for the account.
 */
#ifndef IOMSG_OUTCOME_H
#define IOMSG_OUTCOME_H

#include "postgres.h"

#include "answer.h"
#include "core/verdict.h"
#include "http.h"
#include "slots.h"
#include "work.h"

/* A call that has ended. */
typedef struct Ending
{
	Work	   *work;
	WorkItem   *item;
	const HttpResult *result;
	IoAnswer	io;
	Verdict		verdict;
	int64		now_us;			/* of the HTTP client's clock */
	TimestampTz now;
	IoMsgCounters *counters;
} Ending;

/* outcome.c */
extern void iomsg_outcome_apply(Ending *end);

/* standing.c */
extern void iomsg_standing_stop_service(Service *service, const char *reason,
										int http_status);
extern void iomsg_standing_refuse_key(Service *service, bool was_secondary,
									  const char *reason, int http_status);
extern void iomsg_standing_learn_quota(Ending *end);
extern int64 iomsg_standing_throttle(Ending *end);
extern int64 iomsg_standing_pause_account(Ending *end);
extern void iomsg_standing_note_unknown(Ending *end);
extern void iomsg_standing_note_known(Service *service);
extern uint32 iomsg_standing_random(void);

#endif							/* IOMSG_OUTCOME_H */
