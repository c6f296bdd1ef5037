/*
 * notice.h
 *	  What the server's log is told once.
 */
#ifndef IOMSG_NOTICE_H
#define IOMSG_NOTICE_H

#include "postgres.h"

#include "outbox.h"
#include "work.h"

extern void iomsg_notice_standing(const Outbox *outbox, const Work *work);

#endif							/* IOMSG_NOTICE_H */
