/*
 * roster.c
 *	  Who sends: the tables account and service, with the keys from the file.
 *
 * What is read is laid over what is in hand, so that a service keeps its
 * lanes.  A service that IO refused stays stopped until a person resumes it
 * or its keys change.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/dbcommands.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "fault.h"
#include "keys.h"
#include "outbox.h"
#include "outbox_sql.h"
#include "settings.h"
#include "statement.h"

/* IO's official values, for services that name no account. */
#define OFFICIAL_BASE_URL	"https://api.io.pagopa.it/api/v1"
#define OFFICIAL_CALLS		150
#define OFFICIAL_PERIOD_MS	5000

/* Columns of SQL_SERVICES. */
enum
{
	COLUMN_ID, COLUMN_NAME, COLUMN_PAUSED, COLUMN_DRY_RUN,
	COLUMN_RECIPIENTS, COLUMN_MAX_AGE, COLUMN_NEGATIVE_MAX_AGE,
	COLUMN_ACCOUNT, COLUMN_BASE_URL, COLUMN_PROXY, COLUMN_CALLS,
	COLUMN_PERIOD, COLUMN_RESENDS, COLUMN_TRUSTS_500,
	COLUMN_STOP_REASON, COLUMN_STOP_HTTP_STATUS, COLUMN_STOP_KEY_MARK, COLUMNS
};

static IoMsgStatement services = {.sql = SQL_SERVICES};
static IoMsgStatement stop = {.sql = SQL_SERVICE_STOP, .nargs = 4,
.types = {INT4OID, TEXTOID, INT4OID, TEXTOID}};
static IoMsgStatement unstop = {.sql = SQL_SERVICE_UNSTOP, .nargs = 1,
.types = {INT4OID}};

static IoMsgKeyFile *key_file = NULL;

/*
 * Read the key file again at the next load.
 */
void
iomsg_roster_forget_keys(void)
{
	iomsg_keys_free(key_file);
	key_file = NULL;
}

/*
 * Has the key file changed since it was read?
 */
bool
iomsg_roster_keys_changed(void)
{
	return key_file == NULL || iomsg_keys_changed(key_file);
}

/*
 * The account of a row, made if it is new or its address has changed.
 */
static Account *
load_account(Work *work, Datum *values, bool *isnull)
{
	MemoryContext old;
	bool		official = isnull[COLUMN_ACCOUNT];
	char	   *name = official ? "" :
		TextDatumGetCString(values[COLUMN_ACCOUNT]);
	char	   *base_url = official ? OFFICIAL_BASE_URL :
		TextDatumGetCString(values[COLUMN_BASE_URL]);
	uint64		key = iomsg_quota_key(name, base_url);
	Account    *account = NULL;

	for (int i = 0; i < work->naccounts && account == NULL; i++)
	{
		if (work->accounts[i]->quota.key == key)
			account = work->accounts[i];
	}
	old = MemoryContextSwitchTo(work->context);
	if (account == NULL)
	{
		account = palloc0(sizeof(Account));
		account->quota.key = key;
		account->name = pstrdup(name);
		account->base_url = pstrdup(base_url);
		account->failures = iomsg_quota_failures(&account->quota);
		if (work->naccounts == 0)
			work->accounts = palloc(sizeof(Account *));
		else
			work->accounts = repalloc(work->accounts,
									  (work->naccounts + 1) *
									  sizeof(Account *));
		work->accounts[work->naccounts++] = account;
	}
	account->quota.calls = official ? OFFICIAL_CALLS :
		DatumGetInt32(values[COLUMN_CALLS]);
	account->quota.period_ms = official ? OFFICIAL_PERIOD_MS :
		DatumGetInt64(values[COLUMN_PERIOD]);
	MemoryContextSwitchTo(old);
	iomsg_work_keep_text(work, &account->proxy, isnull[COLUMN_PROXY] ? NULL :
						 TextDatumGetCString(values[COLUMN_PROXY]));
	account->host_allowed = iomsg_settings_host_allowed(account->base_url,
														&account->loopback) &&
		(account->proxy == NULL ||
		 iomsg_settings_proxy_allowed(account->proxy));
	return account;
}

