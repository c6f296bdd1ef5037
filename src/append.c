/*
 * append.c
 *	  Adds rows to io_msg's own tables, quickly.
 *
 * Setting up an INSERT costs several times what adding a row does, mostly for
 * CHECK constraints, which the values here have met already.  So a row goes
 * straight to its table and indexes, of any kind, as it does in logical
 * replication.  Where somebody has put triggers or rules on the table, an
 * ordinary INSERT is run for them.
 *
 * For use between SPI_connect and SPI_finish, as the extension's owner.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "executor/executor.h"
#include "lib/stringinfo.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "append.h"
#include "compat.h"

static Relation
open_table(const char *name)
{
	Oid			schema = get_namespace_oid("io_msg", false);
	Oid			relid = get_relname_relid(name, schema);

	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation \"io_msg.%s\" does not exist", name)));
	return table_open(relid, RowExclusiveLock);
}

/*
 * Where a column is in the table, from 0; the last place is tried first.
 */
static int
place_of(TupleDesc columns, const IoMsgColumn *column, int place)
{
	if (place < columns->natts &&
		strcmp(NameStr(TupleDescAttr(columns, place)->attname),
			   column->name) == 0)
		return place;
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
 * Puts the values into a row of the table; the other columns are null.
 */
static void
fill_row(IoMsgTable *table, TupleTableSlot *row, Datum *values,
		 const char *nulls)
{
	TupleDesc	columns = row->tts_tupleDescriptor;

	ExecClearTuple(row);
	memset(row->tts_isnull, true, columns->natts * sizeof(bool));
	for (int i = 0; i < table->ncolumns; i++)
	{
		int			place = place_of(columns, &table->columns[i],
									 table->places[i]);

		table->places[i] = place;
		if (TupleDescAttr(columns, place)->atttypid != table->columns[i].type)
			elog(ERROR, "unexpected type of a column of io_msg");
		row->tts_values[place] = values[i];
		row->tts_isnull[place] = nulls && nulls[i] == 'n';
	}
	for (int i = 0; i < columns->natts; i++)
	{
		if (row->tts_isnull[i] && TupleDescAttr(columns, i)->attnotnull)
			elog(ERROR, "a required column of io_msg has no value");
	}
	ExecStoreVirtualTuple(row);
}

static void
append_directly(IoMsgTable *table, Relation relation, Datum *values,
				const char *nulls)
{
	EState	   *state = CreateExecutorState();
	ResultRelInfo *target = makeNode(ResultRelInfo);
	TupleTableSlot *row = table_slot_create(relation, NULL);

	InitResultRelInfo(target, relation, 1, NULL, 0);
	ExecOpenIndices(target, false);
	fill_row(table, row, values, nulls);
	table_tuple_insert(relation, row, GetCurrentCommandId(true), 0, NULL);
	if (target->ri_NumIndices > 0)
		iomsg_compat_insert_index_tuples(target, row, state);
	ExecCloseIndices(target);
	ExecDropSingleTupleTableSlot(row);
	FreeExecutorState(state);
	CommandCounterIncrement();
}

/*
 * Writes the INSERT of a table, once per backend.
 */
static void
write_insert(IoMsgTable *table)
{
	StringInfoData sql;

	if (table->insert.sql)
		return;
	initStringInfo(&sql);
	appendStringInfo(&sql, "INSERT INTO io_msg.%s (", table->name);
	for (int i = 0; i < table->ncolumns; i++)
	{
		appendStringInfo(&sql, "%s%s", i > 0 ? ", " : "",
						 table->columns[i].name);
		table->insert.types[i] = table->columns[i].type;
	}
	appendStringInfoString(&sql, ") VALUES (");
	for (int i = 0; i < table->ncolumns; i++)
		appendStringInfo(&sql, "%s$%d", i > 0 ? ", " : "", i + 1);
	appendStringInfoChar(&sql, ')');
	table->insert.nargs = table->ncolumns;
	table->insert.sql = MemoryContextStrdup(TopMemoryContext, sql.data);
}

/*
 * Adds one row, visible to what follows in the same transaction.  nulls is as
 * in SPI: 'n' where a value is null, or NULL where none is.
 */
void
iomsg_append_row(IoMsgTable *table, Datum *values, const char *nulls)
{
	Relation	relation = open_table(table->name);

	if (relation->rd_rel->relkind == RELKIND_RELATION &&
		relation->trigdesc == NULL && relation->rd_rules == NULL)
		append_directly(table, relation, values, nulls);
	else
	{
		write_insert(table);
		(void) iomsg_statement_write(&table->insert, values, nulls);
	}
	table_close(relation, NoLock);
}
