/*
 * append.h
 *	  Adds rows to io_msg's own tables, quickly.
 */
#ifndef IOMSG_APPEND_H
#define IOMSG_APPEND_H

#include "postgres.h"

#include "statement.h"

#define IOMSG_APPEND_COLUMNS_MAX 21

typedef struct IoMsgColumn
{
	const char *name;
	Oid			type;
} IoMsgColumn;

/* A table of the schema io_msg and the columns that are given values. */
typedef struct IoMsgTable
{
	const char *name;
	int			ncolumns;
	IoMsgColumn columns[IOMSG_APPEND_COLUMNS_MAX];
	int			places[IOMSG_APPEND_COLUMNS_MAX];	/* in the row, from 0 */
	IoMsgStatement insert;		/* for tables with triggers */
} IoMsgTable;

extern void iomsg_append_row(IoMsgTable *table, Datum *values,
							 const char *nulls);

#endif							/* IOMSG_APPEND_H */
