/*
 * rows.c
 *	  Rows of io_msg's own tables, found by a unique key, read, deleted or
 *	  updated where they stand, as the server does it in its catalogs.
 *
 * A row that anybody else has locked or changed is left alone: nothing here
 * waits for one.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "catalog/pg_index.h"
#include "catalog/pg_type.h"
#include "storage/bufmgr.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "compat_table.h"
#include "rows.h"

/*
 * Is an index unique, of all rows that our snapshots may want, and are its
 * columns the table's key?
 */
static bool
is_of_key(const IoMsgTable *table, HeapTuple tuple)
{
	Form_pg_index index = (Form_pg_index) GETSTRUCT(tuple);

	if (index->indcheckxmin &&
		!TransactionIdPrecedes(HeapTupleHeaderGetXmin(tuple->t_data),
							   TransactionXmin))
		return false;
	if (!index->indisunique || !index->indisvalid || !index->indimmediate ||
		index->indnkeyatts != table->nkeys ||
		!heap_attisnull(tuple, Anum_pg_index_indpred, NULL))
		return false;
	for (int i = 0; i < table->nkeys; i++)
	{
		if (index->indkey.values[i] != table->places[i] + 1)
			return false;
	}
	return true;
}

/*
 * Does an index of the key have its columns in their own order?
 */
static bool
has_key_order(const IoMsgTable *table, Relation relation, Relation index)
{
	for (int i = 0; i < table->nkeys; i++)
	{
		if (index->rd_indoption[i] != 0 ||
			index->rd_indcollation[i] !=
			TupleDescAttr(RelationGetDescr(relation),
						  table->places[i])->attcollation)
			return false;
	}
	return true;
}

/*
 * The index of the table's key, NULL where there is none.
 */
static Relation
open_key(const IoMsgTable *table, Relation relation, LOCKMODE mode)
{
	List	   *indexes = RelationGetIndexList(relation);
	Relation	found = NULL;
	ListCell   *cell;

	foreach(cell, indexes)
	{
		Oid			index = lfirst_oid(cell);
		HeapTuple	tuple = SearchSysCache1(INDEXRELID,
											ObjectIdGetDatum(index));
		bool		fits;

		if (!HeapTupleIsValid(tuple))
			continue;
		fits = is_of_key(table, tuple);
		ReleaseSysCache(tuple);
		if (!fits)
			continue;
		found = index_open(index, mode);
		if (has_key_order(table, relation, found))
			break;
		index_close(found, mode);
		found = NULL;
	}
	list_free(indexes);
	return found;
}

static bool
open_table(IoMsgRows *rows, IoMsgTable *table, CmdType command)
{
	bool		writes = command != CMD_SELECT;
	LOCKMODE	mode = writes ? RowExclusiveLock : AccessShareLock;

	rows->table = table;
	rows->changed = false;
	rows->relation = iomsg_table_open(table, mode);
	rows->index = NULL;
	if (writes ? iomsg_table_is_plain(table, rows->relation) :
		!rows->relation->rd_rel->relrowsecurity &&
		iomsg_table_has_its_types(table, RelationGetDescr(rows->relation)))
		rows->index = open_key(table, rows->relation, mode);
	if (rows->index == NULL)
	{
		table_close(rows->relation, NoLock);
		return false;
	}
	if (writes)
		CheckCmdReplicaIdentity(rows->relation, command);
	rows->row = table_slot_create(rows->relation, NULL);
	rows->scan = NULL;
	return true;
}

/*
 * Opens a table for its rows, as they are now, to be found by its key and to
 * be changed by the command, if that is CMD_UPDATE or CMD_DELETE; false where
 * that cannot be done here.
 */
bool
iomsg_rows_begin(IoMsgRows *rows, IoMsgTable *table, CmdType command)
{
	if (!open_table(rows, table, command))
		return false;
	/* Not before the lock: what was rewritten meanwhile would look empty. */
	PushActiveSnapshot(GetTransactionSnapshot());
	return true;
}

/*
 * The same for reading alone, and for the rows as the calling statement sees
 * them.
 */
bool
iomsg_rows_begin_seen(IoMsgRows *rows, IoMsgTable *table)
{
	if (!open_table(rows, table, CMD_SELECT))
		return false;
	PushActiveSnapshot(GetActiveSnapshot());
	return true;
}

/* The function that compares values of a key's type. */
static RegProcedure
comparison(Oid type, bool greater)
{
	switch (type)
	{
		case INT2OID:
			return greater ? F_INT2GT : F_INT2EQ;
		case INT4OID:
			return greater ? F_INT4GT : F_INT4EQ;
		case INT8OID:
			return greater ? F_INT8GT : F_INT8EQ;
		case TIMESTAMPTZOID:
			return greater ? F_TIMESTAMPTZ_GT : F_TIMESTAMPTZ_EQ;
		case TEXTOID:
			return greater ? F_TEXT_GT : F_TEXTEQ;
	}
	elog(ERROR, "unexpected type of a key of io_msg");
}

/*
 * Begins with the rows whose keys are equal to the first nequal of these and,
 * if after, greater than the next one; they come in the order of the key.
 */
