/*
 * launcher.c
 *	  The background worker that starts a drainer for each database in need.
 *
 * It is connected to no database, runs from the end of recovery on, and sleeps
 * until a commit, a drainer or the sweep wakes it.  It alone decides when a
 * drainer starts: drainers never restart by themselves.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "launcher.h"
#include "settings.h"
#include "signals.h"
#include "slots.h"

/* A drainer that was registered and has not come up yet. */
typedef struct Start
{
	Oid			database;
	uint32		number;			/* which start of its slot */
	BackgroundWorkerHandle *handle;
} Start;

static List *starts = NIL;
static List *seen_databases = NIL;
static int64 shortages_seen = 0;
static int	next_turn = 0;		/* whose turn it is, where slots are few */
static MemoryContext launcher_context = NULL;

/*
 * Register the launcher with the postmaster, while the library is preloaded.
 */
void
iomsg_launcher_register(void)
{
	BackgroundWorker worker = {
		.bgw_flags = BGWORKER_SHMEM_ACCESS |
		BGWORKER_BACKEND_DATABASE_CONNECTION,
		.bgw_start_time = BgWorkerStart_RecoveryFinished,
		.bgw_restart_time = 5
	};

	strlcpy(worker.bgw_name, "io_msg launcher", BGW_MAXLEN);
	strlcpy(worker.bgw_type, "io_msg launcher", BGW_MAXLEN);
	strlcpy(worker.bgw_library_name, "io_msg", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "iomsg_launcher_main", BGW_MAXLEN);
	RegisterBackgroundWorker(&worker);
}

/*
 * The databases that a drainer could connect to, read from the shared catalog.
 */
static List *
read_databases(void)
{
	List	   *databases = NIL;
	Relation	catalog;
	TableScanDesc scan;
	HeapTuple	tuple;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	(void) GetTransactionSnapshot();

	catalog = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(catalog, 0, NULL);
	while (HeapTupleIsValid(tuple = heap_getnext(scan, ForwardScanDirection)))
	{
		Form_pg_database form = (Form_pg_database) GETSTRUCT(tuple);
		MemoryContext old;

		if (!form->datallowconn || form->datistemplate)
			continue;
		old = MemoryContextSwitchTo(launcher_context);
		databases = lappend_oid(databases, form->oid);
		MemoryContextSwitchTo(old);
	}
	table_endscan(scan);
	table_close(catalog, AccessShareLock);

	CommitTransactionCommand();
	return databases;
}

/*
 * Have each database looked at once that has not been seen before; all of
 * them, when slots have been too few for some: the first that got none begins
 * the next time.
 */
static void
look_for_databases(void)
{
	List	   *databases = read_databases();
	int64		shortages = iomsg_slots_shortages();
	bool		rotate = shortages != shortages_seen;
	int			ndatabases = list_length(databases);

	if (rotate && shortages_seen == 0)
		ereport(WARNING,
				(errmsg("more databases use io_msg than it has slots for"),
				 errdetail("They take turns, at each sweep."),
				 errhint("Raise \"io_msg.max_databases\" and restart the "
						 "server.")));
	shortages_seen = shortages;
	for (int i = 0; i < ndatabases; i++)
	{
		int			place = (next_turn + i) % ndatabases;
		Oid			database = list_nth_oid(databases, place);

		if (!rotate && list_member_oid(seen_databases, database))
			continue;
		if (iomsg_slots_want(database))
			continue;
		next_turn = place;
		break;
	}
	list_free(seen_databases);
	seen_databases = databases;
}

/*
 * Start a drainer for a database whose slot is STARTING.
 */
