/*
 * access.h
 *	  Who calls, what that role may do, and working as the extension's owner.
 */
#ifndef IOMSG_ACCESS_H
#define IOMSG_ACCESS_H

#include "postgres.h"

#include "fmgr.h"

/* What is kept for one place of a statement that calls us. */
typedef struct IoMsgCallSite
{
	Oid			owner;			/* of the extension */
	struct IoMsgServiceMemo *memo;	/* of service.c, or NULL */
	MemoryContext context;
} IoMsgCallSite;

typedef struct IoMsgCaller
{
	Oid			current;		/* whose rights count */
	Oid			outer;			/* the role in force outside of definer code */
	Oid			session;		/* who logged in */
	IoMsgCallSite *site;
	bool		is_owner;		/* current has the owner's rights */
} IoMsgCaller;

/* What iomsg_access_leave restores; lives on the stack of one call. */
typedef struct IoMsgScope
{
	ErrorContextCallback errors;
	Oid			userid;
	int			sec_context;
	int			guc_level;
} IoMsgScope;

extern void iomsg_access_hide(IoMsgScope *scope);
extern void iomsg_access_unhide(IoMsgScope *scope);
extern void iomsg_access_caller(FunctionCallInfo fcinfo, IoMsgCaller *caller);
extern void iomsg_access_become_owner(IoMsgScope *scope,
									  const IoMsgCaller *caller);
extern void iomsg_access_leave(IoMsgScope *scope);

extern bool iomsg_access_has_role(const IoMsgCaller *caller,
								  const char *role_name);
extern void iomsg_access_require_writable(const char *what);

#endif							/* IOMSG_ACCESS_H */
