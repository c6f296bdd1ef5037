/*
 * drainer.c
 *	  The background worker that sends what one database has queued.
 *
 * Its loop: serve the connections, note what has come, write that and mark
 * what will go in one short transaction (turn.c), start the calls, wait.  It
 * leaves when nothing is due soon, so that an idle database has nobody
 * connected.  This is the only file that sees both HTTP and the tables.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "calls.h"
#include "compat.h"
#include "drainer.h"
#include "fault.h"
#include "http.h"
#include "settings.h"
#include "signals.h"
#include "slots.h"
#include "turn.h"

/* Apart from SQL's advisory locks, which use 1 and 2 here. */
#define SLOT_LOCK_FIELD4 16

/* How often accounts, services and the key file are looked at while busy. */
#define ROSTER_US		INT64CONST(5000000)

static Turn turn;
static HttpClient *http = NULL;
static WaitEventSet *wait_set = NULL;
static MemoryContext turn_context = NULL;
static IoMsgCounters counted;
static int64 last_work_us = 0;
static int64 next_roster_us = 0;
static int64 stop_deadline_us = 0;
static bool left = false;

/* ----------------------------------------------------------------------
 * What others ask for
 */

static void
obey_wake(const IoMsgWake *wake)
{
	if (!wake->asked)
		return;
	/* Whoever asks may ask again: stay for a while. */
	turn.worked = true;
	last_work_us = iomsg_http_now_us();
	/* The extension is back: make room for the one who sees to it. */
	if (turn.gone && stop_deadline_us == 0)
		stop_deadline_us = iomsg_http_now_us() +
			iomsg_shutdown_grace_ms * INT64CONST(1000);
	if (wake->settings)
		turn.roster_due = true;
	if (wake->all_services)
		iomsg_work_probe_all(&turn.work, wake->oldest);
	for (int i = 0; i < wake->nservices && !wake->all_services; i++)
	{
		Service    *service = iomsg_work_service(&turn.work,
												 wake->services[i]);

		if (service != NULL)
			iomsg_work_probe_service(service, wake->oldest);
		else
			turn.roster_due = true;
	}
}

/*
 * A planned stop: what has left has the grace to be answered.
 */
static void
obey_stop(int64 now_us)
{
	if (!iomsg_signals_stop_requested() || turn.stopping)
		return;
	FAULT_POINT("at_stop");
	turn.stopping = true;
	stop_deadline_us = now_us + iomsg_shutdown_grace_ms * INT64CONST(1000);
	iomsg_signals_commit_locally();
	iomsg_calls_stop(http, &turn.work, now_us, &counted);
}

static void
obey_interrupts(int64 now_us)
{
	CHECK_FOR_INTERRUPTS();
	obey_stop(now_us);
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
		iomsg_roster_forget_keys();
		turn.roster_due = true;
		iomsg_work_probe_all(&turn.work, DT_NOBEGIN);
	}
	if (now_us >= next_roster_us)
	{
		turn.roster_due |= turn.worked;
		next_roster_us = now_us + ROSTER_US;
		iomsg_work_probe_all(&turn.work, DT_NOBEGIN);
	}
}

/* ----------------------------------------------------------------------
 * Waiting and leaving
 */

/* Microseconds from now to a time of the wall clock. */
static int64
until(TimestampTz at)
{
	TimestampTz now = GetCurrentTimestamp();

	if (at == DT_NOEND)
		return PG_INT64_MAX / 2;
	return at <= now ? 0 : Min(at - now, PG_INT64_MAX / 2);
}

/*
 * When the next thing is to be done that nobody will wake us for.
 */
