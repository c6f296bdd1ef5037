/*
 * compat.h
 *	  Every difference between PostgreSQL 14 and 18 that io_msg meets; those
 *	  of tables and indexes are in compat_table.h.
 */
#ifndef IOMSG_COMPAT_H
#define IOMSG_COMPAT_H

#include "postgres.h"

#include "access/xlog.h"
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

#endif							/* IOMSG_COMPAT_H */
