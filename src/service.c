/*
 * service.c
 *	  The service for which a call is meant, and the caller's right to it.
 *
 * For use between SPI_connect and SPI_finish, as the extension's owner.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

#include "rows.h"
#include "service.h"
#include "statement.h"

#define SERVICE_NAME_MAX 64		/* as io_msg.service has it */
#define SERVICE_NCOLUMNS 5

#define SERVICE_COLUMNS \
	"SELECT s.id, s.premium, s.payee, s.third_party," \
	" s.max_allowed_payment_amount FROM io_msg.service AS s "

static IoMsgStatement find_by_name = {
	.sql = SERVICE_COLUMNS "WHERE s.name OPERATOR(pg_catalog.=) $1",
	.nargs = 1,
	.types = {TEXTOID}
};

/* The only one, else the one named default. */
static IoMsgStatement find_default = {
	.sql = SERVICE_COLUMNS
	"WHERE s.name OPERATOR(pg_catalog.=) 'default' OR NOT EXISTS ("
	"  SELECT FROM io_msg.service AS other"
	"   WHERE other.id OPERATOR(pg_catalog.<>) s.id)"
};

static IoMsgStatement find_generation = {
	.sql = "SELECT i.generation FROM io_msg.installation AS i"
};

static IoMsgStatement roles_of = {
	.sql = "SELECT r.role_name::pg_catalog.text FROM io_msg.service_role AS r"
	" WHERE r.service_id OPERATOR(pg_catalog.=) $1",
	.nargs = 1,
	.types = {INT4OID}
};

/*
 * A transaction that queues one message spends more on setting up these
 * statements than on the message: the rows are read directly where that can
 * be done.  The columns of a service stand as in the statements, behind the
 * name.
 */
static IoMsgTable service_table = {
	.name = "service", .nkeys = 1, .ncolumns = 1 + SERVICE_NCOLUMNS,
	.columns = {{"name", TEXTOID}, {"id", INT4OID}, {"premium", BOOLOID},
	{"payee", BOOLOID}, {"third_party", BOOLOID},
	{"max_allowed_payment_amount", INT8OID}}
};
static IoMsgTable installation_table = {
	.name = "installation", .nkeys = 1, .ncolumns = 2,
	.columns = {{"only_row", BOOLOID}, {"generation", INT8OID}}
};
static IoMsgTable role_table = {
	.name = "service_role", .nkeys = 2, .ncolumns = 2,
	.columns = {{"service_id", INT4OID}, {"role_name", NAMEOID}}
};

static IoMsgStatement all_services = {
	.sql = "SELECT s.id, s.name FROM io_msg.service AS s ORDER BY s.name"
};

/*
 * What was found last for one place of a statement.  A statement that
 * enqueues a whole table reads its service once: under the same snapshot the
 * same rows would be read again.
 */
typedef struct IoMsgServiceMemo
{
	IoMsgService service;
	bool		has_name;
	char		name[SERVICE_NAME_MAX + 1];
	Oid			role;			/* found to be allowed */
	TimestampTz transaction;
	TransactionId xmin;
	TransactionId xmax;
	uint32		xcnt;
	CommandId	curcid;
	uint64		completed;
} IoMsgServiceMemo;

/*
 * What a memo is good for: the question, and the snapshot that answered it.
 */
static void
describe(const char *name, const IoMsgCaller *caller, IoMsgServiceMemo *memo)
{
	Snapshot	snapshot = GetActiveSnapshot();

	memo->has_name = name != NULL;
	strlcpy(memo->name, name ? name : "", sizeof(memo->name));
	memo->role = caller->current;
	memo->transaction = GetCurrentTransactionStartTimestamp();
	memo->xmin = snapshot->xmin;
	memo->xmax = snapshot->xmax;
	memo->xcnt = snapshot->xcnt;
	memo->curcid = snapshot->curcid;
	memo->completed = snapshot->snapXactCompletionCount;
}

static bool
same_question(const IoMsgServiceMemo *a, const IoMsgServiceMemo *b)
{
	return a->has_name == b->has_name && strcmp(a->name, b->name) == 0 &&
		a->role == b->role && a->transaction == b->transaction &&
		a->xmin == b->xmin && a->xmax == b->xmax && a->xcnt == b->xcnt &&
		a->curcid == b->curcid && a->completed == b->completed;
}

/*
 * Goes to the row of a service, or where name is NULL to the one that is meant
 * then; false where there is none.
 */
static bool
go_to_service(IoMsgRows *rows, const char *name)
{
	Datum		key = CStringGetTextDatum(name ? name : "default");

	if (iomsg_rows_find(rows, &key))
		return true;
	if (name)
		return false;
	iomsg_rows_seek(rows, NULL, 0, false);
	if (!iomsg_rows_next(rows) || iomsg_rows_next(rows))
		return false;
	iomsg_rows_seek(rows, NULL, 0, false);
	return iomsg_rows_next(rows);
}

/*
 * Reads the columns of a service; false where there is none.
 */
static bool
read_columns(const char *name, Datum *values)
{
	IoMsgRows	rows;
	Datum		argument;
	bool		found;
	bool		isnull;

	if (iomsg_rows_begin_seen(&rows, &service_table))
	{
		found = go_to_service(&rows, name);
		for (int i = 0; i < SERVICE_NCOLUMNS && found; i++)
			values[i] = iomsg_rows_value(&rows, 1 + i, &isnull);
		iomsg_rows_end(&rows);
		return found;
	}
	argument = name ? CStringGetTextDatum(name) : 0;
	found = iomsg_statement_read(name ? &find_by_name : &find_default,
								 &argument) > 0;
	for (int i = 0; i < SERVICE_NCOLUMNS && found; i++)
		values[i] = iomsg_statement_value(0, i, &isnull);
	return found;
}

