/*
 * notice.h
 *	  What the server's log is told once.
 */
#ifndef IOMSG_NOTICE_H
#define IOMSG_NOTICE_H

#include "postgres.h"

#include "outbox.h"

extern void iomsg_notice_held(const Outbox *outbox);

#endif							/* IOMSG_NOTICE_H */