static Service *
add_service(Work *work, int32 id)
{
	MemoryContext old = MemoryContextSwitchTo(work->context);
	Service    *service = palloc0(sizeof(Service));

	service->id = id;
	for (int i = 0; i < IOMSG_LANES; i++)
	{
		dlist_init(&service->lanes[i].items);
		service->lanes[i].next_due = DT_NOEND;
		service->lanes[i].reread_at = DT_NOEND;
		service->lanes[i].cursor_due_at = DT_NOBEGIN;
		service->lanes[i].probe = true;
	}
	if (work->nservices == 0)
		work->services = palloc(sizeof(Service *));
	else
		work->services = repalloc(work->services,
								  (work->nservices + 1) * sizeof(Service *));
	work->services[work->nservices++] = service;
	MemoryContextSwitchTo(old);
	return service;
}

/*
 * Read the list of those who may be sent to.  Where that fails, the one from
 * before stays as it is.
 */
static void
load_recipients(Work *work, Service *service, Datum value, bool isnull)
{
	Datum	   *values = NULL;
	bool	   *nulls = NULL;
	int			nvalues = 0;
	char	  **recipients = NULL;
	int			nrecipients = isnull ? -1 : 0;

	if (!isnull)
	{
		deconstruct_array(DatumGetArrayTypeP(value), TEXTOID, -1, false,
						  TYPALIGN_INT, &values, &nulls, &nvalues);
		recipients = MemoryContextAllocZero(work->context,
											Max(nvalues, 1) * sizeof(char *));
	}
	for (int i = 0; i < nvalues; i++)
	{
		if (!nulls[i])
			recipients[nrecipients++] =
				MemoryContextStrdup(work->context,
									TextDatumGetCString(values[i]));
	}
	for (int i = 0; i < service->nrecipients; i++)
		pfree(service->recipients[i]);
	if (service->recipients)
		pfree(service->recipients);
	service->recipients = recipients;
	service->nrecipients = nrecipients;
}

static void
forget_refusals(Service *service)
{
	service->use_secondary = false;
	service->key_refused[0] = service->key_refused[1] = false;
}

/*
 * Look up the service's keys; where they have changed, IO may be asked again.
 */
static void
load_keys(Service *service)
{
	IoMsgKeys	keys;

	service->key_state = iomsg_keys_find(key_file,
										 get_database_name(MyDatabaseId),
										 service->name, &keys);
	if (strcmp(keys.mark, service->keys.mark) != 0)
	{
		forget_refusals(service);
		service->keys_version++;
		/* A stop that is not written yet is for the keys before. */
		if (service->stop_to_write && service->key_state == KEYS_OK)
		{
			service->stop_to_write = false;
			service->stop_reason = NULL;
		}
	}
	service->keys = keys;
	explicit_bzero(&keys, sizeof(keys));
}

/*
 * Is the service stopped, and for keys that it no longer has?
 */
static void
load_stop(Work *work, Service *service, Datum *values, bool *isnull)
{
	const char *reason;

	if (service->stop_to_write)
		return;
	if (isnull[COLUMN_STOP_REASON])
	{
		/* Where a person has resumed it, its keys may be tried again. */
		if (service->stop_reason != NULL)
			forget_refusals(service);
		service->stop_reason = NULL;
		return;
	}
	if (service->key_state == KEYS_OK && !isnull[COLUMN_STOP_KEY_MARK] &&
		strcmp(TextDatumGetCString(values[COLUMN_STOP_KEY_MARK]),
			   service->keys.mark) != 0)
	{
		service->stop_reason = NULL;
		service->unstop_to_write = true;
		ereport(LOG,
				(errmsg("io_msg service \"%s\" has new keys and sends again",
						service->name)));
		return;
	}
	reason = TextDatumGetCString(values[COLUMN_STOP_REASON]);
	if (service->stop_reason == NULL ||
		strcmp(service->stop_reason, reason) != 0)
		service->stop_reason = MemoryContextStrdup(work->context, reason);
	service->stop_http_status = isnull[COLUMN_STOP_HTTP_STATUS] ? 0 :
		DatumGetInt32(values[COLUMN_STOP_HTTP_STATUS]);
}