void
iomsg_rows_seek(IoMsgRows *rows, const Datum *key, int nequal, bool after)
{
	ScanKeyData keys[INDEX_MAX_KEYS];
	int			nkeys = nequal + (after ? 1 : 0);

	for (int i = 0; i < nkeys; i++)
		ScanKeyEntryInitialize(&keys[i], 0, i + 1,
							   i < nequal ? BTEqualStrategyNumber :
							   BTGreaterStrategyNumber, InvalidOid,
							   rows->index->rd_indcollation[i],
							   comparison(rows->table->columns[i].type,
										  i >= nequal), key[i]);
	if (rows->scan != NULL && rows->scan->numberOfKeys != nkeys)
	{
		index_endscan(rows->scan);
		rows->scan = NULL;
	}
	if (rows->scan == NULL)
		rows->scan = iomsg_compat_index_beginscan(rows->relation, rows->index,
												  GetActiveSnapshot(), nkeys);
	index_rescan(rows->scan, keys, nkeys, NULL, 0);
}

/*
 * Finds the next row; false where there is none.
 */
bool
iomsg_rows_next(IoMsgRows *rows)
{
	return index_getnext_slot(rows->scan, ForwardScanDirection, rows->row);
}

/*
 * Finds the row with this key; false where there is none.
 */
bool
iomsg_rows_find(IoMsgRows *rows, const Datum *key)
{
	iomsg_rows_seek(rows, key, rows->table->nkeys, false);
	return iomsg_rows_next(rows);
}

/*
 * Finds the row where a version of it was put, without going through those
 * before it; false where it is not there, or not any more.
 */
bool
iomsg_rows_fetch(IoMsgRows *rows, ItemPointer tid)
{
	return ItemPointerIsValid(tid) &&
		ItemPointerGetBlockNumber(tid) <
		RelationGetNumberOfBlocks(rows->relation) &&
		table_tuple_fetch_row_version(rows->relation, tid,
									  GetActiveSnapshot(), rows->row);
}

/*
 * A column of the row that was found, by its number in the table's
 * description; valid until another row is looked for.
 */
Datum
iomsg_rows_value(IoMsgRows *rows, int column, bool *isnull)
{
	return slot_getattr(rows->row, rows->table->places[column] + 1, isnull);
}

/*
 * Deletes the row that was found; false where somebody else has locked or
 * changed it.
 */
bool
iomsg_rows_delete(IoMsgRows *rows)
{
	TM_FailureData failure;

	if (table_tuple_delete(rows->relation, &rows->row->tts_tid,
						   GetCurrentCommandId(true), GetActiveSnapshot(),
						   InvalidSnapshot, false, &failure, false) != TM_Ok)
		return false;
	rows->changed = true;
	return true;
}

/*
 * Locks the row that was found, as an UPDATE would; false where somebody else
 * has locked or changed it.
 */
bool
iomsg_rows_lock(IoMsgRows *rows)
{
	ItemPointerData tid = rows->row->tts_tid;
	TM_FailureData failure;

	return table_tuple_lock(rows->relation, &tid, GetActiveSnapshot(),
							rows->row, GetCurrentCommandId(true),
							LockTupleNoKeyExclusive, LockWaitSkip, 0,
							&failure) == TM_Ok;
}

/*
 * Updates the columns from the first-th of the table's description on, which
 * are none of its key, in the row that was found and locked; rows->updated is
 * where that stands now.
 */
void
iomsg_rows_update(IoMsgRows *rows, int first, const Datum *values,
				  const bool *nulls)
{
	TupleTableSlot *changed;
	TupleDesc	columns = RelationGetDescr(rows->relation);
	IoMsgIndexUpdate indexes;

	Assert(first >= rows->table->nkeys);
	changed = table_slot_create(rows->relation, NULL);
	slot_getallattrs(rows->row);
	memcpy(changed->tts_values, rows->row->tts_values,
		   columns->natts * sizeof(Datum));
	memcpy(changed->tts_isnull, rows->row->tts_isnull,
		   columns->natts * sizeof(bool));
	for (int i = first; i < rows->table->ncolumns; i++)
	{
		changed->tts_values[rows->table->places[i]] = values[i - first];
		changed->tts_isnull[rows->table->places[i]] = nulls[i - first];
	}
	ExecStoreVirtualTuple(changed);
	iomsg_compat_update_tuple(rows->relation, &rows->row->tts_tid, changed,
							  GetActiveSnapshot(), &indexes);
	if (indexes != IOMSG_INDEXES_NONE)
		iomsg_table_index(rows->relation, changed,
						  RelationGetRelid(rows->index),
						  indexes != IOMSG_INDEXES_ALL);
	rows->updated = changed->tts_tid;
	ExecDropSingleTupleTableSlot(changed);
	rows->changed = true;
}

/*
 * Closes the table; what was changed is seen by what follows in the same
 * transaction.
 */
void
iomsg_rows_end(IoMsgRows *rows)
{
	if (rows->scan != NULL)
		index_endscan(rows->scan);
	ExecDropSingleTupleTableSlot(rows->row);
	PopActiveSnapshot();
	index_close(rows->index, NoLock);
	table_close(rows->relation, NoLock);
	if (rows->changed)
		CommandCounterIncrement();
}
