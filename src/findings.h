/*
 * findings.h
 *	  What was found wrong with a message: collected, then raised or returned.
 */
#ifndef IOMSG_FINDINGS_H
#define IOMSG_FINDINGS_H

#include "postgres.h"

#include "core/problem.h"
#include "fmgr.h"

#define IOMSG_FINDINGS_MAX 64

typedef struct IoMsgFinding
{
	int			sqlstate;
	const char *field;
	const char *identifier;		/* stable */
	const char *problem;
	const char *hint;			/* or NULL */
	bool		warning;		/* IO would accept it */
} IoMsgFinding;

typedef struct IoMsgFindings
{
	const char *field_prefix;	/* cut off from names of fields */
	int			count;
	int			errors;			/* those that are no warnings */
	IoMsgFinding items[IOMSG_FINDINGS_MAX];
} IoMsgFindings;

extern void iomsg_findings_init(IoMsgFindings *findings,
								const char *field_prefix);
extern void iomsg_findings_add(IoMsgFindings *findings, Problem problem,
							   const char *field);
extern void iomsg_findings_add_own(IoMsgFindings *findings,
								   const IoMsgFinding *finding);
extern void iomsg_findings_raise(const IoMsgFindings *findings);
extern void iomsg_findings_return(const IoMsgFindings *findings,
								  FunctionCallInfo fcinfo);

#endif							/* IOMSG_FINDINGS_H */
