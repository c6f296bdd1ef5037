/*
 * due_rows.h
 *	  The rows of pending, and what else there is about the messages in them.
 */
#ifndef IOMSG_DUE_ROWS_H
#define IOMSG_DUE_ROWS_H

#include "postgres.h"

#include "rows.h"

/* What is known of a message that is due: the columns of SQL_PEEK. */
enum
{
	DUE_LANE, DUE_ID, DUE_AT, DUE_IS_PROFILE, DUE_FISCAL_CODE, DUE_ATTEMPTS,
	DUE_EXPIRES_AT, DUE_EXISTS, DUE_ALLOWED, DUE_CHECKED_AT, DUE_DOUBTFUL,
	DUE_NCOLUMNS
};

/* The tables that they are read from, open. */
typedef struct DueRows
{
	IoMsgRows	pending;
	IoMsgRows	outbox;
	IoMsgRows	profile;
	IoMsgRows	attempt;
} DueRows;

extern bool iomsg_due_rows_open(DueRows *rows);
extern bool iomsg_due_rows_next(DueRows *rows, Datum *v);
extern bool iomsg_due_rows_read(DueRows *rows, int32 service_id, Datum *v,
								bool *n);
extern void iomsg_due_rows_close(DueRows *rows);

#endif							/* IOMSG_DUE_ROWS_H */
