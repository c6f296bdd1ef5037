/*
 * health.c
 *	  What only the library knows, for io_health(), io_explain() and the
 *	  reports: shared memory and the key file.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xlog.h"
#include "commands/dbcommands.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "clock.h"
#include "compat.h"
#include "keys.h"
#include "quota.h"
#include "settings.h"
#include "slots.h"

IOMSG_SQL_FUNCTION(iomsg_health_worker_state);
IOMSG_SQL_FUNCTION(iomsg_health_account_state);
IOMSG_SQL_FUNCTION(iomsg_health_service_pause);
IOMSG_SQL_FUNCTION(iomsg_health_key_state);
IOMSG_SQL_FUNCTION(iomsg_health_host_allowed);
IOMSG_SQL_FUNCTION(iomsg_health_counters);

static const char *
state_name(IoMsgSlotState state)
{
	switch (state)
	{
		case SLOT_FREE:
			return "none";
		case SLOT_WANTED:
			return "wanted";
		case SLOT_STARTING:
			return "starting";
		case SLOT_RUNNING:
			return "running";
		case SLOT_WAITING:
			return "waiting";
	}
	return "none";
}

static Datum
make_row(FunctionCallInfo fcinfo, Datum *values, bool *nulls)
{
	TupleDesc	tupdesc;

	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(tupdesc), values,
											 nulls));
}

static void
put_time(Datum *values, bool *nulls, int column, TimestampTz at)
{
	values[column] = TimestampTzGetDatum(at);
	nulls[column] = at == 0;
}

static void
put_sqlstate(Datum *values, bool *nulls, int column, int sqlstate)
{
	nulls[column] = sqlstate == 0;
	if (sqlstate != 0)
		values[column] = CStringGetTextDatum(unpack_sql_state(sqlstate));
}

/*
 * io_msg.worker_state(): one row about this database's worker.
 */
Datum
iomsg_health_worker_state(PG_FUNCTION_ARGS)
{
	Datum		values[14] = {0};
	bool		nulls[14] = {false};
	IoMsgSlot	slot;
	pid_t		launcher = iomsg_slots_launcher_pid();

	if (!iomsg_slots_read(MyDatabaseId, &slot))
		memset(&slot, 0, sizeof(slot));
	values[0] = BoolGetDatum(iomsg_slots_available());
	values[1] = Int32GetDatum(launcher);
	nulls[1] = launcher == 0;
	values[2] = CStringGetTextDatum(state_name(slot.state));
	nulls[2] = slot.state == SLOT_FREE;
	values[3] = Int32GetDatum(slot.pid);
	nulls[3] = slot.pid == 0;
	put_time(values, nulls, 4, slot.state_since);
	put_time(values, nulls, 5, slot.state == SLOT_WAITING ? slot.due_at : 0);
	put_time(values, nulls, 6, slot.heartbeat);
	values[7] = Int32GetDatum(slot.failures);
	put_sqlstate(values, nulls, 8, slot.sqlstate);
	values[9] = BoolGetDatum(RecoveryInProgress());
	values[10] = Int32GetDatum(slot.troubles.failures);
	put_sqlstate(values, nulls, 11, slot.troubles.sqlstate);
	put_time(values, nulls, 12, slot.troubles.since);
	values[13] = BoolGetDatum(iomsg_slots_awaits_standby(&slot));
	PG_RETURN_DATUM(make_row(fcinfo, values, nulls));
}

/*
 * io_msg.account_state(name, base_url): what keeps an account from calling; a
 * null name is the built-in one.
 */
Datum
iomsg_health_account_state(PG_FUNCTION_ARGS)
{
	Datum		values[2] = {0};
	bool		nulls[2] = {false};
	const char *name = PG_ARGISNULL(0) ? "" :
		text_to_cstring(PG_GETARG_TEXT_PP(0));
	IoMsgQuotaTroubles troubles = {0};

	if (!PG_ARGISNULL(1))
		iomsg_quota_read_troubles(iomsg_quota_key(name,
												  text_to_cstring(PG_GETARG_TEXT_PP(1))),
								  iomsg_clock_now_us(), &troubles);
	values[0] = Int32GetDatum(troubles.failures);
	put_time(values, nulls, 1, troubles.pause_us == 0 ? 0 :
			 GetCurrentTimestamp() + troubles.pause_us);
	PG_RETURN_DATUM(make_row(fcinfo, values, nulls));
}

/*
 * io_msg.service_pause(service_id): until when a service pauses after answers
 * that decided nothing, in the past while it sends one message to see; null
 * when it does not.
 */
Datum
iomsg_health_service_pause(PG_FUNCTION_ARGS)
{
	int32		service = PG_GETARG_INT32(0);
	IoMsgSlot	slot;

	if (!iomsg_slots_read(MyDatabaseId, &slot))
		PG_RETURN_NULL();
	for (int i = 0; i < IOMSG_PAUSES; i++)
	{
		const IoMsgPause *pause = &slot.troubles.pauses[i];

		if (pause->until != 0 && pause->service == service)
			PG_RETURN_TIMESTAMPTZ(pause->until);
	}
	PG_RETURN_NULL();
}

/*
 * io_msg.key_state(service): whether the key file has keys for it, never
 * which.
 */
Datum
iomsg_health_key_state(PG_FUNCTION_ARGS)
{
	char	   *service = text_to_cstring(PG_GETARG_TEXT_PP(0));
	IoMsgKeyFile *file = iomsg_keys_load();
	IoMsgKeys	keys;
	IoMsgKeyState state = iomsg_keys_find(file,
										  get_database_name(MyDatabaseId),
										  service, &keys);

	explicit_bzero(&keys, sizeof(keys));
	iomsg_keys_free(file);
	PG_RETURN_TEXT_P(cstring_to_text(iomsg_keys_state_name(state)));
}

/*
 * io_msg.host_allowed(base_url, proxy): whether requests may go there, through
 * that proxy if it is not null.
 */
Datum
iomsg_health_host_allowed(PG_FUNCTION_ARGS)
{
	bool		loopback;
	bool		allowed;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	allowed =
		iomsg_settings_host_allowed(text_to_cstring(PG_GETARG_TEXT_PP(0)),
									&loopback);
	if (allowed && !PG_ARGISNULL(1))
	{
		char	   *proxy = text_to_cstring(PG_GETARG_TEXT_PP(1));

		allowed = iomsg_settings_proxy_allowed(proxy);
	}
	PG_RETURN_BOOL(allowed);
}

/*
 * io_msg.counters(): this database's counters since the server started.
 */
Datum
iomsg_health_counters(PG_FUNCTION_ARGS)
{
	Datum		values[sizeof(IoMsgCounters) / sizeof(int64)];
	bool		nulls[lengthof(values)] = {false};
	IoMsgSlot	slot;
	const int64 *counters = (const int64 *) &slot.counters;

	if (!iomsg_slots_read(MyDatabaseId, &slot))
		memset(&slot, 0, sizeof(slot));
	for (size_t i = 0; i < lengthof(values); i++)
		values[i] = Int64GetDatum(counters[i]);
	PG_RETURN_DATUM(make_row(fcinfo, values, nulls));
}
