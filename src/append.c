/*
 * append.c
 *	  Adds rows to io_msg's own tables, quickly.
 *
 * Setting up an INSERT costs several times what adding a row does, mostly for
 * CHECK constraints, which the values here have met already.  So a row goes
 * straight to its table and indexes, of any kind.  Where somebody has put
 * triggers, rules, policies or columns with values of their own on the table,
 * an ordinary INSERT is run for them.
 *
 * For use between SPI_connect and SPI_finish, as the extension's owner.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "append.h"

IoMsgAppend iomsg_append_pending = {.table = {
	.name = "pending",
	.nkeys = IOMSG_PENDING_COLUMNS,
	.ncolumns = IOMSG_PENDING_COLUMNS,
	.columns = {{"generation", INT8OID}, {"timeline", INT4OID},
	{"service_id", INT4OID}, {"priority", INT2OID},
	{"due_at", TIMESTAMPTZOID}, {"id", INT8OID}}
}};

/*
 * Writes the INSERT of a table, once per backend.
 */
static void
write_insert(IoMsgAppend *append)
{
	const IoMsgTable *table = &append->table;
	StringInfoData sql;

	if (append->insert.sql)
		return;
	initStringInfo(&sql);
	appendStringInfo(&sql, "INSERT INTO io_msg.%s (", table->name);
	for (int i = 0; i < table->ncolumns; i++)
	{
		appendStringInfo(&sql, "%s%s", i > 0 ? ", " : "",
						 table->columns[i].name);
		append->insert.types[i] = table->columns[i].type;
	}
	appendStringInfoString(&sql, ") VALUES (");
	for (int i = 0; i < table->ncolumns; i++)
		appendStringInfo(&sql, "%s$%d", i > 0 ? ", " : "", i + 1);
	appendStringInfoChar(&sql, ')');
	append->insert.nargs = table->ncolumns;
	append->insert.sql = MemoryContextStrdup(TopMemoryContext, sql.data);
}

static void
insert_by_statement(IoMsgAppend *append, const Datum *values,
					const bool *nulls)
{
	Datum		arguments[IOMSG_TABLE_COLUMNS_MAX];
	char		absent[IOMSG_TABLE_COLUMNS_MAX + 1];
	int			ncolumns = append->table.ncolumns;

	write_insert(append);
	for (int i = 0; i < ncolumns; i++)
	{
		arguments[i] = values[i];
		absent[i] = nulls[i] ? 'n' : ' ';
	}
	absent[ncolumns] = '\0';
	(void) iomsg_statement_write(&append->insert, arguments, absent);
}

/*
 * Adds one row, visible to what follows in the same transaction.
 */
void
iomsg_append_row(IoMsgAppend *append, const Datum *values, const bool *nulls)
{
	Relation	relation = iomsg_table_open(&append->table, RowExclusiveLock);

	if (iomsg_table_takes_rows(&append->table, relation))
		iomsg_table_insert(&append->table, relation, values, nulls);
	else
		insert_by_statement(append, values, nulls);
	table_close(relation, NoLock);
}