static void
load_service(Work *work, Datum *values, bool *isnull)
{
	int32		id = DatumGetInt32(values[COLUMN_ID]);
	Service    *service = iomsg_work_service(work, id);
	bool		could_send;

	if (service == NULL)
		service = add_service(work, id);
	could_send = service->present && iomsg_work_may_send(service);
	iomsg_work_keep_text(work, &service->name,
						 TextDatumGetCString(values[COLUMN_NAME]));
	service->paused = DatumGetBool(values[COLUMN_PAUSED]);
	service->dry_run = DatumGetBool(values[COLUMN_DRY_RUN]);
	service->resends = DatumGetBool(values[COLUMN_RESENDS]);
	service->trusts_500 = DatumGetBool(values[COLUMN_TRUSTS_500]);
	service->profile_max_age_us = DatumGetInt64(values[COLUMN_MAX_AGE]);
	service->profile_negative_max_age_us =
		DatumGetInt64(values[COLUMN_NEGATIVE_MAX_AGE]);
	load_recipients(work, service, values[COLUMN_RECIPIENTS],
					isnull[COLUMN_RECIPIENTS]);
	service->account = load_account(work, values, isnull);
	load_keys(service);
	load_stop(work, service, values, isnull);
	/* Last: before, it is not complete. */
	service->present = true;
	if (!could_send)
		iomsg_work_probe_service(service, DT_NOBEGIN);
}

/*
 * Read accounts, services and, where they have changed, the keys.
 */
void
iomsg_roster_load(Work *work)
{
	uint64		nrows = iomsg_statement_run(&services, NULL, NULL);
	SPITupleTable *rows = SPI_tuptable;

	if (iomsg_roster_keys_changed())
	{
		MemoryContext old = MemoryContextSwitchTo(work->context);

		iomsg_roster_forget_keys();
		FAULT_POINT("before_key_read");
		key_file = iomsg_keys_load();
		FAULT_POINT("after_key_read");
		MemoryContextSwitchTo(old);
	}
	for (int i = 0; i < work->nservices; i++)
		work->services[i]->present = false;
	for (uint64 row = 0; row < nrows; row++)
	{
		Datum		values[COLUMNS];
		bool		isnull[COLUMNS];

		heap_deform_tuple(rows->vals[row], rows->tupdesc, values, isnull);
		load_service(work, values, isnull);
	}
	for (int i = 0; i < work->nservices; i++)
	{
		if (!work->services[i]->present)
			iomsg_work_forget_waiting(work, work->services[i]);
	}
}

/*
 * Write which services IO has stopped, and which may send again.  A stop that
 * meets a person who is changing the service is written later.
 */
void
iomsg_roster_write_stops(Work *work)
{
	for (int i = 0; i < work->nservices; i++)
	{
		Service    *service = work->services[i];
		Datum		values[4];
		char		nulls[5] = "    ";

		service->stop_written = false;
		if (!service->present)
			service->stop_to_write = service->unstop_to_write = false;
		values[0] = Int32GetDatum(service->id);
		if (service->stop_to_write && service->stop_reason)
		{
			values[1] = CStringGetTextDatum(service->stop_reason);
			values[2] = Int32GetDatum(service->stop_http_status);
			nulls[2] = service->stop_http_status == 0 ? 'n' : ' ';
			values[3] = CStringGetTextDatum(service->keys.mark);
			service->stop_written =
				iomsg_statement_run(&stop, values, nulls) > 0;
		}
		else if (service->unstop_to_write)
		{
			(void) iomsg_statement_run(&unstop, values, NULL);
			service->stop_written = true;
		}
	}
}
