/*
 * statement.c
 *	  SQL statements that a backend plans once.
 *
 * For use between SPI_connect and SPI_finish, as the extension's owner.  A
 * kept plan names tables, not their OIDs: it stays right when the extension is
 * dropped and created again.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "utils/array.h"
#include "utils/lsyscache.h"

#include "statement.h"

static uint64
run(IoMsgStatement *statement, Datum *values, const char *nulls,
	bool read_only, int expected)
{
	int			result;

	if (statement->plan == NULL)
	{
		SPIPlanPtr	plan = SPI_prepare(statement->sql, statement->nargs,
									   statement->types);

		if (plan == NULL)
			elog(ERROR, "could not prepare statement: %s",
				 SPI_result_code_string(SPI_result));
		SPI_keepplan(plan);
		statement->plan = plan;
	}
	result = SPI_execute_plan(statement->plan, values, nulls, read_only, 0);
	if (result < 0 || (expected != 0 && result != expected))
		elog(ERROR, "statement ended unexpectedly: %s",
			 SPI_result_code_string(result));
	return SPI_processed;
}

/*
 * Runs a SELECT under the calling statement's snapshot; returns the rows.
 */
uint64
iomsg_statement_read(IoMsgStatement *statement, Datum *values)
{
	return run(statement, values, NULL, true, SPI_OK_SELECT);
}

/*
 * Runs a SELECT under a snapshot of its own; returns the rows.
 */
uint64
iomsg_statement_look(IoMsgStatement *statement, Datum *values)
{
	return run(statement, values, NULL, false, SPI_OK_SELECT);
}

/*
 * Runs an INSERT; returns how many rows it made.
 */
uint64
iomsg_statement_write(IoMsgStatement *statement, Datum *values,
					  const char *nulls)
{
	return run(statement, values, nulls, false, SPI_OK_INSERT);
}

/*
 * A value of the last SELECT's result; row and column count from 0.
 */
Datum
iomsg_statement_value(uint64 row, int column, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc,
						 column + 1, isnull);
}

/*
 * Runs a statement of the worker, of any kind; returns the rows it made,
 * changed or found.
 */
uint64
iomsg_statement_run(IoMsgStatement *statement, Datum *values,
					const char *nulls)
{
	return run(statement, values, nulls, false, 0);
}

/*
 * An array of values, palloc'd; nulls may be NULL.
 */
Datum
iomsg_statement_array(Datum *values, bool *nulls, int nvalues, Oid type)
{
	int			dims[1] = {nvalues};
	int			lower_bounds[1] = {1};
	int16		length;
	bool		by_value;
	char		align;

	get_typlenbyvalalign(type, &length, &by_value, &align);
	return PointerGetDatum(construct_md_array(values, nulls, 1, dims,
											  lower_bounds, type, length,
											  by_value, align));
}
