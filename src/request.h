/*
 * request.h
 *	  The arguments of the functions that enqueue, read and checked.
 */
#ifndef IOMSG_REQUEST_H
#define IOMSG_REQUEST_H

#include "postgres.h"

#include "body.h"
#include "fmgr.h"

/* The type of the argument due_date. */
typedef enum DueDateForm
{
	DUE_DATE_TIMESTAMPTZ,
	DUE_DATE_DATE,
	DUE_DATE_TEXT
} DueDateForm;

/* The arguments that are ours, not IO's.  Texts are NULL where absent. */
typedef struct IoMsgOptions
{
	char	   *service;
	text	   *reference;
	text	   *dedup_key;
	text	   *lot;
	int32		priority;
	bool		has_send_after;
	TimestampTz send_after;
	bool		has_expires_at;
	TimestampTz expires_at;
} IoMsgOptions;

#define IOMSG_PRIORITY_DEFAULT 2

/* places of the arguments */
#define IOMSG_FIELDS_OPTIONS	8	/* after IO's own fields */
#define IOMSG_JSONB_OPTIONS		1	/* after the message */
#define IOMSG_JSONB_CONTENT		4	/* what goes into its content */

extern void iomsg_request_options(FunctionCallInfo fcinfo, bool is_jsonb,
								  IoMsgOptions *options);
extern void iomsg_request_check_options(const IoMsgOptions *options,
										TimestampTz now,
										IoMsgFindings *findings);
extern void iomsg_request_fields(FunctionCallInfo fcinfo, DueDateForm form,
								 IoMsgBody *body);
extern void iomsg_request_jsonb(FunctionCallInfo fcinfo, IoMsgBody *body);

#endif							/* IOMSG_REQUEST_H */
