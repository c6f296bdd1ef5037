/*
 * table.h
 *	  io_msg's own tables: their columns, and rows added without the executor.
 */
#ifndef IOMSG_TABLE_H
#define IOMSG_TABLE_H

#include "postgres.h"

#include "executor/tuptable.h"
#include "utils/relcache.h"

#define IOMSG_TABLE_COLUMNS_MAX 21

typedef struct IoMsgColumn
{
	const char *name;
	Oid			type;
} IoMsgColumn;

/* A table of the schema io_msg and the columns that are read or written. */
typedef struct IoMsgTable
{
	const char *name;
	int			nkeys;			/* the first ones are its key, or 0 */
	int			ncolumns;
	IoMsgColumn columns[IOMSG_TABLE_COLUMNS_MAX];

	/* as it was found, good while ddl_seen is the count of changes */
	uint64		ddl_seen;
	Oid			relid;
	int			places[IOMSG_TABLE_COLUMNS_MAX];	/* in the row, from 0 */
} IoMsgTable;

extern Oid	iomsg_table_oid(IoMsgTable *table);
extern Relation iomsg_table_open(IoMsgTable *table, LOCKMODE mode);
extern bool iomsg_table_has_its_types(const IoMsgTable *table,
									  TupleDesc columns);
extern bool iomsg_table_is_plain(const IoMsgTable *table, Relation relation);
extern bool iomsg_table_takes_rows(const IoMsgTable *table,
								   Relation relation);
extern void iomsg_table_insert(IoMsgTable *table, Relation relation,
							   const Datum *values, const bool *nulls);

extern void iomsg_table_index(Relation relation, TupleTableSlot *row,
							  Oid same, bool only_summarizing);
extern bool iomsg_table_text_is(Datum datum, const char *word);

#endif							/* IOMSG_TABLE_H */
