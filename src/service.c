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

#include "service.h"
#include "statement.h"

#define SERVICE_NAME_MAX 64		/* as io_msg.service has it */

#define SERVICE_COLUMNS \
	"SELECT s.id, s.premium, s.payee, s.third_party," \
	" s.max_allowed_payment_amount, i.generation" \
	"  FROM io_msg.service AS s LEFT JOIN io_msg.installation AS i ON true "

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

static IoMsgStatement roles_of = {
	.sql = "SELECT r.role_name::pg_catalog.text FROM io_msg.service_role AS r"
	" WHERE r.service_id OPERATOR(pg_catalog.=) $1",
	.nargs = 1,
	.types = {INT4OID}
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
 * Reads a service; false where there is none.
 */
static bool
read_service(const char *name, IoMsgService *service)
{
	uint64		found;
	bool		isnull;
	Datum		values[1];

	if (name)
	{
		values[0] = CStringGetTextDatum(name);
		found = iomsg_statement_read(&find_by_name, values);
	}
	else
		found = iomsg_statement_read(&find_default, NULL);
	if (found == 0)
		return false;

	service->id = DatumGetInt32(iomsg_statement_value(0, 0, &isnull));
	service->rules.premium =
		DatumGetBool(iomsg_statement_value(0, 1, &isnull));
	service->rules.payee = DatumGetBool(iomsg_statement_value(0, 2, &isnull));
	service->rules.third_party =
		DatumGetBool(iomsg_statement_value(0, 3, &isnull));
	service->rules.max_allowed_payment_amount =
		DatumGetInt64(iomsg_statement_value(0, 4, &isnull));
	service->generation = DatumGetInt64(iomsg_statement_value(0, 5, &isnull));
	if (isnull)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("this database has no installation of io_msg"),
				 errdetail("The table io_msg.installation is empty."),
				 errhint("Call io_arm().")));
	return true;
}

/*
 * Whether the caller may enqueue for a service: it has the rights of the
 * extension's owner or of a role listed in io_msg.service_role.
 */
bool
iomsg_service_allowed(int32 id, const IoMsgCaller *caller)
{
	Datum		values[1] = {Int32GetDatum(id)};
	uint64		nroles;

	if (caller->is_owner)
		return true;
	nroles = iomsg_statement_read(&roles_of, values);
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
