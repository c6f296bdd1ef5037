/*
 * statement.h
 *	  SQL statements that a backend plans once.
 */
#ifndef IOMSG_STATEMENT_H
#define IOMSG_STATEMENT_H

#include "postgres.h"

#include "executor/spi.h"

typedef struct IoMsgStatement
{
	const char *sql;
	int			nargs;
	Oid			types[21];
	SPIPlanPtr	plan;			/* NULL until first run */
} IoMsgStatement;

extern uint64 iomsg_statement_read(IoMsgStatement *statement, Datum *values);
extern uint64 iomsg_statement_write(IoMsgStatement *statement, Datum *values,
									const char *nulls);
extern uint64 iomsg_statement_look(IoMsgStatement *statement, Datum *values);
extern uint64 iomsg_statement_run(IoMsgStatement *statement, Datum *values,
								  const char *nulls);
extern Datum iomsg_statement_array(Datum *values, bool *nulls, int nvalues,
								   Oid type);
extern Datum iomsg_statement_value(uint64 row, int column, bool *isnull);

#endif							/* IOMSG_STATEMENT_H */
