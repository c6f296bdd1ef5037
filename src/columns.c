/*
 * columns.c
 *	  Rows for a statement, as one array for each column.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "columns.h"
#include "statement.h"

/*
 * Columns without rows, with room for max_rows, in the current context.
 */
void
iomsg_columns_init(Columns *columns, const Oid *types, int ncolumns,
				   int max_rows)
{
	columns->ncolumns = ncolumns;
	columns->nrows = 0;
	for (int c = 0; c < ncolumns; c++)
	{
		columns->types[c] = types[c];
		columns->values[c] = palloc(Max(max_rows, 1) * sizeof(Datum));
		columns->nulls[c] = palloc(Max(max_rows, 1) * sizeof(bool));
	}
}

/*
 * Fill a column of the row that nrows counts next.
 */
void
iomsg_columns_set(Columns *columns, int column, Datum value)
{
	columns->values[column][columns->nrows] = value;
	columns->nulls[column][columns->nrows] = false;
}

/*
 * The same where the value may be null.
 */
void
iomsg_columns_put(Columns *columns, int column, Datum value, bool isnull)
{
	columns->values[column][columns->nrows] = value;
	columns->nulls[column][columns->nrows] = isnull;
}

/*
 * The same for a text; NULL and "" are null.
 */
void
iomsg_columns_put_text(Columns *columns, int column, const char *text)
{
	bool		isnull = text == NULL || text[0] == '\0';

	iomsg_columns_put(columns, column,
					  isnull ? (Datum) 0 : CStringGetTextDatum(text), isnull);
}

/*
 * The same for a time; DT_NOEND is null.
 */
void
iomsg_columns_put_time(Columns *columns, int column, TimestampTz at)
{
	iomsg_columns_put(columns, column, TimestampTzGetDatum(at),
					  at == DT_NOEND);
}

/*
 * The arrays, as arguments of a statement.
 */
void
iomsg_columns_arguments(const Columns *columns, Datum *args)
{
	for (int c = 0; c < columns->ncolumns; c++)
		args[c] = iomsg_statement_array(columns->values[c],
										columns->nulls[c], columns->nrows,
										columns->types[c]);
}
