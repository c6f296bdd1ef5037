/*
 * enqueue.h
 *	  Puts a checked message, or a profile check, into the outbox.
 */
#ifndef IOMSG_ENQUEUE_H
#define IOMSG_ENQUEUE_H

#include "postgres.h"

#include "access.h"
#include "body.h"
#include "request.h"
#include "service.h"

extern int64 iomsg_enqueue_message(const IoMsgCaller *caller,
								   const IoMsgService *service,
								   const IoMsgOptions *options,
								   const IoMsgBody *body, TimestampTz now,
								   bool *is_new);
extern int64 iomsg_enqueue_profile(const IoMsgCaller *caller,
								   const IoMsgService *service,
								   const char *fiscal_code, TimestampTz now);

#endif							/* IOMSG_ENQUEUE_H */
