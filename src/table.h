/*
 * table.h
 *	  io_msg's own tables, reached row by row without the executor.
 */
#ifndef IOMSG_TABLE_H
#define IOMSG_TABLE_H

#include "postgres.h"

#include "access/genam.h"
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
	int			nkeys;			/* the first ones are its primary key, or 0 */
	int			ncolumns;
	IoMsgColumn columns[IOMSG_TABLE_COLUMNS_MAX];
	int			places[IOMSG_TABLE_COLUMNS_MAX];	/* in the row, from 0 */
} IoMsgTable;

/* Rows of a table, found by its primary key. */
typedef struct IoMsgRows
{
	IoMsgTable *table;
	Relation	relation;
	Relation	index;
	IndexScanDesc scan;
	TupleTableSlot *row;		/* the one that was found */
	ItemPointerData updated;	/* where the last one updated is */
	bool		changed;		/* any */
} IoMsgRows;

extern Relation iomsg_table_open(IoMsgTable *table, LOCKMODE mode);
extern bool iomsg_table_is_plain(Relation relation);
extern void iomsg_table_insert(IoMsgTable *table, Relation relation,
							   const Datum *values, const bool *nulls);

extern bool iomsg_rows_begin(IoMsgRows *rows, IoMsgTable *table, bool writes);
extern void iomsg_rows_seek(IoMsgRows *rows, const Datum *key, int nequal,
							bool after);
extern bool iomsg_rows_next(IoMsgRows *rows);
extern bool iomsg_rows_find(IoMsgRows *rows, const Datum *key);
extern bool iomsg_rows_fetch(IoMsgRows *rows, ItemPointer tid);
extern Datum iomsg_rows_value(IoMsgRows *rows, int column, bool *isnull);
extern bool iomsg_table_text_is(Datum datum, const char *word);
extern bool iomsg_rows_delete(IoMsgRows *rows);
extern bool iomsg_rows_lock(IoMsgRows *rows);
extern void iomsg_rows_update(IoMsgRows *rows, int first, const Datum *values,
							  const bool *nulls);
extern void iomsg_rows_end(IoMsgRows *rows);

#endif							/* IOMSG_TABLE_H */
