/*
 * findings.c
 *	  What was found wrong with a message: collected, then raised or returned.
 *
 * No text here holds a value of the message: rules and names of fields only.
 */
#include "postgres.h"

#include "access/tupdesc.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "findings.h"

/*
 * field_prefix is cut off from the names of fields: "content." where the
 * caller gave parameters, not IO's JSON.
 */
void
iomsg_findings_init(IoMsgFindings *findings, const char *field_prefix)
{
	findings->field_prefix = field_prefix;
	findings->count = 0;
	findings->errors = 0;
}

/*
 * The error code of a problem: 22023 where there is no more exact one.
 */
static int
sqlstate_of(Problem problem)
{
	switch ((int) problem)
	{
		case PROBLEM_FIELD_MISSING:
		case PROBLEM_FIELD_NULL:
			return ERRCODE_NULL_VALUE_NOT_ALLOWED;
		case PROBLEM_TEXT_ENCODING:
			return ERRCODE_CHARACTER_NOT_IN_REPERTOIRE;
		case PROBLEM_DUE_DATE:
		case PROBLEM_DUE_DATE_ZONE:
		case PROBLEM_ORIGINAL_RECEIPT_DATE:
			return ERRCODE_INVALID_DATETIME_FORMAT;
		case PROBLEM_DUE_DATE_RANGE:
			return ERRCODE_DATETIME_FIELD_OVERFLOW;
		default:
			return ERRCODE_INVALID_PARAMETER_VALUE;
	}
}

/*
 * Adds a finding of the caller's own making; what does not fit is counted.
 */
void
iomsg_findings_add_own(IoMsgFindings *findings, const IoMsgFinding *finding)
{
	size_t		prefix_len = strlen(findings->field_prefix);

	if (!finding->warning)
		findings->errors++;
	if (findings->count >= IOMSG_FINDINGS_MAX)
		return;
	findings->items[findings->count] = *finding;
	if (strncmp(finding->field, findings->field_prefix, prefix_len) == 0)
		findings->items[findings->count].field += prefix_len;
	findings->count++;
}

/*
 * Adds a problem of the rules in core; PROBLEM_NONE adds nothing.
 */
void
iomsg_findings_add(IoMsgFindings *findings, Problem problem,
				   const char *field)
{
	const ProblemText *rule = iomsg_problem_text(problem);
	IoMsgFinding finding;

	if (problem == PROBLEM_NONE)
		return;
	finding.sqlstate = sqlstate_of(problem);
	finding.field = field;
	finding.identifier = rule->identifier;
	finding.problem = rule->problem;
	finding.hint = rule->hint;
	finding.warning = rule->warning;
	iomsg_findings_add_own(findings, &finding);
}

/*
 * Raises the first finding that is no warning; returns where there is none.
 */
void
iomsg_findings_raise(const IoMsgFindings *findings)
{
	const IoMsgFinding *first = findings->items;
	int			further = findings->errors - 1;

	if (findings->errors == 0)
		return;
	while (first < findings->items + findings->count - 1 && first->warning)
		first++;

	ereport(ERROR,
			(errcode(first->sqlstate),
			 errmsg("%s", first->problem),
			 further == 0 ?
			 errdetail("The problem is in \"%s\".", first->field) :
			 errdetail_plural("The problem is in \"%s\". There is %d further problem: io_validate_message shows all.",
							  "The problem is in \"%s\". There are %d further problems: io_validate_message shows all.",
							  further, first->field, further),
			 first->hint ? errhint("%s", first->hint) : 0,
			 errhidestmt(true),
			 errhidecontext(true)));
}

/*
 * Makes the findings the rows (field, code, problem) of a set-returning
 * function.
 */
void
iomsg_findings_return(const IoMsgFindings *findings, FunctionCallInfo fcinfo)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext caller_context;
	TupleDesc	columns;

	if (result == NULL || !IsA(result, ReturnSetInfo) ||
		(result->allowedModes & SFRM_Materialize) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("set-valued function called in context that cannot accept a set")));
	if (get_call_result_type(fcinfo, NULL, &columns) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");

	caller_context =
		MemoryContextSwitchTo(result->econtext->ecxt_per_query_memory);
	result->returnMode = SFRM_Materialize;
	result->setDesc = CreateTupleDescCopy(columns);
	result->setResult = tuplestore_begin_heap(true, false, work_mem);
	MemoryContextSwitchTo(caller_context);

	for (int i = 0; i < findings->count; i++)
	{
		const IoMsgFinding *finding = &findings->items[i];
		Datum		values[3];
		bool		nulls[3] = {false};

		values[0] = CStringGetTextDatum(finding->field);
		values[1] = CStringGetTextDatum(finding->identifier);
		values[2] = CStringGetTextDatum(finding->warning ?
										psprintf("%s (a warning: IO accepts it)", finding->problem) :
										finding->problem);
		tuplestore_putvalues(result->setResult, result->setDesc, values,
							 nulls);
	}
}
