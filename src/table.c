/*
 * table.c
 *	  io_msg's own tables: their columns, and rows added without the executor.
 *
 * Setting up a statement costs several times what reading or changing a row
 * does, and the worker's transactions are small.  So where a table is as
 * io_msg made it, its rows are reached directly, here and in rows.c.  Callers
 * have an SQL statement at hand for tables on which somebody has put triggers,
 * rules, policies, columns with values of their own and the like.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/table.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/pg_inherits.h"
#include "nodes/makefuncs.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "compat_table.h"
#include "table.h"

/*
 * Counts what this backend has heard of that may have changed a table or given
 * its name to another one.
 */
static uint64 ddl_count = 0;

static void
relation_changed(Datum arg, Oid relid)
{
	ddl_count++;
}

static void
schema_changed(Datum arg, int cache, uint32 hash)
{
	ddl_count++;
}

/*
 * The count of changes, from 1: what was found out since then is still so.
 */
static uint64
count_ddl(void)
{
	if (ddl_count == 0)
	{
		CacheRegisterRelcacheCallback(relation_changed, 0);
		CacheRegisterSyscacheCallback(NAMESPACEOID, schema_changed, 0);
		ddl_count = 1;
	}
	return ddl_count;
}

/*
 * The OID of a relation that is not opened here, a sequence for one, by its
 * name; InvalidOid where there is none.
 */
Oid
iomsg_table_oid(IoMsgTable *table)
{
	uint64		count = count_ddl();

	if (table->ddl_seen != count)
		table->relid = get_relname_relid(table->name,
										 get_namespace_oid("io_msg", false));
	table->ddl_seen = count;
	return table->relid;
}

/*
 * Where a column is in the table, from 0.
 */
static int
place_of(TupleDesc columns, const IoMsgColumn *column)
{
	for (int i = 0; i < columns->natts; i++)
	{
		if (strcmp(NameStr(TupleDescAttr(columns, i)->attname),
				   column->name) == 0)
			return i;
	}
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 errmsg("column \"%s\" of a table of io_msg does not exist",
					column->name),
			 errhint("Run ALTER EXTENSION io_msg UPDATE.")));
}

/*
 * Opens a table that nobody has changed since we found it; NULL for others.
 */
static Relation
open_as_found(const IoMsgTable *table, LOCKMODE mode)
{
	Relation	relation;

	if (table->ddl_seen != count_ddl() || !OidIsValid(table->relid))
		return NULL;
	relation = try_relation_open(table->relid, mode);
	/* Only once it is locked no change is on its way to us any more. */
	if (relation == NULL || table->ddl_seen == count_ddl())
		return relation;
	table_close(relation, mode);
	return NULL;
}

/*
 * Opens a table by its name and finds its columns.  io_msg's statements name
 * rows by their place, which is one row's only in a single table.
 */
Relation
iomsg_table_open(IoMsgTable *table, LOCKMODE mode)
{
	Relation	relation = open_as_found(table, mode);
	uint64		count;

	if (relation != NULL)
		return relation;
	/* Before: a schema of another name needs no lock of ours. */
	count = count_ddl();
	relation = table_openrv(makeRangeVar(pstrdup("io_msg"),
										 pstrdup(table->name), -1), mode);
	if (relation->rd_rel->relkind != RELKIND_RELATION ||
		(relation->rd_rel->relhassubclass &&
		 find_inheritance_children(RelationGetRelid(relation), NoLock) != NIL))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("table \"io_msg.%s\" must be an ordinary table "
						"without partitions or children", table->name)));
	for (int i = 0; i < table->ncolumns; i++)
		table->places[i] = place_of(RelationGetDescr(relation),
									&table->columns[i]);
	table->relid = RelationGetRelid(relation);
	table->ddl_seen = count;
	return relation;
}

/*
 * Are the columns of the types that we take them for?
 */
bool
iomsg_table_has_its_types(const IoMsgTable *table, TupleDesc columns)
{
	for (int i = 0; i < table->ncolumns; i++)
	{
		if (TupleDescAttr(columns, table->places[i])->atttypid !=
			table->columns[i].type)
			return false;
	}
	return true;
}

static bool
has_or_needs_value(Form_pg_attribute column)
{
	return !column->attisdropped && (column->atthasdef || column->attnotnull);
}

/*
 * Does a column that we give no value have one of its own, or need one?
 */
static bool
has_other_values(const IoMsgTable *table, TupleDesc columns)
{
	int			others = 0;

	for (int i = 0; i < columns->natts; i++)
		others += has_or_needs_value(TupleDescAttr(columns, i));
	for (int i = 0; i < table->ncolumns; i++)
		others -= has_or_needs_value(TupleDescAttr(columns,
												   table->places[i]));
	return others > 0;
}

