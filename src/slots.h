/*
 * slots.h
 *	  Shared memory: a slot for each database that has work, its drainer's
 *	  state, and what commits have asked of it.
 *
 * Only plain values live here: OIDs, PIDs, times, counters.
 *
 *	FREE      no database
 *	WANTED    from FREE or WAITING: a commit asked, it was first seen, or due
 *	STARTING  from WANTED: the launcher registers a drainer
 *	RUNNING   from STARTING: the drainer is connected
 *	WAITING   from RUNNING: nothing is due, or it failed; from STARTING: it did
 *	          not come up.  Until due_at.
 *	FREE      from any: no extension there, or no such database
 */
#ifndef IOMSG_SLOTS_H
#define IOMSG_SLOTS_H

#include "postgres.h"

#include "datatype/timestamp.h"

#define IOMSG_WAKE_SERVICES 16
#define IOMSG_PAUSES		16

typedef enum IoMsgSlotState
{
	SLOT_FREE,					/* no database */
	SLOT_WANTED,				/* has work: start a drainer */
	SLOT_STARTING,				/* the drainer is registered, not yet there */
	SLOT_RUNNING,				/* the drainer is connected */
	SLOT_WAITING				/* nothing to do until due_at */
} IoMsgSlotState;

/* What commits have asked for since the drainer last looked. */
typedef struct IoMsgWake
{
	bool		asked;			/* anything at all */
	bool		settings;		/* accounts, services or pauses changed */
	bool		all_services;	/* more services than fit below */
	int			nservices;
	int32		services[IOMSG_WAKE_SERVICES];
	TimestampTz oldest;			/* earliest due time among the new rows */
} IoMsgWake;

/* Counters of a database since the server started. */
typedef struct IoMsgCounters
{
	int64		profile_calls;
	int64		message_calls;
	int64		status_calls;
	int64		sent;
	int64		not_allowed;
	int64		failed;
	int64		retried;
	int64		uncertain;
	int64		throttled;
	int64		latency_us;		/* of message calls, summed */
} IoMsgCounters;

/* A service that pauses after answers of IO that decided nothing. */
typedef struct IoMsgPause
{
	int32		service;
	TimestampTz until;			/* 0: this entry is free */
} IoMsgPause;

/* What the drainer that runs has met; it ends with the drainer. */
typedef struct IoMsgTroubles
{
	int			failures;		/* transactions that failed, in a row */
	int			sqlstate;		/* of the last of them */
	TimestampTz since;			/* the first of them */
	IoMsgPause	pauses[IOMSG_PAUSES];
} IoMsgTroubles;

typedef struct IoMsgSlot
{
	Oid			database;
	IoMsgSlotState state;
	pid_t		pid;			/* of the drainer, while RUNNING */
	int			procno;			/* its PGPROC */
	uint32		start;			/* the number of its last start */
	TimestampTz due_at;			/* when WAITING: look again then */
	TimestampTz state_since;
	TimestampTz heartbeat;		/* the drainer's last turn */
	int			failures;		/* drainers that ended badly, in a row */
	int			sqlstate;		/* of the last failure, 0 for none */
	uint32		told;			/* notices that are in the log, as bits */
	TimestampTz reminded_at;	/* of uncertain messages, in the log */
	IoMsgTroubles troubles;
	IoMsgWake	wake;
	IoMsgCounters counters;
} IoMsgSlot;

extern void iomsg_slots_install(int max_databases);
extern bool iomsg_slots_available(void);

/* For any backend. */
extern void iomsg_slots_deliver(const IoMsgWake *wish);
extern int64 iomsg_slots_shortages(void);
extern bool iomsg_slots_read(Oid database, IoMsgSlot *copy);
extern bool iomsg_slots_awaits_standby(const IoMsgSlot *slot);
extern pid_t iomsg_slots_launcher_pid(void);

/* For the launcher. */
extern void iomsg_slots_launcher_is(pid_t pid, int procno);
extern bool iomsg_slots_want(Oid database);
extern void iomsg_slots_want_all(void);
extern bool iomsg_slots_next_wanted(TimestampTz now, Oid *database,
									uint32 *start, TimestampTz *next_due);
extern bool iomsg_slots_did_not_start(Oid database, uint32 start,
									  int sqlstate);
extern void iomsg_slots_forget(Oid database);

/* For the drainer of this database. */
extern bool iomsg_slots_begin(void);
extern void iomsg_slots_turn(const IoMsgCounters *counted, IoMsgWake *wake);
extern bool iomsg_slots_tell(uint32 notice, bool holds);
extern bool iomsg_slots_may_remind(TimestampTz now, int interval_ms);
extern void iomsg_slots_reminded(TimestampTz now);
extern void iomsg_slots_retire(bool look_again);
extern bool iomsg_slots_leave(TimestampTz due_at);
extern void iomsg_slots_failed(int sqlstate);

/* For the same, slot_troubles.c. */
extern void iomsg_slots_transactions_fail(int failures, int sqlstate);
extern void iomsg_slots_service_pauses(int32 service, TimestampTz until);

#endif							/* IOMSG_SLOTS_H */
