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

#include "compat.h"
#include "keys.h"
#include "settings.h"
#include "slots.h"

IOMSG_SQL_FUNCTION(iomsg_health_worker_state);
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

/*
 * io_msg.worker_state(): one row about this database's worker.
 */
Datum
iomsg_health_worker_state(PG_FUNCTION_ARGS)
{
	Datum		values[10] = {0};
	bool		nulls[10] = {false};
	IoMsgSlot	slot;
	pid_t		launcher = iomsg_slots_launcher_pid();

	if (!iomsg_slots_read(MyDatabaseId, &slot))
		memset(&slot, 0, sizeof(slot));
	values[0] = BoolGetDatum(iomsg_slots_available());
	values[1] = Int32GetDatum(launcher);
	nulls[1] = launcher == 0;
	values[2] = CStringGetTextDatum(state_name(slot.state));
	values[3] = Int32GetDatum(slot.pid);
	nulls[3] = slot.pid == 0;
	put_time(values, nulls, 4, slot.state_since);
	put_time(values, nulls, 5, slot.state == SLOT_WAITING ? slot.due_at : 0);
	put_time(values, nulls, 6, slot.heartbeat);
	values[7] = Int32GetDatum(slot.failures);
	nulls[8] = slot.sqlstate == 0;
	if (!nulls[8])
		values[8] = CStringGetTextDatum(unpack_sql_state(slot.sqlstate));
	values[9] = BoolGetDatum(RecoveryInProgress());
	PG_RETURN_DATUM(make_row(fcinfo, values, nulls));
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