static int64
next_event_us(int64 now_us, int64 calls_us)
{
	int64		next_us = Min(calls_us, next_roster_us);
	int64		http_us = iomsg_http_next_timeout_us(http, now_us);
	int64		idle_us = iomsg_turn_linger_us(&turn);
	int64		when_us;

	if (http_us >= 0)
		next_us = Min(next_us, now_us + http_us);
	if (iomsg_turn_may_begin(&turn))
	{
		TimestampTz next_due = iomsg_work_next_due(&turn.work);

		next_us = Min(next_us, now_us + until(next_due));
		if (iomsg_work_has_waiting(&turn.work, now_us, &when_us))
			next_us = Min(next_us, when_us);
	}
	if (turn.retry_at_us > now_us)
		next_us = Min(next_us, turn.retry_at_us);
	else if (iomsg_turn_needed(&turn, now_us))
		next_us = now_us;
	else if (iomsg_turn_waits_for_lock(&turn))
		next_us = Min(next_us, Max(turn.locked_retry_us, now_us + 1000));
	else if (turn.work.nactive == 0 && last_work_us + idle_us > now_us)
		next_us = Min(next_us, last_work_us + idle_us);
	if (stop_deadline_us > 0)
		next_us = Min(next_us, Max(stop_deadline_us, now_us));
	return next_us;
}

/*
 * The one wait: our latch, the postmaster's death, HTTP's descriptor, time.
 */
static void
wait_for_something(int64 now_us, int64 next_us)
{
	static uint32 wait_event = 0;
	WaitEvent	events[3];
	int64		wait_ms = Max(next_us - now_us + 999, 0) / 1000;
	int			nevents;

	if (wait_event == 0)
		wait_event = iomsg_compat_wait_event("IoMsgDrainerMain");
	pgstat_report_activity(iomsg_http_in_flight(http) > 0 ?
						   STATE_RUNNING : STATE_IDLE, NULL);
	nevents = WaitEventSetWait(wait_set, (long) Min(wait_ms, 60000), events,
							   lengthof(events), wait_event);
	for (int i = 0; i < nevents; i++)
	{
		if (events[i].events & WL_POSTMASTER_DEATH)
			proc_exit(1);
		if (events[i].events & WL_LATCH_SET)
			ResetLatch(MyLatch);
	}
}

/*
 * Nobody needs us any more: the extension has gone, another worker has taken
 * over, or a stop was asked for and its grace is over.
 */
static bool
is_finished(int64 now_us)
{
	if (turn.gone || turn.outbox.fenced)
		return iomsg_http_in_flight(http) == 0 ||
			(stop_deadline_us > 0 && now_us >= stop_deadline_us);
	if (!turn.stopping)
		return false;
	return now_us >= stop_deadline_us ||
		!iomsg_work_has_unfinished(&turn.work);
}

/*
 * What could not be written into its row any more goes to the log.
 */
static void
log_unwritten(void)
{
	dlist_iter	iter;

	dlist_foreach(iter, &turn.work.active)
	{
		const WorkItem *item = dlist_container(WorkItem, node, iter.cur);

		if (item->marked && item->state == ITEM_DONE)
			iomsg_settle_log(item);
	}
}

/*
 * Leave if nothing is due soon and no commit has just asked for us.
 */
static bool
try_to_leave(int64 now_us)
{
	int64		idle_us = iomsg_turn_linger_us(&turn);
	TimestampTz due = GetCurrentTimestamp() +
		iomsg_sweep_ms * INT64CONST(1000);
	int64		when_us;

	if (turn.work.nactive > 0 || turn.retry_at_us > now_us ||
		iomsg_turn_waits_for_lock(&turn) ||
		iomsg_turn_needed(&turn, now_us) ||
		iomsg_work_pauses(&turn.work, now_us))
		return false;
	if (turn.worked && now_us - last_work_us < idle_us)
		return false;
	if (iomsg_turn_may_begin(&turn))
	{
		TimestampTz next = iomsg_work_next_due(&turn.work);

		if (iomsg_work_has_waiting(&turn.work, now_us, &when_us))
		{
			if (when_us == PG_INT64_MAX || when_us - now_us < idle_us)
				return false;
			next = Min(next, GetCurrentTimestamp() + (when_us - now_us));
		}
		if (until(next) < Max(idle_us, 1000))
			return false;
		due = Min(due, next);
	}
	/* Whoever asks from here on is heard by iomsg_slots_leave(). */
	left = iomsg_errands_retire(&turn) && iomsg_slots_leave(due);
	return left;
}

/* ----------------------------------------------------------------------
 * The process
 */

static void
at_exit(int code, Datum arg)
{
	if (!left)
		iomsg_slots_failed(turn.last_sqlstate);
}

