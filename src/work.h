/*
 * work.h
 *	  What the drainer has in hand: accounts, services, their lanes, and the
 *	  items in them.  Memory only; nothing is lost with it.
 */
#ifndef IOMSG_WORK_H
#define IOMSG_WORK_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "lib/ilist.h"

#include "item.h"
#include "keys.h"
#include "quota.h"

#define IOMSG_PRIORITIES	4
#define IOMSG_LANES			(IOMSG_PRIORITIES + 1)
#define IOMSG_POLL_LANE		IOMSG_PRIORITIES	/* the others send */

/* Answers in a row that decide nothing, before a service pauses. */
#define IOMSG_UNKNOWN_MAX	3

/* An ente: its quota and whether its host can be reached. */
typedef struct Account
{
	char	   *name;			/* "" for the built-in one */
	char	   *base_url;
	char	   *proxy;			/* or NULL */
	IoMsgQuota	quota;
	bool		host_allowed;
	bool		loopback;
	int			budget;			/* calls that may still leave this turn */
	int			failures;		/* connections that failed, in a row */
	int64		pause_until_us; /* after those */
	int64		opens_us;		/* when the quota has room again */
} Account;

/* The rows of one service and priority, or its status polls, by due time. */
typedef struct Lane
{
	dlist_head	items;			/* read, not started */
	int			nitems;
	bool		stuck;			/* all of them wait for others to be sent */
	bool		probe;			/* there may be rows beyond the cursor */
	TimestampTz cursor_due_at;	/* read up to here */
	int64		cursor_id;
	TimestampTz next_due;		/* the first row not yet due, DT_NOEND: none */
	TimestampTz reread_at;		/* rows were put back, DT_NOEND: none */
	TimestampTz reread_from;
} Lane;

struct Service
{
	int32		id;
	char	   *name;
	Account    *account;
	bool		present;		/* still in the table */
	bool		paused;
	bool		dry_run;
	bool		resends;		/* what is uncertain, by itself */
	bool		trusts_500;		/* IO's own error means: not accepted */
	int			nrecipients;	/* -1: all may get messages */
	char	  **recipients;
	int64		profile_max_age_us;
	int64		profile_negative_max_age_us;
	IoMsgKeyState key_state;
	IoMsgKeys	keys;
	uint32		keys_version;	/* changes with them */
	bool		use_secondary;
	bool		key_refused[2]; /* by IO, primary and secondary */
	const char *stop_reason;	/* NULL: it may send */
	int			stop_http_status;
	bool		stop_to_write;
	bool		unstop_to_write;
	bool		stop_written;	/* one of those, in this transaction */
	int			unknown_in_row; /* answers that decide nothing */
	int			pauses;			/* after those, in a row */
	int64		pause_until_us;
	int			under_way;		/* calls, begun or about to */
	Lane		lanes[IOMSG_LANES];
};

typedef struct Work
{
	MemoryContext context;		/* of all that is here */
	int			naccounts;
	Account   **accounts;
	int			nservices;
	Service   **services;
	int			next_service;	/* whose turn it is */
	int			first_probed[2];	/* whose messages, and whose polls */
	int			share;			/* of the connections, for each service */
	dlist_head	active;			/* items that have left their lane */
	int			nactive;
	dlist_head	batches;		/* poll rows with open items */
} Work;

extern void iomsg_work_init(Work *work);
extern Service *iomsg_work_service(Work *work, int32 id);
extern bool iomsg_work_may_send(const Service *service);
extern bool iomsg_work_may_do(const Service *service, bool polls);
extern int64 iomsg_work_paused_until(const Service *service, int64 now_us);
extern void iomsg_work_finish(WorkItem *item, const char *status,
							  const char *reason);
extern void iomsg_work_not_sent(WorkItem *item, const char *reason,
								int64 wait_ms);
extern void iomsg_work_forget_batches(Work *work);
extern bool iomsg_work_has_place(const Lane *lane);
extern void iomsg_work_probe_service(Service *service, TimestampTz from);
extern void iomsg_work_probe_all(Work *work, TimestampTz from);
extern void iomsg_work_probe_due(Work *work, TimestampTz now);
extern void iomsg_work_keep_text(Work *work, char **place, const char *text);
extern WorkItem *iomsg_work_add(Work *work, Service *service, int lane,
							int64 id);
extern void iomsg_work_share_out(Work *work, int connections, int64 now_us);
extern WorkItem *iomsg_work_next(Work *work, bool polls, int room,
								 int64 now_us);
extern void iomsg_work_return(Work *work, WorkItem *item);
extern void iomsg_work_drop(Work *work, WorkItem *item);
extern void iomsg_work_put_back(Work *work, WorkItem *item, TimestampTz at);
extern void iomsg_work_forget_waiting(Work *work, Service *service);
extern void iomsg_work_expect(const WorkItem *item);
extern TimestampTz iomsg_work_next_due(const Work *work);
extern bool iomsg_work_pauses(const Work *work, int64 now_us);
extern bool iomsg_work_has_unfinished(Work *work);
extern bool iomsg_work_has_waiting(Work *work, int64 now_us,
								   int64 *when_us);

#endif							/* IOMSG_WORK_H */
