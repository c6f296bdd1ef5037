/*
 * compat_table.h
 *	  What differs between PostgreSQL 14 and 18 in the ways to rows.
 */
#ifndef IOMSG_COMPAT_TABLE_H
#define IOMSG_COMPAT_TABLE_H

#include "postgres.h"

#include "access/genam.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "executor/executor.h"

/* 16 tells of updates that concern indexes of summaries only. */
#if PG_VERSION_NUM >= 160000
typedef TU_UpdateIndexes IoMsgIndexUpdate;
#define IOMSG_INDEXES_NONE	TU_None
#define IOMSG_INDEXES_ALL	TU_All
#else
typedef bool IoMsgIndexUpdate;
#define IOMSG_INDEXES_NONE	false
#define IOMSG_INDEXES_ALL	true
#endif

static inline void
iomsg_compat_insert_index_tuples(ResultRelInfo *target, TupleTableSlot *row,
								 EState *state, bool only_summarizing)
{
#if PG_VERSION_NUM >= 160000
	(void) ExecInsertIndexTuples(target, row, state, false, false, NULL, NIL,
								 only_summarizing);
#else
	(void) only_summarizing;
	(void) ExecInsertIndexTuples(target, row, state, false, false, NULL,
								 NIL);
#endif
}

/*
 * Puts a new version in the place of a row that this transaction has locked.
 */
static inline void
iomsg_compat_update_tuple(Relation relation, ItemPointer tid,
						  TupleTableSlot *row, Snapshot snapshot,
						  IoMsgIndexUpdate *indexes)
{
	TM_FailureData failure;
	LockTupleMode mode;

	if (table_tuple_update(relation, tid, row, GetCurrentCommandId(true),
						   snapshot, InvalidSnapshot, true, &failure, &mode,
						   indexes) != TM_Ok)
		elog(ERROR, "a locked row of io_msg could not be updated");
}

/* 18 counts what scans of an index do. */
static inline IndexScanDesc
iomsg_compat_index_beginscan(Relation relation, Relation index,
							 Snapshot snapshot, int nkeys)
{
#if PG_VERSION_NUM >= 180000
	return index_beginscan(relation, index, snapshot, NULL, nkeys, 0);
#else
	return index_beginscan(relation, index, snapshot, nkeys, 0);
#endif
}

#endif							/* IOMSG_COMPAT_TABLE_H */
