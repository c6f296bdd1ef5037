/*
 * item.h
 *	  A row of the outbox on its way through the drainer.
 */
#ifndef IOMSG_ITEM_H
#define IOMSG_ITEM_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "lib/ilist.h"

#define IOMSG_FISCAL_CODE_SIZE 17
#define IOMSG_MESSAGE_ID_SIZE 27
#define IOMSG_STATUS_SIZE	33	/* of IO's statuses, kept as they come */

typedef struct Service Service;

typedef enum ItemState
{
	ITEM_WAITING,				/* in its lane, or on the way back to it */
	ITEM_TO_CHECK,				/* its profile must be asked for */
	ITEM_CHECKING,				/* profile call under way */
	ITEM_READY,					/* may be marked */
	ITEM_MARKED,				/* durable, may be posted */
	ITEM_SENDING,				/* POST under way */
	ITEM_TO_POLL,				/* its status must be asked for */
	ITEM_POLLING,				/* status call under way */
	ITEM_DONE					/* outcome to be written */
} ItemState;

typedef enum ItemKind
{
	ITEM_MESSAGE,
	ITEM_PROFILE,				/* a profile check that somebody asked for */
	ITEM_POLL
} ItemKind;

/* Messages that are asked about together: one row of io_msg.poll. */
typedef struct PollBatch
{
	Service    *service;
	TimestampTz due_at;
	int64		first_id;
	int			open;			/* items not settled yet */
	int			settled;		/* in the present transaction */
	bool		forgotten;		/* its row is to be read again */
	bool		complete;		/* all that it names has been taken */
	bool		deleted;		/* its row, in the present transaction */
	dlist_node	node;			/* in work->batches */
} PollBatch;

/* What is to be written of an item. */
typedef struct Outcome
{
	const char *status;			/* the row's new status */
	const char *reason;			/* a constant, or NULL */
	int			http_status;	/* 0: none */
	bool		counted;		/* an attempt that counts */
	const char *class;			/* of the attempt; NULL: nothing was sent */
	const char *answer;			/* and why */
	const char *phase;			/* how far its connection came, or NULL */
	int			duration_ms;	/* of the request, -1: there was none */
	TimestampTz next_due;		/* to send again or to poll; DT_NOEND: never */
	char		message_id[IOMSG_MESSAGE_ID_SIZE];
	char		io_status[IOMSG_STATUS_SIZE];	/* "": as it was */
	char		read_status[IOMSG_STATUS_SIZE];
	char		payment_status[IOMSG_STATUS_SIZE];
} Outcome;

typedef struct WorkItem
{
	dlist_node	node;			/* in its lane or in work->active */
	Service    *service;
	int			lane;
	ItemKind	kind;
	ItemState	state;
	int64		id;
	TimestampTz due_at;
	TimestampTz expires_at;		/* DT_NOEND: never */
	char		fiscal_code[IOMSG_FISCAL_CODE_SIZE];
	int			attempts;
	bool		doubtful;		/* IO may have accepted it before */
	bool		marked;			/* the row is in flight, durably */
	int64		marked_us;
	char	   *body;			/* UTF-8, while MARKED */
	size_t		body_len;
	int64		taken_us;		/* when the quota let the call go */
	bool		budgeted;		/* this turn's quota has room for it */
	uint32		keys_version;	/* of the keys it was sent with */
	bool		used_secondary;

	/* the profile, as far as it is known */
	bool		profile_known;
	bool		profile_exists;
	bool		profile_allowed;
	bool		profile_to_store;
	TimestampTz profile_checked_at;
	char	   *languages;		/* text[] as text, or NULL */

	/* of a sent message */
	PollBatch  *batch;
	int			polls;
	bool		verifying;		/* uncertain; a person has given its id */
	TimestampTz sent_at;
	TimestampTz due_date;		/* DT_NOEND: none */
	bool		advanced;
	bool		has_payment;
	char		message_id[IOMSG_MESSAGE_ID_SIZE];
	char		io_status[IOMSG_STATUS_SIZE];
	char		read_status[IOMSG_STATUS_SIZE];
	char		payment_status[IOMSG_STATUS_SIZE];

	Outcome		outcome;
	bool		written;		/* in the present transaction */
	bool		tried;			/* to be written, before */
	bool		lost;			/* its row has become something else */
} WorkItem;

#endif							/* IOMSG_ITEM_H */
