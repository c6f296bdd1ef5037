/*
 * service.h
 *	  The service for which a call is meant, and the caller's right to it.
 */
#ifndef IOMSG_SERVICE_H
#define IOMSG_SERVICE_H

#include "postgres.h"

#include "access.h"
#include "body.h"

typedef struct IoMsgService
{
	int32		id;
	IoMsgRules	rules;
	int64		generation;		/* of the installation, for new rows */
} IoMsgService;

extern bool iomsg_service_find(const char *name, const IoMsgCaller *caller,
							   IoMsgService *service);
extern bool iomsg_service_allowed(int32 id, const IoMsgCaller *caller);
extern void iomsg_service_unknown(const char *name, const IoMsgCaller *caller,
								  IoMsgFinding *finding);

#endif							/* IOMSG_SERVICE_H */