/*
 * Only one drainer works on a database, whatever shared memory says.
 */
static void
take_slot_lock(void)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, 0, 0, SLOT_LOCK_FIELD4);
	StartTransactionCommand();
	/* The one before us may be about to end; lock_timeout is the limit. */
	(void) LockAcquire(&tag, ExclusiveLock, true, false);
	CommitTransactionCommand();
}

static void
open_http(void)
{
	HttpSettings settings = {
		.max_connections = turn.max_in_flight,
		.connect_timeout_ms = iomsg_connect_timeout_ms,
		.user_agent = "io_msg/" IOMSG_VERSION
	};
	const char *problem = NULL;

	http = iomsg_http_open(&settings, &problem);
	if (http == NULL)
		ereport(FATAL,
				(errcode(ERRCODE_SYSTEM_ERROR),
				 errmsg("could not set up HTTP: %s", problem)));
	wait_set = iomsg_compat_wait_event_set(3);
	AddWaitEventToSet(wait_set, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch,
					  NULL);
	AddWaitEventToSet(wait_set, WL_POSTMASTER_DEATH, PGINVALID_SOCKET, NULL,
					  NULL);
	AddWaitEventToSet(wait_set, WL_SOCKET_READABLE, iomsg_http_fd(http), NULL,
					  NULL);
}

/*
 * Connect and take our place; false when somebody else has it.
 */
static bool
set_up(Oid database)
{
	iomsg_signals_install();
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(database, InvalidOid, 0);
	iomsg_signals_harden_settings();
	if (!iomsg_slots_begin())
		return false;
	before_shmem_exit(at_exit, (Datum) 0);
	take_slot_lock();
	pgstat_report_appname("io_msg drainer");
	iomsg_turn_init(&turn);
	/* More, after a reload, are for the next drainer. */
	turn.max_in_flight = iomsg_max_in_flight;
	turn_context = AllocSetContextCreate(TopMemoryContext, "io_msg turn",
										 ALLOCSET_DEFAULT_SIZES);
	open_http();
	last_work_us = iomsg_http_now_us();
	next_roster_us = last_work_us + ROSTER_US;
	return true;
}

/*
 * One turn of the loop; false when it was the last.
 */
static bool
run_turn(void)
{
	int64		now_us = iomsg_http_now_us();
	int64		calls_us;
	bool		may_begin;
	IoMsgWake	wake;

	MemoryContextReset(turn_context);
	MemoryContextSwitchTo(turn_context);
	iomsg_http_run(http, now_us);
	if (iomsg_calls_collect(http, &turn.work, now_us, &counted))
		last_work_us = now_us;
	obey_interrupts(now_us);

	iomsg_slots_turn(&counted, &wake);
	memset(&counted, 0, sizeof(counted));
	obey_wake(&wake);
	iomsg_work_probe_due(&turn.work, GetCurrentTimestamp());
	iomsg_calls_refresh_budgets(&turn.work, now_us);
	iomsg_turn_pick(&turn, now_us);
	if (iomsg_turn_needed(&turn, now_us))
		iomsg_turn_write(&turn, now_us);

	now_us = iomsg_http_now_us();
	if (turn.work.nactive > 0)
		last_work_us = now_us;
	may_begin = iomsg_turn_may_begin(&turn) && turn.outbox.taken_over;
	if (!may_begin)
		iomsg_turn_put_back_ready(&turn);
	calls_us = iomsg_calls_start(http, &turn.work, may_begin, now_us);
	if (is_finished(now_us) || try_to_leave(now_us))
		return false;
	wait_for_something(now_us, next_event_us(now_us, calls_us));
	return true;
}

/* The drainer's life. */
void
iomsg_drainer_main(Datum main_arg)
{
	if (set_up(DatumGetObjectId(main_arg)))
	{
		while (run_turn())
			 /* again */ ;
		log_unwritten();
		(void) iomsg_errands_retire(&turn);
		if (turn.stopping || (turn.gone && !turn.other_version))
		{
			left = true;
			/* Where one was served another may be wanted. */
			iomsg_slots_retire(turn.stopping || turn.outbox.generation != 0);
		}
		iomsg_http_close(http);
	}
	proc_exit(0);
}
