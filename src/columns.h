/*
 * columns.h
 *	  Rows for a statement, as one array for each column.
 */
#ifndef IOMSG_COLUMNS_H
#define IOMSG_COLUMNS_H

#include "postgres.h"

#include "datatype/timestamp.h"

#define IOMSG_COLUMNS_MAX	10

typedef struct Columns
{
	int			ncolumns;
	int			nrows;			/* complete; the next one is being filled */
	Oid			types[IOMSG_COLUMNS_MAX];
	Datum	   *values[IOMSG_COLUMNS_MAX];
	bool	   *nulls[IOMSG_COLUMNS_MAX];
} Columns;

extern void iomsg_columns_init(Columns *columns, const Oid *types,
							   int ncolumns, int max_rows);
extern void iomsg_columns_set(Columns *columns, int column, Datum value);
extern void iomsg_columns_put(Columns *columns, int column, Datum value,
							  bool isnull);
extern void iomsg_columns_put_text(Columns *columns, int column,
								   const char *text);
extern void iomsg_columns_put_time(Columns *columns, int column,
								   TimestampTz at);
extern void iomsg_columns_arguments(const Columns *columns, Datum *args);

#endif							/* IOMSG_COLUMNS_H */
