/*
 * rows.h
 *	  Rows of io_msg's own tables, found by a unique key.
 */
#ifndef IOMSG_ROWS_H
#define IOMSG_ROWS_H

#include "postgres.h"

#include "access/genam.h"
#include "nodes/nodes.h"

#include "table.h"

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

extern bool iomsg_rows_begin(IoMsgRows *rows, IoMsgTable *table,
							 CmdType command);
extern bool iomsg_rows_begin_seen(IoMsgRows *rows, IoMsgTable *table);
extern void iomsg_rows_seek(IoMsgRows *rows, const Datum *key, int nequal,
							bool after);
extern bool iomsg_rows_next(IoMsgRows *rows);
extern bool iomsg_rows_find(IoMsgRows *rows, const Datum *key);
extern bool iomsg_rows_fetch(IoMsgRows *rows, ItemPointer tid);
extern Datum iomsg_rows_value(IoMsgRows *rows, int column, bool *isnull);
extern bool iomsg_rows_delete(IoMsgRows *rows);
extern bool iomsg_rows_lock(IoMsgRows *rows);
extern void iomsg_rows_update(IoMsgRows *rows, int first, const Datum *values,
							  const bool *nulls);
extern void iomsg_rows_end(IoMsgRows *rows);

#endif							/* IOMSG_ROWS_H */
