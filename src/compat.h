/*
 * compat.h
 *	  Every difference between PostgreSQL 14 and 18 that io_msg meets.
 */
#ifndef IOMSG_COMPAT_H
#define IOMSG_COMPAT_H

#include "postgres.h"

#include "access/genam.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "common/jsonapi.h"
#include "mb/pg_wchar.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "utils/datetime.h"
#include "utils/wait_event.h"

#if PG_VERSION_NUM < 140000
#error "io_msg needs PostgreSQL 14 or later"
#endif

/*
 * Declares a function that SQL may call.  16 exports it by itself; before,
 * that needs a declaration of ours, since the rest of the library is hidden.
 */
#define IOMSG_SQL_FUNCTION(name) \
	extern PGDLLEXPORT Datum name(PG_FUNCTION_ARGS); \
	PG_FUNCTION_INFO_V1(name)

/* 15 has a hook for asking for shared memory; before, _PG_init did. */
#if PG_VERSION_NUM >= 150000
#define IOMSG_HAS_SHMEM_REQUEST_HOOK 1
#endif

/* 15 reserves the prefix for good; before, unknown names were warned about. */
#if PG_VERSION_NUM < 150000
#define MarkGUCPrefixReserved(prefix) EmitWarningsOnPlaceholders(prefix)
#endif

/*
 * The timeline that this server writes; not to be called on a standby.
 */
static inline TimeLineID
iomsg_compat_timeline(void)
{
#if PG_VERSION_NUM >= 150000
	return GetWALInsertionTimeLine();
#else
	/* RecoveryInProgress(), asked first, sets it. */
	return ThisTimeLineID;
#endif
}

/* 17 numbers backends by a function of its own. */
static inline int
iomsg_compat_procno(PGPROC *proc)
{
#if PG_VERSION_NUM >= 170000
	return GetNumberFromPGProc(proc);
#else
	return proc->pgprocno;
#endif
}

/* 17 ties wait event sets to a resource owner in place of a context. */
#if PG_VERSION_NUM >= 170000
#define iomsg_compat_wait_event_set(nevents) \
	CreateWaitEventSet(NULL, (nevents))
#else
#define iomsg_compat_wait_event_set(nevents) \
	CreateWaitEventSet(TopMemoryContext, (nevents))
#endif

/*
 * 17 names an extension's wait events; before, all are "Extension".
 */
static inline uint32
iomsg_compat_wait_event(const char *name)
{
#if PG_VERSION_NUM >= 170000
	return WaitEventExtensionNew(name);
#else
	(void) name;
	return PG_WAIT_EXTENSION;
#endif
}

/*
 * 16 tells DecodeDateTime's callers more about an error.
 */
static inline int
iomsg_compat_decode_datetime(char **fields, int *types, int nfields,
							 int *kind, struct pg_tm *tm, fsec_t *fsec,
							 int *zone_s)
{
#if PG_VERSION_NUM >= 160000
	DateTimeErrorExtra extra;

	return DecodeDateTime(fields, types, nfields, kind, tm, fsec, zone_s,
						  &extra);
#else
	return DecodeDateTime(fields, types, nfields, kind, tm, fsec, zone_s);
#endif
}

/* 17 can end a transaction, and with it the process, by a time limit. */
#if PG_VERSION_NUM >= 170000
#define IOMSG_SETTINGS_OF_17	{"transaction_timeout", "0"},
#else
#define IOMSG_SETTINGS_OF_17
#endif

/* 16 lets the actions of a JSON parser fail. */
#if PG_VERSION_NUM >= 160000
#define IOMSG_JSON_ACTION		JsonParseErrorType
#define IOMSG_JSON_ACTION_DONE	return JSON_SUCCESS
#else
#define IOMSG_JSON_ACTION		void
#define IOMSG_JSON_ACTION_DONE	return
#endif

/*
 * A lexer of JSON in UTF-8, whatever the server's encoding, palloc'd.
 */
static inline JsonLexContext *
iomsg_compat_json_lexer(char *json, int length)
{
#if PG_VERSION_NUM >= 170000
	return makeJsonLexContextCstringLen(NULL, json, length, PG_UTF8, true);
#else
	return makeJsonLexContextCstringLen(json, length, PG_UTF8, true);
#endif
}

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

#endif							/* IOMSG_COMPAT_H */
