/*
 * installation.c
 *	  Which copy of which database this is, and who owns the extension here.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xlog.h"
#include "catalog/indexing.h"
#include "catalog/pg_extension.h"
#include "commands/extension.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"

#include "compat.h"
#include "installation.h"
#include "settings.h"
#include "wake.h"

IOMSG_SQL_FUNCTION(iomsg_installation_new_generation);
IOMSG_SQL_FUNCTION(iomsg_installation_identity_sql);

/*
 * What tells this database from its copies, as far as a server can know it.
 */
void
iomsg_installation_identity(IoMsgIdentity *identity)
{
	identity->system_identifier = GetSystemIdentifier();
	identity->database = MyDatabaseId;
	identity->instance = iomsg_instance ? iomsg_instance : "";
	identity->timeline = RecoveryInProgress() ? 0 : iomsg_compat_timeline();
}

/*
 * The extension's OID in this database, InvalidOid if it is not there.
 */
Oid
iomsg_installation_extension(void)
{
	return get_extension_oid("io_msg", true);
}

/*
 * The owner and, if asked, the version, palloc'd, of the extension that a key
 * of an index of pg_extension finds; InvalidOid where it finds none.
 */
static Oid
read_extension(Oid index, ScanKey key, char **version)
{
	Relation	catalog = table_open(ExtensionRelationId, AccessShareLock);
	SysScanDesc scan = systable_beginscan(catalog, index, true, NULL, 1, key);
	HeapTuple	tuple = systable_getnext(scan);
	Oid			owner = InvalidOid;

	if (HeapTupleIsValid(tuple))
	{
		owner = ((Form_pg_extension) GETSTRUCT(tuple))->extowner;
		if (version)
		{
			bool		isnull;
			Datum		datum = heap_getattr(tuple,
											 Anum_pg_extension_extversion,
											 RelationGetDescr(catalog),
											 &isnull);

			*version = isnull ? pstrdup("") : TextDatumGetCString(datum);
		}
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return owner;
}

/*
 * The role that owns the extension with this OID, InvalidOid if it is not
 * there; also its version, palloc'd.
 */
Oid
iomsg_installation_owner_of(Oid extension, char **version)
{
	ScanKeyData key;

	ScanKeyInit(&key, Anum_pg_extension_oid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(extension));
	return read_extension(ExtensionOidIndexId, &key, version);
}

/*
 * The role that owns io_msg in this database, InvalidOid if it is not there.
 */
Oid
iomsg_installation_owner(void)
{
	ScanKeyData key;

	ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber,
				F_NAMEEQ, CStringGetDatum("io_msg"));
	return read_extension(ExtensionNameIndexId, &key, NULL);
}

/*
 * io_msg.new_generation(): 63 random bits, never 0.
 *
 * Called while the extension is created, so it also tells the launcher of
 * this database, which it may never have heard of.
 */
Datum
iomsg_installation_new_generation(PG_FUNCTION_ARGS)
{
	int64		generation;

	if (!pg_strong_random(&generation, sizeof(generation)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random values")));
	iomsg_wake_all_at_commit();
	PG_RETURN_INT64((generation & PG_INT64_MAX) | 1);
}

/*
 * io_msg.identity(): system identifier, database, instance, timeline (null on
 * a standby).
 */
Datum
iomsg_installation_identity_sql(PG_FUNCTION_ARGS)
{
	IoMsgIdentity identity;
	TupleDesc	tupdesc;
	Datum		values[4];
	bool		nulls[4] = {false};

	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");

	iomsg_installation_identity(&identity);
	values[0] = Int64GetDatum((int64) identity.system_identifier);
	values[1] = ObjectIdGetDatum(identity.database);
	values[2] = CStringGetTextDatum(identity.instance);
	values[3] = Int32GetDatum((int32) identity.timeline);
	nulls[3] = identity.timeline == 0;

	tupdesc = BlessTupleDesc(tupdesc);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(tupdesc, values,
													  nulls)));
}