static void
start_drainer(Oid database, uint32 number)
{
	BackgroundWorker worker = {
		.bgw_flags = BGWORKER_SHMEM_ACCESS |
		BGWORKER_BACKEND_DATABASE_CONNECTION,
		.bgw_start_time = BgWorkerStart_RecoveryFinished,
		.bgw_restart_time = BGW_NEVER_RESTART
	};
	MemoryContext old = MemoryContextSwitchTo(launcher_context);
	Start	   *start = palloc(sizeof(Start));

	snprintf(worker.bgw_name, BGW_MAXLEN, "io_msg drainer for database %u",
			 database);
	strlcpy(worker.bgw_type, "io_msg drainer", BGW_MAXLEN);
	strlcpy(worker.bgw_library_name, "io_msg", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "iomsg_drainer_main", BGW_MAXLEN);
	worker.bgw_main_arg = ObjectIdGetDatum(database);
	worker.bgw_notify_pid = MyProcPid;

	start->database = database;
	start->number = number;
	if (RegisterDynamicBackgroundWorker(&worker, &start->handle))
		starts = lappend(starts, start);
	else
	{
		pfree(start);
		(void) iomsg_slots_did_not_start(database, number,
										 ERRCODE_CONFIGURATION_LIMIT_EXCEEDED);
	}
	MemoryContextSwitchTo(old);
}

static bool
database_exists(Oid database)
{
	List	   *databases = read_databases();
	bool		exists = list_member_oid(databases, database);

	list_free(databases);
	return exists;
}

/*
 * Look after the drainers that were registered: one that ended without ever
 * coming up is tried again later.
 */
static void
check_starts(void)
{
	ListCell   *cell;

	foreach(cell, starts)
	{
		Start	   *start = lfirst(cell);
		pid_t		pid;

		if (GetBackgroundWorkerPid(start->handle, &pid) != BGWH_STOPPED)
			continue;
		if (iomsg_slots_did_not_start(start->database, start->number,
									  ERRCODE_CONNECTION_FAILURE) &&
			!database_exists(start->database))
			iomsg_slots_forget(start->database);
		pfree(start->handle);
		pfree(start);
		starts = foreach_delete_current(starts, cell);
	}
}

/*
 * Start what is wanted; returns when the next waiting database is due.
 */
static TimestampTz
start_wanted(void)
{
	TimestampTz next_due;
	Oid			database;
	uint32		number;

	while (iomsg_slots_next_wanted(GetCurrentTimestamp(), &database, &number,
								   &next_due))
		start_drainer(database, number);
	return next_due;
}

static void
at_exit(int code, Datum arg)
{
	iomsg_slots_launcher_is(0, -1);
}

static void
set_up(void)
{
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	iomsg_signals_harden_settings();

	launcher_context = AllocSetContextCreate(TopMemoryContext,
											 "io_msg launcher",
											 ALLOCSET_SMALL_SIZES);
	MemoryContextSwitchTo(launcher_context);
	before_shmem_exit(at_exit, (Datum) 0);
	iomsg_slots_launcher_is(MyProcPid, iomsg_compat_procno(MyProc));
}

/*
 * Sleep until woken, until a database is due, or until the next sweep.
 */
static void
sleep_until(TimestampTz next_due, TimestampTz next_sweep)
{
	TimestampTz until = Min(next_due, next_sweep);
	long		timeout_ms;

	timeout_ms = TimestampDifferenceMilliseconds(GetCurrentTimestamp(),
												 until);
	(void) WaitLatch(MyLatch,
					 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					 timeout_ms + 1,
					 iomsg_compat_wait_event("IoMsgLauncherMain"));
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
		/* There may be keys now where there were none. */
		iomsg_slots_want_all();
	}
}

/*
 * The launcher's life; it ends with the server.
 */
void
iomsg_launcher_main(Datum main_arg)
{
	TimestampTz next_sweep = 0;

	set_up();
	for (;;)
	{
		TimestampTz now = GetCurrentTimestamp();

		check_starts();
		if (now >= next_sweep)
		{
			look_for_databases();
			next_sweep = TimestampTzPlusMilliseconds(now, iomsg_sweep_ms);
		}
		sleep_until(start_wanted(), next_sweep);
	}
}
