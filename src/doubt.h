/*
 * doubt.h
 *	  What does not simply end in sent.
 */
#ifndef IOMSG_DOUBT_H
#define IOMSG_DOUBT_H

#include "postgres.h"

#include "work.h"

extern void iomsg_doubt_write_attempts(WorkItem **items, int nitems);
extern uint64 iomsg_doubt_write_verified(WorkItem **items, int nitems);
extern void iomsg_doubt_note(int nrows);
extern void iomsg_doubt_forget(void);
extern bool iomsg_doubt_any(void);
extern void iomsg_doubt_tell(void);
extern int64 iomsg_doubt_count(int64 *oldest_s);

#endif							/* IOMSG_DOUBT_H */
