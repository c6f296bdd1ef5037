/*
 * append.h
 *	  Adds rows to io_msg's own tables, quickly.
 */
#ifndef IOMSG_APPEND_H
#define IOMSG_APPEND_H

#include "postgres.h"

#include "statement.h"
#include "table.h"

/* A table and the INSERT for where an ordinary one is needed. */
typedef struct IoMsgAppend
{
	IoMsgTable	table;
	IoMsgStatement insert;
} IoMsgAppend;

/* The table pending: its columns are its primary key, in that order. */
#define IOMSG_PENDING_COLUMNS 6
extern IoMsgAppend iomsg_append_pending;

extern void iomsg_append_row(IoMsgAppend *append, const Datum *values,
							 const bool *nulls);

#endif							/* IOMSG_APPEND_H */
