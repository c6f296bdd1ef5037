/*
 * signals.c
 *	  The drainer's signals, and settings that nobody may change under it.
 *
 * SIGTERM asks for a planned stop: what is under way is finished first.  While
 * a commit waits for a standby it must also end that wait, so it raises the
 * server's own flags for that time only; not while the commit waits for a lock
 * before, as that of NOTIFY, which would end the process.
 *
 * SIGINT, which anybody with pg_signal_backend can send, would make an
 * unconfirmed commit look like a good one: it counts only where one of our own
 * time limits has raised it.
 */
#include "postgres.h"

#include <signal.h>

#include "access/xact.h"
#include "miscadmin.h"
#include "postmaster/interrupt.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/timeout.h"

#include "compat.h"
#include "signals.h"

static volatile sig_atomic_t stop_requested = false;
static volatile sig_atomic_t committing = false;

static void
handle_terminate(SIGNAL_ARGS)
{
	int			save_errno = errno;

	stop_requested = true;
	if (committing)
	{
		/* What does not wait yet is not to begin. */
		synchronous_commit = SYNCHRONOUS_COMMIT_LOCAL_FLUSH;
		if (InterruptHoldoffCount > 0)
		{
			ProcDiePending = true;
			InterruptPending = true;
		}
	}
	SetLatch(MyLatch);
	errno = save_errno;
}

static void
handle_interrupt(SIGNAL_ARGS)
{
	if (get_timeout_indicator(LOCK_TIMEOUT, false) ||
		get_timeout_indicator(STATEMENT_TIMEOUT, false))
		StatementCancelHandler(postgres_signal_arg);
}

/*
 * To be called before signals are unblocked and before connecting: a client
 * encoding that the database's cannot be converted to would let no worker in.
 */
void
iomsg_signals_install(void)
{
	SetConfigOption("client_encoding", "SQL_ASCII", PGC_SUSET,
					PGC_S_OVERRIDE);
	pqsignal(SIGTERM, handle_terminate);
	pqsignal(SIGINT, handle_interrupt);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
}

/*
 * Has a planned stop been asked for?
 */
bool
iomsg_signals_stop_requested(void)
{
	return stop_requested;
}

/*
 * Once a stop is under way results are kept here even where no standby
 * confirms them: nothing more is sent on their strength.
 */
void
iomsg_signals_commit_locally(void)
{
	SetConfigOption("synchronous_commit", "local", PGC_SUSET, PGC_S_OVERRIDE);
}

/*
 * From here to iomsg_signals_end_commit a stop ends a wait for the standby.
 */
void
iomsg_signals_begin_commit(void)
{
	committing = true;
	/* One that came before must not find the wait without an end. */
	if (stop_requested)
		iomsg_signals_commit_locally();
}

/*
 * The commit is over; a stop is again ours to obey.
 */
void
iomsg_signals_end_commit(void)
{
	committing = false;
	if (stop_requested)
		ProcDiePending = false;
}

/*
 * Settings of the server, the database or a role reach a background worker:
 * those that could weaken a mark or a plan are the worker's own.
 */
void
iomsg_signals_harden_settings(void)
{
	static const struct
	{
		const char *name;
		const char *value;
	}			settings[] = {
		{"default_transaction_read_only", "off"},
		{"default_transaction_isolation", "read committed"},
		{"default_transaction_deferrable", "off"},
		{"session_replication_role", "origin"},
		{"search_path", "pg_catalog, pg_temp"},
		{"role", "none"},
		{"exit_on_error", "off"},
		{"row_security", "off"},
		/* Well below deadlock_timeout: not the other one is to be ended. */
		{"lock_timeout", "400ms"},
		{"statement_timeout", "0"},
		{"idle_in_transaction_session_timeout", "0"},
		IOMSG_SETTINGS_OF_17
		{"client_min_messages", "error"},
		{"bytea_output", "hex"},
		{"DateStyle", "ISO, YMD"},
		{"jit", "off"},
		{"plan_cache_mode", "force_generic_plan"},
		{"enable_seqscan", "off"},
		{"enable_hashjoin", "off"},
		{"enable_mergejoin", "off"},
		{"enable_bitmapscan", "off"}
	};

	for (size_t i = 0; i < lengthof(settings); i++)
		SetConfigOption(settings[i].name, settings[i].value, PGC_SUSET,
						PGC_S_OVERRIDE);
	/* Set in any case, or a reload could lower it. */
	SetConfigOption("synchronous_commit",
					synchronous_commit == SYNCHRONOUS_COMMIT_REMOTE_APPLY ?
					"remote_apply" : "on", PGC_SUSET, PGC_S_OVERRIDE);
}