/*
 * The generation of the installation, for new rows.
 */
static int64
read_generation(void)
{
	IoMsgRows	rows;
	Datum		value = 0;
	bool		isnull = true;

	if (iomsg_rows_begin_seen(&rows, &installation_table))
	{
		iomsg_rows_seek(&rows, NULL, 0, false);
		if (iomsg_rows_next(&rows))
			value = iomsg_rows_value(&rows, 1, &isnull);
		iomsg_rows_end(&rows);
	}
	else if (iomsg_statement_read(&find_generation, NULL) > 0)
		value = iomsg_statement_value(0, 0, &isnull);
	if (isnull)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("this database has no installation of io_msg"),
				 errdetail("The table io_msg.installation is empty."),
				 errhint("Call io_arm().")));
	return DatumGetInt64(value);
}

/*
 * Reads a service; false where there is none.
 */
static bool
read_service(const char *name, IoMsgService *service)
{
	Datum		values[SERVICE_NCOLUMNS];

	if (!read_columns(name, values))
		return false;
	service->id = DatumGetInt32(values[0]);
	service->rules.premium = DatumGetBool(values[1]);
	service->rules.payee = DatumGetBool(values[2]);
	service->rules.third_party = DatumGetBool(values[3]);
	service->rules.max_allowed_payment_amount = DatumGetInt64(values[4]);
	service->generation = read_generation();
	return true;
}

/*
 * Whether the caller has the rights of one of a service's roles, as a
 * statement finds them.
 */
static bool
allowed_by_statement(Datum id, const IoMsgCaller *caller)
{
	uint64		nroles = iomsg_statement_read(&roles_of, &id);

	for (uint64 i = 0; i < nroles; i++)
	{
		bool		isnull;
		Datum		role = iomsg_statement_value(i, 0, &isnull);

		if (iomsg_access_has_role(caller, TextDatumGetCString(role)))
			return true;
	}
	return false;
}

/*
 * Whether the caller may enqueue for a service: it has the rights of the
 * extension's owner or of a role listed in io_msg.service_role.
 */
bool
iomsg_service_allowed(int32 id, const IoMsgCaller *caller)
{
	Datum		key = Int32GetDatum(id);
	bool		allowed = caller->is_owner;
	IoMsgRows	rows;

	if (allowed)
		return true;
	if (!iomsg_rows_begin_seen(&rows, &role_table))
		return allowed_by_statement(key, caller);
	iomsg_rows_seek(&rows, &key, 1, false);
	while (!allowed && iomsg_rows_next(&rows))
	{
		bool		isnull;
		Name		role = DatumGetName(iomsg_rows_value(&rows, 1, &isnull));

		allowed = iomsg_access_has_role(caller, NameStr(*role));
	}
	iomsg_rows_end(&rows);
	return allowed;
}

/*
 * Finds a service by name, or where name is NULL the one that is meant then;
 * false where there is none.  One that the caller may not use is an error.
 */
bool
iomsg_service_find(const char *name, const IoMsgCaller *caller,
				   IoMsgService *service)
{
	IoMsgServiceMemo *memo = caller->site->memo;
	IoMsgServiceMemo question;

	memset(&question, 0, sizeof(question));
	if (name && strlen(name) > SERVICE_NAME_MAX)
		return false;
	describe(name, caller, &question);
	if (memo && same_question(memo, &question))
	{
		*service = memo->service;
		return true;
	}
	if (!read_service(name, service))
		return false;
	if (!iomsg_service_allowed(service->id, caller))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for this service of io_msg"),
				 errhint("The current role, or one that it is a member of, must be listed in io_msg.service_role for the service.")));

	if (memo == NULL)
		memo = caller->site->memo =
			MemoryContextAlloc(caller->site->context,
							   sizeof(IoMsgServiceMemo));
	*memo = question;
	memo->service = *service;
	return true;
}

/*
 * Describes what is wrong where iomsg_service_find has found nothing; lists
 * the services that the caller may use.
 */
void
iomsg_service_unknown(const char *name, const IoMsgCaller *caller,
					  IoMsgFinding *finding)
{
	StringInfoData names;
	uint64		count = iomsg_statement_read(&all_services, NULL);
	SPITupleTable *rows = SPI_tuptable;

	initStringInfo(&names);
	for (uint64 i = 0; i < count; i++)
	{
		bool		isnull;
		Datum		id;
		Datum		other;

		id = SPI_getbinval(rows->vals[i], rows->tupdesc, 1, &isnull);
		if (!iomsg_service_allowed(DatumGetInt32(id), caller))
			continue;
		other = SPI_getbinval(rows->vals[i], rows->tupdesc, 2, &isnull);
		appendStringInfo(&names, "%s%s", names.len > 0 ? ", " : "",
						 TextDatumGetCString(other));
	}

	finding->sqlstate = ERRCODE_INVALID_PARAMETER_VALUE;
	finding->field = "service";
	finding->warning = false;
	finding->identifier = name ? "service_unknown" : "service_missing";
	finding->problem = name ? "there is no such service" :
		"service must be named: there is more than one and none is \"default\"";
	if (count == 0)
	{
		finding->problem = "there is no service yet";
		finding->hint = "Insert a row into io_msg.service.";
	}
	else if (names.len == 0)
		finding->hint = "The current role may not use any service.";
	else
		finding->hint = psprintf("Services that may be used: %s.",
								 names.data);
}