/*
 * Can rows of this table be written without the executor?  CHECK constraints
 * are not looked at: io_msg's own are met by all that it writes.
 */
bool
iomsg_table_is_plain(const IoMsgTable *table, Relation relation)
{
	TupleDesc	columns = RelationGetDescr(relation);

	return relation->trigdesc == NULL && relation->rd_rules == NULL &&
		!relation->rd_rel->relrowsecurity &&
		!(columns->constr && columns->constr->has_generated_stored) &&
		iomsg_table_has_its_types(table, columns);
}

/*
 * Can rows be added to it so, too?
 */
bool
iomsg_table_takes_rows(const IoMsgTable *table, Relation relation)
{
	return iomsg_table_is_plain(table, relation) &&
		!has_other_values(table, RelationGetDescr(relation));
}

/*
 * Are they indexes of columns and of all rows, and is what must be unique so
 * at once?
 */
static bool
are_plain_indexes(const ResultRelInfo *target)
{
	for (int i = 0; i < target->ri_NumIndices; i++)
	{
		const		IndexInfo *info = target->ri_IndexRelationInfo[i];

		if (info->ii_Expressions != NIL || info->ii_Predicate != NIL ||
			info->ii_ExclusionOps != NULL || !info->ii_ReadyForInserts ||
			!target->ri_IndexRelationDescs[i]->rd_index->indimmediate)
			return false;
	}
	return true;
}

/*
 * Adds entries to plain indexes, as the server does it for its catalogs: that
 * takes no state of the executor.
 */
static void
insert_into_plain_indexes(ResultRelInfo *target, TupleTableSlot *row,
						  Oid same)
{
	for (int i = 0; i < target->ri_NumIndices; i++)
	{
		Relation	index = target->ri_IndexRelationDescs[i];
		IndexInfo  *info = target->ri_IndexRelationInfo[i];
		bool		unchanged = RelationGetRelid(index) == same;
		Datum		values[INDEX_MAX_KEYS];
		bool		nulls[INDEX_MAX_KEYS];

		FormIndexDatum(info, row, NULL, values, nulls);
		(void) index_insert(index, values, nulls, &row->tts_tid,
							target->ri_RelationDesc,
							info->ii_Unique && !unchanged ? UNIQUE_CHECK_YES :
							UNIQUE_CHECK_NO, unchanged, info);
	}
}

/*
 * Adds the entries of a row, or of its new version, to the indexes of its
 * table, of any kind.
 *
 * A new version may name a unique index, else InvalidOid, in which it has the
 * key of the version before, which this transaction has locked.  Then no other
 * row can have that key, and to look for one would mean to go through all the
 * versions that an old snapshot keeps.
 */
void
iomsg_table_index(Relation relation, TupleTableSlot *row, Oid same,
				  bool only_summarizing)
{
	ResultRelInfo *target = makeNode(ResultRelInfo);
	EState	   *state = NULL;

	InitResultRelInfo(target, relation, 1, NULL, 0);
	ExecOpenIndices(target, false);
	if (!only_summarizing && are_plain_indexes(target))
		insert_into_plain_indexes(target, row, same);
	else
	{
		state = CreateExecutorState();
		iomsg_compat_insert_index_tuples(target, row, state,
										 only_summarizing);
	}
	ExecCloseIndices(target);
	if (state)
		FreeExecutorState(state);
}

/*
 * Adds a row to a table that takes rows so; columns that are not described
 * are null.  Seen by what follows in the same transaction.
 */
void
iomsg_table_insert(IoMsgTable *table, Relation relation, const Datum *values,
				   const bool *nulls)
{
	TupleTableSlot *row = table_slot_create(relation, NULL);
	TupleDesc	columns = row->tts_tupleDescriptor;

	memset(row->tts_isnull, true, columns->natts * sizeof(bool));
	for (int i = 0; i < table->ncolumns; i++)
	{
		row->tts_values[table->places[i]] = values[i];
		row->tts_isnull[table->places[i]] = nulls[i];
	}
	ExecStoreVirtualTuple(row);
	table_tuple_insert(relation, row, GetCurrentCommandId(true), 0, NULL);
	iomsg_table_index(relation, row, InvalidOid, false);
	ExecDropSingleTupleTableSlot(row);
	CommandCounterIncrement();
}

/*
 * Is a text, not null, this word?
 */
bool
iomsg_table_text_is(Datum datum, const char *word)
{
	text	   *value = DatumGetTextPP(datum);
	size_t		length = strlen(word);

	return VARSIZE_ANY_EXHDR(value) == length &&
		memcmp(VARDATA_ANY(value), word, length) == 0;
}
