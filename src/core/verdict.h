/*
 * verdict.h
 *		What an answer of IO, or the lack of one, means for the row.
 *
 * A total function: each combination of facts has exactly one verdict.  A
 * message is never called accepted or refused without IO's own word, and what
 * may have been accepted is never called retryable.
 */
#ifndef IOMSG_VERDICT_H
#define IOMSG_VERDICT_H

#include <stdbool.h>

typedef enum CallKind
{
	CALL_PROFILE,				/* POST /profiles */
	CALL_MESSAGE,				/* POST /messages */
	CALL_STATUS					/* GET /messages/{fiscal_code}/{id} */
} CallKind;

typedef enum SenderAllowed
{
	SENDER_ALLOWED_UNKNOWN,		/* the answer does not say */
	SENDER_ALLOWED_TRUE,
	SENDER_ALLOWED_FALSE
} SenderAllowed;

typedef enum VerdictKind
{
	VERDICT_ACCEPTED,			/* message: IO has it */
	VERDICT_ALLOWED,			/* profile: may be written to */
	VERDICT_NOT_ALLOWED,		/* profile: no such profile, or opted out */
	VERDICT_STATUS,				/* status: IO told the status */
	VERDICT_NOT_FOUND,			/* status: no such message, ask again later */
	VERDICT_NOT_SENT,			/* nothing left: retry, attempt not counted */
	VERDICT_REFUSED,			/* this row, for good */
	VERDICT_RETRY,				/* not accepted: retry, attempt counted */
	VERDICT_THROTTLED,			/* 429: the account waits, not counted */
	VERDICT_KEY,				/* 401: other key, else the service stops */
	VERDICT_SERVICE,			/* the service stops, the row stays */
	VERDICT_UNKNOWN				/* message: perhaps accepted */
} VerdictKind;

/* Texts end with a NUL, or are NULL where the answer has none. */
typedef struct Answer
{
	CallKind	call;
	int			guard_calls;	/* calls of the pre-request guard */
	bool		guard_refused;	/* the guard refused its first call */
	int			http_status;	/* 0: no status line arrived */
	bool		is_problem;		/* application/problem+json with a title */
	const char *title;
	const char *detail;
	const char *gateway_message;	/* "message" of a gateway's body */
	bool		has_id;			/* message: id in the body or in Location */
	SenderAllowed sender_allowed;	/* profile */
	bool		has_status;		/* status: the body has a status */
} Answer;

typedef struct Verdict
{
	VerdictKind kind;
	const char *reason;			/* stable [a-z0-9_]+, no personal data */
	bool		no_id;			/* ACCEPTED, but the id was not readable */
} Verdict;

/* The verdict on an answer; the same facts always give the same verdict. */
extern Verdict iomsg_verdict_judge(const Answer *answer);

/* A few plain words for a reason, for people; never NULL. */
extern const char *iomsg_verdict_reason_text(const char *reason);

/* The name of a verdict in lower case, for logs and tests; never NULL. */
extern const char *iomsg_verdict_name(VerdictKind kind);

#endif							/* IOMSG_VERDICT_H */
